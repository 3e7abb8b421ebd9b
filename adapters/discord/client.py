"""The connection to Discord: hands what it hears to the core as events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import discord

from adapters.discord import DiscordSettings
from adapters.discord import commands as registry
from adapters.discord.errors import CALL_ERRORS, start_error
from adapters.discord.hearing import Hearing, guild_of, language_of, place_of, user_of
from adapters.discord.interacting import Interacting, Pressed
from adapters.discord.lacking import blind, complaints
from adapters.discord.order import DIRECT
from adapters.discord.replying import Replies, Timing
from adapters.discord.servers import Ids, Servers, hall, latest
from adapters.discord.shards import ShardedClient
from bot.api import (
    ButtonId,
    Command,
    CommandCall,
    Handle,
    Joined,
    Left,
    Message,
    MessageDeleted,
    MessageEdited,
    Online,
    Place,
    Reacted,
    Route,
    User,
)

log = logging.getLogger(__name__)

# discord.py keeps the last messages to tell what replies and edits are about; memory has the rest.
REMEMBERED_MESSAGES = 1000
# How long a press or command may wait for the roles of whoever made it.
LEARN_SECONDS = 0.5
# How much before the last sign of life a gap is taken to begin: clocks differ.
MARGIN = timedelta(seconds=60)


def intents(settings: DiscordSettings, *, content: bool) -> discord.Intents:
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.guild_reactions = wanted.dm_reactions = True
    wanted.message_content = content
    wanted.members = settings.member_events
    return wanted


class DiscordClient(ShardedClient):
    """Hears everything; `replies` keeps the interactions that still wait for an answer."""

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
            timing=timing,
            asked_shards=settings.shards,
            main_gateway=settings.gateway_url,
            intents=intents(settings, content=content),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=REMEMBERED_MESSAGES,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            guild_ready_timeout=timing.ready_after,
            http_trace=trace,
        )
        self.hearing = Hearing(self, settings, commands, reads_all=content)
        self._interacting = Interacting(self.hearing, commands, replies, handle)
        self.add_dynamic_items(Pressed)
        self._servers = Servers(self)
        self._settings = settings
        self._hand_over = handle
        self._commands = commands
        self._own, self._addressed = Ids(), Ids()
        self._explained: set[int] = set()
        self._late: list[discord.Guild] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def setup_hook(self) -> None:
        self._beside(self._sync_commands)

    async def stay_connected(self) -> None:
        try:
            await self.connect()
        except discord.LoginFailure as error:  # somebody reset the token
            raise start_error(error, self._settings) or error from error

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().close()
        await asyncio.sleep(0)  # what was heard last may see that it is over

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        if event == "shard_connect" and not self.is_closed():
            for gone in self._servers.listed_for(args[0]):
                super().dispatch("guild_remove", gone)
        super().dispatch(event, *args, **kwargs)

    # Connections and servers

    async def on_shard_ready(self, shard: int) -> None:
        """At first, and after every gap that Discord could not fill."""
        gap = self.links[shard].told()
        guilds = self._servers.told_for(shard)
        await self._tell_online(f"{shard}", guilds, gap, silent=(DIRECT,) if shard == 0 else ())
        self._log_online(shard, again=gap is not None)
        for warning in complaints(self, guilds if gap is None else ()):
            log.warning(warning)

    def _log_online(self, shard: int, *, again: bool) -> None:
        servers = sum(1 for guild in self.guilds if guild.shard_id == shard)
        of = f" with shard {shard} of {self.shard_count}" if (self.shard_count or 1) > 1 else ""
        log.info("online %sas %s on %d server%s%s", "again " * again, self.user, servers, "s" * (servers != 1), of)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        if self._servers.meets(guild):
            await self._tell_joined(guild)
        elif self._servers.was_told(guild):
            # Back after an outage, or long in coming; the others are not far.
            self._late.append(guild)
            if len(self._late) == 1:
                self._beside(self._tell_late)

    async def _tell_late(self) -> None:
        await asyncio.sleep(self._timing.ready_after)
        late, self._late = self._late, []
        await self._tell_online("late", late, self._servers.were_down_since(late))

    async def on_guild_unavailable(self, guild: discord.Guild) -> None:
        self._servers.goes_down(guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self.on_guild_available(guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self._servers.forget(guild)
        assert self.user is not None
        now = discord.utils.utcnow()
        id = f"{guild.id}:removed:{int(now.timestamp())}"
        await self._hand_over(Left(id=id, user=user_of(self.user, None), route=hall(guild), at=now, is_me=True))

    async def _tell_joined(self, guild: discord.Guild) -> None:
        assert self.user is not None
        at = (guild.me.joined_at if guild.me is not None else None) or discord.utils.utcnow()
        id = f"{guild.id}:joined:{int(at.timestamp())}"
        route = hall(guild, writable=True)
        me, locale = user_of(self.user, None), language_of(guild)
        await self._hand_over(Joined(id=id, user=me, route=route, at=at, locale=locale, is_me=True))

    async def _tell_online(
        self, name: str, guilds: Iterable[discord.Guild], gap: float | None, *, silent: tuple[str, ...] = ()
    ) -> None:
        """`gap` is when it began."""
        now, since = discord.utils.utcnow(), None
        if gap is not None:
            since = str(discord.utils.time_snowflake(datetime.fromtimestamp(gap, UTC) - MARGIN))
        assert self.user is not None
        await self._hand_over(
            Online(
                id=f"online:{name}:{now.timestamp()}",
                user=user_of(self.user, None),
                route=Route(Place("discord", "", "")),
                at=now,
                latest=latest(guilds, self.hearing),
                since=since,
                silent=silent,
            )
        )

    async def on_member_join(self, member: discord.Member) -> None:
        if member.id != self.application_id and (self.user is None or member.id != self.user.id):
            at = member.joined_at or discord.utils.utcnow()
            id = f"{member.id}:joined:{int(at.timestamp())}"
            await self._hand_over(Joined(id=id, user=user_of(member, None), route=hall(member.guild), at=at))

    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        guild = self.get_guild(payload.guild_id)
        if guild is not None and self.user is not None and payload.user.id != self.user.id:
            now = discord.utils.utcnow()
            id = f"{payload.user.id}:left:{int(now.timestamp())}"
            await self._hand_over(Left(id=id, user=user_of(payload.user, None), route=hall(guild), at=now))

    # Messages

    async def on_message(self, message: discord.Message) -> None:
        if self.hearing.is_own(message):
            self._own.add(message.id)
            return
        place = await self._place(message)
        await self.hearing.order.learn(place, [message.author])
        event = self.hearing.heard(message, place)
        if self.hearing.hides_something(message, place):
            self._beside(lambda: self._explain(message.channel))
        if event is not None:
            # An edit that came at the same moment may have made it addressed already.
            if isinstance(event, Message) and event.addressed:
                self._addressed.add(message.id)
            await self._hand_over(event)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        message = payload.message
        if message.edited_at is None or self.hearing.is_own(message):
            return  # a link got its preview
        place = await self._place(message)
        await self.hearing.order.learn(place, [message.author])
        event = self.hearing.heard(message, place)
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
                question=self._asked_now(event, payload.cached_message, place),
            )
        )

    def _asked_now(self, event: Message | CommandCall, before: discord.Message | None, place: Place) -> Message | None:
        """The question that an edit made out of a message which was not for the bot, once."""
        if not isinstance(event, Message) or not event.addressed or before is None:
            return None
        if self.hearing.is_addressed(before, place) or before.id in self._addressed:
            return None
        self._addressed.add(before.id)
        return event

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

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload, added=True)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload, added=False)

    async def _reacted(self, payload: discord.RawReactionActionEvent, *, added: bool) -> None:
        """Only what is done to the bot's own messages is told."""
        me = self.user.id if self.user is not None else 0
        member = payload.member
        if payload.user_id == me or (payload.message_author_id != me and payload.message_id not in self._own):
            return
        channel = await self._channel(payload.channel_id) if payload.guild_id is not None else None
        place = place_of(channel, payload.channel_id, payload.guild_id)
        person = member or discord.Object(payload.user_id)
        await self.hearing.order.learn(place, [person])
        if not self.hearing.allows(place, person) or (member is not None and member.bot):
            return
        now, emoji = discord.utils.utcnow(), payload.emoji
        sign = "+" if added else "-"
        await self._hand_over(
            Reacted(
                id=f"{payload.message_id}:{sign}{emoji}:{payload.user_id}:{int(now.timestamp() * 1000)}",
                user=user_of(member, None) if member is not None else User(str(payload.user_id), "somebody"),
                route=Route(place, {"user": str(payload.user_id)}),
                at=now,
                message=str(payload.message_id),
                emoji=emoji.name if emoji.id is None else f":{emoji.name}:",
                added=added,
            )
        )

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await self._learn(interaction)
        await self._interacting.heard(interaction)

    async def on_press(self, interaction: discord.Interaction, button: ButtonId | None) -> None:
        await self._learn(interaction)
        await self._interacting.pressed(interaction, button)

    async def _learn(self, interaction: discord.Interaction) -> None:
        """Discord waits three seconds for a first sign, so this may take no more than a part of them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEARN_SECONDS):
                place = place_of(interaction.channel, interaction.channel_id or 0, interaction.guild_id)
                await self.hearing.order.learn(place, [interaction.user])

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        log.exception("%s failed", event_method)

    # Inside

    async def _place(self, message: discord.Message) -> Place:
        channel: object = message.channel
        guild = guild_of(message)
        if guild is not None and isinstance(channel, discord.PartialMessageable):
            channel = await self._channel(message.channel.id)
        return place_of(channel, message.channel.id, guild)

    async def _explain(self, channel: discord.abc.Messageable) -> None:
        """Say once what the bot may not read here, and what can be done about it."""
        id = getattr(channel, "id", 0)
        if id in self._explained:
            return
        self._explained.add(id)
        try:
            await channel.send(blind(self.application_id), allowed_mentions=discord.AllowedMentions.none())
        except CALL_ERRORS as error:
            log.info("it could not be said what the bot may not read: %s", error)

    async def _sync_commands(self) -> None:
        try:
            await registry.sync(self, self._commands)
        except CALL_ERRORS as error:
            log.error("Discord did not take the commands: %s", error)

    def _beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
