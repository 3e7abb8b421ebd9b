"""The Discord adapter: connects, hears, answers live."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import discord
import yarl
from discord.http import Route as HttpRoute
from pydantic import JsonValue

from adapters.discord import DiscordSettings
from adapters.discord.client import DiscordClient
from adapters.discord.errors import CALL_ERRORS, start_error, translated
from adapters.discord.faces import NAMED_CHARS, Faces, hook_of, opening
from adapters.discord.hearing import age_restricted, channel_id, is_direct, permissions_in, place_name, slow_mode
from adapters.discord.lacking import elsewhere, without_content
from adapters.discord.lanes import DiscordLanes
from adapters.discord.markup import length
from adapters.discord.pictures import Pictures
from adapters.discord.reading import fetch, history
from adapters.discord.replying import Pending, Replies, Timing
from adapters.discord.sending import (
    BY_GUEST,
    MAX_CHARS,
    PRIVATE,
    ChannelSurface,
    HandoverLane,
    InteractionSurface,
    LiveAnswer,
    NoSurface,
    in_turn,
)
from adapters.discord.speaking import BotSurface, FaceSurface
from adapters.discord.threads import may_open, open_thread
from bot.api import (
    Attachment,
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
    Place,
    Posted,
    Reply,
    ReplyStream,
    Resume,
    Route,
    SentId,
    Shelf,
    Speaker,
    Surface,
    SystemClock,
    Text,
    clip,
    phrase,
    say,
)

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 10 * 1024 * 1024
# Discord takes no more from who is only a guest: the answer and what follows it.
MOST_FOR_GUESTS = 5
# Seconds between attempts to connect, longer each time.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
SENT_PRIVATELY = phrase("🔒 My answer is for you alone, but I cannot send you direct messages.")


class DiscordAdapter:
    name = "discord"

    def __init__(self, settings: DiscordSettings, *, clock: Clock | None = None, timing: Timing | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._timing = timing or Timing()
        self._lanes: DiscordLanes | None = None
        self._replies: Replies | None = None
        self._faces: Faces | None = None
        self._shelf: Shelf | None = None
        self._connected: DiscordClient | None = None

    def use(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @property
    def connected(self) -> bool:
        return self._connected is not None and self._connected.is_here

    @property
    def status(self) -> Mapping[str, JsonValue]:
        return {} if self._connected is None else self._connected.shard_status

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
                    raise start_error(error, self._settings) or error from error
                content = False
                log.warning("%s", without_content(self._settings))

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
        pictures = Pictures(client, lanes, self._clock, self._shelf, self._settings.picture_channel)
        self._lanes, self._replies, self._connected = lanes, replies, client
        self._faces = Faces(client, lanes, self._clock, pictures)
        try:
            await self._login(client, token)
            await client.stay_connected()
        finally:
            self._connected = None
            replies.close()
            await self._faces.aclose()
            await pictures.aclose()
            await lanes.aclose()
            await client.close()

    async def _login(self, client: DiscordClient, token: str) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await client.login(token)
                return
            except discord.LoginFailure as error:
                raise start_error(error, self._settings) or error from error
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
            named_chars=NAMED_CHARS,
            speakers=self._faces is not None and self._faces.can(route),
            private=direct or "user" in route.data,
            max_file_bytes=max_file_bytes,
            buttons=True,
            forms=True,
            menus=True,
            threads=may_open(channel) and not is_guest,
            slow_mode=slow_mode(channel),
            age_restricted=age_restricted(channel),
            direct=direct and not is_guest,
            hears_all=direct or self._connected is None or self._connected.hearing.reads_all,
        )

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        pending = self._pending(route)
        if reply.failed and pending is not None:
            reply = pending.mended(reply)
        text = _mention(route, reply) + reply.text if reply.text else ""
        if not text and not reply.files and not reply.buttons:
            if pending is not None and pending.is_alive():
                await pending.say_nothing()
            return ()
        if reply.private and not is_direct(route.place) and (pending is None or not pending.can_whisper()):
            return await self._send_direct(route, reply, text)
        surface, lane = self._surface(route, reply.speaker, reply=reply)
        return await self._deliver(surface, lane, text, reply, self._most(route))

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> ReplyStream:
        pending = self._pending(route)
        private = route.data.get("private") is True or bool(resume and any(s.kind == PRIVATE for s in resume.sent))
        surface, lane = self._surface(route, speaker, private=private, resumed=resume.sent if resume else ())
        edited = EditedStream(
            surface,
            lane,
            max_chars=MAX_CHARS if speaker is None else NAMED_CHARS,
            max_messages=self._most(route),
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
        )

    async def edit(self, route: Route, sent: SentId, reply: Reply) -> None:
        surface, lane = self._surface_of(route, sent, reply.speaker)
        text = clip(reply.text, MAX_CHARS if reply.speaker is None else NAMED_CHARS, length)
        await in_turn(lane, self._clock, "edit", lambda: surface.edit(sent, text, reply.buttons))

    async def delete(self, route: Route, sent: SentId) -> None:
        surface, _ = self._surface_of(route, sent)
        await surface.delete(sent)

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        return await fetch(attachment, max_bytes, self._settings.api_url)

    async def history(self, route: Route, after: str | None, limit: int) -> tuple[Posted, ...]:
        if route.data.get("guest") is True:
            raise DeliveryRefused(
                "no member there", public=say("I am only a guest here and cannot read what was said.")
            )
        return await history(self._client, route.place, after, limit)

    async def place_name(self, place: Place) -> str:
        return place_name(self._connected, place)

    async def open_thread(self, route: Route, name: str) -> Route:
        return await open_thread(self._client, route, name)

    # Inside

    @property
    def _client(self) -> DiscordClient:
        if self._connected is None:
            raise DeliveryError("not connected", public=phrase("I am not connected to Discord yet."))
        return self._connected

    @property
    def _use_lanes(self) -> DiscordLanes:
        if self._lanes is None:
            raise DeliveryError("not connected", public=phrase("I am not connected to Discord yet."))
        return self._lanes

    def _pending(self, route: Route) -> Pending | None:
        return None if self._replies is None else self._replies.find(self._client, route.data)

    def _most(self, route: Route) -> int:
        """How many messages an answer may have; 0 = as many as it needs."""
        most = self._settings.most_messages
        return min(most or MOST_FOR_GUESTS, MOST_FOR_GUESTS) if route.data.get("guest") is True else most

    def _surface_of(self, route: Route, sent: SentId, speaker: Speaker | None = None) -> tuple[Surface, Lane]:
        """The one through which a message is reached again: nothing but a token reaches some."""
        if sent.kind in (PRIVATE, BY_GUEST) and "token" not in route.data:
            writer = self._replies.writer(sent.id) if self._replies is not None else None
            if writer is None:
                return NoSurface(), self._use_lanes.channel(channel_id(route.place))
            route = Route(route.place, {**route.data, **writer.data})
        nobody = Speaker("", "") if hook_of(sent) is not None else None
        private = sent.kind == PRIVATE
        return self._surface(route, speaker or nobody, private=private, resumed=(sent,), renews=False)

    def _surface(
        self,
        route: Route,
        speaker: Speaker | None = None,
        *,
        reply: Reply | None = None,
        private: bool = False,
        resumed: Sequence[SentId] = (),
        renews: bool = True,
    ) -> tuple[Surface, Lane]:
        private = private or (reply is not None and reply.private)
        own, lane = self._own_surface(route, reply, private=private, resumed=bool(resumed))
        if speaker is None or self._faces is None:
            return own, lane
        pending = self._pending(route)
        face = self._faces.face(route, speaker, private=private)

        def go_on(begun: bool) -> BotSurface:
            """The question is answered and the files are given once."""
            return self._own_surface(route, None, private=private, resumed=True)[0] if begun else own

        surface = FaceSurface(
            face,
            go_on,
            notify=face.asker if reply is not None and reply.notify else None,
            files=reply.files if reply is not None else (),
            resumed=resumed,
            after_first=pending.say_nothing if pending is not None and pending.is_alive() else None,
            renews=renews,
        )
        return surface, self._faces.lane(face, lane)

    def _own_surface(
        self, route: Route, reply: Reply | None, *, private: bool, resumed: bool
    ) -> tuple[BotSurface, Lane]:
        lanes, channel = self._use_lanes, channel_id(route.place)
        question, asker = route.data.get("message"), str(route.data.get("user", ""))
        notify = asker if reply is not None and reply.notify else None
        files = reply.files if reply is not None else ()
        pending, direct = self._pending(route), is_direct(route.place)
        surface = ChannelSurface(
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
        below = NoSurface() if pending.is_guest else surface
        lane = HandoverLane(pending, lanes.interaction(pending.token), lanes.channel(channel))
        turn = partial(in_turn, lanes.channel(channel), self._clock)
        through = InteractionSurface(pending, below, turn, private=private, asker=asker, notify=notify, files=files)
        return through, lane

    async def _deliver(
        self, surface: Surface, lane: Lane, text: str, reply: Reply, most: int = 0
    ) -> tuple[SentId, ...]:
        if not text:
            shown = await in_turn(lane, self._clock, "post", lambda: surface.post("", reply.buttons))
            return (shown.sent,)
        limit = MAX_CHARS if reply.speaker is None else NAMED_CHARS
        stream = EditedStream(surface, lane, max_chars=limit, max_messages=most, clock=self._clock, measure=length)
        async with stream:
            if reply.buttons:
                await stream.write(Controls(reply.buttons))
            await stream.write(Text(text))
        return stream.sent

    async def _send_direct(self, route: Route, reply: Reply, text: str) -> tuple[SentId, ...]:
        """A private reply without an interaction goes as a direct message; if that is refused, only a notice is
        shown."""
        user, lanes = route.data.get("user"), self._use_lanes
        if reply.failed:
            text = self._about(route) + text
        try:
            if user is None:
                raise DeliveryRefused("nobody to write to")
            with translated():
                channel = int((await self._client.http.start_private_message(int(str(user))))["id"])
            surface = ChannelSurface(self._client, lanes, channel, asker=str(user), files=reply.files)
            await self._deliver(surface, lanes.channel(channel), opening(reply.speaker, text) + text, reply)
        except DeliveryRefused:
            surface_here, lane = self._surface(route)
            return await self._deliver(surface_here, lane, say(SENT_PRIVATELY), Reply())
        return ()

    def _about(self, route: Route) -> str:
        client, place = self._client, route.place
        return elsewhere(client.get_channel(channel_id(place)), client.get_guild(int(place.workspace)))


def point_at(settings: DiscordSettings) -> None:
    """discord.py keeps its addresses as attributes of classes."""
    if settings.api_url:
        HttpRoute.BASE = settings.api_url.rstrip("/")
    if settings.gateway_url:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)


def _mention(route: Route, reply: Reply) -> str:
    user = str(route.data.get("user", ""))
    return f"<@{user}> " if reply.notify and user.isdecimal() else ""
