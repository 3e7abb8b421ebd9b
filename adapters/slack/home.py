"""App Home: who the bot is, how it is set for somebody, what they used, and what it can do."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.workspace import Workspace
from bot.api import Capabilities, Clock, Command, Handle, Reply, Route, SentId

log = logging.getLogger(__name__)


class Home:
    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        commands: Sequence[Command],
        handle: Handle,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._calls = calls
        self._commands = commands
        self._handle = handle
        self._clock = clock

    async def close(self) -> None:
        pass

    async def event(self, body: Mapping[str, Any]) -> None:
        """Somebody opened a tab of the bot's page."""

    def is_from(self, body: Mapping[str, Any]) -> bool:
        """Whether somebody pressed something there."""
        view = body.get("view")
        return isinstance(view, dict) and view.get("type") == "home"

    async def action(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack()

    def capabilities(self, route: Route) -> Capabilities:
        return Capabilities(max_chars=2_900, private=True, direct=True)

    async def publish(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        return ()
