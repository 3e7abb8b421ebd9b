"""Whose turn it is: nobody can keep others from being answered."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from bot.api import AnyEvent, Context, Message, Place, Plugin, Route, User
from bot.line import MOST_FIRST, MOST_VISITS_PASSED, TOKENS_PER_VISIT, Line
from bot.model.scripted import Say, Scripted
from bot.store import Claim
from bot.testing.bot import BOB, TestBot
from bot.turn import Prompt, Usage


class Count(BaseModel):
    at: int = 0


EVE, DAN = User("u-eve", "Eve"), User("u-dan", "Dan")
NAMES = "abcd"


def asked(prompt: Prompt) -> str:
    """The question without the date in front of it."""
    return prompt.messages[-1].text.rsplit("\n", 1)[-1].rpartition(": ")[2]


# In a channel


async def test_the_second_person_is_served_next_however_many_questions_the_first_has_waiting() -> None:
    model = Scripted(lambda prompt: Say("Wait", hang=True) if len(model.turns) == 1 else Say("Answer."))
    async with TestBot(model) as bot:
        for number in range(10):
            await bot.says(f"Bob {number}", user=BOB, wait=False)
        await bot.until("Wait")
        await bot.says("Eve 0", user=EVE, wait=False)
        await bot.says("Eve 1", user=EVE, wait=False)
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        order = [asked(prompt) for prompt in model.prompts]
        assert order[:5] == ["Bob 0", "Eve 0", "Bob 1", "Eve 1", "Bob 2"]
        assert [each for each in order if each.startswith("Bob")] == [f"Bob {number}" for number in range(10)]


async def test_messages_stay_in_order_while_it_is_looked_up_how_to_behave(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Scripted(lambda prompt: Say("Answer."))
    async with TestBot(model) as bot:
        claim, settings_of = bot.app.store.claim, bot.app.store.settings_of
        all_claimed, looked = asyncio.Event(), asyncio.Event()

        async def claims(event: AnyEvent) -> Claim:
            claimed = await claim(event)
            if event.id == messages[-1].id:
                # The last message goes on in the very moment in which the look is over.
                all_claimed.set()
                await looked.wait()
            return claimed

        async def looks(*places: Place) -> Mapping[Place, Mapping[str, JsonValue]]:
            found = await settings_of(*places)
            await all_claimed.wait()
            looked.set()
            return found

        monkeypatch.setattr(bot.app.store, "claim", claims)
        monkeypatch.setattr(bot.app.store, "settings_of", looks)
        messages = [question(bot, f"Bob {number}") for number in range(5)]
        await asyncio.gather(*(bot.hears(message, wait=False) for message in messages))
        await bot.idle()
        assert [asked(prompt) for prompt in model.prompts] == [f"Bob {number}" for number in range(5)]


def question(bot: TestBot, text: str) -> Message:
    id = bot.adapter.next_id()
    return Message(id=id, user=BOB, route=Route(bot.place), at=bot.clock.now(), text=text, addressed=True)


async def test_somebody_with_huge_answers_gets_fewer_turns() -> None:
    def says(prompt: Prompt) -> Say:
        if len(model.turns) == 1:
            return Say("Wait", hang=True)
        huge = asked(prompt).startswith("Bob")
        return Say("Answer.", usage=Usage(0, 3 * TOKENS_PER_VISIT if huge else 100))

    model = Scripted(says)
    async with TestBot(model) as bot:
        await bot.says("hold on", user=DAN, wait=False)
        await bot.until("Wait")
        for number in range(6):
            await bot.says(f"Bob {number}", user=BOB, wait=False)
            await bot.says(f"Eve {number}", user=EVE, wait=False)
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        order = [asked(prompt).partition(" ")[0] for prompt in model.prompts][1:]
        assert order[:8].count("Bob") == 2
        assert Counter(order) == {"Bob": 6, "Eve": 6}


async def test_an_answer_to_one_person_can_be_stopped_without_those_to_others() -> None:
    model = Scripted([Say("To Bob", hang=True)])
    async with TestBot(model) as bot:
        await bot.says("hi", user=BOB, wait=False)
        await bot.until("To Bob")
        assert not await bot.app.runner.stop(bot.place, of=EVE.id)
        assert await bot.app.runner.stop(bot.place, of=BOB.id)
        await bot.idle()
        assert bot.last.text == "To Bob\n[stopped]"


async def test_who_interrupts_again_and_again_does_not_keep_others_waiting_for_ever() -> None:
    model = Scripted(lambda prompt: Say(f"On {asked(prompt)}", hang=asked(prompt).startswith("Bob")))
    async with TestBot(model, settings={"answers": {"busy": "interrupt"}}) as bot:
        await bot.says("Bob 0", user=BOB, wait=False)
        await bot.until("On Bob 0")
        await bot.says("Eve 0", user=EVE, wait=False)
        for number in range(1, MOST_FIRST + 1):
            await bot.says(f"Bob {number}", user=BOB, wait=False)
            await bot.until(f"On Bob {number}")
        await bot.says("Bob last", user=BOB, wait=False)
        await bot.until("On Eve 0")
        await bot.until("On Bob last")
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert [asked(prompt) for prompt in model.prompts][-2:] == ["Eve 0", "Bob last"]


async def test_a_job_of_many_steps_lets_people_speak_in_between() -> None:
    plugin, said = Plugin("counting", "Counts."), list[str]()
    go = asyncio.Event()

    @plugin.job
    async def count(ctx: Context, state: Count) -> Count | None:
        await go.wait()
        said.append(f"step {state.at}")
        return Count(at=state.at + 1) if state.at < 4 else None

    @plugin.command(immediate=True)
    async def begin(ctx: Context) -> None:
        """Begin."""
        await ctx.start(count, Count())

    def says(prompt: Prompt) -> Say:
        said.append(asked(prompt))
        return Say("Answer.")

    async with TestBot(Scripted(says), plugins=[plugin]) as bot:
        await bot.runs("/begin", user=BOB)
        await bot.says("Eve 0", user=EVE, wait=False)
        go.set()
        await bot.idle()
        await bot.until("Answer.")
        assert said.index("Eve 0") <= 1


# Any order of arrivals, costs and people who give up


@dataclass
class Simulation:
    """Turns that begin and end when the property test says so."""

    line: Line = field(default_factory=Line)
    began: list[tuple[str, int]] = field(default_factory=list)
    waiting: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    passed_over: Counter[str] = field(default_factory=Counter)
    running: str | None = None
    next: int = 0

    async def turn(self, who: str, number: int, go: asyncio.Event) -> None:
        async with self.line.turn(who, first=False):
            self.begin(who, number)
            await go.wait()
            self.running = None

    def begin(self, who: str, number: int) -> None:
        assert self.running is None, "two turns at once"
        self.running = who
        assert self.waiting[who].popleft() == number, "not in the order in which this person asked"
        self.began.append((who, number))
        for other in [other for other, numbers in self.waiting.items() if numbers and other != who]:
            self.passed_over[other] += 1
        self.passed_over[who] = 0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("asks"), st.sampled_from(NAMES)),
        st.tuples(st.just("ends"), st.integers(0, 20 * TOKENS_PER_VISIT)),
        st.tuples(st.just("gives up"), st.sampled_from(NAMES)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_any_order_is_fair(steps: list[tuple[str, object]]) -> None:
    asyncio.run(play(steps))


async def play(steps: list[tuple[str, object]]) -> None:
    played = Simulation()
    tasks: dict[tuple[str, int], tuple[asyncio.Task[None], asyncio.Event]] = {}
    for what, value in steps:
        if what == "asks":
            who, number, go = str(value), played.next, asyncio.Event()
            played.next += 1
            played.waiting[who].append(number)
            tasks[who, number] = asyncio.create_task(played.turn(who, number, go)), go
        elif what == "ends" and played.running is not None:
            assert isinstance(value, int)
            await end(played, tasks, value)
        elif what == "gives up" and played.waiting[str(value)]:
            number = played.waiting[str(value)].pop()
            tasks[str(value), number][0].cancel()
        await breathe()
        check(played)
    while played.running is not None:
        await end(played, tasks, TOKENS_PER_VISIT)
        check(played)
    assert not any(played.waiting.values()), "somebody was never served"
    assert played.line.standing == 0
    await asyncio.gather(*(task for task, _ in tasks.values()), return_exceptions=True)


async def end(
    played: Simulation, tasks: dict[tuple[str, int], tuple[asyncio.Task[None], asyncio.Event]], tokens: int
) -> None:
    who, number = played.began[-1]
    played.line.charge(who, tokens)
    tasks[who, number][1].set()
    await breathe()


def check(played: Simulation) -> None:
    waits = any(played.waiting.values())
    assert played.running is not None or not waits, "somebody waits and nobody is served"
    # In one round everybody is visited once, and nobody is passed over for more rounds than that.
    most = (MOST_VISITS_PASSED + 1) * len(NAMES)
    assert all(count <= most for count in played.passed_over.values()), "somebody starves"


async def breathe() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@pytest.mark.parametrize("heavy", [2, 4, 8])
async def test_tokens_are_shared_not_turns(heavy: int) -> None:
    """Two people who never stop asking get about as many tokens, whatever one answer costs."""
    line, order = Line(), list[str]()
    costs = {"light": TOKENS_PER_VISIT, "heavy": heavy * TOKENS_PER_VISIT}

    async def asks(who: str) -> None:
        async with line.turn(who, first=False):
            order.append(who)
            line.charge(who, costs[who])

    async with line.turn("somebody else", first=False):
        everybody = asyncio.gather(*(asks(who) for _ in range(200) for who in costs))
        await asyncio.sleep(0)
    await everybody
    turns = Counter(order[: order.index("light", 150)])
    assert turns["light"] / turns["heavy"] == pytest.approx(heavy, rel=0.1)
    assert Counter(order) == {"light": 200, "heavy": 200}
