"""One platform token's traffic: which waiting call goes next, in each channel and over all of them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable

from bot.clock import Clock
from bot.lanes import Budget, Call, Caution, Method, Outcome, Refusals, Urgency, Window, next_interim

# Channels that are remembered although nothing happens in them.
_KEPT_CHANNELS = 256


class _Waiting:
    __slots__ = ("call", "future", "group")

    def __init__(self, call: Call, group: ChannelLane | None, future: asyncio.Future[None]) -> None:
        self.call = call
        self.group = group
        self.future = future


# In a crowd an edit waits so long for the ends of other answers; then it may use half of the whole.
_PATIENCE = 8.0
# Seconds between the interim edits of a channel when too many calls were refused.
_STRETCHED = 4.0


class _Whole:
    """At most so many calls in any second.

    When the platform counts a call is not known, but it is before the answer is back. A call takes room until then
    and for a second more.
    """

    def __init__(self, per_second: int) -> None:
        self.limit = per_second
        self.on_the_way = 0
        self.blocked_until = float("-inf")
        self._free_again: deque[float] = deque()

    def room(self, now: float) -> int:
        while self._free_again and self._free_again[0] <= now:
            self._free_again.popleft()
        return 0 if now < self.blocked_until else self.limit - self.on_the_way - len(self._free_again)

    def landed(self, now: float) -> None:
        self._free_again.append(now + 1.0)

    def next_room(self, wanted: int, now: float) -> float:
        """When there will be room for so many, if nothing else happens."""
        missing = wanted - self.room(now)
        if now < self.blocked_until:
            return self.blocked_until
        if missing <= 0:
            return now
        return self._free_again[missing - 1] if missing <= len(self._free_again) else float("inf")


class Traffic:
    """All lanes of one token. `per_second` limits those that count towards the whole, None = nothing does.

    Tell `refusals` of the calls that a platform holds against the bot; the more there are, the less is called.
    """

    def __init__(self, clock: Clock, per_second: int | None = None, refusals: Refusals | None = None) -> None:
        self._clock = clock
        self._whole = _Whole(per_second) if per_second else None
        self._refusals = refusals
        self._banned_until = float("-inf")
        self._channels: dict[str, ChannelLane] = {}
        self._windows: dict[tuple[str, Method], Window] = {}
        self._ready: list[tuple[int, float, int, _Waiting]] = []
        self._order = itertools.count()
        self._streams = 0
        self._alarm = Alarm(clock, self._admit_ready)

    def lane(self, key: str, *, family: str = "", counted: bool = True) -> ChannelLane:
        """The lane of this key. Lanes of one `family` learn from each other what kind of limit they have."""
        if key not in self._channels:
            if len(self._channels) >= _KEPT_CHANNELS:
                self._forget_quiet()
            windows = {m: self._windows.setdefault((family, m), Window()) for m in METHODS}
            self._channels[key] = ChannelLane(self, self._clock, windows, counted=counted)
        return self._channels[key]

    def known(self, key: str) -> ChannelLane | None:
        return self._channels.get(key)

    def is_idle(self) -> bool:
        """Whether there is room for calls that are not needed."""
        whole, now = self._whole, self._clock.monotonic()
        has_room = whole is None or whole.room(now) > whole.limit // 2
        return not self._ready and has_room and self.caution(now) is Caution.NONE

    async def admit_other(self) -> None:
        """A call of no lane waits for its turn in the whole; then say `other_ended` exactly once."""
        if self._whole is None:
            return
        call = Call("post", Urgency.FIRST, self._clock.monotonic())
        waiting = _Waiting(call, None, asyncio.get_running_loop().create_future())
        self.enter(waiting)
        try:
            await waiting.future
        except asyncio.CancelledError:
            if waiting.future.done() and not waiting.future.cancelled():
                self.left("unused")
            raise

    def other_ended(self) -> None:
        self.left("failed")

    def refused(self, retry_after: float) -> None:
        """A 429 for the whole token."""
        if self._whole is not None:
            self._whole.blocked_until = max(self._whole.blocked_until, self._clock.monotonic() + retry_after)

    def banned(self, retry_after: float) -> None:
        """The platform takes no call at all."""
        self._banned_until = max(self._banned_until, self._clock.monotonic() + retry_after)

    def caution(self, now: float) -> Caution:
        if now < self._banned_until:
            return Caution.STOPPED
        return self._refusals.caution(now) if self._refusals is not None else Caution.NONE

    def may_go(self, urgency: Urgency, now: float) -> float:
        """The moment from which on such calls are made again; not later than `now` when they are made."""
        stops_at = Caution.ESSENTIAL if urgency is Urgency.INTERIM else Caution.STOPPED
        if self.caution(now) < stops_at:
            return now
        return max(self._banned_until, self._refusals.below(stops_at, now) if self._refusals is not None else now)

    async def reopened(self) -> None:
        """Wait while nothing may be called: for the calls that no lane admits."""
        while (until := self.may_go(Urgency.FINAL, self._clock.monotonic())) > (now := self._clock.monotonic()):
            await self._clock.sleep(until - now)

    def close(self) -> None:
        self._alarm.close()
        for channel in self._channels.values():
            channel.close()

    def stream_opened(self, change: int) -> None:
        self._streams += change

    def enter(self, waiting: _Waiting) -> None:
        """A call that its channel allows, if it has one, and that now only waits for the whole."""
        if self._whole is None or (waiting.group is not None and not waiting.group.counted):
            waiting.future.set_result(None)
            return
        call = waiting.call
        heapq.heappush(self._ready, (-call.urgency, call.unseen_since, next(self._order), waiting))
        self._admit_ready()

    def left(self, outcome: Outcome) -> None:
        """An admitted, counted call has been answered, or was not made."""
        if self._whole is not None:
            self._whole.on_the_way -= 1
            if outcome != "unused":
                self._whole.landed(self._clock.monotonic())
            self._admit_ready()

    def _admit_ready(self) -> None:
        whole = self._whole
        if whole is None:
            return
        now = self._clock.monotonic()
        while self._ready:
            waiting = self._ready[0][3]
            if waiting.future.done():
                heapq.heappop(self._ready)
                continue
            is_interim = waiting.call.urgency is Urgency.INTERIM
            patient_until = waiting.call.unseen_since + _PATIENCE
            needed = 1 + self._reserve(patient=now < patient_until) if is_interim else 1
            if whole.room(now) < needed:
                again = whole.next_room(needed, now)
                self._alarm.ring_at(min(again, patient_until) if is_interim and now < patient_until else again)
                return
            heapq.heappop(self._ready)
            whole.on_the_way += 1
            waiting.future.set_result(None)

    def _reserve(self, *, patient: bool) -> int:
        """Answers that were asked for together end together: the more there are, the more is kept for their ends."""
        assert self._whole is not None
        most = self._whole.limit - 2 if patient else self._whole.limit // 2
        return max(min(self._streams // 4, most), 0)

    def _forget_quiet(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, lane in self._channels.items() if lane.is_quiet(now)]:
            del self._channels[key]


METHODS: tuple[Method, ...] = ("post", "edit")


class ChannelLane:
    """The lane of one channel, interaction or webhook: posts and edits counted apart, longest unseen first."""

    def __init__(self, traffic: Traffic, clock: Clock, windows: dict[Method, Window], *, counted: bool) -> None:
        self.counted = counted
        self._traffic = traffic
        self._clock = clock
        self._budgets = {method: Budget(windows[method]) for method in METHODS}
        self._waiting: dict[Method, list[_Waiting]] = {method: [] for method in METHODS}
        # How much the platform had told of a call's budget when it was admitted.
        self._admitted: dict[Call, int] = {}
        self._streams = 0
        self._alarm = Alarm(clock, self._admit_waiting)

    def opened(self) -> None:
        self._streams += 1
        self._traffic.stream_opened(+1)

    def closed(self) -> None:
        self._streams -= 1
        self._traffic.stream_opened(-1)
        self._admit_waiting()

    def is_idle(self, method: Method) -> bool:
        """Whether a call could be made at once and nobody waits for one."""
        return not self._waiting[method] and self._budgets[method].tokens(self._clock.monotonic()) >= 2

    def is_quiet(self, now: float) -> bool:
        return not (self._streams or self._admitted or any(self._waiting.values())) and all(
            now >= budget.full_at for budget in self._budgets.values()
        )

    async def admit(self, call: Call) -> None:
        waiting = _Waiting(call, self, asyncio.get_running_loop().create_future())
        self._waiting[call.method].append(waiting)
        self._admit_waiting()
        try:
            await waiting.future
        except asyncio.CancelledError:
            self._withdraw(waiting)
            raise

    def told(self, call: Call, outcome: Outcome) -> None:
        budget = self._budgets[call.method]
        now = self._clock.monotonic()
        reports = self._admitted.pop(call)
        budget.in_flight -= 1
        if outcome != "unused" and budget.reports == reports:
            budget.spent(now)
        if self.counted:
            self._traffic.left(outcome)
        self._admit_waiting()

    def report(self, method: Method, limit: int, remaining: int, reset_after: float) -> None:
        """What the headers of a response say."""
        self._budgets[method].report(limit, remaining, reset_after, self._clock.monotonic())

    def refused(self, method: Method, retry_after: float, *, shared: bool = False) -> None:
        """A 429 on this route; `shared` when others use the same limit up, too."""
        self._budgets[method].refused(retry_after, self._clock.monotonic(), shared=shared)

    def close(self) -> None:
        self._alarm.close()

    def _withdraw(self, waiting: _Waiting) -> None:
        queue = self._waiting[waiting.call.method]
        if waiting in queue:
            queue.remove(waiting)
            return
        # It had left this queue: give back what it was about to use.
        budget = self._budgets[waiting.call.method]
        budget.in_flight -= 1
        del self._admitted[waiting.call]
        if self.counted and not waiting.future.cancelled():
            self._traffic.left("unused")
        self._admit_waiting()

    def _admit_waiting(self) -> None:
        now = self._clock.monotonic()
        again = float("inf")
        for method in METHODS:
            queue = self._waiting[method]
            if len(queue) > 1:
                queue.sort(key=lambda waiting: (-waiting.call.urgency, waiting.call.unseen_since))
            while queue:
                at = self._time_for(queue[0].call, now)
                if at > now:
                    again = min(again, at)
                    break
                waiting = queue.pop(0)
                budget = self._budgets[method]
                budget.in_flight += 1
                if waiting.call.urgency is Urgency.INTERIM:
                    budget.last_interim = now
                elif waiting.call.urgency is Urgency.FIRST and self._streams == 1:
                    # People have something to read: the first edit need not follow at its heels.
                    self._budgets["edit"].last_interim = now
                self._admitted[waiting.call] = budget.reports
                self._traffic.enter(waiting)
        self._alarm.ring_at(again)

    def _time_for(self, call: Call, now: float) -> float:
        budget = self._budgets[call.method]
        if (reopens := self._traffic.may_go(call.urgency, now)) > now:
            return reopens
        if call.urgency is not Urgency.INTERIM:
            return budget.free_at(1, now)
        if call.method == "post":
            return budget.free_at(2, now)
        at = next_interim(budget, self._streams, now, call.unseen_since)
        stretched = self._traffic.caution(now) is not Caution.NONE
        return max(at, budget.last_interim + _STRETCHED) if stretched else at


class Alarm:
    """Calls back at the earliest moment it was asked for."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._at = float("inf")
        self._task: asyncio.Task[None] | None = None

    def ring_at(self, moment: float) -> None:
        if moment >= self._at or moment == float("inf"):
            return
        self.close()
        self._at = moment
        self._task = asyncio.create_task(self._wait(moment))

    async def _wait(self, moment: float) -> None:
        # Timers may come a hair early, and what is due in less than this is not worth waking up for twice.
        while (left := moment - self._clock.monotonic()) > 0:
            await self._clock.sleep(max(left, 0.001))
        self._at, self._task = float("inf"), None
        self._ring()

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._at, self._task = float("inf"), None
