"""What no longer fits is told in a summary, which nobody waits for."""

from __future__ import annotations

from typing import Any

from bot.errors import ModelUnavailable
from bot.model.scripted import Answer, Say, Scripted
from bot.summarising import INSTRUCTION
from bot.testing.bot import TestBot
from bot.turn import Prompt

MEMORIES = INSTRUCTION.split(".")[0]
SMALL: dict[str, Any] = {"memory": {"budget_tokens": 900, "reserve_tokens": 100, "summaries": True}}
LONG = "words " * 60


def is_summary(prompt: Prompt) -> bool:
    return prompt.messages[0].text.startswith(MEMORIES)


class Memories:
    """A model that talks at length, and whose summaries are numbered; `fails` is what happens to the next ones."""

    def __init__(self, *fails: Answer) -> None:
        self.fails = list(fails)
        self.asked: list[Prompt] = []

    def __call__(self, prompt: Prompt) -> Answer:
        if not is_summary(prompt):
            return LONG
        self.asked.append(prompt)
        return self.fails.pop(0) if self.fails else f"memory {len(self.asked)}"

    @property
    def read(self) -> list[str]:
        """What each was made of."""
        return [prompt.messages[1].text for prompt in self.asked]


def system_of(model: Scripted) -> str:
    """What stood at the top of the newest prompt that was not a summary's."""
    return next(prompt.messages[0].text for prompt in reversed(model.prompts) if not is_summary(prompt))


async def talk(bot: TestBot, first: int, last: int) -> None:
    for number in range(first, last):
        await bot.says(f"Message {number}. {LONG}")


async def test_what_leaves_the_window_is_told_in_full_and_added_to() -> None:
    memories = Memories()
    model = Scripted(memories)
    async with TestBot(model, settings=SMALL) as bot:
        await talk(bot, 0, 6)
        assert "Message 0." in memories.read[0]
        assert LONG.strip() in memories.read[0], "not a word of it is left out"
        assert "The memory so far" not in memories.read[0]
        await bot.says("And now?")
        assert f"What was said before:\nmemory {len(memories.asked)}" in system_of(model)
        await talk(bot, 6, 12)
        assert len(memories.asked) > 1
        assert "The memory so far:\nmemory 1" in memories.read[1]
        # Every message was told once.
        told = "".join(memories.read)
        newest = max(number for number in range(12) if f"Message {number}." in told)
        assert [told.count(f"Message {number}.") for number in range(newest + 1)] == [1] * (newest + 1)
        report = (await bot.app.turns.report(bot.place)).parts
        assert "summary" in [part.name for part in report]
        calls = await bot.app.store.usage(bot.place)
        assert {call.feature for call in calls} == {"answer", "summary"}


async def test_a_failure_or_silence_delays_nobody_and_is_made_good() -> None:
    memories = Memories(ModelUnavailable("away"), "")
    async with TestBot(Scripted(memories), settings=SMALL) as bot:
        await talk(bot, 0, 8)
        assert len([line for line in bot.screen if line.startswith("bot")]) == 8
        assert len(memories.asked) == 2, "the registry asks twice, but nobody tries again at once"
        assert await bot.app.store.branches.summary(bot.place) is None


async def test_a_summary_that_never_ends_holds_up_nothing() -> None:
    async with TestBot(Scripted(Memories(Say("endless", hang=True))), settings=SMALL) as bot:
        for number in range(8):
            await bot.says(f"Message {number}. {LONG}", wait=False)
            await bot.app.runner.idle()
        assert len([line for line in bot.screen if line.startswith("bot")]) == 8


async def test_what_is_forgotten_leaves_the_summary_which_is_made_anew() -> None:
    memories = Memories()
    async with TestBot(Scripted(memories), settings=SMALL) as bot:
        await talk(bot, 0, 6)
        store = bot.app.store
        first = (await store.tree(bot.place))[0]
        assert await store.branches.summary(bot.place) is not None
        await store.forget(bot.place, [first.id])
        assert await store.branches.summary(bot.place) is None
        await bot.says("Go on.")
        assert "Message 0." not in memories.read[-1]
        assert "Message 1." not in memories.read[-1] or LONG.strip() in memories.read[-1]
        told = await store.branches.summary(bot.place)
        assert told is not None
        assert told.text == f"memory {len(memories.asked)}"


async def test_pinned_messages_stand_in_every_prompt() -> None:
    model = Scripted(Memories())
    async with TestBot(model, settings=SMALL) as bot:
        await bot.says("My dog is called Argos.")
        first = (await bot.app.store.tree(bot.place))[0]
        await bot.app.store.branches.pin(bot.place, first.id)
        await talk(bot, 0, 6)
        assert "Keep in mind:\n- Ann: My dog is called Argos." in system_of(model)
        await bot.app.store.branches.unpin(bot.place, first.id)
        await bot.says("And now?")
        assert "Argos" not in system_of(model)


async def test_it_can_be_switched_off() -> None:
    memories = Memories()
    settings = {"memory": {**SMALL["memory"], "summaries": False}}
    async with TestBot(Scripted(memories), settings=settings) as bot:
        await talk(bot, 0, 6)
        assert memories.asked == []
