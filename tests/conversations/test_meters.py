"""What answers cost: `/cost`, budgets in dollars, and the small line below answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.api import Capabilities, Context, Piece, Place, Plugin, Prompt, PromptMessage, Speaker, ToolStart, User
from bot.model.scripted import Say, Scripted
from bot.testing.bot import ANN, BOB, TestBot
from bot.testing.hand_clock import HandClock
from bot.turn import ModelCall, Usage
from plugins.meters import plugin as meters

EVE = User("u-eve", "Eve")
MONTH = "⚠️ You have used up your budget for this month. Please come back on the first of next month at 00:00 UTC."
DAY = "⚠️ You have used up your budget for today. Please come back tomorrow at 00:00 UTC."
# A thousand tokens are a cent, so ten thousand are ten cents.
PRICED: Mapping[str, Any] = {
    "model": {"provider": "scripted", "name": "m", "prices": {"scripted/m": {"input": 10, "output": 10}}}
}


def costing(tokens: int, text: str = "Answer.") -> Scripted:
    return Scripted(lambda prompt: Say(text, usage=Usage(tokens // 2, tokens - tokens // 2)))


class Odd(Scripted):
    price_list = None  # type: ignore[assignment] # as of a provider whose prices nobody knows


class Slow(Scripted):
    """Says nothing before its gate is opened."""

    def __init__(self, script: Callable[[Prompt], Say]) -> None:
        super().__init__(script)
        self.gate = asyncio.Event()

    async def _pieces(self, say: Say) -> AsyncGenerator[Piece, None]:
        await self.gate.wait()
        async for piece in super()._pieces(say):
            yield piece


def paying(**limits: object) -> Mapping[str, Any]:
    return {**PRICED, "limits": limits}


def call(
    cost: str | None, *, model: str = "m", feature: str = "answer", tokens: int = 100, estimated: bool = False
) -> ModelCall:
    usage = Usage(tokens, tokens // 10, estimated=estimated)
    return ModelCall("p", model, usage, None if cost is None else Decimal(cost), {}, 1.0, 0.5, feature)


async def told(bot: TestBot, line: str, user: User = BOB, place: Place | None = None) -> str:
    await bot.runs(line, user=user, place=place)
    return bot.last.text


# What was used


async def test_people_see_what_they_used_and_moderators_the_whole_server() -> None:
    async with TestBot(costing(1000), plugins=[meters], settings=PRICED) as bot:
        await bot.says("hi", user=BOB)
        await bot.says("hi", user=EVE)
        await bot.says("hi again", user=EVE)
        mine = await told(bot, "/cost")
        assert bot.last.private
        line = "$0.0100 · 1 call · 500 tokens read · 500 written"
        assert mine == f"**You**\n- today: {line}\n- this month: {line}\n-# Days begin at 00:00 UTC."
        all_of_it = await told(bot, "/cost", ANN)
        assert "**You**\n- today: nothing\n" in all_of_it
        assert "**This server**\n- today: $0.0300 · 3 calls" in all_of_it


async def test_what_others_use_is_told_to_moderators_only() -> None:
    async with TestBot(costing(1000), plugins=[meters], settings=PRICED) as bot:
        await bot.says("hi", user=EVE)
        for line in ("/cost user", "/cost model month server", "/cost day month channel"):
            assert await told(bot, line) == "⚠️ Only moderators may see what others use."
        assert "Eve: $0.0100" in await told(bot, "/cost user", ANN)


async def test_alone_with_somebody_there_is_only_them() -> None:
    alone = Capabilities(edits=True, private=True, direct=True)
    async with TestBot(costing(1000), plugins=[meters], settings=PRICED, capabilities=alone) as bot:
        await bot.says("hi", user=EVE, place=Place("fake", "workspace", "elsewhere"))
        assert "There is only you here" in await told(bot, "/cost model month server", ANN)
        summary = replace(bot.model.turns[-1].calls[0], feature="summary")
        await bot.app.store.spend(bot.place, [summary])
        assert "- summaries of what I remember: $0.0100" in await told(bot, "/cost feature month channel", ANN)
        assert "nothing" in await told(bot, "/cost", ANN)


async def test_it_is_told_apart_by_model_purpose_channel_person_and_day() -> None:
    clock = HandClock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    there = Place("fake", "workspace", "there")
    async with TestBot(plugins=[meters], clock=clock) as bot:
        store = bot.app.store
        await store.spend(bot.place, [call("0.2", feature="tools"), call("0.1")], user_id=BOB.id)
        clock.passes(86_400)
        thread = replace(there, thread="t")
        await store.spend(thread, [call("0.3", model="big", feature="scene")], user_id=BOB.id)
        await store.spend(there, [call(None, model="odd", feature="summary")])
        by_model = await told(bot, "/cost model")
        assert "- `p:big`: $0.3000 · 1 call" in by_model
        assert "- `p:m`: $0.3000 · 2 calls · 200 tokens read · 20 written" in by_model
        assert "- together: $0.6000 · 3 calls" in by_model
        by_feature = await told(bot, "/cost feature")
        assert [line.partition(":")[0] for line in by_feature.splitlines()[1:4]] == [
            "- lines of scenes",
            "- answers with what tools found",
            "- answers",
        ]
        by_channel = await told(bot, "/cost channel")
        assert "- this channel: $0.3000" in by_channel
        assert "- `there`: $0.3000" in by_channel
        bot.adapter.names = {"there": "#kitchen"}
        assert "- `#kitchen`: $0.3000" in await told(bot, "/cost channel")
        by_day = await told(bot, "/cost day")
        assert by_day.index("- 2026-11-20: $0.3000 · 2 calls") < by_day.index("- 2026-11-21: $0.3000 · 1 call")
        today = await told(bot, "/cost model today")
        assert "**You, today**\n- `p:big`" in today
        assert "p:m" not in today
        by_user = await told(bot, "/cost user month server", ANN)
        assert "- `u-bob`: $0.6000" in by_user
        assert "- nobody in particular: price unknown · 1 call" in by_user
        assert "- together: $0.6000, and unknown for `p:odd` · 4 calls" in by_user


async def test_days_begin_where_people_live() -> None:
    clock = HandClock(datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    settings = {"memory": {"time_zone": "Europe/Berlin"}}
    async with TestBot(plugins=[meters], settings=settings, clock=clock) as bot:
        await bot.app.store.spend(bot.place, [call("0.2")], user_id=BOB.id)
        assert "- 2026-11-21: $0.2000" in await told(bot, "/cost day")
        assert "- today: $0.2000" in await told(bot, "/cost")
        assert "-# Days begin at 00:00 Europe/Berlin." in bot.last.text


async def test_a_day_with_another_clock_is_as_long_as_it_is() -> None:
    """On 25 October 2026 clocks in Berlin are put back: the day has 25 hours."""
    clock = HandClock(datetime(2026, 10, 25, 22, 30, tzinfo=UTC))
    settings = {"memory": {"time_zone": "Europe/Berlin"}}
    async with TestBot(plugins=[meters], settings=settings, clock=clock) as bot:
        await bot.app.store.spend(bot.place, [call("0.2")], user_id=BOB.id)
        clock.passes(3600)
        await bot.app.store.spend(bot.place, [call("0.3")], user_id=BOB.id)
        text = await told(bot, "/cost day")
        assert "- 2026-10-25: $0.2000" in text
        assert "- 2026-10-26: $0.3000" in text
        assert "- today: $0.3000" in await told(bot, "/cost")


async def test_unknown_prices_and_estimates_are_told_as_what_they_are() -> None:
    async with TestBot(plugins=[meters]) as bot:
        await bot.app.store.spend(bot.place, [call("0.2"), call(None, model="odd", estimated=True)], user_id=BOB.id)
        text = await told(bot, "/cost")
        assert "- today: ~$0.2000, and unknown for `p:odd` · 2 calls · ~200 tokens read · ~20 written" in text
        assert "What has a ~ is partly estimated" in text
        assert "- `p:odd`: price unknown · 1 call" in await told(bot, "/cost model")


async def test_the_meters_speak_german() -> None:
    async with TestBot(plugins=[meters], settings={"answers": {"language": "de"}}) as bot:
        assert (
            await told(bot, "/cost")
            == "**Du**\n- heute: nichts\n- dieser Monat: nichts\n-# Tage beginnen um 00:00 Uhr (UTC)."
        )


async def test_lines_of_scenes_and_what_tools_found_have_names_of_their_own() -> None:
    plugin = Plugin("plays", "Plays a scene")

    @plugin.command()
    async def play(ctx: Context) -> None:
        """Say a line."""
        await ctx.say(Speaker("1", "Ada"), Prompt((PromptMessage("user", "Speak!"),)), scene=1)

    @plugin.tool()
    async def roll(ctx: Context) -> str:
        """Roll a die."""
        return "4"

    look = Say("", calls=(ToolStart("1", "roll", "{}"),), usage=Usage(10, 1))
    async with TestBot(["A line.", look, Say("A four.", usage=Usage(20, 2))], plugins=[plugin, meters]) as bot:
        await bot.runs("/play", user=BOB)
        await bot.says("roll!", user=BOB)
        text = await told(bot, "/cost feature")
        assert "- lines of scenes: " in text
        assert "- answers: free · 1 call · 10 tokens read · 1 written" in text
        assert "- answers with what tools found: free · 1 call · 20 tokens read · 2 written" in text


# Budgets in dollars


async def test_a_budget_in_dollars_is_told_of_at_80_percent_and_stops_at_its_end() -> None:
    clock = HandClock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    settings = paying(dollars_per_month=0.05, dollars_per_day=0.03)
    async with TestBot(costing(1000), plugins=[meters], settings=settings, clock=clock) as bot:
        await bot.says("1", user=BOB)
        assert bot.last.text == "Answer."
        for _ in range(3):
            await bot.says("more", user=BOB)
        assert [text for text in bot.screen if "%" in text] == [
            "bot: Answer.\n[You have used 100 % of your budget for today.]"
        ]
        assert bot.shown_privately == [DAY]
        assert "- You, today: $0.0300 of $0.0300 (100 %)" in await told(bot, "/cost")
        clock.passes(86_400)
        await bot.says("tomorrow", user=BOB)
        assert bot.last.text == "Answer.\n[You have used 80 % of your budget for this month.]"
        await bot.says("and on", user=BOB)
        await bot.says("and on", user=BOB)
        assert bot.shown_privately[-1] == MONTH
        await bot.says("I lead", user=ANN)
        assert bot.screen[-1] == "bot: Answer."
        clock.passes(10 * 86_400)
        await bot.says("next month", user=BOB)
        assert bot.screen[-1] == "bot: Answer."


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("place_dollars_per_day", "⚠️ The budget of this channel is used up for today."),
        ("place_dollars_per_month", "⚠️ The budget of this channel is used up for this month."),
        ("server_dollars_per_day", "⚠️ The budget of this server is used up for today."),
        ("server_dollars_per_month", "⚠️ The budget of this server is used up for this month."),
    ],
)
async def test_channels_and_servers_have_budgets_too(limit: str, said: str) -> None:
    async with TestBot(costing(1000), settings=paying(**{limit: 0.02})) as bot:
        await bot.says("1", user=BOB)
        await bot.says("2", user=EVE)
        await bot.says("3", user=BOB)
        assert bot.shown_privately[-1].startswith(said)


async def test_a_role_may_spend_more_and_an_unlimited_one_all() -> None:
    settings = paying(dollars_per_day=0.01, roles={"vip": {"dollars_per_day": 0.03}, "rich": {"dollars_per_day": 0}})
    vip, rich = replace(BOB, roles=("vip",)), replace(EVE, roles=("rich", "vip"))
    async with TestBot(costing(1000), settings=settings) as bot:
        for user in (vip, rich):
            for _ in range(4):
                await bot.says("hi", user=user)
        assert sum(line.startswith("bot: Answer.") for line in bot.screen) == 3 + 4


async def test_what_is_being_answered_counts_while_it_runs() -> None:
    """Five questions at once in five places: only what fits into the budget is asked."""
    model = Slow(lambda prompt: Say("Answer.", usage=Usage(500, 500)))
    # An answer is taken for 500 tokens and some for the prompt, more than half a cent: two fit in.
    places = [Place("fake", "workspace", f"c{number}") for number in range(5)]
    async with TestBot(model, settings=paying(dollars_per_day=0.009)) as bot:
        for place in places:
            await bot.says("hi", user=BOB, place=place, wait=False)
        await bot.until("may use up the rest of the budget")
        model.gate.set()
        await bot.idle()
        assert len(model.turns) == 2
        assert sum("Answer." in line for line in bot.screen) == 2


async def test_what_a_command_asks_is_stopped_too() -> None:
    plugin = Plugin("asking", "Asks the model.")

    @plugin.command()
    async def rhyme(ctx: Context) -> str:
        """A rhyme."""
        return await ctx.ask(Prompt((PromptMessage("user", "A rhyme!"),)))

    async with TestBot(costing(1000), plugins=[plugin], settings=paying(dollars_per_day=0.01)) as bot:
        await bot.runs("/rhyme", user=BOB)
        assert bot.last.text == "Answer."
        await bot.runs("/rhyme", user=BOB)
        assert bot.last.text == DAY


async def test_no_summary_is_made_once_the_budget_of_the_channel_is_used_up(tmp_path: Path) -> None:
    """Quietly: nobody is told, and everything else goes on."""

    def answers(prompt: Prompt) -> Say:
        if "You keep the memory" in prompt.messages[0].text:
            return Say("In short.", usage=Usage(10, 10))
        return Say("word " * 200, usage=Usage(500, 500))

    limits = paying(place_dollars_per_day=0.05)
    settings = {**limits, "memory": {"budget_tokens": 1200, "reserve_tokens": 100, "summaries": True}}
    async with TestBot(Scripted(answers), settings=settings) as bot:
        for _ in range(7):
            await bot.says("word " * 100, user=ANN)
        spent = {one.feature: one.cost for one in await bot.app.store.usage()}
        assert spent["answer"] == Decimal("0.07")
        made = spent.get("summary", Decimal(0))
        for _ in range(2):
            await bot.says("word " * 100, user=ANN)
        after = {one.feature: one.cost for one in await bot.app.store.usage()}
        assert after.get("summary", Decimal(0)) == made
        assert not bot.shown_privately


async def test_an_unknown_price_cannot_be_stopped_and_is_told_once() -> None:
    settings = {"limits": {"dollars_per_day": 0.01}, "model": {"provider": "scripted", "name": "odd"}}
    model = Odd(lambda prompt: Say("Answer.", usage=Usage(500, 500)))
    with capture_logs() as logs:
        async with TestBot(model, plugins=[meters], settings=settings) as bot:
            for _ in range(3):
                await bot.says("hi", user=BOB)
            assert [line for line in bot.screen if "bot:" in line] == ["bot: Answer."] * 3
            text = await told(bot, "/cost")
    assert "price unknown" in text
    assert "A model whose price I do not know counts to no budget in dollars." in text
    assert [one["model"] for one in logs if "price of a model is not known" in one["event"]] == ["odd"]


async def test_the_ledger_counts_from_before_the_start(tmp_path: Path) -> None:
    for expected in (["bot: Answer."], []):
        async with TestBot(costing(1000), settings=paying(dollars_per_month=0.01), folder=tmp_path) as bot:
            await bot.says("hi", user=BOB)
            assert [line.splitlines()[0] for line in bot.screen if line.startswith("bot:")] == expected


# The line below answers


async def test_a_small_line_tells_what_an_answer_took_and_is_not_remembered() -> None:
    settings = {**PRICED, "answers": {"footer": True, "shutdown_grace": 0}}
    model = Scripted(lambda prompt: Say("Hello!", usage=Usage(1000, 20, cached=600)))
    async with TestBot(model, settings=settings) as bot:
        await bot.says("hi", user=BOB)
        answer, line = bot.last.text.split("\n")
        assert answer == "Hello!"
        assert line.startswith("[20 tokens · 60 % cached · ")
        assert line.endswith(" · $0.0102]")
        path = await bot.app.store.path(bot.place, max_tokens=10_000)
        assert [message.text for message in path.messages] == ["hi", "Hello!"]


async def test_without_the_setting_answers_have_no_small_line() -> None:
    async with TestBot(costing(10), settings=PRICED) as bot:
        await bot.says("hi", user=BOB)
        assert bot.last.text == "Answer."


async def test_where_the_platform_tells_it_itself_it_is_not_told_twice() -> None:
    shows = Capabilities(edits=True, footer=True)
    settings = {"answers": {"footer": True, "shutdown_grace": 0}}
    async with TestBot(costing(10), settings=settings, capabilities=shows) as bot:
        await bot.says("hi", user=BOB)
        assert bot.last.text == "Answer."
