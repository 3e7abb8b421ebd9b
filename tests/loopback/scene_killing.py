"""Scenes during which the bot is killed: afterwards they wait, and then they go on to exactly their lines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.discord.testing import FakeDiscord
from adapters.slack.testing import FakeSlack
from bot.events import Place, User
from bot.store import Store
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.bot_process import BotProcess, Setup, on_discord, on_slack
from tests.loopback.killing import Kill, Stage
from tests.loopback.scenes import (
    CAPTAIN,
    INSPECTOR,
    OPENER,
    TEMPLATE,
    Shown,
    acting,
    is_over,
    numbered,
    performed,
    shown_on_discord,
    shown_on_slack,
)

LINES = 6
WORDS = 16
START = f'roleplay start "{TEMPLATE}" --turns={LINES} --pace=0'


class Theatre(Stage):
    """`text` is what `shown` says once the scene is over."""

    def __init__(self, folder: Path, platform: Any, model: FakeOpenAI) -> None:
        super().__init__(folder, platform, model, "over")

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
        await self.asks_for(START)

    async def asks_and_dies(self, kill: Kill, die_at_commit: int | None) -> None:
        setup = self.setup(die_at_commit=die_at_commit)
        async with BotProcess(setup) as bot:
            await self.online()
            await self.asks()
            await self.platform.wait_until(lambda: self.offers("▶ Begin"), timeout=30)
            setup.armed.touch()
            await self.presses("▶ Begin")
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

    async def comes_back(self) -> None:
        async with BotProcess(self.setup()) as bot:
            await self.online()
            if not await self.is_done():
                label = "▶ Go on" if await self.has_begun() else "▶ Begin"
                await self.platform.wait_until(lambda: self.offers(label), timeout=30)
                assert sum("▶ Go on" in each.buttons for each in self.messages()) <= 1
                assert label == "▶ Begin" or not any(each.buttons for each in self.lines_shown())
                await self.presses(label)
            await self.platform.wait_until(self.is_complete, timeout=30)
            await self.remembered()
            bot.terminate()
            await bot.gone()
            assert bot.exit_code == 0
        said = self.messages()
        assert numbered(said) == performed((CAPTAIN, INSPECTOR), LINES, WORDS)
        assert [(each.name, each.text.strip()) for each in said if each.text.startswith(OPENER[:20])] == [
            (INSPECTOR, OPENER)
        ]
        assert sum(each.text.startswith("🎬") for each in said) == 1
        assert is_over(said)
        assert self.is_marked_as_ended()

    def lines_shown(self) -> list[Shown]:
        return [each for each in self.messages() if each.name in (CAPTAIN, INSPECTOR)]

    async def is_done(self) -> bool:
        """Everything was said before it died, and people know."""
        return bool(self.texts())

    async def has_begun(self) -> bool:
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            return any(name == "scene_job" for _, _, name, *_ in await store.jobs(place=self.place))

    async def remembered(self) -> None:
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            kept = await store.tree(self.place)
        said = [Shown(each.speaker or "", each.text) for each in kept if each.status == "complete"]
        assert numbered(said) == performed((CAPTAIN, INSPECTOR), LINES, WORDS)
        assert not [each for each in kept if each.role == "assistant" and each.status != "complete"]

    def report(self) -> str:
        shown = "\n".join(
            f"{each.name}: {each.text[:50]} … {each.text[-30:]} {each.buttons}" for each in self.messages()
        )
        return f"{super().report()}\n{shown}"


class DiscordTheatre(Theatre):
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

    async def asks_for(self, command: str) -> None:
        await self.discord.says(f"@bot /{command}")

    def messages(self) -> Sequence[Shown]:
        return shown_on_discord(self.discord)

    async def presses(self, label: str) -> None:
        offering = [each for each in self.discord.screen() if label in str(each.components)]
        await self.discord.presses(offering[-1], label)


class SlackTheatre(Theatre):
    def __init__(self, folder: Path, slack: FakeSlack, model: FakeOpenAI) -> None:
        super().__init__(folder, slack, model)
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


@asynccontextmanager
async def discord_theatre(folder: Path) -> AsyncIterator[Stage]:
    async with FakeDiscord() as discord, FakeOpenAI(acting(rate=400.0, words=WORDS)) as model:
        discord.limits.enforced = False
        await discord.allows("manage_webhooks")
        yield DiscordTheatre(folder, discord, model)


@asynccontextmanager
async def slack_theatre(folder: Path) -> AsyncIterator[Stage]:
    async with FakeSlack() as slack, FakeOpenAI(acting(rate=400.0, words=WORDS)) as model:
        yield SlackTheatre(folder, slack, model)
        assert slack.refused == []
