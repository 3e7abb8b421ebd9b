"""A clock that is moved by hand: what waits goes on when the test says that its time has come."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class HandClock:
    def __init__(self, start: datetime = NOON) -> None:
        self._start = start
        self._passed = 0.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []
        self._began = asyncio.Event()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        until: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._passed + seconds, until))
        self._began.set()
        await until

    async def waits(self, seconds: float) -> None:
        """Until something waits for so long from now on."""
        while not any(until == self._passed + seconds for until, _ in self._waiting):
            self._began.clear()
            await self._began.wait()

    def passes(self, seconds: float) -> None:
        self._passed += seconds
        due = [waiting for waiting in self._waiting if waiting[0] <= self._passed]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > self._passed]
        for _, until in due:
            if not until.done():
                until.set_result(None)
