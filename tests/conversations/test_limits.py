"""How much people may ask, and what they are told when it was enough for now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from bot.api import ButtonPressed, Capabilities, CommandCall, Context, Place, Plugin, Prompt, PromptMessage, Route, User
from bot.limits import in_time
from bot.model.scripted import Say, Scripted
from bot.testing.bot import ANN, BOB, TestBot
from bot.testing.hand_clock import HandClock
from bot.turn import Usage

EVE = User("u-eve", "Eve")
MINUTE = "⚠️ You may ask me 2 questions per minute. Please come back in 60 seconds."


def limited(**limits: object) -> Mapping[str, Any]:
    return {"limits": limits}


def asking() -> Plugin:
    plugin = Plugin("asking", "Asks the model.")

    @plugin.command()
    async def rhyme(ctx: Context) -> str:
        """A rhyme."""
        return await ctx.ask(Prompt((PromptMessage("user", "A rhyme!"),)))

    @plugin.command()
    async def twice(ctx: Context) -> None:
        """Say two things."""
        for _ in range(2):
            await ctx.say(None, Prompt((PromptMessage("user", "Speak!"),)))

    @plugin.button("more")
    async def more(ctx: Context) -> str:
        return await ctx.ask(Prompt((PromptMessage("user", "More!"),)))

    return plugin


def costing(tokens: int) -> Scripted:
    return Scripted(lambda prompt: Say("Answer.", usage=Usage(tokens // 2, tokens - tokens // 2)))


def call(bot: TestBot, command: str, user: User = BOB, at: timedelta = timedelta()) -> CommandCall:
    """As a platform calls it that waits for an answer."""
    id = bot.adapter.next_id()
    when = bot.clock.now() + at
    return CommandCall(id=id, user=user, route=Route(bot.place), at=when, command=command, arguments={})


# Questions in a time


async def test_a_person_may_ask_so_often_a_minute_and_is_told_once_when_to_come_back() -> None:
    clock = HandClock()
    async with TestBot(costing(10), settings=limited(questions_per_minute=2), clock=clock) as bot:
        for _ in range(4):
            await bot.says("hi", user=BOB)
        assert sum("Answer." in line for line in bot.screen) == 2
        assert bot.shown_privately == [MINUTE]
        await bot.says("may I?", user=EVE)
        assert bot.screen[-1] == "bot: Answer."
        clock.passes(60)
        await bot.says("hi again", user=BOB)
        assert bot.screen[-1] == "bot: Answer."
        assert bot.shown_privately == [MINUTE]
        assert await bot.app.store.left_behind("fake") == ()


async def test_in_private_nobody_is_left_waiting_for_nothing() -> None:
    direct = Capabilities(direct=True, private=True)
    async with TestBot(costing(10), settings=limited(questions_per_minute=1), capabilities=direct) as bot:
        for _ in range(3):
            await bot.says("hi", user=BOB)
        assert sum("You may ask me 1 question per minute." in line for line in bot.shown_privately) == 2


async def test_whoever_runs_the_bot_is_not_warned_of_it() -> None:
    async with TestBot(costing(10), settings=limited(questions_per_minute=1)) as bot:
        with capture_logs() as logged:
            await bot.says("hi", user=BOB)
            await bot.says("hi again", user=BOB)
    (told,) = [entry for entry in logged if entry["event"] == "turn failed"]
    assert told["log_level"] == "info"


async def test_after_the_window_it_is_told_again() -> None:
    clock = HandClock()
    async with TestBot(costing(10), settings=limited(questions_per_hour=1), clock=clock) as bot:
        await bot.says("hi", user=BOB)
        clock.passes(48 * 60)
        await bot.says("and now?", user=BOB)
        clock.passes(12 * 60)
        await bot.says("and now?", user=BOB)
        await bot.says("and again?", user=BOB)
        assert bot.shown_privately == [
            "⚠️ You may ask me 1 question per hour. Please come back in 12 minutes.",
            "⚠️ You may ask me 1 question per hour. Please come back in 60 minutes.",
        ]


async def test_a_platform_that_waits_is_answered_each_time() -> None:
    settings = limited(questions_per_minute=1)
    async with TestBot(costing(10), settings=settings, plugins=[asking()], clock=HandClock()) as bot:
        for _ in range(3):
            await bot.hears(call(bot, "rhyme"))
        assert bot.screen == ["bot: Answer."]
        assert len(bot.shown_privately) == 2


async def test_one_command_that_asks_often_is_one_question() -> None:
    settings = limited(questions_per_minute=1)
    async with TestBot(costing(10), settings=settings, plugins=[asking()], clock=HandClock()) as bot:
        await bot.runs("/twice", user=BOB)
        assert bot.screen == ["bot: Answer.", "bot: Answer."]
        await bot.runs("/rhyme", user=BOB)
        assert len(bot.shown_privately) == 1


async def test_what_was_refused_is_not_remembered_and_costs_nothing() -> None:
    async with TestBot(costing(10), settings=limited(questions_per_minute=1), clock=HandClock()) as bot:
        await bot.says("first", user=BOB)
        await bot.says("second", user=BOB)
        path = await bot.app.store.path(bot.place, max_tokens=1000)
        assert [message.text for message in path.messages] == ["first", "Answer."]
        assert len(bot.model.turns) == 1


async def test_a_role_elsewhere_does_not_make_the_bot_forget_what_was_asked_here() -> None:
    settings = limited(questions_per_hour=2, roles={"vip": {"questions_per_hour": 0}})
    async with TestBot(costing(10), settings=settings, clock=HandClock()) as bot:
        at_home = replace(bot.place, workspace="home")
        for _ in range(2):
            await bot.says("hi", user=EVE)
        await bot.says("hi", user=replace(EVE, roles=("vip",)), place=at_home)
        await bot.says("hi again", user=EVE)
        assert bot.screen.count("bot: Answer.") == 3
        assert len(bot.shown_privately) == 1


async def test_asking_in_many_places_at_once_is_asking_often() -> None:
    settings = limited(questions_per_minute=2, tokens_per_day=1000)
    async with TestBot(costing(10), settings=settings, clock=HandClock()) as bot:
        places = [replace(bot.place, channel=f"c{number}") for number in range(6)]
        await asyncio.gather(*(bot.says("hi", user=BOB, place=place) for place in places))
        assert bot.screen.count("bot: Answer.") == 2


async def test_roles_may_have_other_limits_and_the_most_generous_counts() -> None:
    settings = limited(
        questions_per_minute=1,
        roles={
            "guest": {"questions_per_minute": 2},
            "member": {"questions_per_minute": 3},
            "patron": {"tokens_per_day": 5},
        },
    )
    both, free = replace(BOB, roles=("guest", "member")), replace(EVE, roles=("vip",))
    async with TestBot(costing(10), settings=settings, clock=HandClock()) as bot:
        for _ in range(5):
            await bot.says("hi", user=both)
            await bot.says("hi", user=free)
        assert len(bot.model.turns) == 3 + 1


async def test_moderators_are_free_of_limits_where_that_is_wanted_but_not_in_direct_messages() -> None:
    settings = limited(questions_per_minute=1)
    async with TestBot(costing(10), settings=settings, clock=HandClock()) as bot:
        for _ in range(3):
            await bot.says("hi", user=ANN)
        assert len(bot.model.turns) == 3
        bot.adapter.offers = replace(bot.adapter.offers, direct=True)
        for _ in range(3):
            await bot.says("hi", user=ANN)
        assert len(bot.model.turns) == 4
    settings = limited(questions_per_minute=1, moderators=False)
    async with TestBot(costing(10), settings=settings, clock=HandClock()) as bot:
        for _ in range(3):
            await bot.says("hi", user=ANN)
        assert len(bot.model.turns) == 1


async def test_nobody_is_freed_of_limits_by_a_channel_of_their_own() -> None:
    bob = replace(BOB, permissions=frozenset({"own_channel"}))
    async with TestBot(costing(10), settings=limited(questions_per_minute=1), clock=HandClock()) as bot:
        for _ in range(3):
            await bot.says("hi", user=bob)
        assert len(bot.model.turns) == 1


# Tokens a day


async def test_a_persons_tokens_of_a_day_are_used_up_and_back_tomorrow() -> None:
    clock = HandClock()
    async with TestBot(costing(40), settings=limited(tokens_per_day=100), clock=clock) as bot:
        for _ in range(5):
            await bot.says("hi", user=BOB)
        assert len(bot.model.turns) == 3
        assert bot.shown_privately == [
            "⚠️ You have used up your tokens for today. Please come back tomorrow at 00:00 UTC."
        ]
        await bot.says("hi", user=EVE)
        assert len(bot.model.turns) == 4
        clock.passes(12 * 3600)
        await bot.says("good morning", user=BOB)
        assert len(bot.model.turns) == 5


async def test_a_day_begins_where_the_people_are() -> None:
    clock = HandClock()
    settings = {**limited(tokens_per_day=50), "memory": {"time_zone": "Pacific/Kiritimati"}}
    async with TestBot(costing(60), settings=settings, clock=clock) as bot:
        await bot.says("hi", user=BOB)
        await bot.says("hi", user=BOB)
        assert "tomorrow at 00:00 Pacific/Kiritimati" in bot.shown_privately[0]
        clock.passes(22 * 3600 + 1)
        await bot.says("hi", user=BOB)
        assert len(bot.model.turns) == 2


async def test_somebody_near_the_end_of_their_tokens_is_told_once_below_the_answer() -> None:
    async with TestBot(costing(45), settings=limited(tokens_per_day=100), clock=HandClock()) as bot:
        await bot.says("one", user=BOB)
        assert bot.last.text == "Answer."
        await bot.says("two", user=BOB)
        assert bot.last.text == "Answer.\n[You have used 90 % of your tokens for today.]"
        await bot.says("three", user=BOB)
        assert bot.last.text == "Answer."
        path = await bot.app.store.path(bot.place, max_tokens=1000)
        assert path.messages[-1].text == "Answer."


async def test_what_was_used_is_known_after_a_restart(tmp_path: Path) -> None:
    for turns in (1, 0):
        bot = TestBot(costing(60), settings=limited(tokens_per_day=50), folder=tmp_path, clock=HandClock())
        async with bot:
            await bot.says("hi", user=BOB)
            assert len(bot.model.turns) == turns


async def test_a_channel_and_a_server_have_tokens_of_their_own() -> None:
    settings = limited(place_tokens_per_day=100, server_tokens_per_day=150)
    other, thread = Place("fake", "workspace", "other"), Place("fake", "workspace", "channel", "t1")
    async with TestBot(costing(60), settings=settings, clock=HandClock()) as bot:
        await bot.says("hi", user=BOB)
        await bot.says("hi", user=EVE, place=thread)
        await bot.says("hi", user=EVE)
        assert bot.shown_privately == [
            "⚠️ The tokens for this channel are used up for today. Please come back tomorrow at 00:00 UTC."
        ]
        await bot.says("hi", user=BOB, place=other)
        await bot.says("hi", user=BOB, place=other)
        assert "this server are used up" in bot.shown_privately[-1]
        await bot.says("hi", user=BOB, place=Place("fake", "elsewhere", "channel"))
        assert len(bot.model.turns) == 4


class Scene(BaseModel):
    lines: int = 0


async def test_a_job_that_has_used_up_its_tokens_stops_and_says_why() -> None:
    plugin = Plugin("scene", "Talks to itself.")

    @plugin.job
    async def play(ctx: Context, state: Scene) -> Scene | None:
        await ctx.say(None, Prompt((PromptMessage("user", "Next line!"),)))
        return Scene(lines=state.lines + 1)

    @plugin.command(immediate=True)
    async def begin(ctx: Context) -> None:
        """Begin."""
        await ctx.start(play, Scene())

    async with TestBot(costing(40), settings=limited(tokens_per_day=100), plugins=[plugin], clock=HandClock()) as bot:
        await bot.runs("/begin", user=BOB)
        await bot.until("used up your tokens")
        assert len(bot.model.turns) == 3


async def test_where_nothing_is_limited_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with TestBot(costing(10)) as bot:

        async def fails(*_: object) -> int:
            raise AssertionError("read although nothing is limited")

        monkeypatch.setattr(bot.app.store, "tokens_used", fails)
        await bot.says("hi", user=BOB)
        assert bot.screen[-1] == "bot: Answer."


# Slow mode


async def test_slow_mode_holds_for_commands_and_buttons_that_ask_the_model() -> None:
    clock = HandClock()
    async with TestBot(costing(10), plugins=[asking()], clock=clock) as bot:
        bot.adapter.offers = replace(bot.adapter.offers, slow_mode=30.0)
        await bot.says("hi", user=BOB)
        clock.passes(10)
        await bot.hears(call(bot, "rhyme"))
        assert bot.shown_privately == ["⚠️ This channel is in slow mode: please ask again in 20 seconds."]
        await bot.hears(pressed(bot))
        assert len(bot.shown_privately) == 2
        clock.passes(20)
        await bot.hears(call(bot, "rhyme"))
        assert len(bot.model.turns) == 2
        await bot.hears(call(bot, "rhyme", user=ANN))
        await bot.hears(call(bot, "rhyme", user=ANN))
        assert len(bot.model.turns) == 4


def pressed(bot: TestBot, user: User = BOB) -> ButtonPressed:
    route, at = Route(bot.place), bot.clock.now()
    return ButtonPressed(id=bot.adapter.next_id(), user=user, route=route, at=at, action="more", message="1")


@pytest.mark.parametrize(
    ("wait", "told"),
    [(0.2, "in a second"), (59, "in 59 seconds"), (120, "in 2 minutes"), (5400, "in 2 hours"), (90000, "in 25 hours")],
)
def test_a_wait_is_told_in_plain_words(wait: float, told: str) -> None:
    assert in_time(timedelta(seconds=wait)) == told
