"""The stream contract on the core's own stream, and on Discord and Slack over real sockets."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from adapters.discord.testing import FakeDiscord
from adapters.slack.lengths import MAX_MARKDOWN, MAX_TEXT
from adapters.slack.testing import FakeSlack, labels
from bot.clock import SystemClock
from bot.events import Message, Place, Route
from bot.replies import Button, ReplyStream, Resume, SentId
from bot.streaming import EditedStream, OpenLane, Shown
from bot.testing.adapter import FakeAdapter
from bot.testing.stream_contract import MakeStream, StreamUnderTest, stream_contract
from tests.loopback.discord_bot import connected
from tests.loopback.slack_live import talking


class Memory:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.labels: dict[str, list[str]] = {}
        self._ids = itertools.count()

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        sent = SentId(str(next(self._ids)))
        return self._show(sent, text, buttons)

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        return self._show(sent, text or self.texts[sent.id], buttons)

    async def delete(self, sent: SentId) -> None:
        del self.texts[sent.id], self.labels[sent.id]

    def _show(self, sent: SentId, text: str, buttons: Sequence[Button] | None) -> Shown:
        self.texts[sent.id] = text.strip()
        if buttons is not None:
            self.labels[sent.id] = [button.label for button in buttons]
        return Shown(sent, text.strip())

    async def screen(self) -> Sequence[str]:
        return list(self.texts.values())

    async def buttons(self) -> Sequence[Sequence[str]]:
        return list(self.labels.values())


@asynccontextmanager
async def in_memory() -> AsyncIterator[StreamUnderTest]:
    memory = Memory()

    def open_stream(resume: Resume | None) -> ReplyStream:
        return EditedStream(memory, OpenLane(), max_chars=500, clock=SystemClock(), resume=resume)

    yield StreamUnderTest(open_stream, memory.screen, max_chars=500, buttons=memory.buttons)


@asynccontextmanager
async def faked() -> AsyncIterator[StreamUnderTest]:
    adapter = FakeAdapter()
    route = Route(Place("fake", "workspace", "channel"))

    async def screen() -> Sequence[str]:
        return [message.text for message in adapter.messages]

    async def buttons() -> Sequence[Sequence[str]]:
        return [[button.label for button in message.buttons] for message in adapter.messages]

    yield StreamUnderTest(lambda resume: adapter.stream(route, resume=resume), screen, max_chars=2000, buttons=buttons)


@asynccontextmanager
async def on_discord() -> AsyncIterator[StreamUnderTest]:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot hello")
        route = (await bot.heard(Message)).route

        async def screen() -> Sequence[str]:
            return discord.answers()

        async def buttons() -> Sequence[Sequence[str]]:
            own = [message for message in discord.screen() if message.author is discord.bot]
            return [[each["label"] for row in message.components for each in row["components"]] for message in own]

        def open_stream(resume: Resume | None) -> ReplyStream:
            return bot.adapter.stream(route, resume=resume)

        yield StreamUnderTest(open_stream, screen, max_chars=2000, buttons=buttons)


@asynccontextmanager
async def on_slack(*, in_thread: bool) -> AsyncIterator[StreamUnderTest]:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.limits.enforced = False
        route = bot.route() if in_thread else bot.mouth.route()

        async def screen() -> Sequence[str]:
            return slack.answers()

        async def buttons() -> Sequence[Sequence[str]]:
            own = [message for message in slack.general.messages.values() if message.author is slack.bot]
            return [labels(message.blocks) for message in own if not message.deleted]

        most = MAX_MARKDOWN if in_thread else MAX_TEXT
        yield StreamUnderTest(lambda resume: bot.stream(route, resume=resume), screen, max_chars=most, buttons=buttons)


@pytest.mark.parametrize(
    "make", [in_memory, faked, on_discord, partial(on_slack, in_thread=True), partial(on_slack, in_thread=False)]
)
async def test_streams_keep_their_promises(make: MakeStream) -> None:
    await stream_contract(make)


class LosesTheEnd(Memory):
    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        return await super().edit(sent, text[:-3], buttons)


class KeepsOldMessages(Memory):
    async def delete(self, sent: SentId) -> None:
        pass


class KeepsOldButtons(Memory):
    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        return await super().edit(sent, text, buttons or None)


@pytest.mark.parametrize("broken", [LosesTheEnd, KeepsOldMessages, KeepsOldButtons])
async def test_the_contract_notices(broken: type[Memory]) -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[StreamUnderTest]:
        memory = broken()

        def open_stream(resume: Resume | None) -> ReplyStream:
            return EditedStream(memory, OpenLane(), max_chars=500, clock=SystemClock(), resume=resume)

        yield StreamUnderTest(open_stream, memory.screen, max_chars=500, buttons=memory.buttons)

    with pytest.raises(AssertionError):
        await stream_contract(make)
