"""The whole bot on a loopback Discord: the real client, the real engine and memory, a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import FakeDiscord, Interaction
from bot.app import App
from bot.model.scripted import Scripted
from bot.settings import Settings
from bot.tokens import Tokens
from plugins.commands import plugin as commands
from tests.loopback.discord_bot import QUICK


@asynccontextmanager
async def running(discord: FakeDiscord, model: Scripted, folder: Path) -> AsyncIterator[App]:
    settings = Settings.with_sections({})(
        model={"provider": "scripted", "name": "scripted"},
        memory={"database": str(folder / "memory.db")},
        answers={"shutdown_grace": 5},
    )
    adapter = DiscordAdapter(discord.settings(), timing=QUICK)
    tokens = Tokens(folder / "no-vocabulary")
    async with App(settings, adapters=[adapter], plugins=[commands], providers=[model], tokens=tokens) as app:
        task = asyncio.create_task(app.run())
        await discord.wait_until(lambda: discord.gateway.connected and discord.world.commands[None])
        yield app
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def values(options: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Something that fits every required option."""
    fitting = {3: "balanced", 4: 1, 5: True, 10: 0.5}
    given: dict[str, Any] = {}
    for option in options:
        if option.get("required"):
            choices = option.get("choices")
            given[option["name"]] = choices[0]["value"] if choices else fitting[option["type"]]
    return given


def filled(used: Interaction) -> list[str]:
    return [text for text in used.texts if text]


async def test_it_answers_remembers_across_a_restart_and_finds_what_it_missed(tmp_path: Path) -> None:
    model = Scripted(["Nice to meet you, Ada.", "You are Ada.", "Still Ada."])
    async with FakeDiscord() as discord:
        async with running(discord, model, tmp_path):
            await discord.says("@bot I am Ada")
            await discord.wait_until(lambda: discord.answers() == ["Nice to meet you, Ada."])
            await discord.says("@bot who am I?")
            await discord.wait_until(lambda: len(discord.answers()) == 2)
        await discord.says("@bot and now?")
        async with running(discord, model, tmp_path):
            await discord.wait_until(lambda: len(discord.answers()) == 3)
        assert discord.answers() == ["Nice to meet you, Ada.", "You are Ada.", "Still Ada."]
        assert discord.pinged == []
        assert discord.refused == []


async def test_its_health_tells_whether_it_is_connected(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, running(discord, Scripted(["I am.", "Here again."]), tmp_path) as app:
        await discord.says("@bot are you there?")
        await discord.wait_until(lambda: discord.answers() == ["I am."])
        assert (await app.health()).ready
        discord.gateway.open = False
        await discord.gateway.close()
        await discord.wait_until(lambda: discord.gateway.turned_away > 0)
        health = await app.health()
        assert (health.ready, health.database, health.adapters) == (False, True, {"discord": False})
        discord.gateway.open = True
        await discord.wait_until(lambda: discord.gateway.resumed)
        await discord.says("@bot and now?")
        await discord.wait_until(lambda: len(discord.answers()) == 2)
        assert (await app.health()).ready


async def test_every_command_answers_as_a_slash_command(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, running(discord, Scripted(["Hello."]), tmp_path):
        await discord.says("@bot hi")
        await discord.wait_until(discord.answers)
        discord.limits.enforced = False
        ran = 0
        for command in discord.world.commands[None]:
            if command["type"] != 1:
                continue
            inside = [each for each in command.get("options", []) if each["type"] == 1]
            for name, options in [
                (f"{command['name']} {each['name']}", each.get("options", [])) for each in inside
            ] or [(command["name"], command.get("options", []))]:
                used = await discord.runs(f"/{name}", author=discord.owner, **values(options))
                texts = await discord.wait_until(partial(filled, used))
                assert "went wrong" not in texts[0], (name, texts)
                ran += 1
        assert ran >= 11


@pytest.mark.parametrize(
    ("who", "command", "option", "typed", "suggested"),
    [
        ("ada", "/help", "command", "par", ["params show"]),  # the others are not for Ada
        ("ada", "/model", "name", "def", ["default"]),
        ("ada", "/model", "name", "scr", ["scripted:scripted"]),
        ("ada", "/params set", "name", "temp", []),
        ("owner", "/params set", "name", "temp", ["temperature"]),
    ],
)
async def test_commands_suggest_values(
    tmp_path: Path, who: str, command: str, option: str, typed: str, suggested: list[str]
) -> None:
    async with FakeDiscord() as discord, running(discord, Scripted([]), tmp_path):
        author = discord.owner if who == "owner" else discord.ada
        half = await discord.types(command, option, typed, author=author)
        await discord.wait_until(lambda: half.choices is not None)
        assert half.choices == suggested


@pytest.mark.parametrize("command", ["/nonsense", "/hlep"])
async def test_a_typed_command_nobody_knows_gets_a_hint(tmp_path: Path, command: str) -> None:
    model = Scripted(["never said"])
    async with FakeDiscord() as discord, running(discord, model, tmp_path):
        await discord.says(f"@bot {command}")
        await discord.wait_until(lambda: discord.answers(discord.direct()) or discord.answers())
        seen = (discord.answers(discord.direct()) + discord.answers())[0]
        assert "Unknown command" in seen
        assert ("/help`?" in seen) == (command == "/hlep")
