"""The Chat Completions API, as OpenAI and every compatible server speak it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from bot.errors import ModelError
from bot.model.deadlines import Deadline
from bot.model.healing import Learned
from bot.model.parameters import to_wire
from bot.model.request import chat_messages, chat_tools, sdk_arguments
from bot.model.server_events import mapping, number, server_events, text_of
from bot.replies import Done, Piece, Reason, Text, ToolStart
from bot.turn import Turn, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FINISHED: Mapping[str, Reason] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filtered",
    "tool_calls": "tools",
    "function_call": "tools",
}
"""Anything else that a server says is an ordinary end."""

AFTERWARDS = 5.0
"""Seconds that the usage may take to come after the end of the text."""


def chat_request(turn: Turn, learned: Learned, names: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    choice = turn.model
    request: dict[str, JsonValue] = {
        "model": choice.model,
        "messages": chat_messages(turn.prompt),
        "stream": True,
        **to_wire("chat", choice.model, choice.parameters, learned, names=names),
    }
    if "stream_options" not in learned.refused:
        request["stream_options"] = {"include_usage": True}
    if turn.tools:
        request["tools"] = chat_tools(turn.tools)
    return request


async def chat_stream(
    client: AsyncOpenAI, request: dict[str, JsonValue], deadline: Deadline
) -> AsyncGenerator[Piece, None]:
    from bot.model.openai_errors import translated

    # The SDK's own overloads cannot type a request that is built from data.
    create: Any = client.chat.completions.with_streaming_response.create
    answer = _Answer()
    try:
        manager = create(**sdk_arguments(request))
        response = await deadline.wait(manager.__aenter__())
        try:
            async with aclosing(_pieces(response.iter_bytes(), answer, deadline)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await manager.__aexit__(None, None, None)
    except Exception as error:
        raise translated(error, request) from error
    for piece in answer.ending():
        yield piece


async def _pieces(chunks: AsyncIterator[bytes], answer: _Answer, deadline: Deadline) -> AsyncGenerator[Piece, None]:
    async with aclosing(server_events(chunks, deadline)) as events:
        try:
            async for event in events:
                text = answer.take(event)
                if answer.thinks:
                    deadline.thinks()
                if text:
                    deadline.spoke()
                    yield Text(text)
                if answer.finish is not None:
                    deadline.limit(AFTERWARDS)
        except Exception:
            # All was said; only the usage is missing.
            if answer.finish is None:
                raise


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Answer:
    """What has come so far besides the text."""

    finish: str | None = None
    usage: Usage | None = None
    model: str | None = None
    thinks: bool = False
    calls: dict[int, _Call] = field(default_factory=dict)

    def take(self, event: Mapping[str, JsonValue]) -> str:
        """The text in one chunk. Raises the ModelError that it tells of."""
        if event.get("error"):
            raise _told(event)
        self.model = text_of(event.get("model")) or self.model
        if event.get("usage"):
            self.usage = chat_usage(mapping(event.get("usage")))
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices:
            return ""
        choice = mapping(choices[0])
        self.finish = text_of(choice.get("finish_reason")) or self.finish
        delta = mapping(choice.get("delta")) or mapping(choice.get("message"))
        self._take_calls(delta.get("tool_calls"))
        self.thinks = bool(delta.get("reasoning_content") or delta.get("reasoning"))
        return text_of(delta.get("content")) + text_of(delta.get("refusal"))

    def _take_calls(self, parts: JsonValue) -> None:
        for position, part in enumerate(parts if isinstance(parts, list) else ()):
            said = mapping(part)
            function = mapping(said.get("function"))
            index = said.get("index")
            call = self.calls.setdefault(index if isinstance(index, int) else position, _Call())
            call.id = text_of(said.get("id")) or call.id
            call.name = text_of(function.get("name")) or call.name
            call.arguments += text_of(function.get("arguments"))

    def ending(self) -> list[Piece]:
        """Calls are only made when the model finished writing them."""
        if self.finish is None:
            return [Done("truncated", self.usage, self.model)]
        reason = FINISHED.get(self.finish, "stop")
        calls = [call for _, call in sorted(self.calls.items()) if call.name]
        if reason == "stop" and calls:
            reason = "tools"
        if reason != "tools":
            return [Done(reason, self.usage, self.model)]
        if not calls:
            return [Done("stop", self.usage, self.model)]
        starts: list[Piece] = [
            ToolStart(call.id or f"call_{token_hex(8)}", call.name, call.arguments or "{}") for call in calls
        ]
        return [*starts, Done("tools", self.usage, self.model)]


def chat_usage(usage: Mapping[str, JsonValue]) -> Usage:
    read = mapping(usage.get("prompt_tokens_details"))
    said = mapping(usage.get("completion_tokens_details"))
    return Usage(
        input=number(usage.get("prompt_tokens")),
        output=number(usage.get("completion_tokens")),
        cached=number(read.get("cached_tokens")),
        reasoning=number(said.get("reasoning_tokens")),
        cache_writes=number(read.get("cache_write_tokens")),
    )


def _told(event: Mapping[str, JsonValue]) -> ModelError:
    from bot.model.openai_errors import from_event

    return from_event(event)
