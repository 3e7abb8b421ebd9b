"""The numbers by which people name messages: 1 is the newest."""

from __future__ import annotations

from collections.abc import Sequence

from bot.store.records import Remembered


def numbered(path: Sequence[Remembered]) -> list[tuple[int, Remembered]]:
    """What people and the bot said, without what tools did in between; oldest first, as it is in `path`."""
    said = [row for row in path if row.role in ("user", "assistant") and row.text.strip()]
    known = [row for row in said if row.status not in ("forgotten", "failed")]
    return list(zip(range(len(known), 0, -1), known, strict=True))
