"""Work beside everything else: once for each key at a time, ended with the app."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")


class Beside(Generic[Key]):
    def __init__(self) -> None:
        self._at_work: dict[Key, asyncio.Task[None]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._at_work

    def start(self, key: Key, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """For a key that nothing is done for."""
        task = self._at_work[key] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._at_work.pop(key, None))
        return task

    async def idle(self) -> None:
        """Wait until nothing is done any more."""
        while self._at_work:
            await asyncio.wait(tuple(self._at_work.values()))

    async def close(self) -> None:
        """Cancel what is done, and wait for its end."""
        for task in tuple(self._at_work.values()):
            task.cancel()
        await self.idle()
