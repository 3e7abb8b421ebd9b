"""What is kept about the person of an event, for plugins: giving it to them, and forgetting it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.store.persons import OwnMessage, OwnState

__all__ = ["Forgotten", "Own", "OwnMessage", "OwnState"]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """So many messages in so many places."""

    messages: int
    places: int


class Own(Protocol):
    """On their platform, wherever it is."""

    def messages(self) -> AsyncIterator[Sequence[OwnMessage]]:
        """What they wrote, oldest first, in every branch, page by page."""
        ...

    async def states(self) -> Sequence[OwnState]:
        """What plugins keep for them or under their name, and what they think of answers."""
        ...

    async def is_going(self) -> bool:
        """Whether they are being forgotten now."""
        ...

    async def forget(self, *, wait: float = 10.0) -> Forgotten | None:
        """Forget all of it, also when the bot is stopped meanwhile. None when that takes longer than one may wait."""
        ...
