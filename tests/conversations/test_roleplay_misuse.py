"""What people press twice, leave in the middle, bring along and try at somebody else's scene."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from bot.api import Capabilities, User
from bot.model.scripted import Scripted
from bot.testing.bot import BOB, TestBot
from plugins.roleplay import plugin as roleplay
from tests.conversations.staging import says_next, settles
from tests.conversations.test_personas import ADA, imports

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True, max_file_bytes=1_000_000)
CARL = User("u-carl", "Carl")
BUDGET = 1_400


def bot_with(*lines: object, folder: Path | None = None) -> TestBot:
    return TestBot(lines, plugins=[roleplay], capabilities=STAGE, folder=folder)  # type: ignore[arg-type]


def lines(bot: TestBot) -> list[str]:
    """What was said on stage, by whom."""
    return [f"{each.author}: {each.text}" for each in bot.adapter.messages if each.own and each.author != "bot"]


def told(bot: TestBot, part: str) -> int:
    return sum(part in each.text for each in bot.adapter.messages)


async def opens(bot: TestBot, cast: str = "a cat and a dog", first: str = "The curtain rises.") -> None:
    await bot.runs(f"/roleplay start {cast} --turns=9 --pace=600", user=BOB)
    await bot.presses("▶ Begin", user=BOB)
    await bot.until(first)
    await settles(bot)


async def pauses(bot: TestBot) -> None:
    await bot.runs("/roleplay pause", user=BOB)
    await bot.until("⏸ Paused.")


# Twice and too late.


async def test_begin_that_is_pressed_twice_begins_once_and_is_no_mistake() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay start a cat and a dog --pace=600", user=BOB)
        begin = next(each for each in bot.last.buttons if each.label == "▶ Begin")
        await asyncio.gather(*[bot.presses("▶ Begin", user=BOB) for _ in range(2)])
        await bot.until("The curtain rises.")
        await bot.presses("begin", *begin.args, message=bot.adapter.messages[0].id, user=BOB)
        await settles(bot)
        assert lines(bot) == ["Narrator: The curtain rises."]
        assert told(bot, "⚠️") == 0


async def test_a_scene_that_makes_way_is_told_to_be_over() -> None:
    async with bot_with("Meow.") as bot:
        await opens(bot)
        await says_next(bot, "Meow.")
        await pauses(bot)
        await opens(bot, "a cow and a duck --topic=Hay.", "Hay.")
        assert told(bot, "🎬 The scene is over: somebody ended it.") == 1
        assert lines(bot) == ["Narrator: The curtain rises.", "Cat: Meow.", "Narrator: Hay."]


async def test_a_line_that_does_not_come_anew_stays_and_ends_nothing() -> None:
    async with bot_with("Meow.", "Dog: Mine!", "Dog: Mine!", "Woof.") as bot:
        await opens(bot)
        await says_next(bot, "Meow.")
        await pauses(bot)
        await bot.presses("🔁 Again", user=BOB)
        await bot.until("⏸ Paused.", 2)
        await bot.presses("⏯ One line", user=BOB)
        await bot.until("⏸ Paused.", 3)
        assert lines(bot)[1:] == ["Cat: Meow.", "Dog: Woof."]


async def test_a_scene_without_words_can_be_taken_up_again() -> None:
    async with bot_with("Dog: Mine!", "Dog: Mine!", "Meow.") as bot:
        await opens(bot)
        await says_next(bot, "there was nothing left to say")
        await bot.runs("/roleplay resume", user=BOB)
        await bot.until("Meow.")


# People on stage and before it.


async def test_whoever_takes_another_role_gives_back_the_first() -> None:
    async with bot_with("Meow.") as bot:
        await opens(bot)
        await bot.runs("/roleplay join cat", user=CARL)
        await bot.runs("/roleplay join dog", user=CARL)
        await says_next(bot, "Meow.")
        await bot.idle()
        await bot.runs("/roleplay next", user=BOB)
        await bot.until("⏸ Dog is played by Carl: the scene goes on with their next message.")


async def test_a_whisper_stays_with_whoever_heard_it_when_roles_are_swapped() -> None:
    async with bot_with("Woof.", "Meow.") as bot:
        await opens(bot)
        await bot.runs("/roleplay whisper dog There is a bone.", user=BOB)
        await bot.runs("/roleplay swap", user=BOB)
        for line in ("Woof.", "Meow."):
            await says_next(bot, line)
        assert lines(bot)[1:] == ["Dog: Woof.", "Cat: Meow."]
        assert ["bone" in str(prompt) for prompt in bot.model.prompts] == [True, False]


async def test_somebody_of_the_audience_takes_leave_without_ending_it() -> None:
    async with bot_with("Good night, Carl!", "Now to the milk.") as bot:
        await opens(bot)
        await bot.says("Good night everybody!", user=CARL)
        await says_next(bot, "Good night, Carl!")
        await says_next(bot, "Now to the milk.")
        assert told(bot, "The scene is over") == 0


async def test_whoever_is_named_like_an_article_is_not_meant_by_each_of_them() -> None:
    async with bot_with("Call the nurse, Cat!", "Meow.") as bot:
        await bot.runs("/persona create Nurse Ann --prompt=Calm.", user=BOB)
        await bot.runs('/persona create "The Doctor" --prompt=Loud.', user=BOB)
        await opens(bot, 'Nurse Ann, a cat, "The Doctor" --order=mention')
        await says_next(bot, "Call the nurse")
        await says_next(bot, "Meow.")
        assert lines(bot)[-1] == "Cat: Meow."


@pytest.mark.parametrize("change", ["/persona edit ada --memory=false", "/persona delete ada"])
async def test_what_is_no_longer_to_be_kept_is_not_learned_at_the_end(change: str) -> None:
    async with bot_with("It rains.", "Ada likes rain.") as bot:
        await bot.runs("/persona create Ada --prompt=Exact.", user=BOB)
        await bot.runs("/persona edit ada --memory=true", user=BOB)
        await bot.runs("/roleplay start ada and a cat --turns=1 --pace=600", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The curtain rises.")
        await settles(bot)
        await bot.runs(change, user=BOB)
        await says_next(bot, "all lines were said")
        assert len(bot.model.prompts) == 1


# What is asked besides the lines.


def spent(bot: TestBot) -> int:
    """What a scene says that it took, in tokens."""
    over = next(each.text for each in bot.adapter.messages if each.text.startswith("🎬"))
    found = re.search(r"([\d,]+) tokens", over)
    assert found is not None
    return int(found[1].replace(",", ""))


async def test_what_came_to_nothing_and_who_is_next_count_too() -> None:
    """The scene says as many tokens as the model was asked and answered."""
    counted = []
    for order, said in (
        ("alternate", ["Meow."]),
        ("alternate", ["Dog: Mine!", "Meow."]),
        ("director", ["Cat", "Meow."]),
    ):
        async with bot_with(*said) as bot:
            await bot.runs(f"/roleplay start a cat and a dog --turns=1 --pace=0 --order={order}", user=BOB)
            await bot.presses("▶ Begin", user=BOB)
            await bot.until("all lines were said")
            assert len(bot.model.prompts) == len(said)
            counted.append(spent(bot))
    line, twice, directed = counted
    assert twice > 1.8 * line
    assert directed > line


async def test_nothing_is_asked_again_where_the_budget_does_not_allow_it() -> None:
    async with bot_with("Dog: Mine!", "Meow.") as bot:
        settings = "--turns=3 --pace=0"
        # Enough for one attempt, of which the answer may take all that is kept for it.
        await bot.runs(f"/roleplay start a cat and a dog {settings} --tokens={BUDGET}", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("the next line would cost more than is left of the budget")
        assert len(bot.model.prompts) == 1
        assert 0 < spent(bot) <= BUDGET


async def test_a_budget_in_dollars_is_not_promised_where_a_price_is_unknown() -> None:
    class Dear(Scripted):
        price_list = "nobody knows"

    async with TestBot(Dear([]), plugins=[roleplay], capabilities=STAGE) as bot:
        for budget, warned in (("", False), ("--budget=1", True)):
            await bot.runs(f"/roleplay start a cat and a dog {budget}", user=BOB)
            assert "at an unknown price" in bot.last.text
            assert ("whose price is unknown count as nothing" in bot.last.text) is warned


# What cards and names bring along.


async def test_a_lorebook_that_is_nested_without_end_is_played() -> None:
    deep: Any = "a"
    for _ in range(400):
        deep = [deep]
    entry = {"keys": ["rain", deep], "content": "Rain is wet.", "priority": deep, "order": {"x": deep}}
    data = {**ADA["data"], "character_book": {"entries": [entry], "scan_depth": deep}}
    async with bot_with("Meow.") as bot:
        await imports(bot, {**ADA, "data": data})
        await bot.runs('/roleplay start a cat and ada --pace=600 --opener="Cat: Rain!" --turns=2', user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("Rain!")
        await says_next(bot, "Meow.")
        assert "Rain is wet." in str(bot.model.prompts[-1])


async def test_a_name_that_nobody_can_see_is_none() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay start \u200b and a cat", user=BOB)
        assert "It takes two" in bot.last.text
        await bot.runs("/roleplay start \u202eevil and a cat", user=BOB)
        assert bot.last.text.startswith("🎭 **Evil · Cat**")
