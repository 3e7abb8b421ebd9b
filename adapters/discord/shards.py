"""The connections to Discord's gateway: one for each shard, and each is kept up by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from pydantic import JsonValue

from adapters.discord.replying import Timing
from bot.api import ConfigError

log = logging.getLogger(__name__)

# Close codes that trying again cannot help.
BAD_TOKEN, BAD_SHARD, TOO_FEW_SHARDS, BAD_VERSION, BAD_INTENTS, FORBIDDEN_INTENTS = 4004, 4010, 4011, 4012, 4013, 4014
HOPELESS = {BAD_TOKEN, BAD_SHARD, TOO_FEW_SHARDS, BAD_VERSION, BAD_INTENTS, FORBIDDEN_INTENTS}
# A connection that lasted so long begins anew with quick attempts; a shorter one is part of the same trouble.
STEADY_SECONDS = 60.0
# Sessions may be begun only a thousand times a day, and Discord resets the token of whoever does it more often.
MOST_SECONDS_BETWEEN_SESSIONS = 300.0
CLOSE_SECONDS = 2.0
LOST = (
    OSError,
    asyncio.TimeoutError,
    aiohttp.ClientError,
    discord.HTTPException,
    discord.GatewayNotFound,
    discord.ConnectionClosed,
    ReconnectWebSocket,
    RuntimeError,  # written to while it was closing
)
UNREADABLE = (KeyError, TypeError, AttributeError, IndexError)


class TooFewShards(Exception):
    """Discord wants the bot to be spread over more connections."""


@dataclass(slots=True, eq=False)
class Link:
    """The connection of one shard. `here` says whether Discord tells it now what happens, and `heard_at` when it last
    did (`time.time()`). From the moment `gap` on something may have been missed; `fresh` says that a new session began
    and nobody was told yet. A lost `session` can be resumed. `begun` counts the sessions since all was well."""

    id: int
    here: bool = False
    resumed: bool = False
    since: float = 0.0
    begun: int = 0
    heard_at: float | None = None
    gap: float | None = None
    fresh: bool = False
    socket: DiscordWebSocket | None = None
    session: str | None = None
    sequence: int | None = None
    gateway: yarl.URL | None = None

    def arrived(self, *, resumed: bool) -> None:
        self.here, self.resumed, self.since = True, resumed, time.monotonic()
        self.fresh = self.fresh or not resumed
        if not self.fresh:
            self.gap = None

    def told(self) -> float | None:
        """The gap before this session, told once."""
        gap, self.gap, self.fresh = self.gap, None, False
        return gap

    def lost(self) -> bool:
        """Keep what is needed to resume. Whether the connection had been a steady one."""
        steady = self.here and (self.resumed or time.monotonic() - self.since > STEADY_SECONDS)
        self.here = False
        self.gap = self.heard_at if self.gap is None else self.gap
        if steady:
            self.begun = 0
        if (socket := self.socket) is not None:
            self.session, self.sequence, self.gateway = socket.session_id, socket.sequence, socket.gateway
        return steady


class ShardedClient(discord.AutoShardedClient):
    """discord.py brings its shards back one after the other, waiting up to a quarter of an hour for each; here every
    shard looks after itself, so that one that is away keeps no other from being back at once.

    `asked_shards` overrules how many shards Discord recommends.
    """

    def __init__(self, *, timing: Timing, asked_shards: int | None, main_gateway: str, **options: Any) -> None:
        super().__init__(**options)
        self.links: dict[int, Link] = {}
        self._timing = timing
        self._asked_shards = asked_shards
        self._main = yarl.URL(main_gateway) if main_gateway else None
        self._buckets: list[asyncio.Lock] = []
        self._identified: dict[int, float] = {}

    async def connect(self, *, reconnect: bool = True) -> None:
        """Until it is cancelled, or something stands in the way that will not pass by itself."""
        while True:
            await self._plan()
            keeping = [asyncio.create_task(self._keep(link), name=f"shard {link.id}") for link in self.links.values()]
            try:
                ended, _ = await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.wait(keeping)
            try:
                next(iter(ended)).result()
                return
            except TooFewShards as error:
                count = len(self.links)
                if self._asked_shards is not None:
                    says = f"Discord wants more than {count} shards: raise discord.shards, or leave it out."
                    raise ConfigError([says]) from error
                log.warning("Discord wants more than %d shards, beginning anew", count)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """discord.py goes on to tell that it is ready after it was closed."""
        if self.is_closed():
            return
        if event in ("shard_connect", "shard_resumed"):
            self.links[args[0]].arrived(resumed=event == "shard_resumed")
        super().dispatch(event, *args, **kwargs)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Nothing: whoever identifies has waited for its turn."""

    @property
    def is_here(self) -> bool:
        """Whether Discord tells now what happens, all of it."""
        return bool(self.links) and not self.is_closed() and all(link.here for link in self.links.values())

    @property
    def shard_status(self) -> Mapping[str, JsonValue]:
        """Each shard: whether it is connected, how long Discord takes to answer it, how many servers it serves."""
        guilds = [guild.shard_id for guild in self.guilds]
        shards: dict[str, JsonValue] = {
            str(link.id): {
                "connected": link.here and not self.is_closed(),
                "latency_ms": _milliseconds(link),
                "guilds": guilds.count(link.id),
            }
            for link in self.links.values()
        }
        return {"shards": shards}

    def _get_websocket(self, guild_id: int | None = None, *, shard_id: int | None = None) -> DiscordWebSocket:
        """Where discord.py asks for members."""
        if shard_id is None:
            shard_id = ((guild_id or 0) >> 22) % max(len(self.links), 1)
        socket = self.links[shard_id].socket
        if socket is None:
            raise RuntimeError(f"shard {shard_id} is not connected")
        return socket

    async def _plan(self) -> None:
        """Ask Discord how many shards there should be, and how many of them may begin at once."""
        recommended, url, limit = await self._asked()
        count = self._asked_shards or max(recommended, len(self.links) + 1)
        left, reset_after = limit["remaining"], limit["reset_after"] / 1000
        if left < count:
            log.warning("only %d sessions may be begun in the next %.0f s", left, reset_after)
        if left <= 0:
            await asyncio.sleep(reset_after)
        self._main = self._main or yarl.URL(url)
        self.shard_count = self._connection.shard_count = count
        self._connection.shard_ids = range(count)
        self.links = {id: Link(id) for id in range(count)}
        self._buckets = [asyncio.Lock() for _ in range(max(1, limit["max_concurrency"]))]
        if count > 1:
            log.info("connecting with %d shards", count)

    async def _asked(self) -> tuple[int, str, Any]:
        attempt = 0
        while True:
            try:
                return await self.http.get_bot_gateway()
            except LOST as error:
                cause = error.__cause__
                if isinstance(cause, discord.HTTPException) and cause.status == 401:
                    raise discord.LoginFailure("Improper token has been passed.") from error
                attempt += 1
                log.warning("Discord does not say where its gateway is (%s), trying again", type(error).__name__)
                await self._pause(attempt, self._longest)

    async def _keep(self, link: Link) -> None:
        """Holds the connection of one shard: resumes it whenever it is lost, begins anew where that is refused."""
        attempt = 0
        while not self.is_closed() and not _is_leaving():
            was_here = False
            try:
                await self._open(link)
                socket = link.socket
                assert socket is not None, "opened"
                while True:
                    await self._hear(link, socket)
            except Exception as error:
                was_here = link.here
                attempt = 0 if link.lost() else attempt
                if isinstance(error, discord.ConnectionClosed) and error.code in HOPELESS:
                    raise _hopeless(error, link) from error
                if not isinstance(error, LOST):
                    log.exception("shard %d begins anew", link.id)
                elif not was_here:
                    log.warning("shard %d cannot connect to Discord (%s)", link.id, _says(error))
            finally:
                await self._hang_up(link)
            if was_here:
                self.dispatch("shard_disconnect", link.id)
            if attempt:
                again = link.session is None and link.begun
                await self._pause(attempt, MOST_SECONDS_BETWEEN_SESSIONS if again else self._longest)
            attempt += 1

    async def _hear(self, link: Link, socket: DiscordWebSocket) -> None:
        try:
            await socket.poll_event()
        except UNREADABLE:
            # One event that discord.py stumbles over is not worth the connection.
            log.exception("shard %d was told something that could not be read", link.id)
        link.heard_at = time.time()

    async def _open(self, link: Link) -> None:
        """Connect and wait until Discord has taken the session up again or begun a new one."""
        if link.session is None:
            await self._begin(link)
            return
        gateway, link.gateway = link.gateway, self._main  # the next attempt goes where everybody goes
        try:
            async with asyncio.timeout(self._timing.reconnect_after):
                link.socket = await DiscordWebSocket.from_client(
                    self, resume=True, gateway=gateway or self._main, shard_id=link.id, session=link.session,
                    sequence=link.sequence,
                )  # fmt: skip
        except LOST:
            link.socket = None  # the session is still that of the connection before
            raise
        if not await self._arrives(link):
            link.socket.session_id = None
            raise TimeoutError("Discord does not resume the session")

    async def _begin(self, link: Link) -> None:
        """Discord takes one new session in five seconds, in each of its buckets."""
        bucket = link.id % len(self._buckets)
        async with self._buckets[bucket]:
            before = self._identified.get(bucket)
            if before is not None:
                await asyncio.sleep(max(0.0, before + self._timing.identify_again - time.monotonic()))
            async with asyncio.timeout(self._timing.reconnect_after):
                link.socket = await DiscordWebSocket.from_client(self, gateway=self._main, shard_id=link.id)
            self._identified[bucket] = time.monotonic()
            link.begun += 1
        if not await self._arrives(link):
            raise TimeoutError("Discord does not begin a session")

    async def _arrives(self, link: Link) -> bool:
        assert link.socket is not None, "connected"
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(self._timing.reconnect_after):
                while not link.here:
                    await link.socket.poll_event()
                link.heard_at = time.time()
        return link.here

    async def _hang_up(self, link: Link) -> None:
        """After this close code a session can be resumed."""
        socket = link.socket
        if socket is not None:
            # `wait_for` could swallow that this is cancelled, and the shard would go on for ever.
            with contextlib.suppress(*LOST):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await socket.close(code=1000 if _is_leaving() else 4000)
        link.here = False

    @property
    def _longest(self) -> float:
        return self._timing.reconnect_after / 3

    async def _pause(self, attempt: int, longest: float) -> None:
        """Longer each time, and not all shards at the same moment."""
        first = self._timing.reconnect_after / 45
        await asyncio.sleep(min(first * 2 ** min(attempt - 1, 20), longest) * random.uniform(0.75, 1.25))


def _is_leaving() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _hopeless(error: discord.ConnectionClosed, link: Link) -> Exception:
    if error.code == FORBIDDEN_INTENTS:
        return discord.PrivilegedIntentsRequired(link.id)
    if error.code == BAD_TOKEN:
        return discord.LoginFailure("Improper token has been passed.")
    if error.code == TOO_FEW_SHARDS:
        return TooFewShards(str(error))
    return error


def _milliseconds(link: Link) -> int | None:
    latency = link.socket.latency if link.socket is not None and link.here else float("inf")
    return round(latency * 1000) if 0 <= latency < float("inf") else None


def _says(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
