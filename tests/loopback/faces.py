"""What tests of faces on a loopback Discord have in common: a stage, speakers, and what people see of them."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import Call, Channel, FakeDiscord, Message
from bot.api import Done, Route, SentId, Speaker, Text
from bot.api import Message as Heard
from tests.loopback.discord_bot import Listener

ANN, BO = Speaker("ann", "Ann"), Speaker("bo", "Bo")


async def stage(discord: FakeDiscord, bot: Listener, channel: Channel | None = None) -> Route:
    """The bot may have webhooks here, and somebody asked something."""
    await discord.allows("manage_webhooks", (channel.parent or channel) if channel else None)
    before = len(bot.of(Heard))
    await discord.says("@bot go", channel=channel)
    return (await bot.heard(Heard, before + 1)).route


def said(discord: FakeDiscord, channel: Channel | None = None) -> list[tuple[str, str]]:
    """Who said what, of all that is not a person's."""
    return [(each.name, each.text) for each in discord.screen(channel) if each.author is discord.bot]


def posts(discord: FakeDiscord) -> list[Call]:
    return [call for call in discord.calls if call.method == "POST" and "/webhooks/" in call.path]


async def speak(
    adapter: DiscordAdapter, route: Route, speaker: Speaker, *words: str, **more: Any
) -> tuple[SentId, ...]:
    stream = adapter.stream(route, speaker, **more)
    async with stream:
        for word in words:
            await stream.write(Text(word))
        await stream.write(Done("stop"))
    return stream.sent


class Line:
    """A line whose words the test hands over one by one."""

    def __init__(self, adapter: DiscordAdapter, route: Route, speaker: Speaker) -> None:
        self._words: asyncio.Queue[str | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._speak(adapter, route, speaker))

    def say(self, *words: str) -> None:
        for word in words:
            self._words.put_nowait(word)

    async def end(self) -> tuple[SentId, ...]:
        self._words.put_nowait(None)
        return await self._task

    async def _speak(self, adapter: DiscordAdapter, route: Route, speaker: Speaker) -> tuple[SentId, ...]:
        stream = adapter.stream(route, speaker)
        async with stream:
            while (word := await self._words.get()) is not None:
                await stream.write(Text(word))
            await stream.write(Done("stop"))
        return stream.sent


def labels(message: Message) -> list[str]:
    return [button["label"] for row in message.components for button in row["components"]]
