"""The time of the fake Slack: it runs by itself, and a test can let more of it pass at once."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """`passes(300)` makes five minutes go by; whatever sleeps on this clock wakes when its time has come."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        return time.monotonic() + self._ahead

    def wall(self) -> float:
        """Seconds since 1970, as in a message's `ts`."""
        return time.time() + self._ahead

    def passes(self, seconds: float) -> None:
        self._ahead += seconds
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def until(self, event: asyncio.Event, moment: float) -> bool:
        """Wait for the event, but only until that moment; whether it came."""
        came, late = asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.sleep_until(moment))
        try:
            await asyncio.wait({came, late}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            came.cancel()
            late.cancel()
        return event.is_set()

    async def sleep_until(self, until: float) -> None:
        while (left := until - self.now()) > 0:
            moved = self._moved
            try:
                async with asyncio.timeout(left):
                    await moved.wait()
            except TimeoutError:
                pass
