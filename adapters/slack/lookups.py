"""What Slack was asked for lately, by id: once at a time, kept for a while, the oldest forgotten first."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bot.api import Clock

Value = TypeVar("Value")

# Seconds: what was found may have changed; what was not found may soon be there. What is needed often is asked for
# again before that, beside, so that nobody waits for it.
KEPT_FOR, FAILED_FOR = 3600.0, 60.0
FRESH_FOR = KEPT_FOR / 2
# A look that hangs is given up, so that the next one may do better.
LONGEST_LOOK = 120.0


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value | None
    fresh_until: float
    until: float


@dataclass(frozen=True, slots=True)
class _Flight:
    task: asyncio.Task[None]
    began: float


class Lookups(Generic[Value]):
    """`ask` returns None where nothing can be known, and must not raise. Nobody waits longer than `patience` seconds
    after it was asked, or at all where it has to queue because it `has_room` no more; what comes later is there for the
    next one."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Value | None]],
        clock: Clock,
        *,
        most: int,
        patience: float,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._ask = ask
        self._has_room = has_room
        self._clock = clock
        self._most = most
        self._patience = patience
        self._entries: OrderedDict[str, _Entry[Value]] = OrderedDict()
        self._flights: dict[str, _Flight] = {}

    def known(self, id: str) -> Value | None:
        """What was found last, however old."""
        entry = self._entries.get(id)
        return entry.value if entry is not None else None

    async def of(self, id: str) -> Value | None:
        """What is old is asked for again, and counts for as long as nothing newer comes."""
        entry, now = self._entries.get(id), self._clock.monotonic()
        if entry is None or entry.until <= now:
            flight = self._flight(id)
            # Where somebody waited in vain already, the next one need not.
            left = flight.began + self._patience - asyncio.get_running_loop().time()
            await asyncio.wait({flight.task}, timeout=max(left, 0))
        elif entry.value is not None:
            self._entries.move_to_end(id)
            if entry.fresh_until <= now and self._has_room():
                self._flight(id)
        return self.known(id)

    def tell(self, id: str, value: Value) -> None:
        self._keep(id, value, KEPT_FOR)

    def outdate(self, id: str) -> None:
        """It has changed somehow: ask again when it is needed."""
        if (entry := self._entries.get(id)) is not None:
            entry.until = float("-inf")

    async def close(self) -> None:
        flights = [flight.task for flight in self._flights.values()]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _flight(self, id: str) -> _Flight:
        if id not in self._flights:
            began = asyncio.get_running_loop().time() if self._has_room() else float("-inf")
            task = asyncio.create_task(self._look(id))
            self._flights[id] = _Flight(task, began)
            task.add_done_callback(lambda _: self._flights.pop(id, None))
        return self._flights[id]

    async def _look(self, id: str) -> None:
        found = None
        try:
            async with asyncio.timeout(LONGEST_LOOK):
                found = await self._ask(id)
        except TimeoutError:
            pass
        if found is None:
            self._keep(id, self.known(id), FAILED_FOR)
        else:
            self._keep(id, found, KEPT_FOR)

    def _keep(self, id: str, value: Value | None, seconds: float) -> None:
        now = self._clock.monotonic()
        self._entries[id] = _Entry(value, now + min(seconds, FRESH_FOR), now + seconds)
        self._entries.move_to_end(id)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)
