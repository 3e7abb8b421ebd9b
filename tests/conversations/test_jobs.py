"""Jobs: what plugins do in steps, beside what people ask."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel

from bot.api import Context, Plugin, Prompt, PromptMessage
from bot.errors import BotError
from bot.testing.bot import TestBot
from bot.testing.hand_clock import HandClock


class Count(BaseModel):
    to: int
    at: int = 0


def counting(go: asyncio.Event, refused: list[str]) -> Plugin:
    plugin = Plugin("counting", "Counts.")

    @plugin.job
    async def count(ctx: Context, state: Count) -> Count | None:
        await go.wait()
        await ctx.reply(f"{state.at + 1}")
        return Count(to=state.to, at=state.at + 1) if state.at + 1 < state.to else None

    @plugin.command(immediate=True)
    async def twice(ctx: Context) -> None:
        """Start the same job twice in the same moment."""
        started = await asyncio.gather(*(ctx.start(count, Count(to=2)) for _ in range(2)), return_exceptions=True)
        refused.extend(error.public for error in started if isinstance(error, BotError))

    return plugin


async def test_a_job_that_is_started_twice_at_once_runs_once(tmp_path: Path) -> None:
    go, refused = asyncio.Event(), list[str]()
    async with TestBot(plugins=[counting(go, refused)], folder=tmp_path) as bot:
        await bot.runs("/twice")
        assert refused == ["That is already running here. Stop it first."]
        go.set()
        await bot.until("2")
        assert [message.text for message in bot.adapter.messages if message.own and message.text.isdigit()] == [
            "1",
            "2",
        ]


async def test_a_job_that_nobody_can_read_does_not_keep_the_bot_from_starting(tmp_path: Path) -> None:
    async with TestBot(plugins=[counting(asyncio.Event(), [])], folder=tmp_path) as bot:
        await bot.runs("/twice")
    with closing(sqlite3.connect(tmp_path / "test.db")) as connection, connection:
        connection.execute("UPDATE job SET route = '{}', status = 'running'")
    async with TestBot(["Here I am."], folder=tmp_path) as bot:
        await bot.says("hi")
        assert bot.last.text == "Here I am."


class Talk(BaseModel):
    said: tuple[str, ...] = ()
    left: int = 3


def talking(gate: asyncio.Event | None = None) -> tuple[Plugin, list[str]]:
    """A job that says one line a step and rests for an hour in between; what `back` was told with."""
    plugin, told = Plugin("talking", "Talks."), list[str]()

    async def come_back(ctx: Context, state: Talk) -> Talk:
        told.append(f"left at {len(state.said)}")
        await ctx.reply("I was interrupted.")
        return state.model_copy(update={"left": state.left + 1})

    @plugin.job(pause=lambda state: 3600.0, back=come_back)
    async def talk(ctx: Context, state: Talk) -> Talk | None:
        if gate is not None:
            await gate.wait()
        await ctx.reply(f"line {len(state.said) + 1}")
        said = (*state.said, "line")
        return state.model_copy(update={"said": said}) if len(said) < state.left else None

    def same(state: Talk) -> Talk | None:
        return state

    def over(state: Talk) -> Talk | None:
        return None

    def longer(state: Talk) -> Talk | None:
        return state.model_copy(update={"left": state.left + 1})

    @plugin.command(immediate=True)
    async def do(ctx: Context, what: str) -> str:
        """Do something with the job."""
        match what:
            case "start":
                return f"{await ctx.start(talk, Talk()) > 0}"
            case "wake":
                changed = await ctx.change(talk, same, wake=True)
            case "longer":
                changed = await ctx.change(talk, longer)
            case "over":
                changed = await ctx.change(talk, over)
            case "look":
                standing = await ctx.job(talk)
                return "none" if standing is None else f"{len(standing.state.said)} {standing.running}"
            case _:
                return str(await {"pause": ctx.pause, "resume": ctx.resume, "end": ctx.end}[what](talk))
        return f"left {changed.left}" if changed is not None else "gone"

    return plugin, told


def lines(bot: TestBot) -> int:
    return sum(message.text.startswith("line") for message in bot.adapter.messages)


async def does(bot: TestBot, what: str) -> str:
    """What the command says; the job may speak at the same time."""
    before = len(bot.adapter.messages)
    await bot.runs(f"/do {what}")
    return next(each.text for each in bot.adapter.messages[before:] if not each.text.startswith(("line", "I was")))


async def test_a_job_rests_between_its_steps_and_can_be_woken_and_changed() -> None:
    plugin, _ = talking()
    async with TestBot(["I listen."], plugins=[plugin]) as bot:
        assert await does(bot, "look") == "none"
        assert await does(bot, "start") == "True"
        await bot.until("line 1")
        await bot.says("Is somebody there?")
        assert bot.last.text == "I listen."
        assert await does(bot, "longer") == "left 4"
        await does(bot, "wake")
        await bot.until("line 2")
        assert await does(bot, "look") == "2 True"
        await does(bot, "wake")
        await bot.until("line 3")
        await does(bot, "wake")
        await bot.until("line 4")
        await bot.idle()
        assert await does(bot, "look") == "none"


async def test_a_job_can_be_paused_changed_and_resumed() -> None:
    plugin, _ = talking()
    async with TestBot(plugins=[plugin]) as bot:
        await does(bot, "start")
        await bot.until("line 1")
        assert await does(bot, "pause") == "True"
        assert await does(bot, "pause") == "False"
        assert await does(bot, "look") == "1 False"
        assert await does(bot, "longer") == "left 4"
        assert await does(bot, "resume") == "True"
        await bot.until("line 2")
        assert await does(bot, "end") == "True"
        assert await does(bot, "look") == "none"
        assert await does(bot, "resume") == "False"
        assert await does(bot, "end") == "False"
        assert lines(bot) == 2


async def test_what_is_changed_during_a_step_is_changed_in_what_comes_of_it() -> None:
    gate = asyncio.Event()
    plugin, _ = talking(gate)
    async with TestBot(plugins=[plugin]) as bot:
        await does(bot, "start")
        assert await does(bot, "longer") == "left 4"
        gate.set()
        await bot.until("line 1")
        assert await does(bot, "longer") == "left 5"
        assert await does(bot, "look") == "1 True"
        gate.clear()
        await does(bot, "wake")
        assert await does(bot, "over") == "gone"
        gate.set()
        await bot.until("line 2")
        await bot.idle()
        assert await does(bot, "look") == "none"


async def test_a_paused_job_can_be_ended() -> None:
    plugin, _ = talking()
    async with TestBot(plugins=[plugin]) as bot:
        await does(bot, "start")
        await bot.until("line 1")
        await does(bot, "pause")
        assert await does(bot, "end") == "True"
        assert await does(bot, "look") == "none"


async def test_a_job_says_that_it_was_interrupted_and_waits(tmp_path: Path) -> None:
    plugin, _ = talking()
    async with TestBot(plugins=[plugin], folder=tmp_path) as bot:
        await does(bot, "start")
        await bot.until("line 1")
    plugin, told = talking()
    async with TestBot(plugins=[plugin], folder=tmp_path) as bot:
        await bot.comes_online()
        await bot.until("I was interrupted.")
        assert told == ["left at 1"]
        assert await does(bot, "look") == "1 False"
        await does(bot, "resume")
        await bot.until("line 2")
    plugin, told = talking()
    async with TestBot(plugins=[plugin], folder=tmp_path) as bot:
        await bot.comes_online()
        await bot.until("I was interrupted.")
        assert told == ["left at 2"]


async def test_what_a_plugin_saves_can_be_listed() -> None:
    plugin = Plugin("keeping", "Keeps.")

    class Note(BaseModel):
        text: str

    class Notebook(BaseModel):
        text: str

    @plugin.command()
    async def keep(ctx: Context) -> str:
        """Keep three notes."""
        for key in ("b%", "a_", "c"):
            await ctx.save(Note(text=key.upper()), scope="workspace", key=key)
        await ctx.save(Notebook(text="other"), scope="workspace", key="a")
        await ctx.forget_state(Note, scope="workspace", key="c")
        assert await ctx.keys(Note, scope="workspace") == ["a_", "b%"]
        assert await ctx.keys(Note) == []
        return str({key: note.text for key, note in (await ctx.load_all(Note, scope="workspace")).items()})

    async with TestBot(plugins=[plugin]) as bot:
        await bot.runs("keep")
        assert bot.last.text == "{'a_': 'A_', 'b%': 'B%'}"


async def test_the_pause_counts_from_when_people_saw_the_line() -> None:
    """What is done after it, such as a summary, makes nobody wait longer."""
    clock = HandClock()
    plugin = Plugin("reciting", "Recites.")

    @plugin.job(pause=lambda state: 7.0)
    async def recite(ctx: Context, state: Count) -> Count | None:
        await ctx.say(None, Prompt((PromptMessage("user", "Go on."),)))
        clock.passes(2)
        return Count(to=state.to, at=state.at + 1) if state.at + 1 < state.to else None

    @plugin.command(immediate=True)
    async def begin(ctx: Context) -> None:
        """Begin."""
        await ctx.start(recite, Count(to=2))

    async with TestBot(["One.", "Two."], plugins=[plugin], clock=clock) as bot:
        await bot.runs("/begin")
        await bot.until("One.")
        await clock.waits(5)
        clock.passes(5)
        await bot.until("Two.")
