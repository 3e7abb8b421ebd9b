"""The whole bot in this process: the real slack-bolt and openai clients, with a Slack and a model on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from adapters.slack import SlackSettings
from adapters.slack.adapter import SlackAdapter
from adapters.slack.testing import Channel, FakeSlack, Message, labels
from adapters.slack.timing import Timing
from bot.api import Command, Handle
from bot.app import App
from bot.clock import Clock
from bot.events import Place
from bot.plugin import Plugin
from bot.store import Remembered
from bot.testing.openai_server import FakeOpenAI
from plugins.commands import plugin as commands
from tests.loopback.slack_bot import QUICK
from tests.loopback.whole_bot import PATIENCE, announced, running

Found = TypeVar("Found")


class Announcing(SlackAdapter):
    """Tells when the bot has been told that it is online."""

    def __init__(self, settings: SlackSettings, timing: Timing) -> None:
        super().__init__(settings, timing=timing)
        self.online = asyncio.Event()

    async def run(self, handle: Handle, commands: Sequence[Command]) -> None:
        await super().run(announced(handle, self.online), commands)


class WholeSlackBot:
    """What people do with it, and what it remembers."""

    def __init__(self, app: App, slack: FakeSlack) -> None:
        self.app = app
        self.slack = slack

    async def asked(self, text: str, *, thread: Message | None = None, channel: Channel | None = None) -> Message:
        """Somebody asks for an answer; the message that it stands in once the bot has done everything about it. In a
        thread and in a direct message nobody needs to mention it."""
        known = {message.ts for message in self.own()}
        direct = channel is not None and channel.kind == "im"
        says = self.slack.says if direct or thread is not None else self.slack.mentions
        await says(text, thread=thread, channel=channel)
        await self.until(lambda: {message.ts for message in self.own()} - known)
        await self.idle()
        return next(message for message in self.own() if message.ts not in known)

    def own(self) -> list[Message]:
        """All messages of the bot that everybody there can read."""
        kept = [message for message in self.slack.world.messages() if message.author is self.slack.bot]
        return [message for message in kept if not message.deleted and message.seen_by is None and not message.subtype]

    @property
    def newest(self) -> Message:
        return self.own()[-1]

    async def until(self, condition: Callable[[], Found]) -> Found:
        return await self.slack.wait_until(condition, timeout=PATIENCE)

    async def idle(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.app.runner.idle()

    async def memory(self, channel: Channel | None = None, thread: Message | None = None) -> list[tuple[str, str, str]]:
        """All that was ever remembered here: role, text, status."""
        return [(each.role, each.text, each.status) for each in await self.tree(channel, thread)]

    async def tree(self, channel: Channel | None = None, thread: Message | None = None) -> Sequence[Remembered]:
        return await self.app.store.tree(place_of(self.slack, channel, thread))


@asynccontextmanager
async def whole_slack_bot(
    folder: Path,
    slack: FakeSlack,
    model: FakeOpenAI,
    *,
    plugins: Sequence[Plugin] = (commands,),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    timing: Timing = QUICK,
    clock: Clock | None = None,
    **adapter_settings: Any,
) -> AsyncIterator[WholeSlackBot]:
    """Connected, with its memory in the folder; it stays there."""
    adapter = Announcing(slack.settings(**adapter_settings), timing)
    async with running(adapter, adapter.online, folder, model, plugins, settings, clock) as app:
        bot = WholeSlackBot(app, slack)
        await bot.idle()
        yield bot


def place_of(slack: FakeSlack, channel: Channel | None = None, thread: Message | None = None) -> Place:
    where = channel or (thread.channel if thread is not None else slack.general)
    return Place("slack", slack.world.team, where.id, (thread.thread_ts or thread.ts) if thread is not None else None)


def buttons(message: Message) -> list[str]:
    return labels(message.blocks)
