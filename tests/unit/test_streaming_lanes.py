"""Lanes against Discord's limits in virtual time: no 429, finals at once, everyone in turn."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.testing.limits import WindowKind
from benchmarks.measures import Freshness
from benchmarks.virtual_discord import VirtualChannel, VirtualDiscord, answer, words
from bot.lanes import Budget, Call, Urgency, Window
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
