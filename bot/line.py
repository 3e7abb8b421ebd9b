"""Who stands in line at one place: people take turns, and whoever uses many tokens is passed over more often."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# What everybody may use between two visits of the turn; more is a debt that later visits pay off.
TOKENS_PER_VISIT = 4000
# Nobody is passed over more often than this, whatever they used.
MOST_VISITS_PASSED = 8
# How many turns in a row may go to somebody who interrupts their own answers, while others wait.
MOST_FIRST = 3


@dataclass(slots=True, eq=False)
class _Ticket:
    """One turn. `granted` is done when it may begin, `ended` when it is over."""

    who: str
    granted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Line:
    """Deficit round robin: the turn goes from person to person, first come first served among what one person asks.

    A visit adds to a person's balance and, if that is positive then, gives them one turn, which is paid for when it is
    known what it used. So everybody gets about as many tokens, and a second person is served next, however many
    questions the first one has waiting. It exists only while somebody stands in it.
    """

    def __init__(self) -> None:
        # In the order in which the turn visits them next; only those who wait.
        self._waiting: OrderedDict[str, deque[_Ticket]] = OrderedDict()
        self._balances: dict[str, int] = {}
        self._running: _Ticket | None = None
        self._ahead: deque[_Ticket] = deque()
        self._went_first = 0
        self._last = ""
        self._stopping = ""

    @asynccontextmanager
    async def turn(self, who: str, *, first: bool) -> AsyncIterator[None]:
        ticket = _Ticket(who)
        self._join(ticket, first)
        self._call_next()
        try:
            await ticket.granted
            yield
        finally:
            self._leave(ticket)
            self._call_next()

    def charge(self, who: str, tokens: int) -> None:
        most = TOKENS_PER_VISIT * MOST_VISITS_PASSED
        self._balances[who] = max(self._balances.get(who, 0) - tokens, -most)

    def stop_running(self, who: str) -> bool:
        """Whether this person has the turn: what they are answered then is to be stopped as soon as that can be."""
        if self._running is None or self._running.who != who:
            return False
        self._stopping = who
        return True

    def is_stopping(self, who: str) -> bool:
        return bool(self._stopping) and self._stopping == who

    @property
    def standing(self) -> int:
        return sum(map(len, self._waiting.values())) + len(self._ahead) + (self._running is not None)

    def standing_of(self, who: str) -> int:
        return sum(ticket.who == who for ticket in self._tickets())

    async def passed(self) -> None:
        for ticket in self._tickets():
            await ticket.ended.wait()

    def _tickets(self) -> list[_Ticket]:
        waiting = [ticket for tickets in self._waiting.values() for ticket in tickets]
        return [*([self._running] if self._running else []), *self._ahead, *waiting]

    def _join(self, ticket: _Ticket, first: bool) -> None:
        # Who has questions waiting already stays in the order in which they were asked.
        if first and ticket.who not in self._waiting and self._went_first < MOST_FIRST:
            self._ahead.append(ticket)
        else:
            self._waiting.setdefault(ticket.who, deque()).append(ticket)

    def _leave(self, ticket: _Ticket) -> None:
        """Its turn is over, or it no longer waits."""
        if ticket is self._running:
            self._running, self._stopping = None, ""
        elif ticket in self._ahead:
            self._ahead.remove(ticket)
        else:
            tickets = self._waiting[ticket.who]
            tickets.remove(ticket)
            if not tickets:
                del self._waiting[ticket.who]
        ticket.granted.cancel()
        ticket.ended.set()

    def _call_next(self) -> None:
        if self._running is not None:
            return
        if self._ahead:
            self._went_first += 1
            self._running = self._ahead.popleft()
        elif self._waiting:
            self._went_first = 0
            self._running = self._visit()
        else:
            return
        self._last = self._running.who
        if not self._running.granted.done():  # else whoever waited was cancelled, and leaves at once
            self._running.granted.set_result(None)

    def _visit(self) -> _Ticket:
        """Go round until somebody's balance allows a turn; where one person waits, that is at once."""
        if self._last in self._waiting:
            # Whoever came while this person had the turn comes first.
            self._waiting.move_to_end(self._last)
        while True:
            who, tickets = next(iter(self._waiting.items()))
            balance = min(self._balances.get(who, 0) + TOKENS_PER_VISIT, TOKENS_PER_VISIT)
            self._balances[who] = balance
            if balance <= 0:
                self._waiting.move_to_end(who)
                continue
            ticket = tickets.popleft()
            if tickets:
                self._waiting.move_to_end(who)
            else:
                del self._waiting[who]
            return ticket
