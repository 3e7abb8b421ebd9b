"""One Web API call as Slack handles it: recorded, delayed, limited, checked for its token and scopes, and answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from aiohttp import web

from adapters.slack.testing.faults import Fault, Faults
from adapters.slack.testing.limits import Limits, Refused
from adapters.slack.testing.world import ApiError, Json, World

PREFIX = "/api/"
# Arguments that are JSON also where the rest is a form.
NESTED = frozenset({"blocks", "attachments", "chunks", "view", "prompts", "metadata", "files", "loading_messages"})
LOGIN_PAGE = "<!DOCTYPE html><html><title>Slack</title><body>Sign in to your workspace</body></html>"


@dataclass(slots=True)
class Call:
    """One call as it came in, kept in `FakeSlack.calls`; `response_url`, `files.upload` and `files.download` are calls
    too. `status` is 0 while it is being handled or when the connection was dropped."""

    method: str
    args: Json
    at: float
    status: int = 0
    error: str = ""
    answer: Json = field(default_factory=dict)

    def __str__(self) -> str:
        return self.method


Handle: TypeAlias = Callable[[Json], Awaitable[Json]]
Work: TypeAlias = Callable[[], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of `scopes` is enough. Not every method reads JSON; `app` methods want the app's own token, `configuration`
    ones a token of whoever looks after apps. `posts` are limited by the channel too."""

    method: str
    handle: Handle
    tier: str = ""
    scopes: tuple[str, ...] = ()
    reads_json: bool = True
    app: bool = False
    configuration: bool = False
    posts: bool = False


@dataclass(slots=True)
class Server:
    """Answers calls. `changed` is called after every call and every change of the world."""

    world: World
    limits: Limits
    faults: Faults
    token: str
    app_token: str
    scopes: set[str]
    changed: Callable[[], None]
    configuration_token: str = ""
    calls: list[Call] = field(default_factory=list)
    revoked: bool = False
    app_scopes: set[str] = field(default_factory=lambda: {"connections:write"})
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def adds(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints |= {each.method: each for each in endpoints}

    async def web_api(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        endpoint = self.endpoints.get(name)
        args, wrong = await _read(request, reads_json=endpoint is None or endpoint.reads_json)
        call = Call(name, args, time.monotonic())

        async def work() -> web.StreamResponse:
            try:
                if endpoint is None:
                    raise ApiError("unknown_method", req_method=name)
                self._check_token(endpoint, request, args)
                if wrong:
                    raise ApiError(wrong)
                refused = self.limits.take(name, endpoint.tier, str(args.get("channel", "")) if endpoint.posts else "")
                if refused is not None:
                    return self._refuse(call, refused)
                self.world.let_streams_die()
                call.answer = {"ok": True, **await endpoint.handle(args)}
            except ApiError as error:
                call.answer, call.error = error.body, error.error
            return self._told(call, 200, call.answer, endpoint)

        return await self.answer(call, request, work)

    async def answer(self, call: Call, request: web.Request, work: Work) -> web.StreamResponse:
        """Let the faults have their say, then do the work."""
        self.calls.append(call)
        try:
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            fault = self.faults.next(call.method)
            if fault is not None and not fault.acted:
                failed = await self._fail(fault, request, call)
                if failed is not None:
                    return failed
            response = await work()
            if fault is not None and fault.acted:
                failed = await self._fail(fault, request, call)
                if failed is not None:
                    return failed
            call.status = response.status
            return response
        finally:
            self.changed()

    async def refusal(self, method: str, request: web.Request) -> web.StreamResponse | None:
        """What a fault answers to a call that is not for the Web API."""
        fault = self.faults.next(method)
        if fault is None:
            return None
        call = Call(method, dict(request.query), time.monotonic())
        self.calls.append(call)
        return await self._fail(fault, request, call)

    def allowed(self, request: web.Request) -> bool:
        """Whether the bot's token came with it."""
        return not self.revoked and request.headers.get("Authorization") == f"Bearer {self.token}"

    def check_scopes(self, scopes: Sequence[str]) -> None:
        if scopes and not self.scopes & {*scopes}:
            raise ApiError("missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.scopes)))

    def _check_token(self, endpoint: Endpoint, request: web.Request, args: Json) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or str(args.pop("token", ""))
        if not token:
            raise ApiError("not_authed")
        if token not in (self.token, self.app_token, self.configuration_token):
            raise ApiError("invalid_auth")
        if (token == self.configuration_token) != endpoint.configuration:
            raise ApiError("not_allowed_token_type")
        if self.revoked:
            raise ApiError("token_revoked")
        if endpoint.configuration:
            return
        if endpoint.method != "auth.test" and (token == self.app_token) != endpoint.app:
            raise ApiError("not_allowed_token_type")
        if endpoint.app and "connections:write" not in self.app_scopes:
            raise ApiError("missing_scope", needed="connections:write", provided=",".join(sorted(self.app_scopes)))
        self.check_scopes(endpoint.scopes)

    def _refuse(self, call: Call, refused: Refused) -> web.StreamResponse:
        call.error = "ratelimited"
        call.answer = {"ok": False, "error": "ratelimited"}
        status = 429 if self.limits.style == "status" else 200
        call.status = status
        return _json(status, call.answer, {"Retry-After": str(refused.retry_after)})

    def _told(self, call: Call, status: int, body: Json, endpoint: Endpoint | None) -> web.StreamResponse:
        accepted = endpoint.scopes if endpoint is not None else ()
        headers = {"X-OAuth-Scopes": ",".join(sorted(self.scopes)), "X-Accepted-OAuth-Scopes": ",".join(accepted)}
        call.status = status
        return _json(status, body, headers)

    async def _fail(self, fault: Fault, request: web.Request, call: Call) -> web.StreamResponse | None:
        if fault.do is not None:
            await fault.do()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.text:
            call.status = fault.status or 200
            return web.Response(status=call.status, text=fault.text)
        if fault.status == 429 or fault.error in ("ratelimited", "rate_limited"):
            waits = 1.0 if fault.retry_after is None else fault.retry_after
            refused = self.limits.refuse(call.method, waits)
            if fault.error and fault.status is None:
                call.status, call.error = 200, fault.error
                return _json(200, {"ok": False, "error": fault.error}, {"Retry-After": str(refused.retry_after)})
            return self._refuse(call, refused)
        if fault.error:
            call.status, call.error = fault.status or 200, fault.error
            return _json(call.status, {"ok": False, "error": fault.error})
        if fault.status is not None:
            call.status, call.error = fault.status, f"HTTP {fault.status}"
            return web.Response(status=fault.status, text="<html>Server Error</html>", content_type="text/html")
        return None


def _json(status: int, body: Json, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), headers=headers, content_type="application/json")


async def _read(request: web.Request, *, reads_json: bool) -> tuple[Json, str]:
    """The arguments of the query and of the body, whichever way they came, and what is wrong with them."""
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        if reads_json and request.can_read_body:
            try:
                body = await request.json()
            except ValueError:
                return args, "invalid_json"
            if not isinstance(body, dict):
                return args, "json_not_object"
            args |= body
    elif request.can_read_body:
        form = await request.post()
        args |= {name: value for name, value in form.items() if isinstance(value, str)}
    for name in NESTED & args.keys():
        if isinstance(args[name], str):
            try:
                args[name] = json.loads(args[name])
            except ValueError:
                continue
    return args, ""


def flag(args: Json, name: str) -> bool | None:
    """An argument that is true or false; None where it is not given."""
    value = args.get(name)
    return None if value is None else str(value).lower() in ("true", "1")


def needed(args: Json, *names: str) -> list[str]:
    """Arguments that a method cannot do without."""
    missing = [name for name in names if args.get(name) in (None, "")]
    if missing:
        told = [f"[ERROR] missing required field: {name}" for name in missing]
        raise ApiError("invalid_arguments", response_metadata={"messages": told})
    return [str(args[name]) for name in names]
