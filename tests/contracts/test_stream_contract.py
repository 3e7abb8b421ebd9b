"""The stream contract on the core's own stream, and on Discord over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from adapters.discord.testing import FakeDiscord
from bot.clock import SystemClock
from bot.events import Message
from bot.replies import Button, ReplyStream, Resume, SentId
from bot.streaming import EditedStream, OpenLane, Shown
from bot.testing.stream_contract import MakeStream, StreamUnderTest, stream_contract
from tests.loopback.discord_bot import connected


class Memory:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        self.texts.append(text.strip())
        return Shown(SentId(str(len(self.texts) - 1)), text.strip())

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        self.texts[int(sent.id)] = text.strip()
        return Shown(sent, text.strip())

    async def delete(self, sent: SentId) -> None:
        self.texts[int(sent.id)] = ""


@asynccontextmanager
async def in_memory() -> AsyncIterator[StreamUnderTest]:
    memory = Memory()

    def open_stream(resume: Resume | None) -> ReplyStream:
        return EditedStream(memory, OpenLane(), max_chars=500, clock=SystemClock(), resume=resume)

    async def screen() -> Sequence[str]:
        return memory.texts

    yield StreamUnderTest(open_stream, screen, max_chars=500)


@asynccontextmanager
async def on_discord() -> AsyncIterator[StreamUnderTest]:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot hello")
        route = (await bot.heard(Message)).route

        async def screen() -> Sequence[str]:
            return discord.answers()

        yield StreamUnderTest(lambda resume: bot.adapter.stream(route, resume=resume), screen, max_chars=2000)


@pytest.mark.parametrize("make", [in_memory, on_discord])
async def test_streams_keep_their_promises(make: MakeStream) -> None:
    await stream_contract(make)


async def test_the_contract_notices_a_stream_that_loses_its_end() -> None:
    class Losing(Memory):
        async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
            return await super().edit(sent, text[:-3], buttons)

    @asynccontextmanager
    async def losing() -> AsyncIterator[StreamUnderTest]:
        memory = Losing()

        async def screen() -> Sequence[str]:
            return memory.texts

        yield StreamUnderTest(
            lambda resume: EditedStream(memory, OpenLane(), max_chars=500, clock=SystemClock(), resume=resume), screen
        )

    with pytest.raises(AssertionError):
        await stream_contract(losing)
