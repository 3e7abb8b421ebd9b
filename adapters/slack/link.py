"""One connection of Socket Mode: what comes on it is handled, then acknowledged on it, and its silence is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from aiohttp import WSMsgType
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from adapters.slack.bolt import dispatched
from adapters.slack.timing import Timing
from bot.api import Clock

log = logging.getLogger(__name__)

DEAF, RENEWAL, UNHEARD, LOST = "deaf", "renewal", "unheard", "lost"
# Slack's own words before it closes a connection.
REFRESH, WARNING, LINK_DISABLED, TOO_MANY = "refresh_requested", "warning", "link_disabled", "too_many_websockets"
LAST_WORDS = frozenset({REFRESH, WARNING, LINK_DISABLED, TOO_MANY})
# A message that comes again is a sign that a connection took the first one and gave nothing.
AGAIN = 10
# Slack waits three seconds for an acknowledgement.
ACK_SECONDS = 3.0
CLOSE_SECONDS = LEAVE_SECONDS = 1.0
LONGEST_SECONDS = 60.0
# That a connection is closed because all is well.
GOODBYE = aiohttp.WSCloseCode.OK.to_bytes(2, "big")
_OVER = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_BROKEN = (aiohttp.ClientError, asyncio.TimeoutError, OSError, RuntimeError)


class Link:
    """`here` says whether Slack can reach the bot by it. `over` holds the first reason why another has to take its
    place, which may be while it is still here. `heard_at` is the moment of its last sign of life, since 1970.
    `missed` counts what other links were told since this one was told anything."""

    def __init__(
        self,
        number: int,
        socket: aiohttp.ClientWebSocketResponse,
        app: AsyncApp,
        clock: Clock,
        timing: Timing,
        *,
        told: Callable[[Link, int], None],
        gone: Callable[[Link], None],
    ) -> None:
        self.number = number
        self.here = False
        self.missed = 0
        self.app_id = ""
        self.connections = 0
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.opened_at = clock.monotonic()
        self.heard_at = clock.now().timestamp()
        self._socket = socket
        self._app = app
        self._clock = clock
        self._timing = timing
        self._told = told
        self._gone = gone
        self._frames = 0
        self._parting = False
        self._lasts = timing.renew_after
        self._life: list[asyncio.Task[None]] = []
        self._busy: set[asyncio.Task[None]] = set()

    @property
    def age(self) -> float:
        return self._clock.monotonic() - self.opened_at

    # Life

    async def open(self) -> bool:
        """Whether Slack said hello; otherwise `over` says why not."""
        while not self.here and not self.over.done():
            await self._hear()
        if self.here:
            self._life = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]
        return self.here

    def ends(self, reason: str) -> None:
        if not self.over.done():
            self.over.set_result(reason)

    async def close(self, *, leaving: bool = False) -> None:
        """What was begun is acknowledged first, as long as Slack waits for it. What could not be acknowledged any more
        is handled too, unless everything ends: a command comes only once."""
        try:
            if not self._socket.closed:
                await self._finish(LEAVE_SECONDS if leaving else ACK_SECONDS)
                await self._part()
            await self._finish(0 if leaving else LONGEST_SECONDS)
        finally:
            self._leaves()
            tasks = [*self._life, *self._busy]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(*_BROKEN):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._socket.close()

    async def _finish(self, patience: float) -> None:
        if self._busy:
            await asyncio.wait(self._busy, timeout=patience)

    async def _part(self) -> None:
        """What Slack sends until it hears of the end still comes."""
        if not self._life:
            return
        listening, self._parting = self._life[0], True
        with contextlib.suppress(*_BROKEN):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.send_frame(GOODBYE, WSMsgType.CLOSE)
                await asyncio.wait([listening])

    async def _listen(self) -> None:
        try:
            while not self._socket.closed:
                await self._hear()
        except _BROKEN as error:
            self.ends(f"{LOST} ({type(error).__name__})")
        finally:
            self._leaves()
            self.ends(LOST)

    async def _watch(self) -> None:
        """A link is deaf when no ping was answered for so long. Pings are counted instead of seconds, so that a machine
        that slept does not take all its links for deaf."""
        silent = 0.0
        while True:
            before = self._frames
            with contextlib.suppress(*_BROKEN):
                # A connection that takes nothing any more would keep the ping for ever.
                async with asyncio.timeout(self._timing.ping_every):
                    await self._socket.ping()
            await self._clock.sleep(self._timing.ping_every)
            silent = 0.0 if self._frames > before else silent + self._timing.ping_every
            if silent >= self._timing.deaf_after:
                self._leaves()
                self.ends(DEAF)
                return
            if self.age >= self._lasts:
                self.ends(RENEWAL)

    def _leaves(self) -> None:
        if self.here:
            self.here = False
            self._gone(self)

    # What comes

    async def _hear(self) -> None:
        message = await self._socket.receive()
        if message.type in _OVER:
            self._leaves()
            self.ends(f"{LOST} ({self._socket.close_code})")
            return
        self._frames += 1
        self.heard_at = self._clock.now().timestamp()
        if message.type is WSMsgType.PING:
            await self._socket.pong(message.data)
        elif message.type is WSMsgType.TEXT:
            self._take(message.data)

    def _take(self, text: str) -> None:
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            log.debug("Slack sent something that is no message")
            return
        match told.get("type"):
            case "hello":
                self._greeted(told)
            case "disconnect":
                reason = str(told.get("reason"))
                self.ends(reason if reason in LAST_WORDS else WARNING)
            case _ if isinstance(told.get("envelope_id"), str):
                self._begin(told)

    def _greeted(self, hello: Mapping[str, Any]) -> None:
        self.here = True
        self.app_id = str(_in(hello, "connection_info").get("app_id") or "")
        count, lasts = hello.get("num_connections"), _in(hello, "debug_info").get("approximate_connection_time")
        self.connections = count if isinstance(count, int) else 0
        if isinstance(lasts, int | float) and lasts > 0:
            # Before Slack closes it.
            self._lasts = min(self._lasts, max(lasts - 60, lasts / 2))

    def _begin(self, envelope: dict[str, Any]) -> None:
        """Beside all others: they must not wait for each other."""
        again = envelope.get("retry_attempt")
        self._told(self, AGAIN if isinstance(again, int) and again > 0 else 1)
        task = asyncio.create_task(self._handle(envelope))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _handle(self, envelope: Mapping[str, Any]) -> None:
        """Acknowledged once it was handled; what could not be handled comes again."""
        acknowledgement: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
        if isinstance(payload := envelope.get("payload"), dict):
            try:
                answer = await dispatched(self._app, mode="socket_mode", body=payload)
            except Exception:
                log.exception("something that Slack sent could not be handled")
                return
            if answer.status != 200:
                return
            if said := _said(answer):
                acknowledgement["payload"] = said
        if self._parting:
            return
        try:
            await self._socket.send_str(json.dumps(acknowledgement))
        except _BROKEN:
            log.info("link %d was lost before something was acknowledged on it", self.number)


def _said(answer: BoltResponse) -> dict[str, Any] | None:
    """What goes back to Slack with the acknowledgement."""
    if not answer.body:
        return None
    if not answer.first_headers().get("content-type", "").startswith("application/json"):
        return {"text": answer.body}
    told = json.loads(answer.body)
    return told if isinstance(told, dict) else None


def _in(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inside = told.get(name)
    return inside if isinstance(inside, dict) else {}
