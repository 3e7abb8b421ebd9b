"""The connection to Discord: hands what it hears to the core as events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp
import discord

from adapters.discord import DiscordSettings
from adapters.discord import commands as registry
from adapters.discord.errors import CALL_ERRORS
from adapters.discord.hearing import Hearing, permissions_in, place_of, user_of
from adapters.discord.interacting import Interacting, Pressed
from adapters.discord.replying import Replies, Timing
from bot.api import (
    ButtonId,
    Command,
    Handle,
    Joined,
    Left,
    Message,
    MessageDeleted,
    MessageEdited,
    Online,
    Place,
    Route,
    User,
)

log = logging.getLogger(__name__)

# discord.py keeps the last messages to tell what replies and edits are about; memory has the rest.
REMEMBERED_MESSAGES = 300


def intents(settings: DiscordSettings, *, content: bool) -> discord.Intents:
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.message_content = content
    wanted.members = settings.member_events
    return wanted


class DiscordClient(discord.Client):
    """`pendings` keeps the interactions that still wait for an answer."""

    def __init__(
        self,
        settings: DiscordSettings,
        handle: Handle,
        commands: Sequence[Command],
        replies: Replies,
        *,
        content: bool,
        trace: aiohttp.TraceConfig,
        timing: Timing,
    ) -> None:
        # There is no voice here, so nobody needs to be warned that it is not supported.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=intents(settings, content=content),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=REMEMBERED_MESSAGES,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            guild_ready_timeout=timing.ready_after,
            http_trace=trace,
        )
        self.hearing = Hearing(self, settings, commands)
        self._interacting = Interacting(self.hearing, commands, replies, handle)
        self.add_dynamic_items(Pressed)
        self._hand_over = handle
        self._commands = commands
        self._timing = timing
        self._away, self._here = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def setup_hook(self) -> None:
        self._beside(self._sync_commands)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Discord takes one new session every five seconds."""
        if not initial:
            await asyncio.sleep(self._timing.identify_again)

    async def stay_connected(self) -> None:
        """discord.py waits ever longer between its attempts, up to a quarter of an hour: begin anew before that."""
        while True:
            connecting = asyncio.create_task(self.connect())
            lost = asyncio.create_task(self._lost())
            try:
                await asyncio.wait((connecting, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                lost.cancel()
                connecting.cancel()
                await asyncio.wait((connecting, lost))
            if not connecting.cancelled():
                connecting.result()
                return
            log.warning("no connection to Discord for %.0f s, trying anew", self._timing.reconnect_after)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().close()
        await asyncio.sleep(0)  # what was heard last may see that it is over

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """discord.py goes on to tell that it is ready after it was closed."""
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def on_connect(self) -> None:
        self._away.clear()
        self._here.set()

    async def on_resumed(self) -> None:
        await self.on_connect()

    async def on_disconnect(self) -> None:
        self._here.clear()
        self._away.set()

    @property
    def is_here(self) -> bool:
        """Whether Discord tells now what happens."""
        return self._here.is_set() and not self.is_closed()

    async def on_ready(self) -> None:
        """First, and after every gap that Discord could not fill."""
        route, now = Route(Place("discord", "", "")), discord.utils.utcnow()
        id = f"online:{now.timestamp()}"
        assert self.user is not None
        await self._hand_over(Online(id=id, user=user_of(self.user, None), route=route, at=now, latest=self._latest()))

    async def on_message(self, message: discord.Message) -> None:
        event = self.hearing.heard(message)
        if event is not None:
            await self._hand_over(event)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        message = payload.message
        if message.edited_at is None:
            return  # a link got its preview
        event = self.hearing.heard(message)
        if event is None:
            return
        text = event.text if isinstance(event, Message) else self.hearing.text(message)
        await self._hand_over(
            MessageEdited(
                id=f"{event.id}:{int(message.edited_at.timestamp() * 1000)}",
                user=event.user,
                route=event.route,
                at=message.edited_at,
                message=event.id,
                text=text or "",
            )
        )

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        cached = payload.cached_message
        author = self.hearing.person(cached.author) if cached is not None else User("", "somebody")
        await self._deleted({payload.message_id}, payload.channel_id, payload.guild_id, author)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        await self._deleted(payload.message_ids, payload.channel_id, payload.guild_id, User("", "somebody"))

    async def _deleted(self, ids: set[int], channel_id: int, guild_id: int | None, author: User) -> None:
        channel = await self._channel(channel_id) if guild_id is not None else None
        place = place_of(channel, channel_id, guild_id)
        messages = tuple(str(id) for id in sorted(ids))
        await self._hand_over(
            MessageDeleted(
                id=f"{messages[0]}:deleted",
                user=author,
                route=Route(place),
                at=discord.utils.utcnow(),
                messages=messages,
            )
        )

    async def _channel(self, id: int) -> object:
        """Discord does not tell of threads that were archived, and only asking it says where such a one hangs."""
        try:
            return self.get_channel(id) or await self.fetch_channel(id)
        except CALL_ERRORS as error:
            log.info("where something was deleted is unknown: %s", error)
            return None

    async def on_member_join(self, member: discord.Member) -> None:
        at = member.joined_at or discord.utils.utcnow()
        id = f"{member.id}:joined:{int(at.timestamp())}"
        await self._hand_over(Joined(id=id, user=user_of(member, None), route=_hall(member.guild), at=at))

    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        guild = self.get_guild(payload.guild_id)
        if guild is not None:
            now = discord.utils.utcnow()
            id = f"{payload.user.id}:left:{int(now.timestamp())}"
            await self._hand_over(Left(id=id, user=user_of(payload.user, None), route=_hall(guild), at=now))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await self._interacting.heard(interaction)

    async def on_press(self, interaction: discord.Interaction, button: ButtonId | None) -> None:
        await self._interacting.pressed(interaction, button)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        log.exception("%s failed", event_method)

    def _latest(self) -> dict[str, str]:
        latest = {}
        for guild in self.guilds:
            channels: list[discord.abc.GuildChannel | discord.Thread] = [*guild.channels, *guild.threads]
            for channel in channels:
                last = getattr(channel, "last_message_id", None)
                place = place_of(channel, channel.id, guild.id)
                if last is None or not self.hearing.allows_in(place):
                    continue
                allowed = permissions_in(channel, guild.me)
                if allowed.view_channel and allowed.read_message_history:
                    latest[str(place)] = str(last)
        return latest

    async def _lost(self) -> None:
        """Returns when there has been no connection for too long."""
        while True:
            await self._away.wait()
            try:
                async with asyncio.timeout(self._timing.reconnect_after):
                    await self._here.wait()
            except TimeoutError:
                return

    async def _sync_commands(self) -> None:
        try:
            await registry.sync(self, self._commands)
        except CALL_ERRORS as error:
            log.error("Discord did not take the commands: %s", error)

    def _beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _hall(guild: discord.Guild) -> Route:
    """Where newcomers are greeted."""
    channel = guild.system_channel
    return Route(Place("discord", str(guild.id), str(channel.id if channel else guild.id)))
