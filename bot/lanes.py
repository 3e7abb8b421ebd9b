"""Lanes: when a call to the platform may be made, so that its limits are used fully and never run into."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol, TypeAlias

Method: TypeAlias = Literal["post", "edit"]
Outcome: TypeAlias = Literal["landed", "failed", "unused"]
WindowKind: TypeAlias = Literal["unknown", "sliding", "fixed"]


class Urgency(IntEnum):
    """Higher goes first. Only FINAL may touch what is kept in reserve."""

    INTERIM = 0
    FIRST = 1
    FINAL = 2


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One wish of a stream. `unseen_since` is the moment from which on people miss something (monotonic)."""

    method: Method
    urgency: Urgency
    unseen_since: float


class Lane(Protocol):
    """The budget that one stream draws on; streams of one channel share it."""

    def opened(self) -> None:
        """A stream lives: its last call is reserved for until `closed`."""
        ...

    def closed(self) -> None: ...

    async def admit(self, call: Call) -> None:
        """Wait until the call may be made. Cancelling withdraws the wish."""
        ...

    def told(self, call: Call, outcome: Outcome) -> None:
        """How an admitted call went, exactly once each. `unused`: it was not made after all."""
        ...


class OpenLane:
    """No limit at all: tests, and platforms that have none."""

    def opened(self) -> None:
        pass

    def closed(self) -> None:
        pass

    async def admit(self, call: Call) -> None:
        pass

    def told(self, call: Call, outcome: Outcome) -> None:
        pass


class Caution(IntEnum):
    """How far calls are held back because too many were refused: interim edits are stretched, then nothing interim
    goes, then nothing at all."""

    NONE = 0
    STRETCHED = 1
    ESSENTIAL = 2
    STOPPED = 3


# The share of what a platform bears from which each caution holds, and how finely the time is counted.
_CAUTIONS = ((Caution.STOPPED, 0.9), (Caution.ESSENTIAL, 0.4), (Caution.STRETCHED, 0.1))
_SLOTS = 60


class Refusals:
    """Refused calls in a sliding window. A platform bans whoever collects `limit` of them `within` seconds."""

    def __init__(self, limit: int, within: float) -> None:
        self.limit = limit
        self.within = within
        self._each = within / _SLOTS
        # Refusals by the moment at which they stop to count, oldest first: never more entries than slots.
        self._slots: deque[tuple[float, int]] = deque()

    def add(self, now: float) -> None:
        # Rounded up, so that a slot counts for a little longer than its calls rather than shorter.
        ends = (now // self._each + 1) * self._each + self.within
        if self._slots and self._slots[-1][0] == ends:
            self._slots[-1] = (ends, self._slots[-1][1] + 1)
        else:
            self.count(now)
            self._slots.append((ends, 1))

    def count(self, now: float) -> int:
        while self._slots and self._slots[0][0] <= now:
            self._slots.popleft()
        return sum(count for _, count in self._slots)

    def caution(self, now: float) -> Caution:
        count = self.count(now)
        return next((caution for caution, share in _CAUTIONS if count >= share * self.limit), Caution.NONE)

    def below(self, caution: Caution, now: float) -> float:
        """When it will be less than this, if nothing more is refused."""
        left = self.count(now) - dict(_CAUTIONS)[caution] * self.limit
        for ends, count in self._slots:
            if left < 0:
                break
            now, left = ends, left - count
        return now


@dataclass(slots=True)
class Window:
    """What was learned about one kind of limit; shared by all channels, since a platform limits them alike.

    `each` is the time in which a sliding window gives one token back.
    """

    limit: int = 5
    kind: WindowKind = "unknown"
    each: float = 0.0


class Budget:
    """One counter of the platform, as its responses tell of it. Times are monotonic seconds."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.in_flight = 0
        self.last_interim = float("-inf")
        self._left = window.limit
        # When everything is back: the end of a fixed window, or a sliding one refilled.
        self.full_at = float("-inf")
        self._blocked_until = float("-inf")
        self.reports = 0
        self._calm = 0.0
        self._calm_until = float("-inf")

    def tokens(self, now: float) -> float:
        """What could be sent at this moment without a 429, calls on their way taken off."""
        if now < self._blocked_until:
            return 0.0
        return self._at_platform(now) - self.in_flight

    def free_at(self, needed: float, now: float) -> float:
        """When there will be so many tokens, if nothing else happens; the far future if only an answer can tell."""
        if self.tokens(now) >= needed:
            return now
        if now < self._blocked_until:
            return self._blocked_until
        if needed > self.window.limit - self.in_flight:
            return float("inf")
        if self.window.kind == "sliding":
            return self.full_at - (self.window.limit - self.in_flight - needed) * self.window.each
        return self.full_at

    def spare_for(self, reserve: float, now: float) -> float:
        return self.tokens(now) - reserve

    def _at_platform(self, now: float) -> float:
        if now >= self.full_at:
            return self.window.limit
        if self.window.kind == "sliding":
            return self.window.limit - (self.full_at - now) / self.window.each
        return self._left

    def report(self, limit: int, remaining: int, reset_after: float, now: float) -> None:
        """A response told of this counter."""
        self.reports += 1
        window = self.window
        if limit != window.limit:
            window.limit, window.kind, window.each = limit, "unknown", 0.0
        full_at = now + reset_after
        used = limit - remaining
        same_window = now < self.full_at
        if same_window and used > 1:
            self._learn_kind(full_at, reset_after / used)
        if used and window.kind != "fixed":
            # `remaining` is rounded down, so this never promises too much; from a full window it is exact.
            window.each = max(window.each, reset_after / used)
        if window.kind == "sliding":
            self.full_at = max(self.full_at, full_at)
        elif same_window and abs(full_at - self.full_at) < 0.5 * reset_after:
            # Responses may overtake each other: the lower one is the later one.
            self._left = min(self._left, remaining)
            self.full_at = max(self.full_at, full_at) if window.kind == "unknown" else full_at
        else:
            self._left, self.full_at = remaining, full_at

    def _learn_kind(self, full_at: float, each: float) -> None:
        """A fixed window ends when it said it would; a sliding one is put off by every call."""
        if each < 0.05:
            return
        moved = full_at - self.full_at
        if abs(moved) < 0.35 * each:
            self.window.kind = "fixed"
        elif moved > 0.35 * each:
            self.window.kind = "sliding"

    def spent(self, now: float) -> None:
        """A call was made of which no response told."""
        if now >= self.full_at:
            self._left, self.full_at = self.window.limit, now + (self.window.each or 1.0)
        elif self.window.kind == "sliding":
            self.full_at += self.window.each
        self._left = max(self._left - 1, 0)

    def calm(self, now: float) -> float:
        """The least time between interim edits while a limit is met that no response tells of."""
        return self._calm if now < self._calm_until else 0.0

    def refused(self, retry_after: float, now: float, *, shared: bool = False) -> None:
        """A 429. With `shared` it came of a limit that others use up too: who meets it again goes slower still."""
        if shared:
            self._calm = min(max(2 * self.calm(now), _CALM), _CALMEST)
            self._calm_until = now + retry_after + _CALM_FOR
        self._blocked_until = max(self._blocked_until, now + retry_after)
        self._left = 0
        self.full_at = max(self.full_at, self._blocked_until)


# A sliding window's surplus is shown as extra edits over about this long.
_SPEND_OVER = 7.0
# Faster than this nobody can read.
_SHORTEST = 0.25
# The pace while the platform has not told enough to know what kind of window it is.
_UNTOLD = 0.8
# Nothing comes back to a full budget: the first edit goes no later than this.
_OPENING = 0.4
# Of several answers that end together in a fixed window, one may wait so long for the next window.
_END_WAITS = 1.6
# No text stands still for longer than this as long as anything is left: rather an end waits, and not for long.
_STANDS = 4.6
# Seconds between interim edits after a shared limit was met, at first and at most, and for how long that holds.
_CALM, _CALMEST, _CALM_FOR = 1.5, 6.0, 30.0


def reserve_for(streams: int, window: Window) -> int:
    """Tokens kept back so that final texts need not wait."""
    return max(min(streams, window.limit - 2), 1) if streams else 0


def next_interim(budget: Budget, streams: int, now: float, unseen_since: float = float("inf")) -> float:
    """When the next interim edit should go, so that what can be spared is spread evenly. `unseen_since` is the call's
    that waits longest."""
    window = budget.window
    if window.kind == "sliding":
        at = _in_sliding(budget, reserve_for(streams, window), now)
    elif window.kind == "fixed":
        at = _in_fixed(budget, streams, now, unseen_since)
    else:
        pace = _OPENING if now >= budget.full_at else _UNTOLD
        at = max(_in_fixed(budget, streams, now, unseen_since), budget.last_interim + pace)
    return max(at, budget.last_interim + max(budget.calm(now), _SHORTEST), now)


def _in_sliding(budget: Budget, reserve: int, now: float) -> float:
    """It gives one back all the time, so a large reserve costs nothing but the first burst."""
    each = budget.window.each
    # What was left right after the last edit: what has come back since then is the next one's own.
    back = min((now - budget.last_interim) / each, budget.window.limit)
    surplus = max(budget.spare_for(reserve, now) - back, 0.0)
    pace = 1.0 / (1.0 / each + surplus / _SPEND_OVER)
    at = budget.last_interim + (min(pace, _OPENING) if now >= budget.full_at else pace)
    return max(at, budget.free_at(reserve + 1, now))


def _in_fixed(budget: Budget, streams: int, now: float, unseen_since: float) -> float:
    """What is left over at its end is lost, so little is kept; more only while an end would have to wait for long."""
    if now >= budget.full_at:
        return now
    until, reserve = budget.full_at, 1 if streams else 0
    if streams > 1 and now < until - _END_WAITS:
        until, reserve = until - _END_WAITS, reserve_for(streams, budget.window)
    spare = budget.spare_for(reserve, now)
    if spare < 1:
        stood = max(budget.full_at - _END_WAITS, unseen_since + _STANDS)
        return min(stood, until) if budget.tokens(now) >= 1 else until
    pace = (until - max(budget.last_interim, now - _SHORTEST)) / (spare + 1)
    return budget.last_interim + pace
