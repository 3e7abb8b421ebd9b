"""OpenAI and servers that speak its API: one client for the life of the process."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pydantic import JsonValue, SecretStr

from bot.errors import ModelError, ModelTimeout
from bot.model import moderation, parameters
from bot.model.chat import chat_request, chat_stream
from bot.model.deadlines import Deadline
from bot.model.healing import Learned
from bot.model.moderation import Verdict
from bot.model.parameters import Wire
from bot.model.request import clean, identity
from bot.model.responses import response_request, response_stream
from bot.model.settings import OpenAISettings, Timeouts
from bot.model.sight import sees
from bot.platform import Finding
from bot.replies import Piece
from bot.turn import ModelChoice, Turn

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

MODELS_KEPT = 600.0
FAILURE_KEPT = 30.0
"""Seconds until a list of models is asked for again, and until one that could not be had is."""
ENDING_SOON = 60
SDK_MODULES: Mapping[Wire, str] = {
    "chat": "openai.resources.chat.completions",
    "responses": "openai.resources.responses",
}
NO_KEY = "none"
"""What a compatible server without keys is sent, since the SDK insists on one."""


class OpenAIProvider:
    """One client of the SDK, made by `connect` when it is first needed.

    `wire_names` are this server's own names of parameters. With `identity_key` every request says, hashed with it,
    who asks.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], AsyncOpenAI],
        *,
        api: Wire,
        timeouts: Timeouts,
        concurrency: int,
        price_list: str | None,
        wire_names: Mapping[str, JsonValue] | None = None,
        identity_key: SecretStr | None = None,
        sees: Callable[[str], bool | None] = sees,
    ) -> None:
        self.name = name
        self.concurrency = concurrency
        self.price_list = price_list
        self._connect = connect
        self._api: Wire = api
        self._wire_names = wire_names or {}
        self._identity_key = identity_key
        self._sees = sees
        self._timeouts = timeouts
        self._client: AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()
        self._listing: asyncio.Task[Mapping[str, str | None]] | None = None
        self._asked_at = 0.0

    async def stream(self, turn: Turn, learned: Learned) -> AsyncGenerator[Piece, None]:
        client = await self._connected()
        choice = turn.model
        deadline = Deadline(self._timeouts, thinks=parameters.reasons(choice.model, choice.parameters))
        if self._api == "responses":
            source = response_stream(client, self._identified(turn, response_request(turn, learned), learned), deadline)
        else:
            request = chat_request(turn, learned, self._wire_names)
            source = chat_stream(client, self._identified(turn, request, learned), deadline)
        async with aclosing(source) as pieces:
            async for piece in pieces:
                yield piece

    async def _connected(self) -> AsyncOpenAI:
        async with self._connecting:
            if self._client is None:
                # Whatever the SDK would import at the first question.
                for module in ("bot.model.openai_errors", SDK_MODULES[self._api]):
                    await asyncio.to_thread(importlib.import_module, module)
                self._client = self._connect()
            return self._client

    def _identified(self, turn: Turn, request: dict[str, JsonValue], learned: Learned) -> dict[str, JsonValue]:
        if self._identity_key is None:
            return request
        who = identity(turn, self._identity_key)
        return {**request, **{name: value for name, value in who.items() if name not in learned.refused}}

    def unsupported(self, choice: ModelChoice) -> Mapping[str, str]:
        return parameters.unsupported(self._api, choice.model, choice.parameters)

    def context_window(self, model: str) -> int | None:
        return None

    def sees(self, model: str) -> bool | None:
        return self._sees(model)

    async def warm(self) -> None:
        await self._connected()

    async def known_models(self) -> tuple[str, ...]:
        """Empty where the server does not list them."""
        try:
            return tuple(sorted(await self._listed()))
        except ModelError:
            return ()

    async def check(self, model: str | None = None) -> Finding:
        try:
            listed = await self._listed(fresh=True)
        except ModelError as error:
            return Finding(False, self.name, f"{error.public} ({error})")
        if model is None or not listed:
            return Finding(True, self.name, f"answers and lists {len(listed)} models")
        if model not in listed:
            return Finding(False, self.name, f"answers, but does not list the model `{model}`")
        ends = _day(listed[model])
        if ends is not None:
            days = (ends - datetime.now(UTC).date()).days
            if days <= ENDING_SOON:
                return Finding(days > 0, self.name, f"the model `{model}` ends on {ends}: choose another one soon")
        return Finding(True, self.name, f"answers, and knows the model `{model}`")

    async def _listed(self, *, fresh: bool = False) -> Mapping[str, str | None]:
        """Model → the day it ends, where that is announced. Whoever asks while somebody types a model's name asks at
        every letter, so all wait for the same answer, and a failure is not tried again at once."""
        if self._listing is None or fresh or self._is_stale(self._listing):
            self._asked_at = time.monotonic()
            self._listing = asyncio.create_task(self._ask_for_models())
            self._listing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._listing)

    def _is_stale(self, listing: asyncio.Task[Mapping[str, str | None]]) -> bool:
        if not listing.done():
            return False
        failed = listing.cancelled() or listing.exception() is not None
        return time.monotonic() - self._asked_at >= (FAILURE_KEPT if failed else MODELS_KEPT)

    async def _ask_for_models(self) -> Mapping[str, str | None]:
        client = await self._connected()
        from bot.model.openai_errors import translated

        try:
            async with asyncio.timeout(self._timeouts.connect + 10):
                return {model.id: model.shutdown_date async for model in client.models.list()}
        except TimeoutError as error:
            raise ModelError("the list of models did not come in time") from error
        except Exception as error:
            raise translated(error, {}) from error

    async def moderate(self, text: str) -> Verdict:
        client = await self._connected()
        from bot.model.openai_errors import translated

        try:
            async with asyncio.timeout(moderation.PATIENCE):
                found = await client.moderations.create(model=moderation.MODEL, input=clean(text))
        except TimeoutError as error:
            raise ModelTimeout("the check of a text did not come in time") from error
        except Exception as error:
            raise translated(error, {}) from error
        said = [result.categories.model_dump(by_alias=True) for result in found.results]
        categories = sorted({name for each in said for name, flag in each.items() if flag})
        return Verdict(any(result.flagged for result in found.results), tuple(categories))

    async def aclose(self) -> None:
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait({self._listing})
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def openai_provider(settings: OpenAISettings) -> OpenAIProvider:
    def connect() -> AsyncOpenAI:
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            http_client=http_client(),
            api_key=settings.api_key.get_secret_value() if settings.api_key else NO_KEY,
            base_url=settings.base_url or "https://api.openai.com/v1",
            organization=settings.organization,
            project=settings.project,
            timeout=http_timeout(settings.timeouts),
            max_retries=0,
        )

    genuine = settings.is_openai
    identify = genuine if settings.identify is None else settings.identify
    automatic: Wire = "responses" if genuine else "chat"
    return OpenAIProvider(
        settings.name,
        connect,
        api=automatic if settings.api == "auto" else settings.api,
        timeouts=settings.timeouts,
        concurrency=settings.concurrency,
        price_list="openai" if genuine else settings.base_url,
        wire_names={"max_tokens": "max_completion_tokens"} if genuine else None,
        identity_key=settings.api_key if identify else None,
        sees=lambda model: settings.sees if settings.sees is not None else sees(model),
    )


def http_client() -> httpx2.AsyncClient:
    """Over aiohttp, which reads a stream with half the work of the SDK's usual transport."""
    from openai import DefaultAioHttpClient

    return DefaultAioHttpClient()


def http_timeout(timeouts: Timeouts) -> httpx2.Timeout:
    """Reading is bounded by the deadlines; the client's own limit is only a net below them."""
    import httpx2

    longest = max(timeouts.first_token, timeouts.thinking, timeouts.between) + 5
    return httpx2.Timeout(connect=timeouts.connect, read=longest, write=10.0, pool=longest)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
