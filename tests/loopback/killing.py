"""Bots that are killed while they answer, at a call, before a commit or at some moment, and those that come after."""

from __future__ import annotations

import asyncio
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from bot.events import Message, Place, Route, User
from bot.prompts import GO_ON
from bot.store import Store
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.bot_process import BotProcess, Setup

# `make crashes` dies at every call and every commit that an answer has; the tests of each day at the first ones.
EVERY = bool(os.environ.get("DUOLOGUE_EVERY_CRASH"))


def story(words: int, size: int = 1) -> str:
    """Every word different, so that a lost or doubled one shows; `size` makes them longer."""
    return " ".join("-".join([f"word{number:04d}"] * size) for number in range(words))


# Three messages long on Discord.
TEXT = story(520)


def telling(text: str, rate: float = 900.0) -> Callable[[Seen], FakeAnswer]:
    """The story from where the question says that it stopped, so many words a second."""

    def tell(seen: Seen) -> FakeAnswer:
        items = seen.body["messages"]
        assert isinstance(items, list)
        texts = [item["content"] for item in items if isinstance(item, dict)]
        said = str(texts[-2]) if texts[-1] == GO_ON else ""
        assert text.startswith(said)
        return FakeAnswer(text[len(said) :], rate=rate)

    return tell


tell = telling(TEXT)


class Fault(Protocol):
    times: int


class Platform(Protocol):
    """What a fake Discord and a fake Slack have in common."""

    def fails(self, pattern: str, *, do: Callable[[], Awaitable[None]] | None = None, **how: Any) -> Fault: ...

    async def wait_until(self, condition: Callable[[], Any], timeout: float = 10.0) -> Any: ...


class Stage(ABC):
    """A platform and a model that stay while bots come and go."""

    def __init__(self, folder: Path, platform: Platform, model: FakeOpenAI, text: str = TEXT) -> None:
        self.folder = folder
        self.platform = platform
        self.model = model
        self.text = text

    # What differs

    @property
    @abstractmethod
    def place(self) -> Place:
        """Where the question was asked."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """How the bot finds its platform."""

    @abstractmethod
    async def online(self) -> None:
        """A bot has come, and the platform has told it what it missed."""

    @abstractmethod
    def is_gone(self) -> bool:
        """Whether the platform has noticed that the last bot is not there any more."""

    @abstractmethod
    async def says(self, text: str) -> tuple[Place, str, User]:
        """Somebody says something that is not for the bot: where, its id and who."""

    @abstractmethod
    async def asks(self) -> None: ...

    @abstractmethod
    def texts(self) -> Sequence[str]:
        """The messages of the answer as people read them."""

    @abstractmethod
    def is_marked_as_ended(self) -> bool:
        """Nothing says that it is still being written, and only the last message has buttons."""

    # What is the same

    def setup(self, *, die_at_commit: int | None = None) -> Setup:
        log = self.folder / "log.txt"
        return Setup(self.folder / "duologue.db", self.environment(), self.model.url, die_at_commit, log=log)

    async def has_been_here(self) -> None:
        """An earlier process has heard something in the channel."""
        place, id, user = await self.says("good morning")
        event = Message(
            id=id, user=user, route=Route(place), at=datetime.now(UTC), text="good morning", addressed=False
        )
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            await store.claim(event)
            await store.done(place, event.id)

    async def asks_and_dies(self, kill: Kill, die_at_commit: int | None) -> None:
        setup = self.setup(die_at_commit=die_at_commit)
        async with BotProcess(setup) as bot:
            await self.online()
            setup.armed.touch()
            await self.asks()
            await kill(bot)
            await bot.gone()
        # Else the dead bot's connection would be taken for the next one's.
        await self.platform.wait_until(self.is_gone, timeout=30)

    async def comes_back(self) -> None:
        async with BotProcess(self.setup()) as bot:
            await self.online()
            await self.platform.wait_until(self.is_complete, timeout=30)
            await self.remembered()
            bot.terminate()
            await bot.gone()
            assert bot.exit_code == 0
        assert self.is_complete(), "it said more once it was complete"

    def is_complete(self) -> bool:
        return self.shown() == self.text and self.is_marked_as_ended()

    def shown(self) -> str:
        return " ".join(text.strip() for text in self.texts())

    async def remembered(self) -> None:
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            for _ in range(200):
                path = await store.path(self.place, max_tokens=100_000)
                answers = [message.text for message in path.messages if message.role == "assistant"]
                if answers:
                    break
                await asyncio.sleep(0.02)
        assert answers == [self.text]

    def report(self) -> str:
        log = self.folder / "log.txt"
        return log.read_text() if log.exists() else ""


Kill: TypeAlias = Callable[[BotProcess], Awaitable[None]]
Arrange: TypeAlias = Callable[[Stage], Kill]
Sets: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Stage]]


@dataclass(frozen=True, slots=True)
class Case:
    """How the bot dies, and before which commit."""

    name: str
    sets: Sets
    arrange: Arrange
    commit: int | None = None


async def play(folder: Path, case: Case) -> None:
    async with case.sets(folder) as stage:
        await stage.has_been_here()
        await stage.asks_and_dies(case.arrange(stage), case.commit)
        try:
            await stage.comes_back()
        except BaseException:
            print(stage.report())
            print([f"{text[:20]} … {text[-20:]}" for text in stage.texts()])
            raise


async def play_all(folder: Path, cases: Sequence[Case]) -> None:
    """Side by side, each with a platform, a model and a database of its own: most of the time is spent waiting."""
    folders = [folder / str(number) for number in range(len(cases))]
    for each in folders:
        each.mkdir()
    results = await asyncio.gather(*map(play, folders, cases), return_exceptions=True)
    failed = {case.name: result for case, result in zip(cases, results, strict=True) if result is not None}
    assert not failed, failed


async def dead_or_complete(stage: Stage, bot: BotProcess) -> None:
    """An answer may need fewer calls or commits than the one to die at: then it is simply complete."""
    ended = asyncio.create_task(bot.gone())
    complete = asyncio.create_task(stage.platform.wait_until(lambda: stage.shown() == stage.text, timeout=30))
    await asyncio.wait({ended, complete}, return_when=asyncio.FIRST_COMPLETED)
    complete.cancel()
    bot.kill()
    await asyncio.wait({ended, complete})


def at_call(pattern: str, skip: int, acted: bool) -> Arrange:
    """Before the platform carries the call out, or after it did but before the bot knows."""

    def arrange(stage: Stage) -> Kill:
        async def kill(bot: BotProcess) -> None:
            async def now() -> None:
                bot.kill()
                await bot.gone()

            fault = stage.platform.fails(pattern, do=now, acted=acted, skip=skip, drop=True)
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


def at_moments(sets: Sets, seeds: Sequence[int], until: float) -> list[Case]:
    moments = [random.Random(seed).uniform(0.0, until) for seed in seeds]
    return [Case(f"after {moment} s", sets, at_moment(moment)) for moment in moments]
