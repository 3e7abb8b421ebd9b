"""Slack's requests over HTTP: an ASGI application that looks who asks before anything else, and the server for it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qs, urlsplit

import uvicorn
from pydantic import JsonValue
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.slack import SlackSettings
from adapters.slack.bolt import dispatched
from bot.api import ConfigError

log = logging.getLogger(__name__)

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

EVENTS, PICTURES = "/slack/events", "/slack/pictures/"
MOST_BYTES = 1024 * 1024
# So many that are larger than most of Slack's are taken at once, for nobody knows yet who sends them.
LARGE_BYTES, MOST_LARGE = 64 * 1024, 32
BODY_SECONDS = 5.0
# Slack's requests are finished when the bot is stopped.
LEAVE_SECONDS = 3
MOST_AT_ONCE = 1000
# A connection must not keep its place for longer without a whole request, or with one that does not end.
IDLE_SECONDS = 30.0
# How often the date above the answers is written anew.
TICK_SECONDS = 1.0
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BLOB = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SIGNATURE, _TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"
NO_SECRET = (
    'With slack.receive = "http" Slack\'s requests are known by a secret: copy the Signing Secret from Basic '
    "Information and set SLACK_SIGNING_SECRET in the environment or in .env."
)


class Pictures(Protocol):
    async def picture(self, blob: str) -> tuple[bytes, str] | None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class TooLarge(Exception):
    """More than Slack ever sends."""


class Door:
    """`asgi` is what is served; it can be mounted elsewhere too. `port` is the one in use."""

    def __init__(
        self,
        settings: SlackSettings,
        app: AsyncApp,
        faces: Pictures,
        online: Callable[[float | None], Awaitable[None]],
    ) -> None:
        self._secret = settings.signing_secret
        self._host = settings.host
        self.port = settings.port
        self._online = online
        self._open = False
        secret = self._secret.get_secret_value().strip() if self._secret is not None else ""
        self.asgi = Requests(secret, app, faces, below=urlsplit(settings.public_url).path.rstrip("/"))

    @property
    def connected(self) -> bool:
        return self._open

    @property
    def status(self) -> Mapping[str, JsonValue]:
        return {"listening": f"{self._host}:{self.port}", "taken": self.asgi.taken, "refused": self.asgi.refused}

    async def run(self) -> None:
        """Until it is cancelled; raises ConfigError where it cannot listen."""
        if self._secret is None:
            raise ConfigError([NO_SECRET])
        listening = await asyncio.to_thread(_listening, self._host, self.port)
        self.port = listening.getsockname()[1]
        server = _Server(
            uvicorn.Config(
                self.asgi,
                http=_Connection,
                interface="asgi3",
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MOST_AT_ONCE,
                timeout_keep_alive=int(IDLE_SECONDS),
                timeout_graceful_shutdown=LEAVE_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        serving.add_done_callback(lambda _: server.up.set())
        try:
            await server.up.wait()
            if serving.done():
                return serving.result()
            self._open = True
            log.info("listening for Slack at http://%s:%d%s", self._host, self.port, EVENTS)
            await self._online(None)
            await asyncio.shield(serving)
        finally:
            self._open = False
            server.stop()
            await asyncio.gather(serving, return_exceptions=True)
            listening.close()


class Requests:
    """Slack's events, commands and presses at one address, and the pictures of speakers for everybody. What stands in
    front of it may leave the path away `below` which it is reached, or pass it on."""

    def __init__(self, secret: str, app: AsyncApp, pictures: Pictures, *, below: str = "") -> None:
        self.taken = self.refused = 0
        self._large = asyncio.Semaphore(MOST_LARGE)
        self._verifier = SignatureVerifier(secret) if secret.strip() else None
        self._app = app
        self._pictures = pictures
        self._below = below

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            headers = {"content-length": str(len(answer.body)), "x-content-type-options": "nosniff", **answer.headers}
            told = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": answer.status, "headers": told})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", ""))).removeprefix(self._below)
        try:
            if path == EVENTS:
                if scope["method"] != "POST":
                    return Answer(405, headers={"allow": "POST"})
                return await self._told(scope, receive)
            if path.startswith(PICTURES):
                if scope["method"] not in ("GET", "HEAD"):
                    return Answer(405, headers={"allow": "GET, HEAD"})
                return await self._picture(path.removeprefix(PICTURES))
        except Exception:
            log.exception("a request could not be answered")
            return Answer(500)
        return Answer(404)

    # Slack's requests

    async def _told(self, scope: Message, receive: Receive) -> Answer:
        headers = _headers(scope)
        if self._verifier is None or _SIGNATURE not in headers or _TIMESTAMP not in headers:
            return self._refuse("no signature")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body(headers, receive)
        except TooLarge:
            return Answer(413)
        except TimeoutError:
            return Answer(408)
        if body is None:
            return Answer(400)
        if not self._is_slack(self._verifier, headers, body):
            return self._refuse("wrong or old signature")
        self.taken += 1
        return await self._dispatch(headers, body.decode())

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes | None:
        """None when whoever asks went away. Raises TooLarge."""
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 10 or int(length) > MOST_BYTES:
            raise TooLarge
        body, more = bytearray(), True
        async with contextlib.AsyncExitStack() as room:
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                before = len(body)
                body += message.get("body", b"")
                if len(body) > MOST_BYTES:
                    raise TooLarge
                if before <= LARGE_BYTES < len(body):
                    await room.enter_async_context(self._large)
                more = message.get("more_body", False)
        return bytes(body)

    def _is_slack(self, verifier: SignatureVerifier, headers: Mapping[str, str], body: bytes) -> bool:
        """Signed with the app's secret, within the last five minutes."""
        try:
            return verifier.is_valid(body, headers[_TIMESTAMP], headers[_SIGNATURE])
        except (ValueError, TypeError):
            return False

    def _refuse(self, why: str) -> Answer:
        # One line for each tenfold: whoever knocks all day must not fill the log.
        self.refused += 1
        if str(self.refused).strip("0") == "1":
            log.warning("%d request(s) refused that are not from Slack (%s)", self.refused, why)
        return Answer(401)

    async def _dispatch(self, headers: Mapping[str, str], body: str) -> Answer:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        told = _read(kind, body)
        if told is None:
            return Answer(400)
        if told.get("type") == "url_verification":
            challenge = {"challenge": str(told.get("challenge", ""))}
            return Answer(200, json.dumps(challenge).encode(), {"content-type": "application/json"})
        if "ssl_check" in told:
            return Answer(200)
        return _as_answer(await dispatched(self._app, body=body, headers=dict(headers)))

    # Pictures

    async def _picture(self, blob: str) -> Answer:
        found = await self._pictures.picture(blob) if _BLOB.fullmatch(blob) else None
        if found is None or found[1] not in _IMAGES:
            return Answer(404)
        return Answer(
            200,
            found[0],
            {
                "content-type": found[1],
                "cache-control": "public, max-age=86400, immutable",
                "content-security-policy": "default-src 'none'",
            },
        )


class _Server(uvicorn.Server):
    """Inside a loop that belongs to somebody else: signals are theirs, and it is not woken ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._leaving = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._leaving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._leaving.wait()


class _Connection(H11Protocol):
    """uvicorn waits for ever for the first byte of a request, and for the next one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._was_busy_with: object = None
        self._patience = self.loop.call_later(IDLE_SECONDS, self._lose_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._patience.cancel()
        self._patience = self.loop.call_later(IDLE_SECONDS, self._lose_patience)
        super().on_response_complete()

    def _lose_patience(self) -> None:
        busy_with = None if self.cycle is None or self.cycle.response_complete else self.cycle
        if busy_with is None or busy_with is self._was_busy_with:
            self.transport.abort()
        else:
            self._was_busy_with = busy_with
            self._patience = self.loop.call_later(IDLE_SECONDS, self._lose_patience)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # An empty host would mean all of this machine's addresses.
        return socket.create_server((host or "127.0.0.1", port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError([_why_not(error, host, port)]) from error


def _why_not(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"The port {port} is in use by another program: choose another one as slack.port."
        case errno.EACCES:
            return f"This program may not listen on port {port}: choose one from 1024 on as slack.port."
    return f"Cannot listen at {host!r} ({error.strerror or error}): slack.host has to be an address of this machine."


async def _live(receive: Receive, send: Send) -> None:
    """For servers that ask; there is nothing to prepare."""
    while True:
        asked = (await receive())["type"]
        await send({"type": f"{asked}.complete"})
        if asked == "lifespan.shutdown":
            return


def _headers(scope: Message) -> dict[str, str]:
    """A header that comes twice counts as one with all its values, so as no valid signature."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _read(kind: str, body: str) -> Mapping[str, Any] | None:
    """None where it is nothing that Slack sends."""
    try:
        if kind == "application/json":
            told = json.loads(body)
            return told if isinstance(told, dict) else None
        if kind == "application/x-www-form-urlencoded":
            return parse_qs(body, keep_blank_values=True, max_num_fields=200)
    except (ValueError, RecursionError):
        pass
    return None


def _as_answer(told: BoltResponse) -> Answer:
    headers = {name: value for name, value in told.first_headers().items() if name.lower() != "content-length"}
    return Answer(told.status, told.body.encode() if isinstance(told.body, str) else b"", headers)
