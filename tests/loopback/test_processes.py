"""Whole processes: ones that must not start, two on one memory, and one that is told to stop in mid-answer."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord
from bot.events import Place
from bot.store import Store
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.bot_process import BotProcess, Setup, on_discord
from tests.loopback.whole_bot import PATIENCE, going_on, place_of, remembered, shown_for

pytestmark = [pytest.mark.crash, pytest.mark.timeout(90)]

LONG = " ".join(f"word{number:04d}" for number in range(330))


def setup(folder: Path, discord: FakeDiscord, model: FakeOpenAI, *, grace: float = 0.0) -> Setup:
    return Setup(folder / "duologue.db", on_discord(discord), model.url, grace=grace, log=folder / "log.txt")


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def no_database(file: Path) -> None:
    file.write_text("Dear diary,\n" * 100)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "newer": (newer, "newer version"),
    "diary": (no_database, "not a"),
    "half": (cut_off, "cut off in the middle"),
}


async def test_a_database_that_cannot_be_used_is_refused_and_left_alone(tmp_path: Path) -> None:
    async def play(name: str, harm: Callable[[Path], None], says: str, discord: FakeDiscord, model: FakeOpenAI) -> None:
        folder = tmp_path / name
        folder.mkdir()
        asked = setup(folder, discord, model)
        await made(asked.database)
        harm(asked.database)
        before = asked.database.read_bytes()
        async with BotProcess(asked) as bot:
            await asyncio.wait_for(bot.gone(), PATIENCE)
            assert bot.exit_code == 2
        said = (folder / "log.txt").read_text()
        assert "duologue: " in said
        assert "duologue.db" in said
        assert says in said
        assert "Traceback" not in said
        assert asked.database.read_bytes() == before

    async with FakeDiscord() as discord, FakeOpenAI() as model:
        await asyncio.gather(*(play(name, *broken, discord, model) for name, broken in BROKEN.items()))
        assert discord.calls == []


AS_NOBODY = """
import asyncio, os, sys
from bot.__main__ import main
from bot.store import Store
import bot.app, adapters.discord.adapter
async def prepare():
    await asyncio.to_thread(int)
    async with Store("sqlite://"): pass  # now all there is to import is imported
asyncio.run(prepare())
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
sys.exit(main(["run"]))
"""


async def made(file: Path) -> None:
    async with Store(f"sqlite:///{file}"):
        pass


@pytest.fixture
def sealed() -> Iterator[Path]:
    """A database in a folder that nobody may write to; pytest's own folders are closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "duologue.db"
        asyncio.run(made(file))
        file.chmod(0o444)
        file.parent.chmod(0o555)
        yield file
        file.parent.chmod(0o755)


def test_a_read_only_database_is_refused_with_a_sentence_that_helps(sealed: Path) -> None:
    before = sealed.read_bytes()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DISCORD_TOKEN": "x.y.z",
        "OPENAI_API_KEY": "sk-test",
        "DUOLOGUE_MEMORY__DATABASE": str(sealed),
    }
    program = [sys.executable, "-c", AS_NOBODY]
    ended = subprocess.run(
        program, env=environment, cwd=sealed.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "duologue.db" in ended.stderr
    assert "write permission" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert sealed.read_bytes() == before


async def answers(database: Path, place: Place, expected: int) -> list[str]:
    """What is remembered once another process has written so many, or has had the time to."""
    found: list[str] = []
    for _ in range(200):
        found = [text for role, text, _ in await remembered(database, place) if role == "assistant"]
        if len(found) >= expected:
            break
        await asyncio.sleep(0.05)
    return found


async def test_two_processes_on_one_memory_answer_everything_once(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(FakeAnswer("Here.", first_token=0.05)) as model:
        channels = [discord.general, *(discord.channel(f"channel-{number}") for number in range(5))]
        asked = setup(tmp_path, discord, model, grace=20.0)
        async with BotProcess(asked) as one, BotProcess(asked) as two:
            await discord.wait_until(lambda: discord.gateway.connected == 2, PATIENCE)
            await discord.wait_until(lambda: discord.world.commands[None], PATIENCE)
            questions = [await discord.says(f"@bot {n}", channel=channel) for n in range(2) for channel in channels]
            used = [await discord.runs("/stats", channel=channel) for channel in channels]
            await discord.wait_until(lambda: all(shown_for(discord, question) for question in questions), PATIENCE)
            await discord.wait_until(lambda: all(any(each.texts) for each in used), PATIENCE)
            # What is shown is remembered a moment later; then one dies, and the other goes on alone.
            for channel in channels:
                await answers(asked.database, place_of(discord, channel), 2)
            one.kill()
            await one.gone()
            late = [await discord.says("@bot still there?", channel=channel) for channel in channels]
            await discord.wait_until(lambda: all(shown_for(discord, question) for question in late), PATIENCE)
            two.terminate()
            await asyncio.wait_for(two.gone(), PATIENCE)
            assert two.exit_code == 0
        for question in questions + late:
            assert [message.text for message in shown_for(discord, question)] == ["Here."]
        for each in used:
            assert len([text for text in each.texts if text]) == 1
            assert "too late" not in each.texts[-1]
        assert len(model.seen) == len(questions + late)
        for channel in channels:
            assert await answers(asked.database, place_of(discord, channel), 3) == ["Here."] * 3
            rows = await remembered(asked.database, place_of(discord, channel))
            assert sorted(text for role, text, _ in rows if role == "user") == ["0", "1", "still there?"]


async def test_a_stop_in_the_middle_of_ten_answers_loses_none(tmp_path: Path) -> None:
    def tell(seen: Seen) -> FakeAnswer:
        return going_on(seen, LONG, rate=250)

    async with FakeDiscord() as discord, FakeOpenAI(tell) as model, AsyncExitStack() as stack:
        channels = [discord.channel(f"channel-{number}") for number in range(10)]
        asked = setup(tmp_path, discord, model)
        first = await stack.enter_async_context(BotProcess(asked))
        await discord.online()
        questions = [await discord.says("@bot tell me", channel=channel) for channel in channels]
        await discord.wait_until(lambda: all(discord.answers(channel) for channel in channels), PATIENCE)
        first.terminate()
        await asyncio.wait_for(first.gone(), PATIENCE)
        assert first.exit_code == 0
        halves = [" ".join(discord.answers(channel)) for channel in channels]
        assert any(len(half) < len(LONG) for half in halves)
        second = await stack.enter_async_context(BotProcess(replace(asked, grace=20.0)))
        await discord.wait_until(
            lambda: all(" ".join(discord.answers(channel)) == LONG for channel in channels), 2 * PATIENCE
        )
        second.terminate()
        await asyncio.wait_for(second.gone(), PATIENCE)
        assert second.exit_code == 0
        for channel, question in zip(channels, questions, strict=True):
            assert len(shown_for(discord, question)) == 1
            assert " ".join(discord.answers(channel)) == LONG
            rows = await remembered(asked.database, place_of(discord, channel))
            assert rows == [("user", "tell me", "complete"), ("assistant", LONG, "complete")]


async def test_a_stop_with_some_grace_lets_answers_end(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(FakeAnswer(LONG, rate=300)) as model:
        asked = setup(tmp_path, discord, model, grace=20.0)
        async with BotProcess(asked) as bot:
            await discord.online()
            await discord.says("@bot tell me")
            await discord.wait_until(discord.answers, PATIENCE)
            bot.terminate()
            await asyncio.wait_for(bot.gone(), PATIENCE)
            assert bot.exit_code == 0
        assert " ".join(discord.answers()) == LONG
        rows = await remembered(asked.database, place_of(discord))
        assert rows == [("user", "tell me", "complete"), ("assistant", LONG, "complete")]
