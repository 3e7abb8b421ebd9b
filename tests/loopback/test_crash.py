"""The bot is killed at every point of an answer and at random moments; then people see the answer once, whole."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord
from bot.events import Message, Place, Route, User
from bot.prompts import GO_ON
from bot.store import Store
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.bot_process import BotProcess, Setup

pytestmark = [pytest.mark.crash, pytest.mark.timeout(60)]

# Three messages long, every word different, so that a lost or doubled one shows.
WORDS = [f"word{number:04d}" for number in range(520)]
TEXT = " ".join(WORDS)
TOKENS_PER_SECOND = 900.0


def tell(seen: Seen) -> FakeAnswer:
    """The story from where the question says that it stopped."""
    items = seen.body["messages"]
    assert isinstance(items, list)
    texts = [item["content"] for item in items if isinstance(item, dict)]
    said = str(texts[-2]) if texts[-1] == GO_ON else ""
    assert TEXT.startswith(said)
    return FakeAnswer(TEXT[len(said) :], rate=TOKENS_PER_SECOND)


# `make crashes` dies at every call and every commit that an answer has; the tests of each day at the first ones.
EVERY = bool(os.environ.get("DUOLOGUE_EVERY_CRASH"))
CALLS = [range(first, first + 5) for first in range(0, 25, 5)] if EVERY else [range(3)]
COMMITS = [range(first, first + 5) for first in range(1, 41, 5)] if EVERY else [range(1, 10)]

Kill = Callable[[BotProcess], Awaitable[None]]


class Stage:
    """A Discord and a model that stay while bots come and go."""

    def __init__(self, folder: Path, discord: FakeDiscord, model: FakeOpenAI) -> None:
        self.folder = folder
        self.discord = discord
        self.model = model

    def setup(self, *, die_at_commit: int | None = None) -> Setup:
        return Setup(
            self.folder / "duologue.db",
            self.discord.rest,
            self.discord.gateway_url,
            self.discord.token,
            self.model.url,
            die_at_commit,
            log=self.folder / "log.txt",
        )

    async def has_been_here(self) -> None:
        """An earlier process has heard something in the channel."""
        heard = await self.discord.says("good morning")
        place = Place("discord", str(self.discord.guild.id), str(self.discord.general.id))
        event = Message(
            id=str(heard.id),
            user=User(str(self.discord.ada.id), "Ada"),
            route=Route(place),
            at=datetime.now(UTC),
            text="good morning",
            addressed=False,
        )
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            await store.claim(event)
            await store.done(place, event.id)

    async def asks_and_dies(self, kill: Kill, die_at_commit: int | None) -> None:
        setup = self.setup(die_at_commit=die_at_commit)
        async with BotProcess(setup) as bot:
            await self.discord.online()
            setup.armed.touch()
            await self.discord.says("@bot tell me everything")
            await kill(bot)
            await bot.gone()
        # Else the dead bot's connection would be taken for the next one's.
        await self.discord.wait_until(lambda: self.discord.gateway.connected == 0)

    async def comes_back(self) -> None:
        async with BotProcess(self.setup()) as bot:
            await self.discord.online()
            await self.discord.wait_until(lambda: self.shown() == TEXT and self.is_marked_as_ended(), timeout=30)
            await self.remembered()
            bot.terminate()
            await bot.gone()
            assert bot.exit_code == 0

    def shown(self) -> str:
        return " ".join(text.strip() for text in self.discord.answers())

    def is_marked_as_ended(self) -> bool:
        """Nothing says that it is still being written, and only the last message has buttons."""
        own = [message for message in self.discord.screen() if message.author is self.discord.bot]
        under = [[button["label"] for row in each.components for button in row["components"]] for each in own]
        return bool(under) and not any(under[:-1]) and "⏹ Stop" not in under[-1] and "🔄 Again" in under[-1]

    async def remembered(self) -> None:
        place = Place("discord", str(self.discord.guild.id), str(self.discord.general.id))
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            for _ in range(200):
                path = await store.path(place, max_tokens=100_000)
                answers = [message.text for message in path.messages if message.role == "assistant"]
                if answers:
                    break
                await asyncio.sleep(0.02)
        assert answers == [TEXT]

    def report(self) -> str:
        log = self.folder / "log.txt"
        return log.read_text() if log.exists() else ""


Arrange = Callable[[Stage], Kill]


async def play(
    folder: Path, arrange: Callable[[Stage], Callable[[BotProcess], Awaitable[None]]], commit: int | None = None
) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(tell) as model:
        stage = Stage(folder, discord, model)
        await stage.has_been_here()
        await stage.asks_and_dies(arrange(stage), commit)
        try:
            await stage.comes_back()
        except BaseException:
            print(stage.report())
            print([f"{text[:20]} … {text[-20:]}" for text in discord.answers()])
            raise


async def play_all(folder: Path, cases: Sequence[tuple[str, Arrange, int | None]]) -> None:
    """Side by side, each with a Discord, a model and a database of its own: most of the time is spent waiting."""
    folders = [folder / str(number) for number in range(len(cases))]
    for each in folders:
        each.mkdir()
    plays = [play(each, arrange, commit) for each, (_, arrange, commit) in zip(folders, cases, strict=True)]
    results = await asyncio.gather(*plays, return_exceptions=True)
    failed = {name: result for (name, _, _), result in zip(cases, results, strict=True) if result is not None}
    assert not failed


async def dead_or_complete(stage: Stage, bot: BotProcess) -> None:
    """An answer may need fewer calls or commits than the one to die at: then it is simply complete."""
    ended = asyncio.create_task(bot.gone())
    complete = asyncio.create_task(stage.discord.wait_until(lambda: stage.shown() == TEXT, timeout=30))
    await asyncio.wait({ended, complete}, return_when=asyncio.FIRST_COMPLETED)
    complete.cancel()
    bot.kill()
    await asyncio.wait({ended, complete})


def at_call(pattern: str, skip: int, acted: bool) -> Arrange:
    """Before Discord carries the call out, or after it did but before the bot knows."""

    def arrange(stage: Stage) -> Kill:
        async def kill(bot: BotProcess) -> None:
            async def now() -> None:
                bot.kill()
                await bot.gone()

            fault = stage.discord.fails(pattern, do=now, acted=acted, skip=skip, drop=True)
            await dead_or_complete(stage, bot)
            fault.times = 0

        return kill

    return arrange


def at_commit(stage: Stage) -> Kill:
    async def kill(bot: BotProcess) -> None:
        await dead_or_complete(stage, bot)

    return kill


def at_moment(seconds: float) -> Arrange:
    def arrange(stage: Stage) -> Kill:
        async def kill(bot: BotProcess) -> None:
            await asyncio.sleep(seconds)
            bot.kill()

        return kill

    return arrange


@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("pattern", ["POST /channels/*/messages", "PATCH /channels/*/messages/*"])
@pytest.mark.parametrize("skips", CALLS, ids=str)
async def test_killed_at_a_call(tmp_path: Path, skips: range, pattern: str, acted: bool) -> None:
    await play_all(tmp_path, [(f"call {skip}", at_call(pattern, skip, acted), None) for skip in skips])


@pytest.mark.parametrize("numbers", COMMITS, ids=str)
async def test_killed_before_a_commit(tmp_path: Path, numbers: range) -> None:
    await play_all(tmp_path, [(f"commit {number}", at_commit, number) for number in numbers])


@pytest.mark.parametrize("seeds", [range(10), range(10, 20)])
async def test_killed_at_a_random_moment(tmp_path: Path, seeds: range) -> None:
    moments = {seed: random.Random(seed).uniform(0.0, 1.6) for seed in seeds}
    await play_all(tmp_path, [(f"after {moment} s", at_moment(moment), None) for moment in moments.values()])
