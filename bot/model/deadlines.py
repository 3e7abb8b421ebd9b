"""How long a silent model is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from bot.errors import ModelTimeout
from bot.model.settings import Timeouts
from bot.replies import Notice, Piece

T = TypeVar("T")


class Deadline:
    """Of one call: a fixed moment for the first text, then a longest silence between signs of life."""

    def __init__(self, timeouts: Timeouts, *, thinks: bool = False) -> None:
        self._timeouts = timeouts
        self._first = timeouts.first_token
        if thinks:
            self.thinks()
        self._began = asyncio.get_running_loop().time()
        self._limit: float | None = None

    def thinks(self) -> None:
        """The model is seen to reason, so its first text may take longer."""
        self._first = max(self._timeouts.thinking, self._timeouts.first_token)

    def spoke(self) -> None:
        """The first text has come."""
        self._limit = self._timeouts.between

    def limit(self, seconds: float) -> None:
        self._limit = seconds

    async def wait(self, event: Awaitable[T]) -> T:
        """Raises ModelTimeout; the event is cancelled then."""
        try:
            async with asyncio.timeout(self._remaining()):
                return await event
        except TimeoutError as error:
            said = "in the middle of the answer" if self._limit is not None else "before the first token"
            raise ModelTimeout(f"silence {said}") from error

    def _remaining(self) -> float:
        if self._limit is not None:
            return self._limit
        return max(self._began + self._first - asyncio.get_running_loop().time(), 0.0)


async def in_time(pieces: Callable[[], AsyncIterator[Piece]], timeouts: Timeouts) -> AsyncIterator[Piece]:
    """A model's pieces, with deadlines between them."""
    deadline = Deadline(timeouts)
    source = pieces()
    try:
        while True:
            try:
                piece = await deadline.wait(anext(source))
            except StopAsyncIteration:
                return
            if not isinstance(piece, Notice):
                deadline.spoke()
            yield piece
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
