"""The bot's own webhook of each channel: found or made when it is needed, posted through once, forgotten when gone."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import discord
from discord.http import MultipartParameters
from discord.http import Route as HttpRoute

from adapters.discord.errors import INVALID_WEBHOOK_TOKEN, UNKNOWN_WEBHOOK
from adapters.discord.lanes import DiscordLanes
from adapters.discord.unsure import find
from bot.api import Clock

log = logging.getLogger(__name__)

TOO_MANY_WEBHOOKS = 30007
# Webhooks that a person made themselves are of this kind too; those of this bot carry its application's id.
INCOMING = 1
# How long a channel is left alone that has no room for another webhook, or where the bot may not make one after all,
# in seconds.
FULL_FOR, FORBIDDEN_FOR = 600.0, 60.0
# Messages of this process that are remembered, so that none of them is taken for one whose fate is unknown.
KNOWN_MESSAGES = 2000


@dataclass(frozen=True, slots=True)
class Hook:
    """`channel` is where it belongs: for a thread or a forum's post that is the parent."""

    id: int
    token: str = field(repr=False)
    channel: int


class Webhooks:
    """One per bot. There is never more than one webhook of its own in a channel, however many faces speak there."""

    def __init__(self, client: discord.Client, lanes: DiscordLanes, clock: Clock, name: Callable[[], str]) -> None:
        self._client = client
        self._lanes = lanes
        self._clock = clock
        self._name = name
        self._hooks: dict[int, Hook] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._looks: set[asyncio.Task[Hook | None]] = set()
        self._left_alone: dict[int, float] = {}
        self._known: OrderedDict[int, None] = OrderedDict()

    def may_have(self, channel: int) -> bool:
        """False for a while where Discord refused to make one."""
        return self._clock.monotonic() >= self._left_alone.get(channel, float("-inf"))

    async def aclose(self) -> None:
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)

    async def of(self, channel: int) -> Hook | None:
        """None where there can be none. Raises what discord.py raises when Discord cannot be asked."""
        if (known := self._hooks.get(channel)) is not None:
            return known
        # Whoever no longer wants to know must not break the request off: discord.py would hold up the next one like it
        # for half a minute.
        look = asyncio.create_task(self._look(channel))
        self._looks.add(look)
        look.add_done_callback(self._looked)
        return await asyncio.shield(look)

    def _looked(self, look: asyncio.Task[Hook | None]) -> None:
        self._looks.discard(look)
        if not look.cancelled():
            look.exception()  # told to whoever still waits

    async def _look(self, channel: int) -> Hook | None:
        async with self._locks.setdefault(channel, asyncio.Lock()):
            if channel in self._hooks:
                return self._hooks[channel]
            if not self.may_have(channel):
                return None
            try:
                hook = await self._found(channel) or await self._made(channel)
            except discord.HTTPException as error:
                is_forbidden = isinstance(error, discord.Forbidden)
                if not is_forbidden and error.code != TOO_MANY_WEBHOOKS:
                    raise
                log.warning("channel %d has no webhook for other names: %s", channel, error)
                self._left_alone[channel] = self._clock.monotonic() + (FORBIDDEN_FOR if is_forbidden else FULL_FOR)
                return None
            self._hooks[channel] = hook
            return hook

    async def reach(self, channel: int, id: int) -> Hook | None:
        """The webhook that a message came through, None when that one is gone."""
        # Asked side by side for the first time, discord.py may let all but one wait for half a minute.
        async with self._locks.setdefault(channel, asyncio.Lock()):
            known = self._hooks.get(channel)
            if known is None or known.id != id:
                try:
                    known = await self._found(channel, id)
                except discord.Forbidden:
                    return None
                if known is not None:
                    self._hooks.setdefault(channel, known)
            return known

    def forget(self, hook: Hook) -> None:
        """It was deleted: the next one who speaks makes another."""
        if self._hooks.get(hook.channel) == hook:
            del self._hooks[hook.channel]

    async def post(self, hook: Hook, thread: int | None, params: MultipartParameters) -> dict[str, Any]:
        query = {"wait": "true", "with_components": "true"} | _in(thread)
        answer = await self._lanes.send_by_webhook(self._client.http, hook.id, hook.token, params, query)
        self._know(int(answer["id"]))
        return answer

    async def edit(self, hook: Hook, thread: int | None, message: int, params: MultipartParameters) -> dict[str, Any]:
        query = {"with_components": "true"} | _in(thread)
        return await self._lanes.edit_by_webhook(self._client.http, hook.id, hook.token, message, params, query)

    async def delete(self, hook: Hook, thread: int | None, message: int) -> None:
        path = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
        route = HttpRoute("DELETE", path, webhook_id=hook.id, webhook_token=hook.token, message_id=message)
        await self._client.http.request(route, params=_in(thread))

    async def posted(
        self, hook: Hook, where: int, name: str, texts: Collection[str], after: int
    ) -> Mapping[str, Any] | None:
        """A message whose fate was unknown, if it did arrive: it shows one of these texts under this name, and this
        process knows nothing of it. Where the channel may not be read it is not found; where texts may not be read,
        its text is empty."""

        def is_mine(message: Mapping[str, Any]) -> bool:
            mine = message.get("webhook_id") == str(hook.id) and int(message["id"]) not in self._known
            return mine and message["author"]["username"] == name

        found = await find(self._client, where, {"", *texts}, after, is_mine)
        if found is not None:
            self._know(int(found["id"]))
        return found

    async def _found(self, channel: int, id: int | None = None) -> Hook | None:
        own = [
            Hook(int(each["id"]), str(each["token"]), channel)
            for each in await self._client.http.channel_webhooks(channel)
            if each["type"] == INCOMING
            and each.get("application_id") == str(self._client.application_id)
            and each.get("token")
        ]
        # Two processes that look at the same time take the same one.
        return min((hook for hook in own if id in (None, hook.id)), key=lambda hook: hook.id, default=None)

    async def _made(self, channel: int) -> Hook:
        made = await self._client.http.create_webhook(channel, name=self._name())
        oldest = await self._found(channel)
        if oldest is not None and oldest.id != int(made["id"]):
            # Another process was as quick.
            await self._client.http.request(HttpRoute("DELETE", "/webhooks/{webhook_id}", webhook_id=int(made["id"])))
            return oldest
        return Hook(int(made["id"]), str(made.get("token")), channel)

    def _know(self, message: int) -> None:
        self._known[message] = None
        if len(self._known) > KNOWN_MESSAGES:
            self._known.popitem(last=False)


def is_gone(error: discord.HTTPException) -> bool:
    """Whether the webhook itself is no longer there."""
    return error.code in (UNKNOWN_WEBHOOK, INVALID_WEBHOOK_TOKEN)


def _in(thread: int | None) -> dict[str, str]:
    return {} if thread is None else {"thread_id": str(thread)}
