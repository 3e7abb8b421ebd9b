"""The Discord adapter: connects, hears, answers live."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import discord
import yarl
from discord.http import Route as HttpRoute

from adapters.discord import DiscordSettings
from adapters.discord.client import DiscordClient
from adapters.discord.errors import CALL_ERRORS, start_error, translated
from adapters.discord.hearing import channel_id, is_direct, permissions_in, user_of
from adapters.discord.lanes import DiscordLanes
from adapters.discord.markup import from_discord, length
from adapters.discord.replying import Pending, Replies, Timing
from adapters.discord.sending import (
    MAX_CHARS,
    PRIVATE,
    ChannelSurface,
    HandoverLane,
    InteractionSurface,
    LiveAnswer,
    NoSurface,
)
from bot.api import (
    Attachment,
    Button,
    Call,
    Capabilities,
    Clock,
    Command,
    ConfigError,
    Controls,
    DeliveryError,
    DeliveryRefused,
    EditedStream,
    Handle,
    Lane,
    Message,
    Method,
    Place,
    Posted,
    Reply,
    ReplyStream,
    Resume,
    Route,
    SentId,
    Shown,
    Speaker,
    Surface,
    SystemClock,
    Text,
    Urgency,
    clip,
)

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 10 * 1024 * 1024
# Files are read from Discord's own servers only.
FILE_HOSTS = {"cdn.discordapp.com", "media.discordapp.net"}
# Seconds between attempts to connect, longer each time.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
SENT_PRIVATELY = "🔒 My answer is for you alone, but I cannot send you direct messages."


class DiscordAdapter:
    name = "discord"

    def __init__(self, settings: DiscordSettings, *, clock: Clock | None = None, timing: Timing | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._timing = timing or Timing()
        self._lanes: DiscordLanes | None = None
        self._replies: Replies | None = None
        self._connected: DiscordClient | None = None

    @property
    def connected(self) -> bool:
        return self._connected is not None and self._connected.is_here

    # Hearing

    async def run(self, handle: Handle, commands: Sequence[Command]) -> None:
        token = self._settings.token
        if token is None:
            raise ConfigError(["Discord needs a token: set DISCORD_TOKEN in the environment or in .env."])
        point_at(self._settings)
        content = True
        while True:
            try:
                await self._connect(token.get_secret_value(), handle, commands, content=content)
                return
            except discord.PrivilegedIntentsRequired as error:
                if not content:
                    raise start_error(error) or error from error
                content = False
                log.warning(
                    "the Message Content Intent is switched off for this bot (discord.com/developers → your "
                    "application → Bot): it hears mentions, replies, direct messages and slash commands only"
                )

    async def _connect(self, token: str, handle: Handle, commands: Sequence[Command], *, content: bool) -> None:
        lanes = DiscordLanes(self._clock)
        replies = Replies(lanes, self._clock, self._timing)
        client = DiscordClient(
            self._settings,
            handle,
            commands,
            replies,
            content=content,
            trace=lanes.trace,
            timing=self._timing,
        )
        self._lanes, self._replies, self._connected = lanes, replies, client
        try:
            await self._login(client, token)
            await client.stay_connected()
        finally:
            self._connected = None
            replies.close()
            await lanes.aclose()
            await client.close()

    async def _login(self, client: DiscordClient, token: str) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await client.login(token)
                return
            except discord.LoginFailure as error:
                raise start_error(error) or error from error
            except CALL_ERRORS as error:
                log.warning("Discord cannot be reached (%s), next attempt in %.0f s", type(error).__name__, wait)
            # Each attempt makes a session of its own, and the closed one took the connector with it.
            await client.http.close()
            client.http.connector = discord.utils.MISSING
            await self._clock.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    # Answering

    def capabilities(self, route: Route) -> Capabilities:
        channel = None if self._connected is None else self._connected.get_channel(channel_id(route.place))
        direct = is_direct(route.place)
        max_file_bytes = MAX_FILE_BYTES
        if isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            guild = channel.guild
            allowed = permissions_in(channel, channel.guild.me).attach_files
            max_file_bytes = guild.filesize_limit if allowed else 0
        if is_guest := route.data.get("guest") is True:
            max_file_bytes = int(str(route.data.get("bytes", MAX_FILE_BYTES)))
        return Capabilities(
            max_chars=MAX_CHARS,
            edits=True,
            private=direct or "user" in route.data,
            max_file_bytes=max_file_bytes,
            buttons=True,
            forms=True,
            threads=not direct and not is_guest,
            direct=direct and not is_guest,
        )

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        pending = self._pending(route)
        if reply.failed and pending is not None:
            reply = pending.mended(reply)
        text = _mention(route, reply) + _opening(reply.speaker) + reply.text if reply.text else ""
        if not text and not reply.files and not reply.buttons:
            if pending is not None and pending.is_alive():
                await pending.say_nothing()
            return ()
        if reply.private and not is_direct(route.place) and (pending is None or not pending.can_whisper()):
            return await self._send_direct(route, reply, text)
        surface, lane = self._surface(route, reply=reply)
        return await self._deliver(surface, lane, text, reply.buttons)

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> ReplyStream:
        pending = self._pending(route)
        private = route.data.get("private") is True or bool(resume and any(s.kind == PRIVATE for s in resume.sent))
        surface, lane = self._surface(route, private=private, resumed=bool(resume and resume.sent))
        edited = EditedStream(
            surface,
            lane,
            max_chars=MAX_CHARS,
            clock=self._clock,
            before_post=before_post,
            resume=resume,
            measure=length,
        )
        channel = channel_id(route.place)

        async def type_here() -> None:
            if self._use_lanes.is_idle(channel):
                await self._client.http.send_typing(channel)

        return LiveAnswer(
            edited,
            self._clock,
            self._timing,
            type_here=None if pending is not None and pending.carries(private=private) else type_here,
            opening="" if resume and resume.text else _opening(speaker),
        )

    async def edit(self, route: Route, sent: SentId, reply: Reply) -> None:
        surface, lane = self._surface(route, private=sent.kind == PRIVATE)
        text = clip(_opening(reply.speaker) + reply.text, MAX_CHARS, length) if reply.text else ""
        await self._in_turn(lane, "edit", lambda: surface.edit(sent, text, reply.buttons))

    async def delete(self, route: Route, sent: SentId) -> None:
        surface, _ = self._surface(route, private=sent.kind == PRIVATE)
        await surface.delete(sent)

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        url = yarl.URL(attachment.url)
        if attachment.size > max_bytes:
            raise DeliveryError(f"{attachment.size} bytes", public=f"`{attachment.name}` is too large for me.")
        if not self._is_trusted(url):
            raise DeliveryError(f"not a file of Discord: {url.host}", public=f"I cannot read `{attachment.name}`.")
        with translated():
            async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    gone = f"`{attachment.name}` is no longer there."
                    raise DeliveryError(f"HTTP {response.status} for a file", public=gone)
                content = bytearray()
                async for chunk in response.content.iter_chunked(64 * 1024):
                    content += chunk
                    if len(content) > max_bytes:
                        raise DeliveryError(
                            "larger than it claimed", public=f"`{attachment.name}` is too large for me."
                        )
        return bytes(content)

    async def history(self, route: Route, after: str | None, limit: int) -> tuple[Posted, ...]:
        if after is not None and not after.isdecimal():
            raise DeliveryError(f"not the id of a message: {after}")
        place = route.place
        guild = None if is_direct(place) else int(place.workspace)
        channel = self._client.get_partial_messageable(channel_id(place), guild_id=guild)
        with translated():
            if after is None:
                found = [message async for message in channel.history(limit=limit)][::-1]
            else:
                start = discord.Object(int(after))
                found = [message async for message in channel.history(limit=limit, after=start, oldest_first=True)]
        return tuple(self._posted(message, place) for message in found)

    def _posted(self, message: discord.Message, place: Place) -> Posted:
        hearing = self._client.hearing
        own = hearing.is_own(message) and message.webhook_id in (None, message.application_id)
        event = None if own else hearing.heard(message, place)
        reference = message.reference
        return Posted(
            id=str(message.id),
            author=user_of(message.author, None),
            text=from_discord(message.content) if own else hearing.text(message),
            at=message.created_at,
            own=own,
            in_reply_to=str(reference.message_id) if reference is not None and reference.message_id else None,
            event=event if isinstance(event, Message) else None,
        )

    # Inside

    @property
    def _client(self) -> DiscordClient:
        if self._connected is None:
            raise DeliveryError("not connected", public="I am not connected to Discord yet.")
        return self._connected

    @property
    def _use_lanes(self) -> DiscordLanes:
        if self._lanes is None:
            raise DeliveryError("not connected", public="I am not connected to Discord yet.")
        return self._lanes

    def _pending(self, route: Route) -> Pending | None:
        return None if self._replies is None else self._replies.find(self._client, route.data)

    def _surface(
        self, route: Route, *, reply: Reply | None = None, private: bool = False, resumed: bool = False
    ) -> tuple[Surface, Lane]:
        lanes, channel = self._use_lanes, channel_id(route.place)
        question, asker = route.data.get("message"), str(route.data.get("user", ""))
        private = private or (reply is not None and reply.private)
        notify = asker if reply is not None and reply.notify else None
        files = reply.files if reply is not None else ()
        pending, direct = self._pending(route), is_direct(route.place)
        surface: Surface = ChannelSurface(
            self._client,
            lanes,
            channel,
            question=str(question) if question is not None and not resumed else None,
            asker=asker,
            notify=notify,
            files=files,
        )
        if pending is None or not pending.carries(private=private, direct=direct):
            return surface, lanes.channel(channel)
        if pending.is_guest:
            surface = NoSurface()
        lane = HandoverLane(pending, lanes.interaction(pending.token), lanes.channel(channel))
        return InteractionSurface(pending, surface, private=private, asker=asker, notify=notify, files=files), lane

    async def _deliver(
        self, surface: Surface, lane: Lane, text: str, buttons: Sequence[Button] = ()
    ) -> tuple[SentId, ...]:
        if not text:
            shown = await self._in_turn(lane, "post", lambda: surface.post("", buttons))
            return (shown.sent,)
        stream = EditedStream(surface, lane, max_chars=MAX_CHARS, clock=self._clock, measure=length)
        async with stream:
            if buttons:
                await stream.write(Controls(tuple(buttons)))
            await stream.write(Text(text))
        return stream.sent

    async def _send_direct(self, route: Route, reply: Reply, text: str) -> tuple[SentId, ...]:
        """A private reply without an interaction goes as a direct message; if that is refused, only a notice is
        shown."""
        user, lanes = route.data.get("user"), self._use_lanes
        try:
            if user is None:
                raise DeliveryRefused("nobody to write to")
            with translated():
                channel = int((await self._client.http.start_private_message(int(str(user))))["id"])
            surface = ChannelSurface(self._client, lanes, channel, asker=str(user), files=reply.files)
            await self._deliver(surface, lanes.channel(channel), text, reply.buttons)
        except DeliveryRefused:
            surface_here, lane = self._surface(route)
            return await self._deliver(surface_here, lane, SENT_PRIVATELY)
        return ()

    async def _in_turn(self, lane: Lane, method: Method, make: Callable[[], Awaitable[Shown]]) -> Shown:
        """One call that belongs to no stream."""
        wish = Call(method, Urgency.FINAL, self._clock.monotonic())
        await lane.admit(wish)
        landed = False
        try:
            shown = await make()
            landed = True
        finally:
            lane.told(wish, "landed" if landed else "failed")
        return shown

    def _is_trusted(self, url: yarl.URL) -> bool:
        if url.scheme == "http" and url.authority and url.authority == yarl.URL(self._settings.api_url).authority:
            return True
        return url.scheme == "https" and url.host in FILE_HOSTS


def point_at(settings: DiscordSettings) -> None:
    """discord.py keeps its addresses as attributes of classes."""
    if settings.api_url:
        HttpRoute.BASE = settings.api_url.rstrip("/")
    if settings.gateway_url:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)


def _mention(route: Route, reply: Reply) -> str:
    user = str(route.data.get("user", ""))
    return f"<@{user}> " if reply.notify and user.isdecimal() else ""


def _opening(speaker: Speaker | None) -> str:
    return f"**{speaker.name}:** " if speaker is not None else ""
