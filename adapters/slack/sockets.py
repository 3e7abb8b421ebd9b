"""Socket Mode: the connections over which Slack tells what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from pydantic import JsonValue
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.timing import Timing
from bot.api import Clock, ConfigError


class Links:
    def __init__(
        self,
        settings: SlackSettings,
        app: AsyncApp,
        calls: Calls,
        clock: Clock,
        timing: Timing,
        online: Callable[[float | None], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._app = app
        self._calls = calls
        self._timing = timing
        self._online = online
        self._handlers: list[AsyncSocketModeHandler] = []

    @property
    def connected(self) -> bool:
        return any(not (h.client.current_session is None or h.client.current_session.closed) for h in self._handlers)

    @property
    def status(self) -> Mapping[str, JsonValue]:
        return {"links": len(self._handlers)}

    async def run(self) -> None:
        token = self._settings.app_token
        if token is None:
            raise ConfigError(["Slack's Socket Mode needs a token: set SLACK_APP_TOKEN in the environment or in .env."])
        try:
            for _ in range(self._settings.connections):
                handler = AsyncSocketModeHandler(
                    self._app, token.get_secret_value(), ping_interval=self._timing.ping_every
                )
                handler.client.proxy = self._calls.client.proxy
                self._handlers.append(handler)
                await handler.connect_async()
            await self._online(None)
            await asyncio.Event().wait()
        finally:
            for handler in self._handlers:
                await handler.close_async()
