"""The bot is killed while it answers a slash command: the next start answers in the same messages, nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.bot_process import BotProcess, Setup, on_discord
from tests.loopback.killing import TEXT, tell

CALLBACK, FOLLOW_UP = "POST /interactions/*", "POST /webhooks/*"


async def killed_at(folder: Path, pattern: str, skip: int, acted: bool) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(tell) as model:
        setup = Setup(folder / "duologue.db", on_discord(discord), model.url)
        died = asyncio.Event()
        async with BotProcess(setup) as bot:

            async def now() -> None:
                bot.kill()
                await bot.gone()
                died.set()

            await discord.wait_until(lambda: discord.gateway.connected and discord.world.commands[None], timeout=30)
            discord.fails(pattern, do=now, acted=acted, drop=True, skip=skip)
            asked = await discord.runs("ask", question="Tell me a story")
            await died.wait()
        await discord.wait_until(lambda: discord.gateway.connected == 0)

        def said() -> list[str]:
            shown = [message.text for message in discord.screen() if message.author is discord.bot]
            return " ".join(text.partition("\n-# ")[0] for text in shown if text).split()

        async with BotProcess(setup) as bot:
            await discord.wait_until(lambda: len(said()) >= len(TEXT.split()), timeout=30)
            bot.terminate()
            await bot.gone()
        assert said() == TEXT.split()
        assert not any(message.loading for message in asked.messages if not message.deleted)


@pytest.mark.crash
@pytest.mark.timeout(60)
async def test_killed_at_a_call_of_a_slash_command(tmp_path: Path) -> None:
    cases = [(CALLBACK, 0, True), (FOLLOW_UP, 0, True), (FOLLOW_UP, 0, False)]
    for number in range(len(cases)):
        (tmp_path / str(number)).mkdir()
    plays = [killed_at(tmp_path / str(number), *case) for number, case in enumerate(cases)]
    results = await asyncio.gather(*plays, return_exceptions=True)
    assert {str(case): result for case, result in zip(cases, results, strict=True) if result is not None} == {}
