"""What people do with commands, buttons, shortcuts and forms, as events: acknowledged in time, answered in place."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.hearing import Hearing
from adapters.slack.people import People
from adapters.slack.sending import Sending
from adapters.slack.workspace import Workspace
from bot.api import Clock, Command, Handle

log = logging.getLogger(__name__)


class Interacting:
    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        hearing: Hearing,
        people: People,
        sending: Sending,
        commands: Sequence[Command],
        handle: Handle,
        clock: Clock,
    ) -> None:
        self._settings = settings

    async def close(self) -> None:
        pass

    async def command(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack()

    async def action(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack()

    async def shortcut(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack()

    async def submitted(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack()

    async def closed(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack()

    async def options(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack(options=[])
