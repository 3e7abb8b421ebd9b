"""What the README promises, with real processes: `duologue run` with the embedded model, and a plugin of ten lines."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.testing import FakeDiscord, Interaction
from bot.testing.openai_server import FakeOpenAI
from plugins.commands import plugin
from tests.loopback.bot_process import BotProcess, Setup, on_discord
from tests.loopback.whole_bot import place_of, remembered

PATIENCE = 40.0  # seconds; only what is broken takes so long
WRITING = 120.0  # seconds for the embedded model, which shares two cores with other tests
ROOT = Path(__file__).parents[2]
SNIPPETS: dict[str, str] = dict(
    re.findall(r"```\w+ (\S+)\n(.*?)```", (ROOT / "plugins" / "README.md").read_text(encoding="utf-8"), re.DOTALL)
)


class Embedded(Setup):
    """With the model that is installed with the bot: no key, no server."""

    def environment(self) -> dict[str, str]:
        given = super().environment()
        own = {name: value for name, value in given.items() if not name.startswith("OPENAI_")}
        return own | {"DUOLOGUE_MODEL__PARAMETERS": json.dumps({"temperature": 0.0, "seed": 1})}


# Every command with arguments that fit, and what its answer says.
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "help": ({"command": "roll"}, "Unknown command"),
    "history": ({"count": 5}, "story about a fox"),
    "system show": ({}, "You are a friendly, helpful assistant."),
    "system set": ({"text": "You are a cat."}, "from now on that is me"),
    "system reset": ({}, "Back to the default"),
    "context": ({}, "kept free for the answer"),
    "stats": ({}, "messages I remember here: 2"),
    "ping": ({}, "Pong!"),
    "model": ({}, "local:smollm2-135m"),
    "mode": ({"mode": "precise"}, "I am precise now"),
    "params set": ({"name": "temperature", "value": "0.5"}, "`temperature` is now 0.5"),
    "params show": ({}, "`temperature`: 0.5 (set here)"),
    "params reset": ({}, "without `temperature`"),
    "stop": ({}, "I am not writing anything right now."),
    "speak": ({}, "I answer when I am mentioned or replied to."),
    "busy": ({}, "the next questions wait for their turn"),
    "language": ({}, "Here I speak English."),
    "clear": ({}, "2 messages forgotten"),
    "summarise": ({"messages": 3}, "I read the newest"),
    "ask": ({"question": "What is a fox?"}, ""),
}


def test_every_command_is_called() -> None:
    assert set(CALLS) == {command.name for command in plugin.commands if command.target is None}


@pytest.mark.local_model
@pytest.mark.timeout(280)
async def test_it_talks_live_remembers_after_a_restart_and_knows_its_commands(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        setup = Embedded(tmp_path / "duologue.db", on_discord(discord), "", grace=30.0)
        async with BotProcess(setup) as bot:
            await discord.online()
            await discord.says("@bot Tell me a long story about a fox.")
            await discord.wait_until(discord.answers, WRITING)
            answer = discord.screen()[-1]
            # It stops when the answer is complete, so what is shown then is all of it.
            bot.terminate()
            await asyncio.wait_for(bot.gone(), WRITING)
            assert bot.exit_code == 0
        shown = [state.text for state in answer.states]
        assert len(shown) > 2, "it grew while people watched"
        assert shown == sorted(shown, key=len)
        (_, question, _), (_, said, _) = await remembered(setup.database, place_of(discord))
        assert question == "Tell me a long story about a fox."
        assert said.split()[:20] == shown[-1].split()[:20]
        assert (discord.pinged, discord.refused) == ([], [])

        async with BotProcess(setup) as bot:
            await discord.online()
            await discord.wait_until(lambda: discord.world.commands[None], PATIENCE)
            private = {command.name: command.private for command in plugin.commands if command.name in CALLS}
            for name in CALLS:
                await run(discord, name, private=private[name])
            assert len(discord.answers()) >= 1 + list(private.values()).count(False)
            bot.terminate()
            await asyncio.wait_for(bot.gone(), PATIENCE)


async def run(discord: FakeDiscord, name: str, *, private: bool) -> None:
    options, says = CALLS[name]
    used = await discord.runs(f"/{name}", author=discord.owner, **options)
    # What is long may be seen for a moment before its last line is there.
    shown = (await discord.wait_until(lambda: [text for text in texts(used) if says in text], WRITING))[0]
    assert used.acknowledged is not None
    alone = private or "Unknown" in shown
    assert {message.seen_by for message in used.messages} == {discord.owner if alone else None}, name


def texts(used: Interaction) -> list[str]:
    return [text for text in used.texts if text]


# A plugin of ten lines, as plugins/README.md has it, as a file and as a package of its own.


def as_file(folder: Path) -> dict[str, str]:
    (folder / "dice.py").write_text(SNIPPETS["dice.py"], encoding="utf-8")
    (folder / "config").mkdir()
    (folder / "config" / "bot.toml").write_text(SNIPPETS["config/bot.toml"], encoding="utf-8")
    return {}


def as_package(folder: Path) -> dict[str, str]:
    """Built into a wheel and unpacked into a folder of packages, as pip would."""
    source, site = folder / "source", folder / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(SNIPPETS["pyproject.toml"], encoding="utf-8")
    (source / "duologue_dice.py").write_text(SNIPPETS["dice.py"], encoding="utf-8")
    build = "import hatchling.build, sys; hatchling.build.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("duologue_dice-1.0-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    enabled = [*tomllib.loads(SNIPPETS["config/bot.toml"])["plugins"]["enabled"][:1], "dice"]
    (folder / "config").mkdir()
    (folder / "config" / "bot.toml").write_text(f"[plugins]\nenabled = {json.dumps(enabled)}\n", encoding="utf-8")
    return {"PYTHONPATH": str(site)}


async def duologue(
    folder: Path, *arguments: str, environment: Mapping[str, str], pipe: bool = False
) -> asyncio.subprocess.Process:
    given = {**os.environ, **environment}
    given["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), str(ROOT)]))
    end = asyncio.subprocess.PIPE if pipe else asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, cwd=folder, env=given, stdin=end, stdout=end, stderr=end
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("make", [as_file, as_package])
async def test_a_plugin_of_ten_lines_works_on_discord_and_in_the_terminal(tmp_path: Path, make: Any) -> None:
    environment = await asyncio.to_thread(make, tmp_path)
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        environment |= {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url, "OPENAI_MODEL": "gpt-6-luna"}
        on_discord = {
            "DISCORD_TOKEN": discord.token,
            "DUOLOGUE_DISCORD__API_URL": discord.rest,
            "DUOLOGUE_DISCORD__GATEWAY_URL": discord.gateway_url,
        }
        running = await duologue(tmp_path, "run", environment=environment | on_discord)
        chat = await duologue(tmp_path, "chat", environment=environment, pipe=True)
        try:
            out, err = await asyncio.wait_for(chat.communicate(b"/roll 20\n/roll 1\n/help\n"), PATIENCE)
            said = out.decode()
            assert re.search(r"^🎲 ([1-9]|1\d|20)$", said, re.MULTILINE), (said, err)
            assert "whole number from 2 to 1,000" in said + err.decode()
            assert "/roll [sides]" in said

            await discord.wait_until(lambda: discord.gateway.connected and discord.world.commands[None], PATIENCE)
            rolled = await discord.runs("/roll", sides=20)
            assert re.fullmatch(r"🎲 ([1-9]|1\d|20)", (await discord.wait_until(partial(texts, rolled), PATIENCE))[0])
            helped = await discord.runs("/help")
            await discord.wait_until(lambda: "/roll [sides]" in "".join(texts(helped)), PATIENCE)
            await discord.says("@bot hello")
            await discord.wait_until(lambda: "Hello! How can I help?" in discord.answers(), PATIENCE)
            tools = model.seen[-1].body["tools"]
            assert "roll" in json.dumps(tools), "the model may roll, too"
            running.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(running.wait(), PATIENCE) == 0
        finally:
            for process in (running, chat):
                if process.returncode is None:
                    process.kill()
                    await process.wait()
