"""Socket Mode: links that are opened with a ticket, envelopes that must be acknowledged, and ways to lose a link."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from aiohttp import WSMsgType, web

from adapters.slack.testing.deliveries import Attempt, Delivery
from adapters.slack.testing.world import ApiError, Json, World

Reason: TypeAlias = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]

MOST_LINKS = 10


class Link:
    """One open connection. While `deaf` it stays open, and what Slack sends on it gets lost; with `pongs = False` it
    does not answer pings either. `heard` is everything that the app sent. `parting` still happens when the app closes
    it, before Slack agrees."""

    def __init__(self, id: str, socket: web.WebSocketResponse, request: web.Request, *, debug: bool) -> None:
        self.id = id
        self.deaf = False
        self.pongs = True
        self.debug = debug
        self.heard: list[Json] = []
        self.sent: list[Json] = []
        self.pings = 0
        self.pongs_heard = 0
        self.waiting: dict[str, Attempt] = {}
        self.parting: Callable[[], Awaitable[None]] | None = None
        self._socket = socket
        self._request = request
        self._gone = False

    @property
    def open(self) -> bool:
        return not self._gone and not self._socket.closed

    async def send(self, body: Json) -> None:
        self.sent.append(body)
        if not self.deaf and self.open:
            await self._socket.send_str(json.dumps(body))

    async def says_disconnect(self, reason: Reason) -> None:
        """The message before a link is closed; closing is another matter."""
        await self.send({"type": "disconnect", "reason": reason, "debug_info": {"host": f"applink-{self.id}"}})

    async def ping(self) -> None:
        """Slack asks whether the app is there; see `pongs_heard`."""
        await self._socket.ping(f"Ping from applink-{self.id}".encode())

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code=code)

    def drop(self) -> None:
        """The connection is gone without a word."""
        self._gone = True
        if self._request.transport is not None:
            self._request.transport.abort()

    async def read(self, acked: Callable[[Link, Json], None], changed: Callable[[], None]) -> None:
        """Until the link is closed. The app's pings are answered here."""
        try:
            await self._read(acked, changed)
        except ConnectionResetError:
            pass
        finally:
            self._gone = True

    async def _read(self, acked: Callable[[Link, Json], None], changed: Callable[[], None]) -> None:
        while True:
            message = await self._socket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    body: Json = json.loads(message.data)
                    self.heard.append(body)
                    acked(self, body)
                case WSMsgType.PING:
                    self.pings += 1
                    if self.pongs:
                        await self._socket.pong(message.data)
                case WSMsgType.PONG:
                    self.pongs_heard += 1
                case WSMsgType.CLOSE:
                    if self.parting is not None:
                        await self.parting()
                    await self._socket.close()
                    return
                case WSMsgType.CLOSING | WSMsgType.CLOSED | WSMsgType.ERROR:
                    return
            changed()


class Sockets:
    """Envelopes take turns over the open links; one that was not acknowledged goes to another link."""

    def __init__(self, world: World, changed: Callable[[], None]) -> None:
        self.url = ""
        self.enabled = True
        self.app_id = world.app_id  # of the app whose token asks for connections
        self.links: list[Link] = []
        self.opened = 0
        self._world = world
        self._changed = changed
        self._tickets: set[str] = set()
        self._turn = 0

    @property
    def open(self) -> list[Link]:
        return [link for link in self.links if link.open]

    async def ticket(self, args: Json) -> Json:
        """The answer to `apps.connections.open`: an address that works once."""
        if not self.enabled:
            raise ApiError("forbidden_team")
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return {"url": f"{self.url}?ticket={ticket}&app_id={self._world.app_id}"}

    async def connect(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="invalid ticket")
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse(autoping=False, autoclose=False, timeout=1.0)
        await socket.prepare(request)
        self.opened += 1
        link = Link(str(self.opened), socket, request, debug="debug_reconnects" in request.query)
        if len(self.open) >= MOST_LINKS:
            await link.says_disconnect("too_many_websockets")
            await link.close()
            return socket
        self.links.append(link)
        await link.send(self._hello(link))
        self._changed()
        try:
            await link.read(self._acked, self._changed)
        finally:
            for attempt in link.waiting.values():
                attempt.fail(self._world.clock.now(), "timeout")
            self._changed()
        return socket

    def _hello(self, link: Link) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.open),
            "debug_info": {
                "host": f"applink-{link.id}",
                "build_number": 1,
                "approximate_connection_time": 360 if link.debug else 18_060,
            },
            "connection_info": {"app_id": self.app_id},
        }

    async def carry(self, delivery: Delivery, attempt: Attempt) -> None:
        link = self._next(delivery)
        if link is None:
            attempt.fail(self._world.clock.now(), "timeout")
            return
        envelope = self._world.new_id("env-")
        attempt.by = link.id
        link.waiting[envelope] = attempt
        body: Json = {"envelope_id": envelope, "payload": delivery.payload, "type": delivery.kind}
        body["accepts_response_payload"] = delivery.kind != "events_api"
        if delivery.kind == "events_api":
            body |= {"retry_attempt": attempt.number, "retry_reason": attempt.reason}
        await link.send(body)
        self._changed()
        await asyncio.Event().wait()

    def _next(self, delivery: Delivery) -> Link | None:
        links = self.open
        if not links:
            return None
        self._turn += 1
        before = delivery.attempts[-2].by if len(delivery.attempts) > 1 else ""
        turns = [links[(self._turn + number) % len(links)] for number in range(len(links))]
        return next((link for link in turns if link.id != before), turns[0])

    def _acked(self, link: Link, body: Json) -> None:
        attempt = link.waiting.pop(str(body.get("envelope_id", "")), None)
        if attempt is not None:
            attempt.acknowledge(self._world.clock.now(), body.get("payload"))

    async def close(self) -> None:
        for link in self.open:
            await link.close(1001)
