"""Discord's limits as lanes: what the response headers say about channels, interactions and the bot as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
from discord import DiscordServerError
from discord.http import HTTPClient, MultipartParameters, Route
from discord.webhook.async_ import AsyncWebhookAdapter, async_context

from adapters.discord.refusals import HELD_AGAINST, REFUSALS_BORNE, RefusedCalls
from bot.api import Call, ChannelLane, Clock, Lane, Method, Traffic, Urgency

log = logging.getLogger(__name__)

# Messages of more than an hour have a limit of their own, which holds up nothing else in their channel.
TOO_MANY_OLD_EDITS = 30046

_ROUTES: tuple[tuple[str, re.Pattern[str], Method, str], ...] = (
    ("POST", re.compile(r"/channels/(\d+)/messages$"), "post", "channel"),
    ("PATCH", re.compile(r"/channels/(\d+)/messages/\d+$"), "edit", "channel"),
    ("POST", re.compile(r"/webhooks/(\d+)/([^/]+)$"), "post", "webhook"),
    ("PATCH", re.compile(r"/webhooks/(\d+)/([^/]+)/messages/[^/]+$"), "edit", "webhook"),
)

# Where the answer to the call that is being made is to be told; set in the task of that call alone.
_answer: contextvars.ContextVar[asyncio.Future[dict[str, Any]] | None] = contextvars.ContextVar("answer", default=None)
# The requests made for that call so far: discord.py tries again by itself.
_requests: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("requests", default=None)
# Whether that call must not be made again when nobody knows what became of it.
_once: contextvars.ContextVar[bool] = contextvars.ContextVar("once", default=False)


class DiscordLanes:
    """One per bot token. Give `trace` to `discord.Client(http_trace=…)` and `aclose()` it before the client.

    discord.py keeps one counter for posts and edits of a channel and sleeps inside a successful call once it
    believes that nothing is left, up to five seconds, while Discord would take more at once. So a message goes out
    through `send_message` and `edit_message`, which lend every call a counter of its own, and `landed` returns when
    the response is there. An interaction's calls would wait for each other in the same way: `landed` lends each a lock
    of its own. When a call may be made is for the lanes alone to say; retries stay with discord.py.
    """

    def __init__(self, clock: Clock, *, per_second: int = 50, refusals_borne: int = REFUSALS_BORNE) -> None:
        self._clock = clock
        self._refused = RefusedCalls(refusals_borne)
        self._traffic = Traffic(clock, per_second, self._refused.refusals)
        self._lingering: set[asyncio.Task[Any]] = set()
        self._counters_in_use: set[int] = set()
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_start.append(self._hold)
        self.trace.on_request_end.append(self._hear)
        self.trace.on_request_exception.append(self._hear_failure)

    def channel(self, channel: int) -> Lane:
        """Messages that the bot itself posts and edits in a channel or thread."""
        return self._traffic.lane(f"channel:{channel}", family="channel")

    def interaction(self, token: str) -> Lane:
        """Answers to one interaction: its own budget, outside the bot's global limit."""
        return self._traffic.lane(f"interaction:{token}", family="interaction", counted=False)

    def webhook(self, webhook: int) -> Lane:
        """Messages under another name, one budget for each webhook, in its channel and the threads of it.

        All webhooks of a channel share a limit that no response tells of; where it is met, only this lane is slowed.
        """
        return self._traffic.lane(f"webhook:{webhook}", family="webhook")

    def is_idle(self, channel: int) -> bool:
        """Whether there is budget for what is not needed, such as showing that somebody types."""
        lane = self._traffic.known(f"channel:{channel}")
        return self._traffic.is_idle() and (lane is None or lane.is_idle("post"))

    async def through(self, lane: Lane, method: Method, call: Callable[[], Coroutine[Any, Any, Any]]) -> dict[str, Any]:
        """Make one call that belongs to no stream, in its turn."""
        wish = Call(method, Urgency.FINAL, self._clock.monotonic())
        await lane.admit(wish)
        landed = False
        try:
            answer = await self.landed(call())
            landed = True
            return answer
        finally:
            lane.told(wish, "landed" if landed else "failed")

    async def landed(self, call: Coroutine[Any, Any, Any], *, once: bool = False) -> dict[str, Any]:
        """The message as Discord answered a discord.py call that sends or edits one, as soon as it is there.

        Errors of the call are raised as they are. With `once` discord.py does not try again what may have been done.
        """
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        context = contextvars.copy_context()
        context.run(_answer.set, answer)
        context.run(_requests.set, [])
        context.run(_once.set, once)
        context.run(async_context.set, AsyncWebhookAdapter())  # type: ignore[no-untyped-call]  # it has no annotations
        task = asyncio.get_running_loop().create_task(call, context=context)
        self._lingering.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait((task, answer), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if answer.done():
            if answer.exception() is not None:
                task.cancel()
            return answer.result()
        # It ended without a message in the response: raises, unless discord.py made no request at all.
        task.result()
        raise RuntimeError("the call ended without asking Discord")

    async def send_message(self, http: HTTPClient, channel: int, params: MultipartParameters) -> dict[str, Any]:
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=channel)
        return await self.landed(self._request(http, route, params))

    async def edit_message(
        self, http: HTTPClient, channel: int, message: int, params: MultipartParameters
    ) -> dict[str, Any]:
        path = "/channels/{channel_id}/messages/{message_id}"
        route = Route("PATCH", path, channel_id=channel, message_id=message)
        return await self.landed(self._request(http, route, params))

    async def send_by_webhook(
        self, http: HTTPClient, webhook: int, token: str, params: MultipartParameters, query: Mapping[str, str]
    ) -> dict[str, Any]:
        """Webhooks take no nonce: what became of a call that fails on the way is for the caller to find out."""
        route = Route("POST", "/webhooks/{webhook_id}/{webhook_token}", webhook_id=webhook, webhook_token=token)
        return await self.landed(self._request(http, route, params, query), once=True)

    async def edit_by_webhook(
        self,
        http: HTTPClient,
        webhook: int,
        token: str,
        message: int,
        params: MultipartParameters,
        query: Mapping[str, str],
    ) -> dict[str, Any]:
        path = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
        route = Route("PATCH", path, webhook_id=webhook, webhook_token=token, message_id=message)
        return await self.landed(self._request(http, route, params, query))

    async def aclose(self) -> None:
        """Ends what discord.py still sleeps over."""
        self._traffic.close()
        lingering = list(self._lingering)
        for task in lingering:
            task.cancel()
        await asyncio.gather(*lingering, return_exceptions=True)

    async def _request(
        self, http: HTTPClient, route: Route, params: MultipartParameters, query: Mapping[str, str] | None = None
    ) -> Any:
        counter = next(n for n in range(len(self._counters_in_use) + 1) if n not in self._counters_in_use)
        self._counters_in_use.add(counter)
        # discord.py tells its counters apart by channel, guild and webhook.
        route.webhook_token = f"counter-{counter}"
        try:
            if params.files:
                return await http.request(route, files=params.files, form=params.multipart, params=query)
            return await http.request(route, json=params.payload, params=query)
        finally:
            self._counters_in_use.discard(counter)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._lingering.discard(task)
        if not task.cancelled():
            # Whoever waited has seen it; after the response is there nobody waits any more.
            task.exception()

    async def _hold(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams
    ) -> None:
        """Nothing goes past the limit of the whole: what no lane has admitted waits here for its turn."""
        path, requests = params.url.path, _requests.get()
        if requests is not None:
            requests.append(path)
        context.admitted = _is_api(path) and not _is_interaction(path) and (requests is None or len(requests) > 1)
        if _is_api(path):
            await self._traffic.reopened()
        if context.admitted:
            await self._traffic.admit_other()

    async def _hear(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        response, path = params.response, params.url.path
        answer = _answer.get()
        if context.admitted:
            self._traffic.other_ended()
        lane, method = self._find(params.method, path)
        if response.status in HELD_AGAINST and _is_api(path) and not _is_shared(response):
            self._refused.add(response.status, params.method, path, self._clock.monotonic())
        if response.status == 429:
            await self._hear_refusal(response, lane, method)
            return
        if lane is not None:
            limit, left = response.headers.get("X-RateLimit-Limit"), response.headers.get("X-RateLimit-Remaining")
            after = response.headers.get("X-RateLimit-Reset-After")
            # Nothing is learned from what is missing or no number.
            with contextlib.suppress(ValueError):
                lane.report(method, int(limit or ""), int(left or ""), float(after or ""))
        if answer is not None and not answer.done() and 200 <= response.status < 300:
            # discord.py reads the body again, from memory.
            body = await response.read()
            data = json.loads(body) if body else {}
            if not answer.done():
                answer.set_result(data if isinstance(data, dict) else {})
        elif response.status >= 500 and answer is not None and _once.get():
            text = await response.text(errors="replace")
            if not answer.done():
                answer.set_exception(DiscordServerError(response, text))

    async def _hear_failure(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if context.admitted:
            self._traffic.other_ended()
        answer = _answer.get()
        if answer is not None and _once.get() and not answer.done() and isinstance(params.exception, Exception):
            answer.set_exception(params.exception)

    async def _hear_refusal(self, response: aiohttp.ClientResponse, lane: ChannelLane | None, method: Method) -> None:
        retry_after = _seconds(response.headers.get("Retry-After"), 1.0)
        if "Via" not in response.headers:
            # It comes from the wall before Discord, as discord.py tells them apart, too.
            log.error("Discord does not let this machine's address in for the next %.0f s", retry_after)
            self._traffic.banned(retry_after)
            return
        code = None
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            body = json.loads(await response.read())
            code = body.get("code")
            retry_after = float(body["retry_after"])
        if response.headers.get("X-RateLimit-Global"):
            self._traffic.refused(retry_after)
        elif lane is not None and code != TOO_MANY_OLD_EDITS:
            lane.refused(method, retry_after, shared=_is_shared(response))

    def _find(self, verb: str, path: str) -> tuple[ChannelLane | None, Method]:
        for wanted, pattern, method, kind in _ROUTES:
            if wanted == verb and (found := pattern.search(path)):
                if kind == "channel":
                    return self._traffic.known(f"channel:{found[1]}"), method
                return (
                    self._traffic.known(f"interaction:{found[2]}") or self._traffic.known(f"webhook:{found[1]}"),
                    method,
                )
        return None, "post"


def _is_interaction(path: str) -> bool:
    return "/interactions/" in path


def _is_api(path: str) -> bool:
    """Not the gateway's socket, nor a file."""
    return path.startswith("/api/")


def _is_shared(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("X-RateLimit-Scope") == "shared"


def _seconds(text: str | None, otherwise: float) -> float:
    try:
        return float(text or "")
    except ValueError:
        return otherwise
