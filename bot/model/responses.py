"""OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from bot.errors import ModelUnavailable
from bot.model.deadlines import Deadline
from bot.model.healing import Learned
from bot.model.parameters import to_wire
from bot.model.request import response_input, response_tools, sdk_arguments
from bot.model.server_events import DRAIN, mapping, number, server_events, text_of
from bot.replies import Done, Piece, Text, ToolStart
from bot.turn import Turn, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ENDINGS = ("response.completed", "response.incomplete")


def response_request(turn: Turn, learned: Learned) -> dict[str, JsonValue]:
    """Nothing is stored at the provider."""
    choice = turn.model
    instructions, items = response_input(turn.prompt)
    request: dict[str, JsonValue] = {
        "model": choice.model,
        "input": items,
        "stream": True,
        **to_wire("responses", choice.model, choice.parameters, learned, names={}),
    }
    if "store" not in learned.refused:
        request["store"] = False
    if instructions is not None:
        request["instructions"] = instructions
    if turn.tools:
        request["tools"] = response_tools(turn.tools)
    return request


async def response_stream(
    client: AsyncOpenAI, request: dict[str, JsonValue], deadline: Deadline
) -> AsyncGenerator[Piece, None]:
    from bot.model.openai_errors import translated

    # The SDK's own overloads cannot type a request that is built from data.
    create: Any = client.responses.with_streaming_response.create
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
                if _is_thought(event):
                    deadline.thinks()
                text = answer.take(event)
                if text:
                    deadline.spoke()
                    yield Text(text)
                if answer.end is not None:
                    deadline.limit(DRAIN)
        except Exception:
            # All was said; only the end of the body is missing.
            if answer.end is None:
                raise


@dataclass(slots=True)
class _Answer:
    """What has come so far besides the text."""

    end: Mapping[str, JsonValue] | None = None
    calls: list[ToolStart] = field(default_factory=list)

    def take(self, event: Mapping[str, JsonValue]) -> str:
        """The text in one event. Raises the ModelError that it tells of."""
        kind = event.get("type")
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            return text_of(event.get("delta"))
        if kind == "response.output_item.done":
            self._take_item(mapping(event.get("item")))
        elif kind in ENDINGS:
            self.end = mapping(event.get("response"))
        elif kind in ("error", "response.failed") or (kind is None and event.get("error")):
            raise self._failure(event)
        return ""

    def _take_item(self, item: Mapping[str, JsonValue]) -> None:
        if item.get("type") == "function_call":
            name, arguments = text_of(item.get("name")), text_of(item.get("arguments"))
            self.calls.append(ToolStart(text_of(item.get("call_id")), name, arguments or "{}"))

    def _failure(self, event: Mapping[str, JsonValue]) -> Exception:
        from bot.model.openai_errors import from_event

        response = mapping(event.get("response"))
        if response and not response.get("error"):
            return ModelUnavailable("the provider broke the answer off without a reason")
        return from_event(response or event)

    def ending(self) -> list[Piece]:
        if self.end is None:
            return [Done("truncated")]
        usage, model = response_usage(mapping(self.end.get("usage"))), text_of(self.end.get("model")) or None
        if self.end.get("status") == "incomplete":
            why = mapping(self.end.get("incomplete_details")).get("reason")
            return [Done("filtered" if why == "content_filter" else "length", usage, model)]
        if self.calls:
            return [*self.calls, Done("tools", usage, model)]
        return [Done("stop", usage, model)]


def _is_thought(event: Mapping[str, JsonValue]) -> bool:
    return text_of(event.get("type")).startswith("response.reasoning") or (
        mapping(event.get("item")).get("type") == "reasoning"
    )


def response_usage(usage: Mapping[str, JsonValue]) -> Usage | None:
    if not usage:
        return None
    read = mapping(usage.get("input_tokens_details"))
    said = mapping(usage.get("output_tokens_details"))
    return Usage(
        input=number(usage.get("input_tokens")),
        output=number(usage.get("output_tokens")),
        cached=number(read.get("cached_tokens")),
        reasoning=number(said.get("reasoning_tokens")),
        cache_writes=number(read.get("cache_write_tokens")),
    )
