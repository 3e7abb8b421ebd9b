"""What adapters keep between two starts."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from bot.store import Store

# Beside the plugins' own state, under a name that no plugin can have.
OWNER = "adapter:"


@dataclass(frozen=True, slots=True)
class AdapterShelf:
    """One adapter's shelf in the store."""

    store: Store
    adapter: str

    async def load(self, key: str) -> JsonValue | None:
        found = await self.store.load_state(f"{OWNER}{self.adapter}", "global:", key)
        return found[0] if found else None

    async def save(self, key: str, value: JsonValue) -> None:
        if value is None:
            await self.store.delete_state(f"{OWNER}{self.adapter}", "global:", key)
        else:
            await self.store.save_state(f"{OWNER}{self.adapter}", "global:", key, value)

    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        return await self.store.get_blob(blob)
