"""Asking a provider whether a text may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

MODEL = "omni-moderation-latest"
# Seconds that one check may take.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a provider says of a text. `categories` are the provider's own names."""

    flagged: bool
    categories: tuple[str, ...] = ()


@runtime_checkable
class Moderates(Protocol):
    """A provider that checks texts."""

    async def moderate(self, text: str) -> Verdict:
        """Raises ModelError, UnknownModel where the server has no such thing."""
        ...
