"""Slack's budgets in virtual time: no 429, ends at once, everyone in turn."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import pairwise
from statistics import median

import pytest

from adapters.slack.budgets import APPEND, PER_MINUTE, POST, START, STOP, UPDATE, SlackBudgets
from bot.api import Call, Lane, Method, Urgency
from bot.testing.clock import VirtualClock, run_virtual

LATENCY = 0.15


class Workspace:
    """Counts calls as Slack does, when they arrive, and makes them take their time."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.budgets = SlackBudgets(self.clock)
        self.refused = 0
        self.calls: dict[str, list[float]] = {}

    async def call(self, key: str, limit: int, seconds: float = 60.0) -> None:
        await asyncio.sleep(LATENCY / 2)
        now = self.clock.monotonic()
        made = self.calls.setdefault(key, [])
        self.refused += sum(at > now - seconds for at in made) >= limit
        made.append(now)
        await asyncio.sleep(LATENCY / 2)

    async def edit(self, lane: Lane, urgency: Urgency, since: float, method: str = UPDATE) -> float:
        """Make one call of a stream; when it was answered."""
        call = Call("edit", urgency, since)
        await lane.admit(call)
        await self.call(method, PER_MINUTE[method])
        lane.told(call, "landed")
        return self.clock.monotonic()

    async def answer(self, lane: Lane, seconds: float, method: str = UPDATE) -> tuple[list[float], float]:
        """An answer that grows all the time: the gaps between what could be seen, and how late its end was."""
        lane.opened()
        ends = self.clock.monotonic() + seconds
        seen = [self.clock.monotonic()]
        while self.clock.monotonic() < ends:
            step = asyncio.ensure_future(self.edit(lane, Urgency.INTERIM, seen[-1], method))
            await asyncio.wait([step], timeout=max(ends - self.clock.monotonic(), 0))
            if not step.done():
                step.cancel()
                await asyncio.wait([step])
            if not step.cancelled():
                seen.append(step.result())
        last = await self.edit(lane, Urgency.FINAL, ends, method)
        lane.closed()
        return [b - a for a, b in pairwise(seen)], last - ends


def together(count: int, seconds: float, method: str = UPDATE) -> tuple[list[tuple[list[float], float]], Workspace]:
    async def main() -> tuple[list[tuple[list[float], float]], Workspace]:
        place = Workspace()
        lanes = [place.budgets.edited(f"C{n}") if method == UPDATE else place.budgets.native() for n in range(count)]
        found = await asyncio.gather(*(place.answer(lane, seconds, method) for lane in lanes))
        place.budgets.close()
        return list(found), place

    return run_virtual(main())


def busiest_minute(calls: list[float]) -> int:
    window: deque[float] = deque()
    most = 0
    for at in sorted(calls):
        window.append(at)
        while window[0] <= at - 60:
            window.popleft()
        most = max(most, len(window))
    return most


def test_one_answer_by_edits() -> None:
    ((gaps, late),), place = together(1, 20)
    assert place.refused == 0
    assert late <= 0.5
    assert max(gaps) <= 1.2


@pytest.mark.parametrize("seconds", [30, 180])
def test_three_answers_by_edits_share_fifty_a_minute(seconds: float) -> None:
    found, place = together(3, seconds)
    assert place.refused == 0
    assert busiest_minute(place.calls[UPDATE]) <= 50
    assert all(late <= 0.5 for _, late in found)
    if seconds == 30:
        assert median(gap for gaps, _ in found for gap in gaps) <= 2.5
    assert max(gap for gaps, _ in found for gap in gaps) <= 12


def test_nobody_is_starved() -> None:
    found, place = together(12, 120)
    counts = [len(gaps) for gaps, _ in found]
    assert place.refused == 0
    assert max(counts) - min(counts) <= 2


def test_streams_append_once_a_second() -> None:
    ((gaps, late),), place = together(1, 240, APPEND)
    assert place.refused == 0
    assert max(gaps) <= 1.5
    assert late <= 0.5
    found, place = together(4, 240, APPEND)
    assert place.refused == 0
    assert all(late <= 0.5 for _, late in found)


def test_twenty_streams_a_minute_and_no_more() -> None:
    async def main() -> Workspace:
        place = Workspace()

        async def one(name: str, lane: Lane, method: Method) -> None:
            lane.opened()
            call = Call(method, Urgency.FIRST if method == "post" else Urgency.FINAL, 0.0)
            await lane.admit(call)
            await place.call(name, PER_MINUTE[name])
            lane.told(call, "landed")
            lane.closed()

        await asyncio.gather(
            *(one(START, place.budgets.native(), "post") for _ in range(50)),
            *(one(STOP, place.budgets.stopping(), "edit") for _ in range(50)),
        )
        place.budgets.close()
        return place

    place = run_virtual(main())
    assert place.refused == 0
    assert len(place.calls[START]) == len(place.calls[STOP]) == 50


def test_posts_follow_each_other_by_a_second_in_each_channel() -> None:
    async def main() -> Workspace:
        place = Workspace()

        async def post(channel: str) -> None:
            await place.budgets.through(POST, lambda: place.call(channel, 1, 1.0), channel=channel)

        await asyncio.gather(*(post(f"C{n % 2}") for n in range(10)))
        place.budgets.close()
        return place

    place = run_virtual(main())
    assert place.refused == 0
    assert max(place.calls["C0"]) < 6
    assert abs(place.calls["C0"][0] - place.calls["C1"][0]) < 0.01, "one channel waits for another"


def test_a_429_is_believed_and_remembered() -> None:
    async def main() -> None:
        place = Workspace()
        clock, lane = place.clock, place.budgets.edited("C")
        for _ in range(20):
            await place.edit(lane, Urgency.FINAL, 0)
        at = clock.monotonic()
        place.budgets.refused(UPDATE, 30)
        assert await place.edit(lane, Urgency.FINAL, 0) >= at + 30
        assert not place.budgets.is_idle(UPDATE)
        # No more than the twenty that were taken, for a while.
        await clock.sleep(120)
        at = clock.monotonic()
        for _ in range(21):
            await place.edit(lane, Urgency.FINAL, 0)
        assert clock.monotonic() >= at + 55
        await clock.sleep(600)
        at = clock.monotonic()
        for _ in range(50):
            await place.edit(lane, Urgency.FINAL, 0)
        assert clock.monotonic() < at + 10
        assert place.refused == 0
        place.budgets.close()

    run_virtual(main())


def test_ends_go_first_and_the_longest_unseen_next() -> None:
    async def main() -> None:
        place = Workspace()
        place.budgets.refused(UPDATE, 5)
        order: list[str] = []

        async def one(name: str, urgency: Urgency, since: float) -> None:
            lane = place.budgets.edited(name)
            lane.opened()
            call = Call("edit", urgency, since)
            await lane.admit(call)
            order.append(name)
            lane.told(call, "landed")
            lane.closed()

        wishes = {
            "later": (Urgency.INTERIM, 2.0),
            "earlier": (Urgency.INTERIM, 1.0),
            "first": (Urgency.FIRST, 3.0),
            "end": (Urgency.FINAL, 4.0),
        }
        await asyncio.gather(*(one(name, *wish) for name, wish in wishes.items()))
        assert order.index("end") < order.index("earlier") < order.index("later")
        assert order.index("first") < order.index("earlier")
        place.budgets.close()

    run_virtual(main())


def test_a_wish_that_is_withdrawn_costs_nothing() -> None:
    async def main() -> None:
        budgets = SlackBudgets(VirtualClock(), {UPDATE: 1})
        lane, calls = budgets.edited("C"), [Call("edit", Urgency.FINAL, 0) for _ in range(4)]
        await lane.admit(calls[0])
        withdrawn, let_go, served = (asyncio.ensure_future(lane.admit(call)) for call in calls[1:])
        await asyncio.sleep(0)
        withdrawn.cancel()
        await asyncio.wait([withdrawn])
        lane.told(calls[0], "unused")
        # It may go, but does not know it yet.
        let_go.cancel()
        await asyncio.wait([let_go])
        assert let_go.cancelled()
        await served
        assert budgets.method(UPDATE).used(0) == 1
        lane.told(calls[3], "unused")
        assert budgets.is_idle(UPDATE)
        budgets.close()

    run_virtual(main())


def test_there_is_room_until_a_limit_is_reached_and_after_a_minute_again() -> None:
    async def asking(place: Workspace) -> list[bool]:
        found = [place.budgets.has_room("users.info")]
        for _ in range(PER_MINUTE["users.info"]):
            await place.budgets.through("users.info", lambda: place.call("users.info", PER_MINUTE["users.info"]))
        found.append(place.budgets.has_room("users.info"))
        await asyncio.sleep(61)
        return [*found, place.budgets.has_room("users.info")]

    async def main() -> list[bool]:
        return await asking(Workspace())

    assert run_virtual(main()) == [True, False, True]
