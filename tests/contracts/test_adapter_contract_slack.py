"""The adapter contract on Slack: the real slack-bolt on a loopback Slack, in threads, at the top of a channel and in
direct messages, with threads and without."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from adapters.slack.testing import EVENTS, SCOPES, Channel, FakeSlack, Message, labels
from bot.api import AnyEvent, Attachment, User
from bot.testing.adapter_contract import AdapterContract, Seen, Stage, contract_commands
from tests.loopback.slack_bot import Listener, connected

Kind = TypeVar("Kind", bound=AnyEvent)
# A mention is told twice otherwise; that both are the same is the core's to find.
ONCE = {*EVENTS} - {"app_mention"}


class Everything(Listener):
    """Keeps also what is told again."""

    async def handle(self, event: AnyEvent) -> None:
        self.told.clear()
        await super().handle(event)


class SlackStage:
    """Everything happens in one channel, where the bot is mentioned unless it is a `direct` talk."""

    def __init__(self, slack: FakeSlack, listener: Listener, channel: Channel, *, streams: bool = False) -> None:
        # Slack's own streams are stopped by Slack's own button.
        self.has_own_stop = streams
        self.adapter = listener.adapter
        self._slack = slack
        self._listener = listener
        self._channel = channel
        self._said: Message | None = None

    async def heard(self, kind: type[Kind], count: int = 1) -> Kind:
        return await self._listener.heard(kind, count)

    def count(self, kind: type[Kind]) -> int:
        return len(self._listener.of(kind))

    async def says(self, text: str) -> None:
        text = text.replace("**", "*")  # so is bold told on Slack
        text = text.encode(errors="replace").decode()  # no wire carries half a character
        mention = "" if self._channel.kind == "im" else "@bot "
        self._said = await self._slack.says(f"{mention}{text}", channel=self._channel)

    async def repeats(self) -> None:
        await self._slack.sends_again(self._slack.told("message")[-1])

    async def runs(self, command: str, arguments: Mapping[str, Any]) -> None:
        if any(isinstance(value, Attachment) for value in arguments.values()):
            await self._slack.runs("/duologue", command, channel=self._channel)
            form = await self._slack.wait_until(self._slack.form)
            assert form is not None
            content = [("notes.txt", b"tea is hot")]
            await self._slack.submits(form, file=content)
            return
        typed = " ".join(self._argument(*each) for each in arguments.items())
        await self._slack.runs("/duologue", f"{command} {typed}", channel=self._channel)

    def _argument(self, name: str, value: object) -> str:
        if isinstance(value, User):
            return f"<@{self._slack.olga.id}|olga>"
        if name == "text" and '"' in str(value):
            return str(value)  # the rest of a line is taken as it is
        return f"--{name}={json.dumps(str(value))}"

    async def presses(self, label: str) -> None:
        shown = [each for each in self._messages() if label in labels(each.blocks)]
        await self._slack.presses(shown[-1], label)

    def screen(self) -> Sequence[Seen]:
        return [
            Seen(
                message.shown_as or message.author.name,
                tuple(state.seen for state in message.states),
                public=message.seen_by is None and message.channel.kind != "im",
                own=message.author is self._slack.bot,
                buttons=tuple(labels(message.blocks)),
            )
            for message in self._messages()
        ]

    def _messages(self) -> list[Message]:
        kept = [each for channel in self._slack.world.channels.values() for each in channel.messages.values()]
        return [each for each in kept if not each.deleted and each.seen_by in (None, self._slack.ada)]


class TestInThreads(AdapterContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with (
            FakeSlack(events=ONCE) as slack,
            connected(slack, commands=contract_commands(), listens=Everything) as listener,
        ):
            yield SlackStage(slack, listener, slack.general, streams=True)


class TestInChannels(AdapterContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with (
            FakeSlack(events=ONCE) as slack,
            connected(slack, commands=contract_commands(), listens=Everything, reply_in_threads=False) as listener,
        ):
            yield SlackStage(slack, listener, slack.general)


class TestInDirectMessages(AdapterContract):
    """Of an agent, whose talks are threads."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with (
            FakeSlack(agent=True, events=ONCE) as slack,
            connected(slack, commands=contract_commands(), listens=Everything) as listener,
        ):
            yield SlackStage(slack, listener, slack.direct(), streams=True)


class TestInFlatDirectMessages(AdapterContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with (
            FakeSlack(events=ONCE, scopes=SCOPES - {"assistant:write"}) as slack,
            connected(slack, commands=contract_commands(), listens=Everything) as listener,
        ):
            yield SlackStage(slack, listener, slack.direct())
