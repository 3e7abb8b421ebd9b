"""The fake Discord's gateway: HELLO, IDENTIFY for a shard, READY, heartbeats, RESUME with what was missed."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from adapters.discord.testing import payloads
from adapters.discord.testing.world import Channel, Guild, Json, Message, World

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = (
    *(0, 1, 2, 6, 7, 8, 9, 10, 11),
)
GUILDS, GUILD_MEMBERS, PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, GUILD_REACTIONS, DIRECT_MESSAGES, DIRECT_REACTIONS = 1 << 9, 1 << 10, 1 << 12, 1 << 13
MESSAGE_CONTENT = 1 << 15
AUTHENTICATION_FAILED, INVALID_SEQUENCE, INVALID_SHARD, SHARDING_REQUIRED, DISALLOWED_INTENTS = (
    *(4004, 4007, 4010, 4011, 4014),
)


@dataclass(slots=True, eq=False)
class Session:
    """One identified client. `events` are all that were dispatched to it, for replay; `socket` is None while it
    is away."""

    id: str
    intents: int
    shard: int = 0
    shards: int = 1
    events: list[Json] = field(default_factory=list)
    socket: web.WebSocketResponse | None = None

    def is_told_of(self, guild: int | None) -> bool:
        """Each guild belongs to one shard, and what happens in no guild to the first."""
        return self.shard == (0 if guild is None else (guild >> 22) % self.shards)


class Gateway:
    """`allowed` are the privileged intents that are switched on for the application. Set `open` to False and it
    turns everybody away, or add a shard to `refused` and it turns that one away.

    With `resumes_silently` it never says that a session goes on.

    `shards` are how many Discord recommends, and `least_shards` how many it insists on; one session per
    `identify_every` seconds and bucket may begin, `max_concurrency` buckets side by side.
    """

    def __init__(self, world: World, token: str, allowed: int, changed: Callable[[], None]) -> None:
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.identified_too_fast = 0
        self.shards = self.least_shards = 1
        self.max_concurrency = 1
        self.identify_every = 0.0
        self.refused: set[int] = set()
        self.resumes_silently = False
        self._last_identify: dict[int, float] = {}
        self.resumed = 0
        self.turned_away = 0
        self.open = True
        self.url = ""
        self._world = world
        self._token = token
        self._allowed = allowed
        self._changed = changed
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def connected(self) -> int:
        return sum(session.socket is not None for session in self.sessions.values())

    async def connect(self, request: web.Request) -> web.StreamResponse:
        if not self.open:
            self.turned_away += 1
            self._changed()
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=True, compress=False, max_msg_size=0)
        await socket.prepare(request)
        self._sockets.add(socket)
        session: Session | None = None
        try:
            await _send(socket, {"op": HELLO, "d": {"heartbeat_interval": 41_250}})
            async for frame in socket:
                if frame.type != WSMsgType.TEXT:
                    continue
                session = await self._receive(socket, json.loads(frame.data), session)
        finally:
            self._sockets.discard(socket)
            if session is not None and session.socket is socket:
                session.socket = None
            self._changed()
        return socket

    def sockets_of(self, shard: int) -> list[web.WebSocketResponse]:
        sessions = [each for each in self.sessions.values() if each.shard == shard]
        return [each.socket for each in sessions if each.socket is not None]

    async def dispatch(self, event: str, data: Json, *, intent: int = 0) -> None:
        """To every session that asked for it; those that are away get it when they resume."""
        told = data.get("id") if event.startswith("GUILD_") and "guild_id" not in data else data.get("guild_id")
        guild = None if told is None else int(told)
        for session in list(self.sessions.values()):
            if session.is_told_of(guild) and (not intent or session.intents & intent):
                await self._tell(session, event, data)

    async def dispatch_message(self, event: str, message: Message) -> None:
        if self._world.is_guest_in(message.channel):
            return
        guild = message.channel.guild
        direct = guild is None
        intent = DIRECT_MESSAGES if direct else GUILD_MESSAGES
        for session in list(self.sessions.values()):
            if session.intents & intent and session.is_told_of(None if guild is None else guild.id):
                content = bool(session.intents & MESSAGE_CONTENT)
                data = payloads.message_event(self._world, message, content=content)
                if direct:
                    data["channel_type"] = message.channel.kind
                await self._tell(session, event, data)

    async def close(self, code: int = 4000, *, resumable: bool = True, shard: int | None = None) -> None:
        """Close every socket, or those of one shard; without `resumable` the sessions are forgotten."""
        ending = [each for each in self.sessions.values() if shard in (None, each.shard)]
        sockets = list(self._sockets) if shard is None else self.sockets_of(shard)
        if not resumable:
            for session in ending:
                del self.sessions[session.id]
        for socket in sockets:
            await socket.close(code=code)
        for session in ending:
            session.socket = None

    async def ask_to_reconnect(self) -> None:
        for socket in list(self._sockets):
            await _send(socket, {"op": RECONNECT, "d": None})

    async def invalidate(self, shard: int) -> None:
        """End the session of a shard where it is connected: it must begin a new one."""
        sockets = self.sockets_of(shard)
        for session in [each for each in self.sessions.values() if each.shard == shard]:
            del self.sessions[session.id]
        for socket in sockets:
            await _send(socket, {"op": INVALID_SESSION, "d": False})

    async def _receive(self, socket: web.WebSocketResponse, frame: Json, session: Session | None) -> Session | None:
        operation, data = frame.get("op"), frame.get("d")
        if operation == HEARTBEAT:
            await _send(socket, {"op": HEARTBEAT_ACK})
        elif operation == IDENTIFY and isinstance(data, dict):
            return await self._identify(socket, data)
        elif operation == RESUME and isinstance(data, dict):
            return await self._resume(socket, data)
        elif operation == REQUEST_MEMBERS and session is not None and isinstance(data, dict):
            await self._send_members(session, data)
        return session

    async def _identify(self, socket: web.WebSocketResponse, data: Json) -> Session | None:
        intents = int(data.get("intents", 0))
        if data.get("token") != self._token:
            await socket.close(code=AUTHENTICATION_FAILED, message=b"Authentication failed.")
            return None
        if intents & (GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT) & ~self._allowed:
            await socket.close(code=DISALLOWED_INTENTS, message=b"Disallowed intent(s).")
            return None
        shard, shards = data.get("shard") or (0, 1)
        if not 0 <= shard < shards:
            await socket.close(code=INVALID_SHARD, message=b"Invalid shard.")
            return None
        if shards < self.least_shards:
            await socket.close(code=SHARDING_REQUIRED, message=b"Sharding required.")
            return None
        if shard in self.refused:
            self.turned_away += 1
            self._changed()
            await socket.close(code=4000)
            return None
        if self._is_too_fast(shard):
            self.identified_too_fast += 1
            await _send(socket, {"op": INVALID_SESSION, "d": False})
            return None
        session = Session(secrets.token_hex(16), intents, shard, shards, socket=socket)
        self.sessions[session.id] = session
        self.identified += 1
        await self._tell(session, "READY", self._ready(session))
        if intents & GUILDS:
            for guild in self._guilds_of(session):
                members = bool(intents & GUILD_MEMBERS)
                await self._tell(session, "GUILD_CREATE", payloads.guild_json(self._world, guild, all_members=members))
        self._changed()
        return session

    def _guilds_of(self, session: Session) -> list[Guild]:
        joined = [guild for guild in self._world.guilds.values() if self._world.bot.id in guild.members]
        return [guild for guild in joined if session.is_told_of(guild.id)]

    def _is_too_fast(self, shard: int) -> bool:
        bucket, now = shard % self.max_concurrency, time.monotonic()
        before = self._last_identify.get(bucket)
        self._last_identify[bucket] = now
        return before is not None and now - before < self.identify_every

    def _ready(self, session: Session) -> Json:
        return {
            "v": 10,
            "user": payloads.user_json(self._world.bot) | {"verified": True, "mfa_enabled": False, "flags": 0},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in self._guilds_of(session)],
            "shard": [session.shard, session.shards],
            "private_channels": [],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "application": {"id": str(self._world.bot.id), "flags": 0},
        }

    async def _resume(self, socket: web.WebSocketResponse, data: Json) -> Session | None:
        session = self.sessions.get(str(data.get("session_id")))
        sequence = data.get("seq")
        if session is not None and session.shard in self.refused:
            self.turned_away += 1
            self._changed()
            await socket.close(code=4000)
            return None
        if session is None or not isinstance(sequence, int) or sequence > len(session.events):
            await _send(socket, {"op": INVALID_SESSION, "d": False})
            return None
        if self.resumes_silently:
            return None
        # What was missed goes out first and in order, also what happens while it is being sent.
        while sequence < len(session.events):
            await _send(socket, session.events[sequence])
            sequence += 1
        session.socket = socket
        self.resumed += 1
        await self._tell(session, "RESUMED", {"_trace": []})
        self._changed()
        return session

    async def _send_members(self, session: Session, data: Json) -> None:
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        members = [payloads.member_json(guild, self._world.accounts[id]) for id in guild.members]
        chunk = {"guild_id": str(guild.id), "members": members, "chunk_index": 0, "chunk_count": 1, "not_found": []}
        if "nonce" in data:
            chunk["nonce"] = data["nonce"]
        await self._tell(session, "GUILD_MEMBERS_CHUNK", chunk)

    async def _tell(self, session: Session, event: str, data: Json) -> None:
        frame = {"op": DISPATCH, "t": event, "s": len(session.events) + 1, "d": data}
        session.events.append(frame)
        socket = session.socket
        if socket is not None and not socket.closed:
            await _send(socket, frame)


def thread_event(channel: Channel, *, new: bool) -> Json:
    return payloads.channel_json(channel) | ({"newly_created": True} if new else {})


async def _send(socket: web.WebSocketResponse, frame: Json) -> None:
    # A client that has just gone gets the event when it resumes.
    try:
        await socket.send_str(json.dumps(frame))
    except (ConnectionError, RuntimeError):
        return
