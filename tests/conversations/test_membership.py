"""What happens when the bot comes to a server and when it has to leave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.engine import Connection

from bot.api import Context, DeliveryRefused, Joined, Left, Place, Plugin, Route, User
from bot.model.scripted import Say, Scripted
from bot.settings import AnswerSettings
from bot.store import leaving
from bot.testing.adapter import FakeAdapter
from bot.testing.bot import BOB, TestBot
from bot.testing.hand_clock import HandClock
from tests.conversations.crashed import Crash, die, question

ME = User("bot", "bot", is_bot=True)
HERE = Place("fake", "workspace", "channel")
ELSEWHERE = Place("fake", "workspace2", "channel")
DAY = 86400.0


def kept(days: int) -> Mapping[str, Any]:
    return {"memory": {"keep_after_leaving": days}}


def comes(bot: TestBot, id: str = "j1", place: Place = HERE) -> Joined:
    return Joined(id=id, user=ME, route=Route(place), at=bot.clock.now(), is_me=True)


def leaves(bot: TestBot, id: str = "l1", place: Place = HERE) -> Left:
    return Left(id=id, user=ME, route=Route(place), at=bot.clock.now(), is_me=True)


async def left_of(bot: TestBot, workspace: str) -> list[str]:
    """The tables in which something of a workspace still stands."""
    prefix = f"fake:{workspace}/"
    found: list[str] = []
    columns = {"conversation": "place", "event": "place", "usage": "place", "draft": "place", "job": "place"}

    def look(connection: Connection) -> None:
        for table, column in columns.items():
            rows = connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {column} LIKE '{prefix}%'")
            found.extend([table] if rows.scalar_one() else [])
        for table in ("message", "branch", "sent"):
            rows = connection.exec_driver_sql(
                f"SELECT count(*) FROM {table} JOIN conversation c ON c.id = conversation_id "
                f"WHERE c.place LIKE '{prefix}%'"
            )
            found.extend([table] if rows.scalar_one() else [])
        orphans = connection.exec_driver_sql(
            "SELECT count(*) FROM message WHERE conversation_id NOT IN (SELECT id FROM conversation)"
        )
        assert orphans.scalar_one() == 0
        states = connection.exec_driver_sql(
            f"SELECT scope FROM state WHERE scope LIKE 'place:{prefix}%' OR scope = 'workspace:fake:{workspace}'"
        )
        found.extend(["state"] if states.first() else [])

    await bot.app.store._db.read(look)
    return found


# Coming


async def test_it_greets_a_server_once(tmp_path: Path) -> None:
    adapter = FakeAdapter()
    async with TestBot(folder=tmp_path, adapter=adapter) as bot:
        await bot.hears(comes(bot))
        await bot.hears(comes(bot))
        await bot.hears(comes(bot, "j2"))
        assert bot.screen == [f"bot: {AnswerSettings().greeting}"]
        assert "/help" in bot.screen[0]
        await bot.hears(comes(bot, place=ELSEWHERE))
        assert len(bot.screen) == 2
    async with TestBot(folder=tmp_path, adapter=adapter) as bot:
        await bot.hears(comes(bot, "j3"))
        assert len(bot.screen) == 2


async def test_it_greets_again_when_it_was_sent_away_and_asked_back() -> None:
    async with TestBot() as bot:
        await bot.hears(comes(bot))
        await bot.hears(leaves(bot))
        await bot.hears(comes(bot, "j2"))
        assert len(bot.screen) == 2


@pytest.mark.parametrize("greeting", ["", "  "])
async def test_it_says_nothing_where_there_is_no_greeting(greeting: str) -> None:
    async with TestBot(settings={"answers": {"greeting": greeting}}) as bot:
        await bot.hears(comes(bot))
        assert bot.screen == []


async def test_a_greeting_that_nobody_lets_it_say_is_no_error() -> None:
    async with TestBot(["Hello."]) as bot:
        bot.adapter.refuse = DeliveryRefused("no permission")
        await bot.hears(comes(bot))
        bot.adapter.refuse = None
        assert bot.shown_privately == []
        assert await bot.app.store.left_behind("fake") == ()


async def test_somebody_else_who_comes_is_not_greeted() -> None:
    async with TestBot() as bot:
        await bot.hears(Joined(id="j", user=BOB, route=Route(HERE), at=bot.clock.now()))
        await bot.hears(Left(id="l", user=BOB, route=Route(HERE), at=bot.clock.now()))
        assert bot.screen == []
        assert await bot.app.store.marks("left workspaces") == {}


# Leaving


class Scene(BaseModel):
    lines: int = 0


def acting() -> Plugin:
    plugin = Plugin("scene", "Never ends.")

    @plugin.job
    async def play(ctx: Context, state: Scene) -> Scene | None:
        await ctx.save(state)
        await ctx.save(state, scope="workspace")
        await asyncio.Event().wait()
        return None

    @plugin.command(immediate=True)
    async def begin(ctx: Context) -> str:
        """Begin."""
        await ctx.start(play, Scene())
        return "Curtain up!"

    return plugin


async def test_what_runs_there_ends_at_once_and_the_rest_is_forgotten_when_its_time_has_come(tmp_path: Path) -> None:
    clock = HandClock()
    model = Scripted(["To Bob.", Say("Once upon a time", hang=True), "Still here."])
    async with TestBot(model, plugins=[acting()], settings=kept(30), folder=tmp_path, clock=clock) as bot:
        await bot.says("hi", user=BOB)
        await bot.runs("/begin", user=BOB)
        await bot.says("A story!", user=BOB, place=Place("fake", "workspace", "other"), wait=False)
        await bot.until("Once upon a time")
        await bot.says("And me?", user=BOB, wait=False)
        await bot.hears(leaves(bot))
        assert model.closed == 1
        assert not {"draft", "job"} & set(await left_of(bot, "workspace"))
        assert await bot.app.store.left_behind("fake") == ()
        await bot.says("hi", user=BOB, place=ELSEWHERE)
        assert bot.last.text == "Still here."
        assert {"conversation", "message", "sent", "usage", "event", "state"} <= set(await left_of(bot, "workspace"))
    clock.passes(29 * DAY)
    async with TestBot(folder=tmp_path, settings=kept(30), clock=clock) as bot:
        await bot.app.membership._forget_those_left()
        assert "message" in await left_of(bot, "workspace")
    clock.passes(DAY)
    async with TestBot(folder=tmp_path, settings=kept(30), clock=clock) as bot:
        forgetting = asyncio.create_task(bot.app.membership._forget_those_left())
        await breathing(clock, forgetting)
        assert await left_of(bot, "workspace") == []
        assert {"conversation", "message"} <= set(await left_of(bot, "workspace2"))
        assert await bot.app.store.marks("left workspaces") == {}


async def breathing(clock: HandClock, forgetting: asyncio.Task[None]) -> None:
    """The pauses between its steps pass by themselves."""
    while not forgetting.done():
        clock.passes(1)
        await asyncio.wait({forgetting}, timeout=0.01)
    forgetting.result()


async def test_with_no_days_to_keep_it_everything_is_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "ROWS_AT_ONCE", 3)
    async with TestBot(["Answer."] * 12, settings=kept(0), plugins=[acting()]) as bot:
        await bot.hears(comes(bot))
        for number in range(5):
            await bot.says(f"Question {number}", user=BOB)
            await bot.says("hi", user=BOB, place=ELSEWHERE)
        await bot.presses("+again", message=bot.last.id) if bot.last.buttons else None
        await bot.hears(leaves(bot))
        assert await left_of(bot, "workspace") == []
        assert {"conversation", "message"} <= set(await left_of(bot, "workspace2"))


async def test_coming_back_in_time_keeps_everything() -> None:
    clock = HandClock()
    async with TestBot(["Nice to meet you.", "You are Bob."], settings=kept(30), clock=clock) as bot:
        await bot.says("I am Bob", user=BOB)
        await bot.hears(leaves(bot))
        clock.passes(10 * DAY)
        await bot.hears(comes(bot, "j2"))
        clock.passes(30 * DAY)
        await bot.app.membership._forget_those_left()
        await bot.says("Who am I?", user=BOB)
        assert "I am Bob" in [message.text for message in bot.model.prompts[-1].messages]


async def test_a_return_that_it_was_not_told_of_keeps_everything_too() -> None:
    clock = HandClock()
    async with TestBot(["Nice to meet you.", "Hello.", "You are Bob."], settings=kept(30), clock=clock) as bot:
        await bot.says("I am Bob", user=BOB)
        await bot.hears(leaves(bot))
        clock.passes(20 * DAY)
        await bot.says("hi", user=BOB)
        clock.passes(20 * DAY)
        await bot.app.membership._forget_those_left()
        await bot.says("Who am I?", user=BOB)
        assert "I am Bob" in [message.text for message in bot.model.prompts[-1].messages]
        assert await bot.app.store.marks("left workspaces") == {}


async def test_a_crash_while_it_leaves_does_not_make_it_keep_things_for_ever(tmp_path: Path) -> None:
    adapter = FakeAdapter()
    async with TestBot(["Hello."], folder=tmp_path, adapter=adapter) as bot:
        await bot.says("hi", user=BOB)
        left = leaves(bot)
    die(Crash(tmp_path / "test.db", left))
    async with TestBot(folder=tmp_path, adapter=adapter, settings=kept(0)) as bot:
        await bot.comes_online()
        assert await left_of(bot, "workspace") == []


async def test_an_answer_that_a_crash_cut_off_where_it_left_is_not_taken_up(tmp_path: Path) -> None:
    adapter = FakeAdapter()
    asked = question(adapter.next_id(), "A story!")
    die(Crash(tmp_path / "test.db", asked, "Once upon"))
    async with TestBot(["a time."], folder=tmp_path, adapter=adapter) as bot:
        await bot.hears(leaves(bot))
        await bot.comes_online()
        assert bot.screen == []
        assert bot.model.turns == []
