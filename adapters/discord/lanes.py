"""Discord's limits as lanes: what the response headers say about channels, interactions and the bot as a whole."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import aiohttp

from bot.api import Clock
from bot.lanes import Lane


class DiscordLanes:
    """One per bot token. Give `trace` to `discord.Client(http_trace=…)` and `aclose()` it after the client.

    `landed(call)` runs a discord.py call that sends or edits one message and returns the message as Discord
    answered it (the JSON object) as soon as the response is there: discord.py itself may sleep inside the call for
    seconds after that. Errors of the call are raised as they are.
    """

    def __init__(self, clock: Clock, *, per_second: int = 50) -> None:
        self.trace = aiohttp.TraceConfig()

    def channel(self, channel: int) -> Lane:
        """Messages that the bot itself posts and edits in a channel or thread."""
        raise NotImplementedError

    def interaction(self, token: str) -> Lane:
        """Answers to one interaction: its own budget, outside the bot's global limit."""
        raise NotImplementedError

    def webhook(self, webhook: int) -> Lane:
        """Messages under another name, one budget for each webhook."""
        raise NotImplementedError

    async def landed(self, call: Coroutine[Any, Any, Any]) -> dict[str, Any]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Ends what discord.py still sleeps over."""
        raise NotImplementedError
