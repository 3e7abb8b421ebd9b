"""A fake OpenAI on the loopback: both APIs, real sockets, and every fault that a real one has shown."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web
from pydantic import JsonValue

from bot.testing.openai_shapes import (
    ChatShapes,
    FakeAnswer,
    FakeError,
    ResponseShapes,
    bad_picture,
    blind,
    context_overflow,
    filtered,
    input_tokens,
    moderation,
    no_quota,
    picture_urls,
    rate_limited,
    refused,
    server_error,
    unknown_model,
    wrong_key,
)

__all__ = [
    "FakeAnswer",
    "FakeError",
    "FakeOpenAI",
    "Seen",
    "bad_picture",
    "blind",
    "context_overflow",
    "filtered",
    "no_quota",
    "rate_limited",
    "refused",
    "server_error",
    "unknown_model",
    "wrong_key",
]

Behaviour: TypeAlias = FakeAnswer | FakeError


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, JsonValue]

    @property
    def text(self) -> str:
        """The last message that was sent."""
        messages = self.body.get("messages") or self.body.get("input")
        last = messages[-1] if isinstance(messages, list) and messages else None
        content = last.get("content") if isinstance(last, dict) else messages
        if isinstance(content, list):
            parts = [part for part in content if isinstance(part, dict)]
            return "".join(text for part in parts if isinstance(text := part.get("text"), str))
        return content if isinstance(content, str) else ""

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """The content of all pictures that were sent, in order."""
        return tuple(b64decode(url.partition(",")[2]) for url in picture_urls(self.body))


class FakeOpenAI:
    """`async with FakeOpenAI() as server:` and point a client at `server.url`.

    `will(…)` says what happens to the next requests, in order; after that, or without it, `answer` happens, which
    may be a function of the request. `seen` holds all requests for answers, `disconnects` counts streams that the
    client closed before their end.

    These hold for every request: `key` is the only API key that is taken (None = any); `refuses` are parameters that
    get a 400, `images` among them for a model that cannot see; `context` is the longest question in tokens; `models`
    maps model names to their shutdown date, and once there are any, others get a 404.

    `moderation` says which categories a text that is sent to be checked falls under, and `moderated` holds those texts;
    `moderates` may be an error for all of them.

    `on_token` is called with every token of a stream right after it left.
    """

    def __init__(
        self,
        answer: Behaviour | str | Callable[[Seen], Behaviour] = FakeAnswer(),  # noqa: B008 - it is frozen
        *,
        key: str | None = None,
        refuses: tuple[str, ...] = (),
        context: int | None = None,
        models: Mapping[str, str | None] | None = None,
        on_token: Callable[[Seen, str], None] | None = None,
        moderation: Callable[[str], Sequence[str]] = lambda text: (),
        moderates: FakeError | None = None,
    ) -> None:
        self.answer = FakeAnswer(answer) if isinstance(answer, str) else answer
        self.key = key
        self.refuses = refuses
        self.context = context
        self.models = dict(models or {})
        self._on_token = on_token
        self.moderation = moderation
        self.moderates = moderates
        self.moderated: list[str] = []
        self.seen: list[Seen] = []
        self.disconnects = 0
        self.connections: set[tuple[str, int]] = set()
        self._next: list[Behaviour] = []
        self._changed = asyncio.Condition()
        self._closing = False
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The base URL, with `/v1`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def root(self) -> str:
        """Without `/v1`, as an Azure endpoint is given."""
        return f"http://127.0.0.1:{self._port}"

    def will(self, *behaviours: Behaviour | str) -> None:
        self._next.extend(FakeAnswer(each) if isinstance(each, str) else each for each in behaviours)

    async def wait_for_disconnect(self, count: int = 1) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.disconnects >= count)

    async def wait_for_requests(self, count: int = 1) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= count)

    async def __aenter__(self) -> FakeOpenAI:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for prefix in ("/v1", "/openai/v1", "/openai/deployments/{deployment}"):
            app.router.add_post(f"{prefix}/chat/completions", self._answer)
            app.router.add_post(f"{prefix}/responses", self._answer)
            app.router.add_get(f"{prefix}/models", self._models)
            app.router.add_post(f"{prefix}/moderations", self._moderate)
        app.router.add_get("/openai/models", self._models)
        # A closed connection must be noticed while nothing is being written, too.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *error: object) -> None:
        self._closing = True
        if self._runner is not None:
            await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if self._key_is_wrong(request):
            return _error(wrong_key())
        data = [
            {"id": name, "object": "model", "created": 1, "owned_by": "fake", "shutdown_date": ends}
            for name, ends in self.models.items()
        ]
        return web.json_response({"object": "list", "data": data})

    async def _moderate(self, request: web.Request) -> web.StreamResponse:
        if self._key_is_wrong(request):
            return _error(wrong_key())
        if (failure := self.moderates) is not None:
            return _error(failure)
        body = json.loads(await request.read())
        text = str(body["input"])
        self.moderated.append(text)
        return web.json_response(moderation(str(body["model"]), self.moderation(text)))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        self.connections.add(peer[:2] if peer else ("", 0))
        seen = Seen(request.path, dict(request.headers), body)
        async with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()
        behaviour = self._refusal(request, seen) or self._behaviour(seen)
        if isinstance(behaviour, FakeError):
            return _error(behaviour)
        shapes = ResponseShapes(body) if request.path.endswith("/responses") else ChatShapes(body)
        if not body.get("stream"):
            await asyncio.sleep(behaviour.first_token)
            return web.json_response(shapes.whole(behaviour))
        try:
            told = (lambda token: on_token(seen, token)) if (on_token := self._on_token) else None
            return await _Stream(request, shapes, behaviour, told).send()
        except (ConnectionError, asyncio.CancelledError):
            if not self._closing:
                async with self._changed:
                    self.disconnects += 1
                    self._changed.notify_all()
            raise

    def _behaviour(self, seen: Seen) -> Behaviour:
        if self._next:
            return self._next.pop(0)
        return self.answer(seen) if callable(self.answer) else self.answer

    def _refusal(self, request: web.Request, seen: Seen) -> FakeError | None:
        """What holds for every request."""
        if self._key_is_wrong(request):
            return wrong_key()
        model = seen.body.get("model")
        if self.models and model not in self.models:
            return unknown_model(str(model))
        for name in self.refuses:
            if seen.body.get(name) is not None:
                return refused(name)
            if name == "images" and seen.pictures:
                return blind()
        if self.context is not None and input_tokens(seen.body) > self.context:
            return context_overflow(self.context)
        return None

    def _key_is_wrong(self, request: web.Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("api-key")
        return self.key is not None and given != self.key


class _Stream:
    """One streamed answer with its faults."""

    def __init__(
        self,
        request: web.Request,
        shapes: ChatShapes | ResponseShapes,
        answer: FakeAnswer,
        told: Callable[[str], None] | None,
    ) -> None:
        self._request = request
        self._shapes = shapes
        self._answer = answer
        self._told = told
        self._response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})

    async def send(self) -> web.StreamResponse:
        answer, shapes = self._answer, self._shapes
        await self._response.prepare(self._request)
        for event in shapes.opening(answer):
            await self._event(event)
        for _ in range(answer.pings):
            await self._response.write(b": ping\n\n")
        await asyncio.sleep(answer.first_token)
        tokens = answer.tokens
        began = asyncio.get_running_loop().time()
        for position in range(len(tokens) + 1):
            if await self._fault(position):
                return self._response
            if position < len(tokens):
                await self._event(shapes.token(answer, tokens[position]))
                if self._told is not None:
                    self._told(tokens[position])
                if answer.rate is not None:
                    due = began + (position + 1) / answer.rate
                    await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))
        for event in shapes.closing(answer, len(tokens)):
            await self._event(event)
        if isinstance(shapes, ChatShapes):
            await self._response.write(b"data: [DONE]\n\n")
        await self._response.write_eof()
        return self._response

    async def _fault(self, position: int) -> bool:
        """Whether the stream is over."""
        answer = self._answer
        if position == answer.corrupt_after:
            await self._response.write(b'data: {"choices": [{"delta": {"content": "bro\n\n')
        if position == answer.error_after:
            await self._event(self._shapes.error())
            await self._response.write_eof()
            return True
        if position == answer.stall_after:
            await asyncio.Event().wait()
        if position == answer.reset_after:
            self._reset()
            return True
        if position == answer.cut_after:
            await self._response.write_eof()
            return True
        return False

    async def _event(self, event: dict[str, JsonValue]) -> None:
        kind = event.get("type")
        name = f"event: {kind}\n" if isinstance(kind, str) else ""
        await self._response.write(f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())

    def _reset(self) -> None:
        transport = self._request.transport
        if transport is None:
            return
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _error(error: FakeError) -> web.StreamResponse:
    return web.json_response(error.body(), status=error.status, headers=dict(error.headers))
