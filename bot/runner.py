"""The order of turns: one at a time per conversation and fair among its people, conversations beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol, TypeAlias

from bot.events import AnyEvent, Place
from bot.line import Line
from bot.store.records import Claim

# What was cancelled may still show its last words; a platform that does not answer must not hold up the end.
LETTING_GO = 5.0
MOST_CANCELS = 3

Work: TypeAlias = Callable[[AnyEvent, Claim], Awaitable[None]]


class Runner(Protocol):
    """Where turns run. Events and claims are plain data, so a runner may hand them to another machine."""

    def submit(self, event: AnyEvent, claim: Claim, *, beside: bool, first: bool = False) -> None:
        """Take an event. Unless it goes `beside` the queue, it waits for its person's turn in its place; `first` is
        for one that took the place of an answer that was stopped for it."""
        ...

    def charge(self, place: Place, who: str, tokens: int) -> None:
        """What a turn used: whoever uses much is passed over more often while others wait."""
        ...

    async def stop(self, place: Place, of: str | None = None) -> bool:
        """End every answer that is being written there, or those to one person. False when there is none."""
        ...


class LocalRunner:
    """Runs everything in this process. `work` must not raise: it answers for its own errors."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lines: dict[Place, Line] = {}
        self._tasks: dict[asyncio.Task[None], Place | None] = {}
        self._stops: dict[Place, list[tuple[str | None, Callable[[], bool]]]] = {}

    def submit(self, event: AnyEvent, claim: Claim, *, beside: bool, first: bool = False) -> None:
        if beside:
            self.spawn(lambda: self._work(event, claim), place=event.place)
        else:
            self.spawn(lambda: self._in_line(event, claim, first), place=event.place)

    def spawn(self, run: Callable[[], Awaitable[None]], *, place: Place | None = None) -> None:
        """Run something beside all queues; `drain` waits for it too. `place` says what it is about, for `drop`."""

        async def body() -> None:
            await run()

        task = asyncio.create_task(body())
        self._tasks[task] = place
        task.add_done_callback(self._tasks.pop)

    async def _in_line(self, event: AnyEvent, claim: Claim, first: bool) -> None:
        async with self.turn(event.place, event.user.id, first=first):
            await self._work(event, claim)

    @asynccontextmanager
    async def turn(self, place: Place, who: str = "", *, first: bool = False) -> AsyncIterator[None]:
        """Hold the turn of a place, which people get one after the other; a job takes it for each step."""
        line = self._lines.setdefault(place, Line())
        try:
            async with line.turn(who, first=first):
                yield
        finally:
            if not line.standing and self._lines.get(place) is line:
                del self._lines[place]

    async def passed(self, place: Place) -> None:
        """Wait until all turns that run or wait there now are over."""
        if line := self._lines.get(place):
            await line.passed()

    def charge(self, place: Place, who: str, tokens: int) -> None:
        if line := self._lines.get(place):
            line.charge(who, tokens)

    def standing(self, place: Place, who: str | None = None) -> int:
        """How many turns run or wait there, of all or of one person."""
        line = self._lines.get(place)
        if line is None:
            return 0
        return line.standing if who is None else line.standing_of(who)

    @contextmanager
    def stoppable(self, place: Place, stop: Callable[[], bool], of: str | None = None) -> Iterator[None]:
        """While inside, `stop(place)` calls this; it says whether there was something to stop. `of` is the person who
        is answered."""
        stops = self._stops.setdefault(place, [])
        entry = (of, stop)
        stops.append(entry)
        line = self._lines.get(place)
        if line is not None and of is not None and line.is_stopping(of):
            stop()
        try:
            yield
        finally:
            stops.remove(entry)
            if not stops:
                del self._stops[place]

    async def stop(self, place: Place, of: str | None = None) -> bool:
        # All are asked: a command that does not wait may speak beside an answer.
        stopped = [stop() for whose, stop in self._stops.get(place, ()) if of is None or whose == of]
        return any(stopped)

    async def interrupt(self, place: Place, who: str) -> bool:
        """End the answer to one person, also one that has only just been begun."""
        if await self.stop(place, of=who):
            return True
        line = self._lines.get(place)
        return line is not None and line.stop_running(who)

    @property
    def running(self) -> int:
        return len(self._tasks)

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        return tuple(self._tasks)

    async def drop(self, belongs: Callable[[Place], bool]) -> None:
        """Cancel what runs or waits for places that are gone, and wait for it to end."""
        gone = {task for task in self._others() if (place := self._tasks[task]) is not None and belongs(place)}
        for task in gone:
            task.cancel()
        if gone:
            await asyncio.wait(gone, timeout=LETTING_GO)

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
