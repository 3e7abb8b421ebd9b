"""Who hears what comes from Slack: each thing goes to the part that understands it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.slack.filling import UNAVAILABLE
from adapters.slack.home import Home
from adapters.slack.installed import done_in, tells_of
from adapters.slack.interacting import Interacting
from adapters.slack.listening import Listening
from adapters.slack.pane import Pane
from adapters.slack.workspace import Workspace
from bot.api import say


class BotEars:
    def __init__(
        self, workspace: Workspace, listening: Listening, interacting: Interacting, pane: Pane, home: Home
    ) -> None:
        self._workspace = workspace
        self._listening = listening
        self._interacting = interacting
        self._pane = pane
        self._home = home

    async def event(self, body: Mapping[str, Any]) -> None:
        """Returns once what it means is safely claimed."""
        if not tells_of(self._workspace, body):
            return
        event = body.get("event", {})
        match event.get("type"):
            case "assistant_thread_started" | "assistant_thread_context_changed" | "agent_session_stopped":
                await self._pane.event(body)
            case "app_home_opened" if event.get("tab") == "messages":
                await self._pane.event(body)
            case "app_home_opened":
                await self._home.event(body)
            case _:
                await self._pane.before(event)
                await self._listening.event(body)

    async def command(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        if done_in(self._workspace, body):
            await self._interacting.command(body, ack)
        else:
            await ack(text=say(UNAVAILABLE), response_type="ephemeral")

    async def action(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        if not done_in(self._workspace, body):
            return
        if self._home.is_from(body):
            await self._home.action(body, ack)
        else:
            await self._interacting.action(body, ack)

    async def shortcut(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        if done_in(self._workspace, body):
            await self._interacting.shortcut(body, ack)

    async def submitted(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        if done_in(self._workspace, body):
            await self._interacting.submitted(body, ack)

    async def closed(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        if done_in(self._workspace, body):
            await self._interacting.closed(body, ack)

    async def options(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        if done_in(self._workspace, body):
            await self._interacting.options(body, ack)
