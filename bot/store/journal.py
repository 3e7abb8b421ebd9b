"""Drafts are saved together: however many answers grow at once, their journal costs one transaction after the other."""

from __future__ import annotations

import asyncio

from bot.store import drafts
from bot.store.database import Database
from bot.store.drafts import Growth


class Journal:
    def __init__(self, database: Database, owner: str) -> None:
        self._db = database
        self._owner = owner
        self._waiting: list[Growth] = []
        self._next: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._open: set[asyncio.Task[None]] = set()

    async def save(self, growth: Growth) -> None:
        """Returns when it is written, with everything that was to be saved by the time the last transaction ended.
        Written it is also when whoever waits is cancelled, and always in the order of the calls."""
        self._waiting.append(growth)
        if self._next is None:
            self._next = asyncio.create_task(self._write())
            self._open.add(self._next)
            self._next.add_done_callback(self._wrote)
        await asyncio.shield(self._next)

    async def finish(self) -> None:
        if self._open:
            await asyncio.wait(tuple(self._open))

    async def _write(self) -> None:
        async with self._writing:
            growths, self._waiting, self._next = self._waiting, [], None
            await self._db.write(lambda c: drafts.save(c, growths, self._owner))

    def _wrote(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            task.exception()  # has been seen, also when nobody waits for it any more
