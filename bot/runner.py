"""The order of turns: one at a time per conversation, conversations beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from bot.events import AnyEvent, Place
from bot.store.records import Claim

# What was cancelled may still show its last words; a platform that does not answer must not hold up the end.
LETTING_GO = 5.0
MOST_CANCELS = 3

Work: TypeAlias = Callable[[AnyEvent, Claim], Awaitable[None]]


class Runner(Protocol):
    """Where turns run. Events and claims are plain data, so a runner may hand them to another machine."""

    def submit(self, event: AnyEvent, claim: Claim, *, beside: bool) -> None:
        """Take an event. Unless it goes `beside` the queue, it waits for the turns before it in its place."""
        ...

    async def stop(self, place: Place) -> bool:
        """End every answer that is being written there. False when there is none."""
        ...


@dataclass(slots=True)
class _Line:
    """Who stands in line at one place. It exists only while somebody does."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    standing: int = 0


class LocalRunner:
    """Runs everything in this process. `work` must not raise: it answers for its own errors."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lines: dict[Place, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stops: dict[Place, list[Callable[[], bool]]] = {}

    def submit(self, event: AnyEvent, claim: Claim, *, beside: bool) -> None:
        run = self._work if beside else self._in_line
        self.spawn(lambda: run(event, claim))

    def spawn(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run something beside all queues; `drain` waits for it too."""

        async def body() -> None:
            await run()

        task = asyncio.create_task(body())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_line(self, event: AnyEvent, claim: Claim) -> None:
        async with self.turn(event.place):
            await self._work(event, claim)

    @asynccontextmanager
    async def turn(self, place: Place) -> AsyncIterator[None]:
        """Hold the turn of a place; a job takes it for each step."""
        line = self._lines.setdefault(place, _Line())
        line.standing += 1
        try:
            async with line.lock:
                yield
        finally:
            line.standing -= 1
            if not line.standing:
                del self._lines[place]

    def standing(self, place: Place) -> int:
        """How many turns run or wait there."""
        line = self._lines.get(place)
        return line.standing if line else 0

    @contextmanager
    def stoppable(self, place: Place, stop: Callable[[], bool]) -> Iterator[None]:
        """While inside, `stop(place)` calls this; it says whether there was something to stop."""
        stops = self._stops.setdefault(place, [])
        stops.append(stop)
        try:
            yield
        finally:
            stops.remove(stop)
            if not stops:
                del self._stops[place]

    async def stop(self, place: Place) -> bool:
        # All are asked: a command that does not wait may speak beside an answer.
        stopped = [stop() for stop in self._stops.get(place, ())]
        return any(stopped)

    @property
    def running(self) -> int:
        return len(self._tasks)

    async def drain(self, grace: float) -> None:
        """Let what runs finish for `grace` seconds, then cancel the rest, also what is begun meanwhile, and wait for
        it to end. What hangs on to its platform is cancelled again."""
        if tasks := self._others():
            await asyncio.wait(tasks, timeout=grace)
        for _ in range(MOST_CANCELS):
            late = self._others()
            if not late:
                return
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=LETTING_GO)

    async def idle(self) -> None:
        """Wait until nothing runs any more."""
        while tasks := self._others():
            await asyncio.wait(tasks)

    def _others(self) -> set[asyncio.Task[None]]:
        return {task for task in self._tasks if task is not asyncio.current_task()}
