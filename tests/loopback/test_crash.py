"""The bot is killed at every point of an answer and at random moments; then people see the answer once, whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord
from bot.events import Place, User
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.bot_process import on_discord
from tests.loopback.killing import EVERY, Case, Stage, at_call, at_commit, at_moments, play_all, tell

pytestmark = [pytest.mark.crash, pytest.mark.timeout(60)]

CALLS = [range(first, first + 5) for first in range(0, 25, 5)] if EVERY else [range(2)]
COMMITS = [range(first, first + 5) for first in range(1, 41, 5)] if EVERY else [range(1, 10, 2)]


class OnDiscord(Stage):
    def __init__(self, folder: Path, discord: FakeDiscord, model: FakeOpenAI) -> None:
        super().__init__(folder, discord, model)
        self.discord = discord

    @property
    def place(self) -> Place:
        return Place("discord", str(self.discord.guild.id), str(self.discord.general.id))

    def environment(self) -> dict[str, str]:
        return dict(on_discord(self.discord))

    async def online(self) -> None:
        await self.discord.online()

    def is_gone(self) -> bool:
        return self.discord.gateway.connected == 0

    async def says(self, text: str) -> tuple[Place, str, User]:
        said = await self.discord.says(text)
        return self.place, str(said.id), User(str(self.discord.ada.id), "Ada")

    async def asks(self) -> None:
        await self.discord.says("@bot tell me everything")

    def texts(self) -> Sequence[str]:
        return self.discord.answers()

    def is_marked_as_ended(self) -> bool:
        own = [message for message in self.discord.screen() if message.author is self.discord.bot]
        under = [[button["label"] for row in each.components for button in row["components"]] for each in own]
        return bool(under) and not any(under[:-1]) and "⏹ Stop" not in under[-1] and "🔄 Again" in under[-1]


@asynccontextmanager
async def discord_stage(folder: Path) -> AsyncIterator[Stage]:
    async with FakeDiscord() as discord, FakeOpenAI(tell) as model:
        yield OnDiscord(folder, discord, model)


@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("pattern", ["POST /channels/*/messages", "PATCH /channels/*/messages/*"])
@pytest.mark.parametrize("skips", CALLS, ids=str)
async def test_killed_at_a_call(tmp_path: Path, skips: range, pattern: str, acted: bool) -> None:
    cases = [Case(f"call {skip}", discord_stage, at_call(pattern, skip, acted)) for skip in skips]
    await play_all(tmp_path, cases)


@pytest.mark.parametrize("numbers", COMMITS, ids=str)
async def test_killed_before_a_commit(tmp_path: Path, numbers: range) -> None:
    await play_all(tmp_path, [Case(f"commit {number}", discord_stage, at_commit, number) for number in numbers])


@pytest.mark.parametrize("seeds", [range(10), range(10, 20)])
async def test_killed_at_a_random_moment(tmp_path: Path, seeds: range) -> None:
    await play_all(tmp_path, at_moments(discord_stage, seeds, until=1.6))
