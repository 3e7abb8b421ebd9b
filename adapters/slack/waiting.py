"""Waiting for something to show, and no longer than until a stream is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from bot.api import Clock


class Waits:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timers: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.Future[None] | None = None
        # Set when there may be something to do.
        self.wake = asyncio.Event()
        self.left = False

    def leave(self) -> None:
        """The stream is left: what waits in `unless_left` ends."""
        self.left = True
        self.wake.set()
        if self._waiting is not None:
            self._waiting.cancel()

    def wake_in(self, seconds: float) -> None:
        task = asyncio.create_task(self._ring(seconds))
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)

    async def unless_left(self, waiting: Awaitable[None]) -> bool:
        """Whether it came to its end before the stream was left."""
        self._waiting = asyncio.ensure_future(waiting)
        if self.left:
            self._waiting.cancel()
        try:
            await self._waiting
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.left or (task is not None and task.cancelling()):
                raise
            return False
        finally:
            self._waiting = None
        return True

    def close(self) -> None:
        for task in self._timers:
            task.cancel()

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.wake.set()
