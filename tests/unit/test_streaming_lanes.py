"""Lanes against Discord's limits in virtual time: no 429, finals at once, everyone in turn."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.testing.limits import WindowKind
from benchmarks.measures import Freshness
from benchmarks.virtual_discord import VirtualChannel, VirtualDiscord, answer, words
from bot.lanes import Budget, Call, Caution, Method, Refusals, Urgency, Window
from bot.testing.clock import VirtualClock, run_virtual
from bot.traffic import Traffic

KINDS: tuple[WindowKind, ...] = ("sliding", "fixed")


def answers(
    kind: WindowKind, tokens: list[int], *, channels: int = 1, apart: float = 0.0, rate: float = 50, jitter: float = 0.0
) -> tuple[list[Freshness], int]:
    """Answers side by side; how fresh each was, and how many calls were refused."""

    async def main() -> tuple[list[Freshness], int]:
        discord = VirtualDiscord(kind, jitter=jitter, seed=3)

        async def one(number: int) -> Freshness:
            await asyncio.sleep(1 + number * apart)
            name = str(number % channels)
            spoken = words(tokens[number], random.Random(number))
            return (await answer(VirtualChannel(discord, name), discord.lane(name), spoken, rate))[1]

        fresh = await asyncio.gather(*(one(number) for number in range(len(tokens))))
        discord.traffic.close()
        return fresh, discord.refused

    return run_virtual(main())


@pytest.mark.parametrize(("kind", "stale", "freeze"), [("sliding", 0.55, 1.05), ("fixed", 0.75, 1.4)])
def test_one_answer_is_as_fresh_as_the_limit_allows(kind: WindowKind, stale: float, freeze: float) -> None:
    (fresh,), refused = answers(kind, [400])
    assert refused == 0
    assert fresh.first <= 0.1
    assert fresh.stale <= stale
    assert fresh.freeze <= freeze
    assert fresh.final <= 0.15


@pytest.mark.parametrize(("kind", "stale", "freeze"), [("sliding", 1.5, 3.6), ("fixed", 2.2, 5.1)])
def test_three_answers_share_a_channel(kind: WindowKind, stale: float, freeze: float) -> None:
    fresh, refused = answers(kind, [300, 550, 800])
    assert refused == 0
    assert sum(each.stale for each in fresh) / 3 <= stale
    assert max(each.freeze for each in fresh) <= freeze
    assert sorted(each.final for each in fresh)[1] <= 0.15


@pytest.mark.parametrize("apart", [0.0, 0.37])
@pytest.mark.parametrize("tokens", range(250, 610, 60))
def test_answers_that_end_together_in_a_fixed_window_end_soon(tokens: int, apart: float) -> None:
    fresh, refused = answers("fixed", [tokens] * 3, apart=apart)
    assert refused == 0
    assert max(each.final for each in fresh) <= 1.8
    assert max(each.first for each in fresh) <= 0.3
    assert max(each.freeze for each in fresh) <= 5.1


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_starves_among_many(kind: WindowKind) -> None:
    fresh, refused = answers(kind, [400] * 20, channels=5)
    assert refused == 0
    assert max(each.freeze for each in fresh) <= 3 * 4


@given(
    st.sampled_from(KINDS),
    st.lists(st.integers(1, 300), min_size=1, max_size=7),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.2, 1.3]),
    st.sampled_from([0.0, 0.1]),
)
@settings(max_examples=25, deadline=None)
def test_nothing_is_ever_refused(
    kind: WindowKind, tokens: list[int], channels: int, apart: float, jitter: float
) -> None:
    _, refused = answers(kind, tokens, channels=channels, apart=apart, jitter=jitter)
    assert refused == 0


def test_the_whole_bot_keeps_its_limit_and_ends_come_first() -> None:
    fresh, refused = answers("sliding", [60] * 120, channels=120, rate=30)
    assert refused == 0
    assert sorted(each.final for each in fresh)[60] <= 2.2


def test_sixty_channels_that_end_at_once_need_little_more_than_a_second() -> None:
    fresh, refused = answers("sliding", [200] * 60, channels=60, rate=50)
    assert refused == 0
    assert max(each.final for each in fresh) <= 1.5


def test_ends_pass_edits_that_waited_for_the_whole_before_them() -> None:
    async def main() -> list[str]:
        traffic = Traffic(VirtualClock(), 50)
        order: list[str] = []

        async def ask(number: int, urgency: Urgency) -> None:
            lane = traffic.lane(str(number))
            call = Call("edit", urgency, 0.0)
            await lane.admit(call)
            order.append(urgency.name)
            await asyncio.sleep(0.08)
            lane.told(call, "landed")

        edits = [asyncio.create_task(ask(number, Urgency.INTERIM)) for number in range(120)]
        await asyncio.sleep(0.01)
        ends = [asyncio.create_task(ask(200 + number, Urgency.FINAL)) for number in range(60)]
        await asyncio.gather(*edits, *ends)
        traffic.close()
        return order

    order = run_virtual(main())
    # What had been let go before anything ended is first, then every end, then the other edits.
    began = order.index("FINAL")
    assert began <= 50
    assert order[began : began + 60] == ["FINAL"] * 60


def test_a_budget_learns_what_kind_of_window_it_has() -> None:
    sliding, fixed = Budget(Window()), Budget(Window())
    for number in range(3):
        sliding.report(5, 4 - number, 1.0 + number - 0.1 * number, number * 0.1)
        fixed.report(5, 4 - number, 5.0 - number * 0.1, number * 0.1)
    assert (sliding.window.kind, fixed.window.kind) == ("sliding", "fixed")
    assert sliding.tokens(1.2) == pytest.approx(3.2, abs=0.01)
    assert fixed.tokens(4.9) == 2
    assert fixed.tokens(5.0) == 5


def test_a_429_holds_the_lane_for_as_long_as_was_said() -> None:
    async def main() -> float:
        traffic = Traffic(VirtualClock(), 50)
        lane = traffic.lane("c")
        lane.refused("edit", 7.0)
        call = Call("edit", Urgency.FINAL, 0.0)
        await lane.admit(call)
        lane.told(call, "landed")
        traffic.close()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(7.0, abs=0.01)


def test_finals_pass_firsts_and_firsts_pass_edits_in_the_whole() -> None:
    async def main() -> list[str]:
        traffic = Traffic(VirtualClock(), 1)
        order: list[str] = []

        async def ask(name: str, urgency: Urgency) -> None:
            lane = traffic.lane(name)
            call = Call("edit" if urgency is Urgency.INTERIM else "post", urgency, 0.0)
            await lane.admit(call)
            order.append(name)
            lane.told(call, "landed")

        await ask("before", Urgency.FIRST)
        names = (("interim", Urgency.INTERIM), ("first", Urgency.FIRST), ("final", Urgency.FINAL))
        await asyncio.gather(*(ask(name, urgency) for name, urgency in names))
        traffic.close()
        return order

    assert run_virtual(main()) == ["before", "final", "first", "interim"]


def test_withdrawn_wishes_give_back_what_they_held() -> None:
    async def main() -> None:
        traffic = Traffic(VirtualClock(), 1)
        lane = traffic.lane("c")
        first = Call("post", Urgency.FINAL, 0.0)
        await lane.admit(first)
        waiting = asyncio.create_task(lane.admit(Call("post", Urgency.FINAL, 0.0)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        lane.told(first, "unused")
        for _ in range(3):
            again = Call("post", Urgency.FINAL, 0.0)
            await lane.admit(again)
            lane.told(again, "unused")
        assert asyncio.get_running_loop().time() == 0.0
        traffic.close()

    run_virtual(main())


def test_refused_calls_are_counted_for_as_long_as_the_platform_counts_them() -> None:
    refusals = Refusals(100, 600.0)
    for second in range(600):
        refusals.add(float(second))
        refusals.add(float(second))
    assert refusals.count(599.0) == 1200
    # Everything counts for at least the whole window, and for little longer.
    assert 1000 < refusals.count(699.0) <= 1020
    assert refusals.count(1210.0) == 0
    assert refusals.caution(1210.0) is Caution.NONE


@given(st.lists(st.floats(0, 1500), min_size=1, max_size=200))
def test_the_count_of_refusals_is_never_too_low(moments: list[float]) -> None:
    refusals, moments = Refusals(100, 600.0), sorted(moments)
    for added, at in enumerate(moments, 1):
        refusals.add(at)
        assert added >= refusals.count(at) >= sum(each > at - 600 for each in moments[:added])
    caution = refusals.caution(moments[-1])
    if caution is not Caution.NONE:
        falls = refusals.below(caution, moments[-1])
        assert moments[-1] < falls <= moments[-1] + 610
        assert refusals.caution(falls) < caution


def when_admitted(refused: int, method: Method, urgency: Urgency, count: int) -> list[float]:
    """When so many calls in a row went, after so many of 100 were refused at once."""

    async def main() -> list[float]:
        clock, refusals = VirtualClock(), Refusals(100, 600.0)
        traffic = Traffic(clock, 50, refusals)
        for _ in range(refused):
            refusals.add(clock.monotonic())
        lane, moments = traffic.lane("c"), []
        lane.opened()
        for _ in range(count):
            call = Call(method, urgency, clock.monotonic())
            await lane.admit(call)
            moments.append(clock.monotonic())
            await clock.sleep(0.08)
            lane.told(call, "landed")
        assert traffic.is_idle() is (traffic.caution(clock.monotonic()) is Caution.NONE)
        lane.closed()
        traffic.close()
        return moments

    return run_virtual(main())


def test_the_more_is_refused_the_less_is_called() -> None:
    edits = [when_admitted(refused, "edit", Urgency.INTERIM, 3) for refused in (9, 10, 40, 90)]
    assert edits[0][-1] < 2.0
    assert 8.0 <= edits[1][-1] <= 9.0
    assert edits[2][0] >= 600.0
    assert edits[3][0] >= 600.0
    for urgency, method in ((Urgency.FIRST, "post"), (Urgency.FINAL, "edit")):
        known: Method = "post" if method == "post" else "edit"
        assert when_admitted(40, known, urgency, 1) == [0.0]
        assert when_admitted(90, known, urgency, 1)[0] >= 600.0


def test_calls_of_no_lane_wait_when_nothing_may_be_called() -> None:
    async def main() -> tuple[float, float]:
        clock, refusals = VirtualClock(), Refusals(100, 600.0)
        traffic = Traffic(clock, 50, refusals)
        for _ in range(89):
            refusals.add(clock.monotonic())
        await traffic.reopened()
        before = clock.monotonic()
        traffic.banned(60.0)
        await traffic.reopened()
        return before, clock.monotonic()

    assert run_virtual(main()) == pytest.approx((0.0, 60.0))


def test_calls_of_no_lane_take_their_turn_in_the_whole() -> None:
    async def main() -> tuple[int, float]:
        discord = VirtualDiscord("sliding")

        async def read() -> None:
            await discord.traffic.admit_other()
            await asyncio.sleep(0.08)
            assert discord.limits.whole_bot().retry_after is None
            discord.traffic.other_ended()

        async def edit(number: int) -> None:
            lane = discord.lane(str(number))
            call = Call("edit", Urgency.INTERIM, 0.0)
            await lane.admit(call)
            await discord.call("PATCH", str(number))
            lane.told(call, "landed")

        given_up = [asyncio.create_task(read()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*(read() for _ in range(70)), *(edit(number) for number in range(70)))
        discord.traffic.close()
        return discord.refused, asyncio.get_running_loop().time()

    refused, took = run_virtual(main())
    assert refused == 0
    assert took < 4.0


def test_a_limit_shared_with_others_slows_one_lane_down() -> None:
    async def main() -> tuple[list[float], list[float]]:
        clock = VirtualClock()
        traffic = Traffic(clock, 50)

        async def edits(name: str) -> list[float]:
            lane, moments = traffic.lane(name, family="webhook"), []
            if name == "shared":
                lane.refused("edit", 3.0, shared=True)
            lane.opened()
            for _ in range(4):
                call = Call("edit", Urgency.INTERIM, clock.monotonic())
                await lane.admit(call)
                moments.append(clock.monotonic())
                await clock.sleep(0.08)
                lane.told(call, "landed")
            lane.closed()
            return moments

        return await edits("shared"), await edits("other")

    shared, other = run_virtual(main())
    assert shared[0] >= 3.0
    assert all(later - earlier >= 1.5 for earlier, later in pairwise(shared))
    assert other[-1] - other[0] < 3.0
