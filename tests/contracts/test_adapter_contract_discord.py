"""The adapter contract on Discord: the real client on a loopback Discord."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from adapters.discord.testing import FakeDiscord
from bot.api import AnyEvent, Attachment, User
from bot.testing.adapter_contract import AdapterContract, Seen, Stage, contract_commands
from tests.loopback.discord_bot import Listener, connected

Kind = TypeVar("Kind", bound=AnyEvent)


class DiscordStage:
    has_own_stop = False

    def __init__(self, discord: FakeDiscord, listener: Listener) -> None:
        self.adapter = listener.adapter
        self._discord = discord
        self._listener = listener

    async def heard(self, kind: type[Kind], count: int = 1) -> Kind:
        return await self._listener.heard(kind, count)

    def count(self, kind: type[Kind]) -> int:
        return len(self._listener.of(kind))

    async def says(self, text: str) -> None:
        await self._discord.says(f"@bot {text}")

    async def repeats(self) -> None:
        await self._discord.gateway.dispatch_message("MESSAGE_CREATE", self._discord.screen()[-1])

    async def runs(self, command: str, arguments: Mapping[str, Any]) -> None:
        values = dict(arguments)
        for name, value in values.items():
            if isinstance(value, User):
                values[name] = self._discord.owner
            elif isinstance(value, Attachment):
                values[name] = (await self._discord.uploads("notes.txt", b"tea is hot")).attachments[0]
        await self._discord.runs(command, **values)

    async def presses(self, label: str) -> None:
        own = [message for message in self._discord.screen() if message.author is self._discord.bot]
        await self._discord.presses(own[-1], label)

    def screen(self) -> Sequence[Seen]:
        channels = self._discord.world.channels.values()
        return [
            Seen(
                message.name,
                tuple(state.text for state in message.states),
                public=message.seen_by is None and channel.guild is not None,
                own=message.author is self._discord.bot,
                buttons=tuple(each["label"] for row in message.components for each in row["components"]),
            )
            for channel in channels
            for message in self._discord.screen(channel, viewer=self._discord.ada)
        ]


class TestDiscord(AdapterContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with FakeDiscord() as discord, connected(discord, commands=contract_commands()) as listener:
            yield DiscordStage(discord, listener)
