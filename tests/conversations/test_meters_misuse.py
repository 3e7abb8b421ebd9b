"""Meters and budgets when much happens at once, or nothing ends as it should."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from bot.api import Context, Place, Plugin, Prompt, PromptMessage, ToolStart
from bot.errors import ModelUnavailable, WrongKey
from bot.model.scripted import Answer, Say
from bot.testing.bot import ANN, BOB, TestBot
from bot.turn import Usage
from plugins.conversation import plugin as conversation
from plugins.meters import plugin as meters
from tests.conversations.test_meters import EVE, Slow, costing, paying, told

USED = Usage(100, 10)


def asking() -> Plugin:
    plugin = Plugin("asking", "Asks the model, and has a tool.")

    @plugin.command()
    async def rhyme(ctx: Context) -> str:
        """A rhyme."""
        return await ctx.ask(Prompt((PromptMessage("user", "A rhyme!"),)))

    @plugin.tool()
    async def roll(ctx: Context) -> str:
        """Roll a die."""
        return "4"

    return plugin


async def test_each_call_is_counted_once_however_it_ends() -> None:
    look = Say("Let me see.", calls=(ToolStart("1", "roll", "{}"),), usage=USED)
    answers: list[Answer] = [
        Say("One.", usage=USED),
        Say("Two.", usage=USED),  # anew
        WrongKey("no"),  # refused before a word: nothing was used
        Say("Begun,", fail=ModelUnavailable("away")),  # broken off, and gone on with
        Say("and ended.", usage=USED),
        look,
        Say("A four.", usage=USED),
        Say("Endless", hang=True),
        Say("A rhyme.", usage=USED),
        Say("Other words.", usage=USED),
    ]
    async with TestBot(answers, plugins=[asking(), conversation, meters]) as bot:
        await bot.says("Count.", user=BOB)
        await bot.runs("/regenerate", user=BOB)
        await bot.runs("/regenerate", user=BOB)
        await bot.says("Go on.", user=BOB)
        await bot.says("Roll!", user=BOB)
        await bot.says("For ever?", user=BOB, wait=False)
        await bot.until("Endless")
        await bot.presses("⏹ Stop", user=BOB)
        await bot.runs("/rhyme", user=BOB)
        await bot.runs("/edit Again.", user=BOB)
        assert len(bot.model.turns) == len(answers)
        text = await told(bot, "/cost")
        assert "- today: free · 9 calls · ~" in text
        by_feature = await told(bot, "/cost feature")
        assert "- what commands asked: free · 1 call · 100 tokens read · 10 written" in by_feature
        assert "- answers with what tools found: free · 1 call · 100 tokens read · 10 written" in by_feature


async def test_answers_at_once_are_taken_for_what_answers_usually_use() -> None:
    """One that is a cent and a half is not thought to be half a cent again."""
    model = Slow(lambda prompt: Say("Answer.", usage=Usage(500, 4500)))
    model.gate.set()
    places = [Place("fake", "workspace", f"c{number}") for number in range(8)]
    async with TestBot(model, plugins=[meters], settings=paying(place_dollars_per_day=0, dollars_per_day=0.1)) as bot:
        await bot.says("hi", user=BOB)
        model.gate.clear()
        for place in places:
            await bot.says("hi", user=BOB, place=place, wait=False)
        await bot.until("may use up the rest of the budget")
        model.gate.set()
        await bot.idle()
        spent = sum((one.cost or Decimal(0) for one in await bot.app.store.usage()), Decimal(0))
        assert spent <= Decimal("0.15"), "one too many at most"


async def test_names_of_people_are_shown_letter_by_letter() -> None:
    odd = replace(EVE, name="[free](https://evil.example) **`x`**")
    async with TestBot(costing(1000), plugins=[meters], settings=paying()) as bot:
        await bot.says("hi", user=odd)
        text = await told(bot, "/cost user", ANN)
        assert r"- \[free\](https://evil.example) \*\*\`x\`\*\*: $0.0100" in text


async def test_a_budget_is_the_same_in_all_threads_and_after_a_restart(tmp_path: Path) -> None:
    settings = paying(place_tokens_per_day=2000)
    async with TestBot(costing(1000), settings=settings, folder=tmp_path) as bot:
        for thread in ("1", "2"):
            await bot.says("hi", user=BOB, place=replace(bot.place, thread=thread))
    async with TestBot(costing(1000), settings=settings, folder=tmp_path) as bot:
        await bot.says("hi", user=EVE)
        assert bot.shown_privately == [
            "⚠️ The tokens for this channel are used up for today. Please come back tomorrow at 00:00 UTC."
        ]
        await bot.says("hi", user=EVE, place=replace(bot.place, channel="elsewhere"))
        assert bot.screen[-1].startswith("bot: Answer.")


async def test_between_two_looks_at_a_tool_the_budget_is_looked_at_too() -> None:
    """A model that wants its tools again and again does not outrun what a person may use."""
    look = Say("Let me see.", calls=(ToolStart("1", "roll", "{}"),), usage=Usage(900, 100))
    settings = paying(place_tokens_per_day=0, tokens_per_day=1500)
    async with TestBot([look, look, look, look], plugins=[asking(), meters], settings=settings) as bot:
        await bot.says("Roll until it is a six.", user=BOB)
        assert len(bot.model.turns) == 2
        assert bot.last.text.splitlines()[-2:] == [
            "[I stopped looking things up here, for a budget has nothing left.]",
            "[You have used 100 % of your tokens for today.]",
        ]
        roles = [message.role for message in (await bot.app.store.path(bot.place, max_tokens=9999)).messages]
        assert roles == ["user", "assistant", "tool", "assistant"]
