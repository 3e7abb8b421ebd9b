"""How long a silent model is waited for, with bytes from memory: nothing here depends on how fast the machine is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import JsonValue

from bot.errors import ModelTimeout
from bot.model.chat import chat_stream
from bot.model.deadlines import Deadline
from bot.model.responses import response_stream
from bot.model.settings import Timeouts
from bot.replies import Piece, Text

SHORT = Timeouts(first_token=0.01, between=0.01, thinking=20)
LONGER_THAN_SHORT = 0.05


def client(events: Sequence[JsonValue], *, pause: float) -> Any:
    """Sends the first event at once and, after a pause, the others."""

    async def iter_bytes() -> AsyncIterator[bytes]:
        first, *rest = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
        yield first
        await asyncio.sleep(pause)
        for event in rest:
            yield event

    @asynccontextmanager
    async def create(**request: JsonValue) -> AsyncIterator[Any]:
        yield SimpleNamespace(iter_bytes=iter_bytes)

    api = SimpleNamespace(with_streaming_response=SimpleNamespace(create=create))
    return SimpleNamespace(chat=SimpleNamespace(completions=api), responses=api)


def chunk(**delta: str) -> JsonValue:
    return {"choices": [{"delta": dict(delta), "finish_reason": None}]}


ENDED: JsonValue = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
DELTA: JsonValue = {"type": "response.output_text.delta", "delta": "thought through"}
COMPLETED: JsonValue = {"type": "response.completed", "response": {"status": "completed"}}


async def texts(pieces: AsyncIterator[Piece]) -> list[str]:
    return [piece.text async for piece in pieces if isinstance(piece, Text)]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_a_chat_model_that_is_seen_to_think_is_given_more_time(field: str) -> None:
    fake = client([chunk(**{field: "Hm."}), chunk(content="thought through"), ENDED], pause=LONGER_THAN_SHORT)
    assert await texts(chat_stream(fake, {}, Deadline(SHORT))) == ["thought through"]


@pytest.mark.parametrize(
    "thought",
    [
        {"type": "response.output_item.added", "item": {"type": "reasoning"}},
        {"type": "response.reasoning_summary_text.delta", "delta": "Hm."},
    ],
)
async def test_a_response_that_is_seen_to_think_is_given_more_time(thought: JsonValue) -> None:
    fake = client([thought, DELTA, COMPLETED], pause=LONGER_THAN_SHORT)
    assert await texts(response_stream(fake, {}, Deadline(SHORT))) == ["thought through"]


async def test_other_signs_of_life_do_not_count() -> None:
    with pytest.raises(ModelTimeout, match="before the first"):
        await texts(chat_stream(client([chunk(role="assistant"), ENDED], pause=20), {}, Deadline(SHORT)))
    created: JsonValue = {"type": "response.created", "response": {}}
    with pytest.raises(ModelTimeout, match="before the first"):
        await texts(response_stream(client([created, COMPLETED], pause=20), {}, Deadline(SHORT)))


async def test_after_the_first_text_only_silence_counts() -> None:
    with pytest.raises(ModelTimeout, match="in the middle"):
        await texts(chat_stream(client([chunk(content="so"), ENDED], pause=20), {}, Deadline(SHORT)))


async def test_when_all_is_said_a_missing_end_does_not_matter() -> None:
    last: JsonValue = {"choices": [{"delta": {"content": "so"}, "finish_reason": "stop"}]}

    async def broken() -> AsyncIterator[bytes]:
        yield b"data: " + json.dumps(last).encode() + b"\n\n"
        raise ConnectionResetError

    fake = client([last], pause=0)

    @asynccontextmanager
    async def create(**request: JsonValue) -> AsyncIterator[Any]:
        yield SimpleNamespace(iter_bytes=broken)

    fake.chat.completions.with_streaming_response.create = create
    pieces = [piece async for piece in chat_stream(fake, {}, Deadline(SHORT))]
    assert [type(piece).__name__ for piece in pieces] == ["Text", "Done"]
