"""The whole bot in this process: the real discord.py and openai clients, with a Discord and a model on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.replying import Timing
from adapters.discord.testing import Channel, FakeDiscord, Message
from bot.api import Adapter, AnyEvent, Command, Handle, Online
from bot.app import App
from bot.clock import Clock
from bot.events import Place
from bot.plugin import Plugin
from bot.prompts import GO_ON
from bot.settings import Settings
from bot.store import Remembered, Store
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from bot.tokens import Tokens
from plugins.commands import plugin as commands
from tests.loopback.discord_bot import QUICK

PATIENCE = 30.0  # seconds; only what is broken takes so long


class Announcing(DiscordAdapter):
    """Tells when the bot has been told that it is online."""

    def __init__(self, discord: FakeDiscord, timing: Timing) -> None:
        super().__init__(discord.settings(), timing=timing)
        self.online = asyncio.Event()

    async def run(self, handle: Handle, commands: Sequence[Command]) -> None:
        await super().run(announced(handle, self.online), commands)


def announced(handle: Handle, online: asyncio.Event) -> Handle:
    async def tell(event: AnyEvent) -> None:
        await handle(event)
        if isinstance(event, Online):
            online.set()

    return tell


class WholeBot:
    """What people do with it, and what it remembers."""

    def __init__(self, app: App, discord: FakeDiscord) -> None:
        self.app = app
        self.discord = discord

    async def asked(self, text: str, *, channel: Channel | None = None, **more: Any) -> list[str]:
        """Somebody says this; returns the new messages of the bot once it has done everything about it."""
        before = len(self.discord.answers(channel))
        await self.discord.says(text, channel=channel, **more)
        await self.until(lambda: len(self.discord.answers(channel)) > before)
        await self.idle()
        return self.discord.answers(channel)[before:]

    async def until(self, condition: Callable[[], Any]) -> None:
        await self.discord.wait_until(condition, timeout=PATIENCE)

    async def idle(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.app.runner.idle()

    async def memory(self, channel: Channel | None = None) -> list[tuple[str, str, str]]:
        """All that was ever remembered here: role, text, status."""
        return [(each.role, each.text, each.status) for each in await self.tree(channel)]

    async def tree(self, channel: Channel | None = None) -> Sequence[Remembered]:
        return await self.app.store.tree(place_of(self.discord, channel))


@asynccontextmanager
async def whole_bot(
    folder: Path,
    discord: FakeDiscord,
    model: FakeOpenAI,
    *,
    plugins: Sequence[Plugin] = (commands,),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    timing: Timing = QUICK,
    clock: Clock | None = None,
) -> AsyncIterator[WholeBot]:
    """Connected, with its commands known to Discord. Its memory stays in the folder."""
    adapter = Announcing(discord, timing)
    async with running(adapter, adapter.online, folder, model, plugins, settings, clock) as app:
        bot = WholeBot(app, discord)
        await bot.until(lambda: discord.world.commands[None])
        await bot.idle()
        yield bot
        assert discord.rings_without_leave == []


@asynccontextmanager
async def running(
    adapter: Adapter,
    is_online: asyncio.Event,
    folder: Path,
    model: FakeOpenAI,
    plugins: Sequence[Plugin],
    settings: Mapping[str, Mapping[str, Any]] | None,
    clock: Clock | None,
) -> AsyncIterator[App]:
    """The whole of it, once the adapter is online."""
    given: dict[str, Any] = {
        "model": {"name": "gpt-6-luna", "openai": {"api_key": "sk-test", "base_url": model.url}},
        "memory": {"database": str(folder / "duologue.db")},
        "answers": {"shutdown_grace": 0},
    }
    for section, values in (settings or {}).items():
        given[section] = {**given.get(section, {}), **values}
    app = App(
        Settings.with_sections({})(**given),
        adapters=[adapter],
        plugins=plugins,
        tokens=Tokens(folder / "no-vocabulary"),
        clock=clock,
    )
    async with app:
        living = asyncio.create_task(app.run())
        try:
            online = asyncio.create_task(is_online.wait())
            await asyncio.wait((online, living), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            online.cancel()
            if living.done():
                living.result()
            yield app
        finally:
            living.cancel()
            await asyncio.wait({living})


def place_of(discord: FakeDiscord, channel: Channel | None = None) -> Place:
    where = channel or discord.general
    return Place("discord", str(discord.guild.id) if where.guild else "dm", str(where.id))


async def remembered(database: Path, place: Place) -> list[tuple[str, str, str]]:
    """What a bot that runs elsewhere, or no longer, remembers: role, text, status."""
    async with Store(f"sqlite:///{database}") as store:
        return [(each.role, each.text, each.status) for each in await store.tree(place)]


def prompt_of(seen: Seen) -> list[str]:
    """The texts that the model was sent, the system message left out."""
    items = seen.body["messages"]
    assert isinstance(items, list)
    return [str(item["content"]) for item in items if isinstance(item, dict) and item["role"] != "system"]


def going_on(seen: Seen, text: str, **how: Any) -> FakeAnswer:
    """The text, from where the question says that it broke off."""
    texts = prompt_of(seen)
    said = texts[-2] if texts[-1] == GO_ON else ""
    assert text.startswith(said), (said, text)
    return FakeAnswer(text[len(said) :], **how)


def shown_for(discord: FakeDiscord, question: Message) -> list[Message]:
    """The bot's messages that reply to this one."""
    own = [message for message in discord.screen(question.channel) if message.author is discord.bot]
    return [message for message in own if message.reply_to == question.id]
