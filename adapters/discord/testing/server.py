"""One REST call as Discord handles it: recorded, delayed, limited, answered with the right headers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from aiohttp import web

from adapters.discord.testing.faults import Fault, Faults
from adapters.discord.testing.limits import Limit, Limits
from adapters.discord.testing.world import Json, World

PREFIX = "/api/v10"


class ApiError(Exception):
    """An error answer; `fields` maps a field of the body to what is wrong with it."""

    def __init__(self, status: int, code: int, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.status = status
        self.body: Json = {"code": code, "message": message}
        if fields:
            self.body["errors"] = {
                name: {"_errors": [{"code": "BASE_TYPE_BAD", "message": says}]} for name, says in fields.items()
            }


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler reads. `by_bot` says whether the bot's token came with it."""

    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Json
    uploads: Sequence[Upload]
    by_bot: bool

    def id(self, name: str) -> int:
        text = self.ids[name]
        if not text.isdecimal():
            raise ApiError(400, 50035, "Invalid Form Body", {name: f'Value "{text}" is not snowflake.'})
        return int(text)


@dataclass(slots=True)
class Call:
    """One REST call as it came in, kept in `FakeDiscord.calls`. `status` is 0 while it is being handled or when
    the connection was dropped."""

    method: str
    path: str
    body: Json | list[Json]
    at: float
    status: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


Answer: TypeAlias = Json | list[Json] | None
Handle: TypeAlias = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`major` names the path ids that have a budget of their own. Without `needs_bot` the ids are the key."""

    method: str
    path: str
    handle: Handle
    limit: Limit | None = None
    major: tuple[str, ...] = ()
    needs_bot: bool = True


@dataclass(slots=True)
class Server:
    """Answers calls. `changed` is called after every call and every change of the world."""

    world: World
    limits: Limits
    faults: Faults
    token: str
    changed: Callable[[], None]
    calls: list[Call] = field(default_factory=list)

    def routes(self, endpoints: Sequence[Endpoint]) -> list[web.RouteDef]:
        return [web.route(each.method, PREFIX + each.path, self._answering(each)) for each in endpoints]

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(Call(request.method, request.path.removeprefix(PREFIX), {}, time.monotonic(), 404))
        return _json(404, {"message": "404: Not Found", "code": 0})

    def _answering(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            call = Call(request.method, request.path.removeprefix(PREFIX), {}, time.monotonic())
            self.calls.append(call)
            try:
                response = await self._handle(endpoint, request, call)
            finally:
                self.changed()
            return response

        return answer

    async def _handle(self, endpoint: Endpoint, request: web.Request, call: Call) -> web.StreamResponse:
        try:
            body, uploads = await _read(request)
            call.body = body
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            fault = self.faults.next(str(call))
            if fault is not None and not fault.acted:
                failed = await self._fail(fault, request, call)
                if failed is not None:
                    return failed
            by_bot = request.headers.get("Authorization") == f"Bot {self.token}"
            if endpoint.needs_bot and not by_bot:
                raise ApiError(401, 0, "401: Unauthorized")
            limited, headers = self._limit(endpoint, request, call, by_bot)
            if limited is not None:
                return limited
            fields = body if isinstance(body, dict) else {"": body}
            answer = await endpoint.handle(Request(request.match_info, request.query, fields, uploads, by_bot))
            if fault is not None and fault.acted:
                failed = await self._fail(fault, request, call)
                if failed is not None:
                    return failed
        except ApiError as error:
            call.status = error.status
            return _json(error.status, error.body)
        call.status = 204 if answer is None else 200
        return _json(call.status, answer, headers)

    def _limit(
        self, endpoint: Endpoint, request: web.Request, call: Call, by_bot: bool
    ) -> tuple[web.StreamResponse | None, Mapping[str, str]]:
        if by_bot and endpoint.needs_bot and self.limits.enforced:
            whole = self.limits.whole_bot()
            if whole.retry_after is not None:
                return self._refuse(call, "global", whole.retry_after), {}
        if endpoint.limit is None:
            return None, {}
        major = "/".join(request.match_info[name] for name in endpoint.major)
        verdict, headers = self.limits.take(request.method, endpoint.limit, major)
        if verdict.retry_after is not None:
            return self._refuse(call, "user", verdict.retry_after, headers), {}
        return None, headers

    def _refuse(
        self, call: Call, scope: str, retry_after: float, headers: Mapping[str, str] | None = None, code: int = 0
    ) -> web.StreamResponse:
        call.status = 429
        told = self.limits.refuse(call.method, call.path, scope, retry_after)
        body = {
            "message": "You are being rate limited.",
            "retry_after": round(retry_after, 3),
            "global": scope == "global",
            "code": code,
        }
        return _json(429, body, {**(headers or {}), **told})

    async def _fail(self, fault: Fault, request: web.Request, call: Call) -> web.StreamResponse | None:
        if fault.do is not None:
            await fault.do()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.status is not None and fault.scope == "wall":
            call.status = fault.status
            headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after}"}
            page = "<html><body>error code: 1015</body></html>"
            return web.Response(status=fault.status, text=page, content_type="text/html", headers=headers)
        if fault.status == 429:
            wait = 1.0 if fault.retry_after is None else fault.retry_after
            return self._refuse(call, fault.scope, wait, code=fault.code)
        if fault.status is not None:
            call.status = fault.status
            return _json(fault.status, {"message": f"{fault.status}: Injected", "code": fault.code})
        return None


def _json(status: int, body: Answer, headers: Mapping[str, str] | None = None) -> web.Response:
    if body is None:
        return web.Response(status=status, headers=headers)
    # Clients compare the Content-Type with exactly this; a charset would make them take the body for plain text.
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers, content_type="application/json")


async def _read(request: web.Request) -> tuple[Json | list[Json], list[Upload]]:
    if not request.can_read_body:
        return {}, []
    if not request.content_type.startswith("multipart/"):
        return _parse(await request.text()), []
    body: Json | list[Json] = {}
    uploads: list[Upload] = []
    form = await request.post()
    for name, part in form.items():
        if name == "payload_json" and isinstance(part, str):
            body = _parse(part)
        elif isinstance(part, web.FileField):
            uploads.append(Upload(part.filename, part.file.read(), part.content_type))
        elif isinstance(part, str):
            uploads.append(Upload(name, part.encode(), "text/plain"))
    return body, uploads


def _parse(text: str) -> Json | list[Json]:
    try:
        body = json.loads(text)
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError as error:  # also a lone surrogate, which is no Unicode text
        raise ApiError(400, 50109, "The request body contains invalid JSON.") from error
    if not isinstance(body, dict | list):
        raise ApiError(400, 50109, "The request body contains invalid JSON.")
    return body
