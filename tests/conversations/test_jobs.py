"""Jobs: what plugins do in steps, beside what people ask."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel

from bot.api import Context, Plugin
from bot.errors import BotError
from bot.testing.bot import TestBot


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
