"""Every call to Slack's Web API: in its turn, with Slack's errors as Duologue's, and every 429 told to the budgets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import SlackSettings
from adapters.slack.budgets import SlackBudgets
from adapters.slack.errors import Throttled, translated
from bot.api import Clock

Result = TypeVar("Result")
Answer: TypeAlias = Mapping[str, Any]

# Slack reads the arguments of these from the address alone.
_IN_ADDRESS = frozenset(
    {
        "bots.info",
        "conversations.history",
        "conversations.info",
        "conversations.list",
        "conversations.members",
        "conversations.replies",
        "files.info",
        "team.info",
        "users.conversations",
        "users.info",
        "users.list",
    }
)
# And those of these from a form.
_AS_FORM = frozenset({"files.getUploadURLExternal"})
# How often a call that belongs to no answer is made again when Slack asks for patience, and for how long at most.
_TRIES, _LONGEST_WAIT = 3, 60.0


class Calls:
    """`now` is for calls that a lane admitted already, `in_turn` for all others. Both raise DeliveryError."""

    def __init__(self, client: AsyncWebClient, budgets: SlackBudgets, clock: Clock) -> None:
        self.client = client
        self.budgets = budgets
        self._clock = clock

    async def now(self, method: str, **arguments: Any) -> Answer:
        """None is left out of the arguments."""
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            with translated():
                response = await self.client.api_call(method, **_carried(method, given))
        except Throttled as error:
            self.budgets.refused(method, error.retry_after)
            raise
        data = response.data
        return data if isinstance(data, dict) else {}

    async def in_turn(self, method: str, *, channel: str = "", **arguments: Any) -> Answer:
        """`channel` is an argument like the others, and posts are counted for it."""
        if channel:
            arguments["channel"] = channel

        async def make() -> Answer:
            return await self.now(method, **arguments)

        return await self.patiently(lambda: self.budgets.through(method, make, channel=channel))

    async def patiently(self, make: Callable[[], Awaitable[Result]]) -> Result:
        """Again after the wait that Slack asks for, a few times; raises Throttled then."""
        for _ in range(_TRIES):
            try:
                return await make()
            except Throttled as error:
                if error.retry_after > _LONGEST_WAIT:
                    raise
                await self._clock.sleep(error.retry_after)
        return await make()


def _carried(method: str, given: dict[str, Any]) -> dict[str, Any]:
    if method in _IN_ADDRESS:
        return {"http_verb": "GET", "params": given}
    return {"data": given} if method in _AS_FORM else {"json": given}


def client_of(settings: SlackSettings, token: str, session: aiohttp.ClientSession | None = None) -> AsyncWebClient:
    """`settings.api_url` is meant for a server on this machine, which no proxy reaches."""
    # The SDK would make a call again whose connection broke, also one that was done: a message would stand twice.
    if not settings.api_url:
        return AsyncWebClient(token, session=session, retry_handlers=[])
    client = AsyncWebClient(token, base_url=settings.api_url, session=session, retry_handlers=[])
    client.proxy = None
    return client
