"""Slack's limits: one budget for each method of a workspace, shared by all its channels, and how it is spent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from bot.api import Alarm, Call, Clock, Lane, Method, Outcome, Urgency

Result = TypeVar("Result")

POST, UPDATE = "chat.postMessage", "chat.update"
START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
# Calls in any minute, as Slack documents its tiers. What it says with a 429 goes before.
TIERS = (1, 20, 50, 100)
PER_MINUTE: Mapping[str, int] = MappingProxyType(
    {
        # Its limit for a workspace is not published.
        POST: 300,
        UPDATE: TIERS[2],
        START: TIERS[1],
        APPEND: TIERS[3],
        STOP: TIERS[1],
        "chat.delete": TIERS[2],
        "chat.postEphemeral": TIERS[3],
        "reactions.add": TIERS[2],
        "bots.info": TIERS[2],
        "conversations.replies": TIERS[2],
        "conversations.history": TIERS[2],
        "users.conversations": TIERS[2],
        "conversations.info": TIERS[2],
        "conversations.open": TIERS[2],
        "views.open": TIERS[3],
        "views.publish": TIERS[3],
        "users.info": TIERS[3],
        "files.info": TIERS[3],
        "assistant.threads.setTitle": TIERS[3],
        "assistant.threads.setSuggestedPrompts": TIERS[3],
        "assistant.threads.setStatus": TIERS[3],
        "agents.sessions.setStatus": TIERS[2],
    }
)
_OTHERWISE = TIERS[1]
_MINUTE = 60.0
# Posts in one channel: one in a second.
_CHANNEL_EVERY = 1.0
# How fast what can be spared is spent: seconds for each call of the limit. Faster begins well and stalls later.
_SPENDING = 0.4
# Of one stream, interim calls follow each other no faster.
_SHORTEST = 0.9
# The part of a budget that is kept for ends at most, and how many calls at least while somebody is answered.
_MOST_RESERVED, _LEAST_RESERVED = 5, 4
# So long less is expected of a budget that was refused.
_LOWERED_FOR = 300.0
# Channels that are remembered although nothing was posted there for a while.
_KEPT_CHANNELS = 512


class Counter:
    """At most `limit` calls in any `seconds`. A call takes room from the moment it is let go until so long after it
    was answered, since it is counted somewhere between."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._documented = limit
        self._limit = limit
        self._seconds = seconds
        self._in_flight = 0
        self._free_again: deque[float] = deque()
        self._blocked_until = float("-inf")
        self._lowered_until = float("-inf")
        self._last_interim = float("-inf")
        self.streams = 0

    def used(self, now: float) -> int:
        while self._free_again and self._free_again[0] <= now:
            self._free_again.popleft()
        return self._in_flight + len(self._free_again)

    def time_for(self, urgency: Urgency, now: float) -> float:
        """When such a call may go, if nothing else happens; the far future if only an answer can tell."""
        if now < self._blocked_until:
            return self._blocked_until
        kept = self._kept(urgency)
        at = self._free_at(kept + 1, now)
        if urgency is Urgency.INTERIM and at <= now and self._limit > 1:
            at = max(at, self._last_interim + self._pace(kept, now))
        return at

    def _pace(self, kept: int, now: float) -> float:
        """Seconds between interim calls: what can be spared goes soon, but never slower than could last."""
        spare = self._limit - self.used(now) - kept
        lasting = self._seconds / (spare + len(self._free_again))
        for back, at in enumerate(self._free_again):
            lasting = max(lasting, (at - now) / (spare + back))
        return min(_SPENDING * self._limit / spare, lasting)

    def take(self, urgency: Urgency, now: float) -> None:
        self._in_flight += 1
        if urgency is Urgency.INTERIM:
            self._last_interim = now

    def give_back(self, outcome: Outcome, now: float) -> None:
        self._in_flight -= 1
        if outcome != "unused":
            self._free_again.append(now + self._seconds)

    def refused(self, retry_after: float, now: float) -> None:
        """A 429. For a while no more is expected than what was taken this time."""
        self._limit = max(min(self._limit_at(now), self.used(now)), self._documented // 4, 1)
        self._lowered_until = now + retry_after + _LOWERED_FOR
        self._blocked_until = max(self._blocked_until, now + retry_after)

    def is_idle(self, now: float) -> bool:
        return now >= self._blocked_until and self.used(now) <= self._limit_at(now) // 2

    def is_quiet(self, now: float) -> bool:
        return not self.streams and not self.used(now) and now >= self._blocked_until

    def _kept(self, urgency: Urgency) -> int:
        """What others may need more. People who wait for a first word come before those who read already."""
        if urgency is Urgency.FINAL or not self.streams:
            return 0
        kept = min(max(2 * self.streams, _LEAST_RESERVED), self._limit // _MOST_RESERVED)
        return kept if urgency is Urgency.INTERIM else kept // 2

    def _limit_at(self, now: float) -> int:
        if now >= self._lowered_until:
            self._limit = self._documented
        return self._limit

    def _free_at(self, needed: int, now: float) -> float:
        missing = needed - (self._limit_at(now) - self.used(now))
        if missing <= 0:
            return now
        return self._free_again[missing - 1] if missing <= len(self._free_again) else float("inf")


@dataclass(slots=True, eq=False)
class _Waiting:
    call: Call
    counters: tuple[Counter, ...]
    lane: BudgetLane | None
    future: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def time(self, now: float) -> float:
        at = max(counter.time_for(self.call.urgency, now) for counter in self.counters)
        if self.lane is not None and self.call.urgency is Urgency.INTERIM:
            at = max(at, self.lane.last_shown + _SHORTEST)
        return at


class SlackBudgets:
    """The budgets of one workspace. Ends go first, then first words, then whoever was unseen for longest."""

    def __init__(self, clock: Clock, per_minute: Mapping[str, int] = PER_MINUTE) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._methods: dict[str, Counter] = {}
        self._channels: dict[str, Counter] = {}
        self._waiting: list[_Waiting] = []
        self._alarm = Alarm(clock, self._admit_ready)

    def edited(self, channel: str) -> Lane:
        """For one answer that is posted and updated. Ask for a new one for each."""
        return BudgetLane(self, self._clock, (self.method(POST), self._channel(channel)), (self.method(UPDATE),))

    def native(self) -> Lane:
        """For one answer by streams: a post starts one, an edit appends to it."""
        return BudgetLane(self, self._clock, (self.method(START),), (self.method(APPEND),))

    def stopping(self) -> Lane:
        """For the calls that stop the streams of one answer: each is an edit."""
        return BudgetLane(self, self._clock, (self.method(START),), (self.method(STOP),))

    async def through(self, method: str, make: Callable[[], Awaitable[Result]], *, channel: str = "") -> Result:
        """One call that belongs to no stream, in its turn."""
        counters = (self.method(method), *((self._channel(channel),) if channel and method == POST else ()))
        call = Call("edit", Urgency.FINAL, self._clock.monotonic())
        await self.admit(_Waiting(call, counters, None))
        landed = False
        try:
            made = await make()
            landed = True
        finally:
            self.give_back(counters, "landed" if landed else "failed")
        return made

    def refused(self, method: str, retry_after: float) -> None:
        """Slack said 429 to this method, and when to come back."""
        self.method(method).refused(retry_after, self._clock.monotonic())
        self._admit_ready()

    def is_idle(self, method: str) -> bool:
        """Whether there is room for calls that are not needed. What only keeps its own pace stands in nobody's way."""
        counter = self.method(method)
        urgent = (each for each in self._waiting if each.call.urgency is not Urgency.INTERIM)
        return counter.is_idle(self._clock.monotonic()) and not any(counter in each.counters for each in urgent)

    def has_room(self, method: str) -> bool:
        """Whether a call could go at once."""
        now = self._clock.monotonic()
        return self.method(method).time_for(Urgency.FINAL, now) <= now

    def close(self) -> None:
        self._alarm.close()

    def method(self, name: str) -> Counter:
        if name not in self._methods:
            self._methods[name] = Counter(self._per_minute.get(name, _OTHERWISE), _MINUTE)
        return self._methods[name]

    async def admit(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._admit_ready()
        try:
            await waiting.future
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif not waiting.future.cancelled():
                self.give_back(waiting.counters, "unused")
            raise

    def give_back(self, counters: tuple[Counter, ...], outcome: Outcome) -> None:
        now = self._clock.monotonic()
        for counter in counters:
            counter.give_back(outcome, now)
        self._admit_ready()

    def changed(self) -> None:
        self._admit_ready()

    def _channel(self, channel: str) -> Counter:
        if channel not in self._channels:
            now = self._clock.monotonic()
            if len(self._channels) >= _KEPT_CHANNELS:
                for key in [key for key, counter in self._channels.items() if counter.is_quiet(now)]:
                    del self._channels[key]
            self._channels[channel] = Counter(1, _CHANNEL_EVERY)
        return self._channels[channel]

    def _admit_ready(self) -> None:
        now = self._clock.monotonic()
        again = float("inf")
        if len(self._waiting) > 1:
            self._waiting.sort(key=lambda waiting: (-waiting.call.urgency, waiting.call.unseen_since))
        for waiting in list(self._waiting):
            if waiting.future.done():
                # Cancelled, and about to withdraw by itself.
                self._waiting.remove(waiting)
                continue
            at = waiting.time(now)
            if at > now:
                again = min(again, at)
                continue
            self._waiting.remove(waiting)
            for counter in waiting.counters:
                counter.take(waiting.call.urgency, now)
            if waiting.lane is not None:
                waiting.lane.last_shown = now
            waiting.future.set_result(None)
        self._alarm.ring_at(again)


class BudgetLane:
    """What one answer draws on."""

    def __init__(
        self, budgets: SlackBudgets, clock: Clock, post: tuple[Counter, ...], edit: tuple[Counter, ...]
    ) -> None:
        self._budgets = budgets
        self._clock = clock
        self._counters: dict[Method, tuple[Counter, ...]] = {"post": post, "edit": edit}
        self.last_shown = float("-inf")

    def opened(self) -> None:
        self._count(+1)

    def closed(self) -> None:
        self._count(-1)
        self._budgets.changed()

    async def admit(self, call: Call) -> None:
        await self._budgets.admit(_Waiting(call, self._counters[call.method], self))

    def told(self, call: Call, outcome: Outcome) -> None:
        self._budgets.give_back(self._counters[call.method], outcome)

    def _count(self, change: int) -> None:
        for counters in self._counters.values():
            for counter in counters:
                counter.streams += change
