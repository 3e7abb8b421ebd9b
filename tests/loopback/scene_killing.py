"""Scenes during which the bot is killed: afterwards they wait, and then they go on to exactly their lines."""

from __future__ import annotations

import asyncio
import sqlite3
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from adapters.discord.testing import FakeDiscord
from adapters.slack.testing import FakeSlack
from bot.events import Place, User
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.bot_process import BotProcess, Setup, on_discord, on_slack
from tests.loopback.killing import Kill, Stage
from tests.loopback.scenes import (
    CAPTAIN,
    INSPECTOR,
    OPENER,
    TEMPLATE,
    Shown,
    acting,
    asked_for,
    is_over,
    line,
    numbered,
    performed,
    shown_on_discord,
    shown_on_slack,
    texts_of,
)

WORDS = 12
# What of it stands on the platform for long after a crash: it is said once, and has the buttons to go on.
INTERRUPTED = "⏸ I was interrupted."
Do: TypeAlias = "Callable[[Theatre], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Plot:
    """What is done before the bot may die, and what it dies of. `model` says the lines; `others` are lines by number
    that may stand there in the end, too."""

    name: str
    lines: int
    options: str
    before: Do
    act: Do
    model: Callable[[Seen], FakeAnswer]
    others: Mapping[int, str] = field(default_factory=dict)

    @property
    def start(self) -> str:
        return f'roleplay start "{TEMPLATE}" --turns={self.lines} {self.options}'

    def performed(self) -> list[tuple[int, str, str]]:
        return performed((CAPTAIN, INSPECTOR), self.lines, WORDS)

    def as_performed(self, said: Sequence[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
        """With each line that may be otherwise put as it is expected."""
        wanted = {number: text for number, _, text in self.performed()}
        return [
            (number, name, wanted.get(number, "") if text == self.others.get(number) else text)
            for number, name, text in said
        ]


async def looks(theatre: Theatre) -> None:
    """At what it costs."""
    await theatre.asks_for(theatre.plot.start)
    await theatre.platform.wait_until(lambda: theatre.offers("▶ Begin"), timeout=30)


async def begins(theatre: Theatre) -> None:
    await theatre.presses("▶ Begin")


async def pauses_after_two(theatre: Theatre) -> None:
    await looks(theatre)
    await begins(theatre)
    for number in range(2):
        await theatre.platform.wait_until(partial(theatre.is_said, number), timeout=30)
        await theatre.asks_for("roleplay next")
    await theatre.platform.wait_until(partial(theatre.is_said, 2), timeout=30)
    await theatre.presses("⏸ Pause")
    await theatre.platform.wait_until(lambda: theatre.offers("▶ Go on"), timeout=30)


async def says_again(theatre: Theatre) -> None:
    await theatre.presses("🔁 Again")


async def goes_on(theatre: Theatre) -> None:
    await theatre.presses("▶ Go on")


# Where the same speaker says it in the same words, it is asked once for something else.
REPEATED = 3
_SAME = line(REPEATED, CAPTAIN, WORDS).partition(".")[0] + line(1, CAPTAIN, WORDS)[len(line(1, CAPTAIN, 0)) - 2 :]


def _in_circles(seen: Seen) -> FakeAnswer:
    number, name = asked_for(seen)
    if number == REPEATED and "You are repeating yourself" not in texts_of(seen)[-1]:
        return FakeAnswer(_SAME, rate=400.0)
    return FakeAnswer(line(number, name, WORDS), rate=400.0)


ACTING = acting(rate=400.0, words=WORDS)
BEGIN = Plot("begin", 4, "--pace=0", looks, begins, ACTING)
AGAIN = Plot("again", 3, "--pace=60", pauses_after_two, says_again, ACTING)
GO_ON = Plot("go on", 3, "--pace=60", pauses_after_two, goes_on, ACTING)
CIRCLES = Plot("circles", 4, "--pace=0", looks, begins, _in_circles, {REPEATED: _SAME})


_BRANCH = """\
WITH RECURSIVE walk(id, parent) AS (
    SELECT message.id, parent_id FROM message JOIN branch ON tip_id = message.id
    UNION ALL SELECT message.id, parent_id FROM message JOIN walk ON message.id = walk.parent
) SELECT coalesce(speaker, ''), text, status, role FROM message WHERE id IN (SELECT id FROM walk) ORDER BY id"""


async def is_remembered(folder: Path, plot: Plot) -> None:
    """Each line once and whole."""
    kept = await asyncio.to_thread(_read, folder, _BRANCH)
    said = [Shown(speaker, text) for speaker, text, status, _ in kept if status == "complete"]
    assert plot.as_performed(numbered(said)) == plot.performed()
    assert not [each for each in kept if each[3] == "assistant" and each[2] != "complete"]


async def status_of_scene(folder: Path) -> str | None:
    found = await asyncio.to_thread(_read, folder, "SELECT status FROM job WHERE name = 'scene_job' ORDER BY id DESC")
    return found[0][0] if found else None


def _read(folder: Path, statement: str) -> Sequence[tuple[str, ...]]:
    """Not as the bot does: it would ask whether this process lives, too."""
    with closing(sqlite3.connect(folder / "duologue.db")) as connection:
        return connection.execute(statement).fetchall()


class Theatre(Stage):
    """`text` is what `shown` says once the scene is over."""

    def __init__(self, folder: Path, platform: Any, model: FakeOpenAI, plot: Plot = BEGIN) -> None:
        super().__init__(folder, platform, model, "over")
        self.plot = plot

    # What differs

    @abstractmethod
    def messages(self) -> Sequence[Shown]: ...

    @abstractmethod
    async def asks_for(self, command: str) -> None: ...

    @abstractmethod
    async def presses(self, label: str) -> None:
        """The newest button of that name."""

    # What is the same

    def setup(self, *, die_at_commit: int | None = None) -> Setup:
        return Setup(
            self.folder / "duologue.db",
            self.environment(),
            self.model.url,
            die_at_commit,
            log=self.folder / "log.txt",
        )

    async def asks(self) -> None:
        await self.asks_for(self.plot.start)

    async def asks_and_dies(self, kill: Kill, die_at_commit: int | None) -> None:
        setup = self.setup(die_at_commit=die_at_commit)
        async with BotProcess(setup) as bot:
            await self.online()
            await self.plot.before(self)
            setup.armed.touch()
            await self.plot.act(self)
            await kill(bot)
            await bot.gone()
        await self.platform.wait_until(self.is_gone, timeout=30)

    def offers(self, label: str) -> bool:
        return any(label in each.buttons for each in self.messages())

    def texts(self) -> Sequence[str]:
        return ["over"] if any(each.text.startswith("🎬") for each in self.messages()) else []

    def is_marked_as_ended(self) -> bool:
        """The look before the scene may have kept its buttons."""
        return not any(each.buttons for each in self.messages() if "▶ Begin" not in each.buttons)

    async def dies_again(self, commit: int) -> None:
        """While it comes back."""
        armed = self.setup().armed
        armed.unlink()
        async with BotProcess(self.setup(die_at_commit=commit)) as bot:
            armed.touch()
            ended = asyncio.create_task(bot.gone())
            back = asyncio.create_task(self.platform.wait_until(self.is_back, timeout=30))
            await asyncio.wait({ended, back}, return_when=asyncio.FIRST_COMPLETED)
            back.cancel()
            bot.kill()
            await asyncio.wait({ended, back})
        await self.platform.wait_until(self.is_gone, timeout=30)

    async def comes_back(self) -> None:
        async with BotProcess(self.setup()) as bot:
            await self.online()
            if not await self.has_begun():
                await self.presses("▶ Begin")
            else:
                await self.platform.wait_until(self.is_back, timeout=30)
                if not self.texts():
                    assert sum("▶ Go on" in each.buttons for each in self.messages()) == 1
                    assert not any(each.buttons for each in self.lines_shown())
                    await self.presses("▶ Go on")
            await self.platform.wait_until(self.is_complete, timeout=30)
            await self.remembered()
            bot.terminate()
            await bot.gone()
            assert bot.exit_code == 0
        said = self.messages()
        assert self.plot.as_performed(numbered(said)) == self.plot.performed()
        assert [(each.name, each.text.strip()) for each in said if each.text.startswith(OPENER[:20])] == [
            (INSPECTOR, OPENER)
        ]
        assert sum(each.text.startswith("🎬") for each in said) == 1
        assert sum(each.text.startswith(INTERRUPTED) for each in said) <= 1
        assert is_over(said)
        assert self.is_marked_as_ended()

    def is_back(self) -> bool:
        return self.offers("▶ Go on") or bool(self.texts())

    def is_said(self, number: int) -> bool:
        """So many lines are, with the desk below."""
        newest = self.messages()[-1]
        return len(numbered(self.messages())) == number and "⏸ Pause" in newest.buttons

    def lines_shown(self) -> list[Shown]:
        return [each for each in self.messages() if each.name in (CAPTAIN, INSPECTOR)]

    async def has_begun(self) -> bool:
        return await status_of_scene(self.folder) is not None

    async def remembered(self) -> None:
        await is_remembered(self.folder, self.plot)

    def report(self) -> str:
        shown = "\n".join(
            f"{each.name}: {each.text[:50]} … {each.text[-30:]} {each.buttons}" for each in self.messages()
        )
        return f"{super().report()}\n{shown}"


class DiscordTheatre(Theatre):
    def __init__(self, folder: Path, discord: FakeDiscord, model: FakeOpenAI, plot: Plot = BEGIN) -> None:
        super().__init__(folder, discord, model, plot)
        self.discord = discord

    @property
    def place(self) -> Place:
        return Place("discord", str(self.discord.guild.id), str(self.discord.general.id))

    def environment(self) -> dict[str, str]:
        return dict(on_discord(self.discord))

    async def online(self) -> None:
        # As long as for the other one: nothing was done yet, and a busy machine starts slowly.
        await self.discord.wait_until(lambda: self.discord.gateway.connected >= 1, timeout=30)
        await self.discord.online()

    def is_gone(self) -> bool:
        return self.discord.gateway.connected == 0

    async def says(self, text: str) -> tuple[Place, str, User]:
        said = await self.discord.says(text)
        return self.place, str(said.id), User(str(self.discord.ada.id), "Ada")

    async def asks_for(self, command: str) -> None:
        await self.discord.says(f"@bot /{command}")

    def messages(self) -> Sequence[Shown]:
        return shown_on_discord(self.discord)

    async def presses(self, label: str) -> None:
        offering = [each for each in self.discord.screen() if label in str(each.components)]
        await self.discord.presses(offering[-1], label)


class SlackTheatre(Theatre):
    def __init__(self, folder: Path, slack: FakeSlack, model: FakeOpenAI, plot: Plot = BEGIN) -> None:
        super().__init__(folder, slack, model, plot)
        self.slack = slack

    @property
    def place(self) -> Place:
        return Place("slack", self.slack.world.team, self.slack.general.id)

    def environment(self) -> dict[str, str]:
        return dict(on_slack(self.slack))

    async def online(self) -> None:
        await self.slack.wait_until(lambda: len(self.slack.links) >= 2, timeout=30)
        await self.slack.catches_up()

    def is_gone(self) -> bool:
        return not self.slack.links

    async def says(self, text: str) -> tuple[Place, str, User]:
        said = await self.slack.says(text)
        return self.place, said.ts, User(self.slack.ada.id, self.slack.ada.name)

    async def asks_for(self, command: str) -> None:
        await self.slack.runs("/duologue", command)

    def messages(self) -> Sequence[Shown]:
        return shown_on_slack(self.slack)

    async def presses(self, label: str) -> None:
        offering = [each for each in self.slack.screen() if label in str(each.blocks)]
        await self.slack.presses(offering[-1], label)


Open: TypeAlias = Callable[[Path, Plot], AbstractAsyncContextManager[Theatre]]


@asynccontextmanager
async def discord_theatre(folder: Path, plot: Plot = BEGIN) -> AsyncIterator[Theatre]:
    async with FakeDiscord() as discord, FakeOpenAI(plot.model) as model:
        discord.limits.enforced = False
        await discord.allows("manage_webhooks")
        yield DiscordTheatre(folder, discord, model, plot)


@asynccontextmanager
async def slack_theatre(folder: Path, plot: Plot = BEGIN) -> AsyncIterator[Theatre]:
    async with FakeSlack() as slack, FakeOpenAI(plot.model) as model:
        yield SlackTheatre(folder, slack, model, plot)
        assert slack.refused == []
