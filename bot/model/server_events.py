"""Server-sent events of a streamed answer: bytes in, JSON objects out; a corrupt one is skipped."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from pydantic import JsonValue

from bot.errors import ModelError
from bot.model.deadlines import Deadline

log = logging.getLogger(__name__)

LONGEST_LINE = 8_000_000
DRAIN = 0.2
"""Seconds given to the end of a body after the last event: a connection that was read to its end is used again."""


async def server_events(chunks: AsyncIterator[bytes], deadline: Deadline) -> AsyncGenerator[dict[str, JsonValue], None]:
    """Ends with `[DONE]` or the body. Lines are split at bytes: a text may hold U+2028 or U+0085 unescaped."""
    async for data in _data_lines(chunks, deadline):
        if data == b"[DONE]":
            deadline.limit(DRAIN)
            with suppress(ModelError):
                while True:
                    try:
                        await deadline.wait(anext(chunks))
                    except StopAsyncIteration:
                        break
            return
        event = _parsed(data)
        if event is not None:
            yield event


async def _data_lines(chunks: AsyncIterator[bytes], deadline: Deadline) -> AsyncGenerator[bytes, None]:
    rest = b""
    pending: list[bytes] = []
    while True:
        try:
            chunk = await deadline.wait(anext(chunks))
        except StopAsyncIteration:
            chunk = b""
        ended = not chunk
        lines = (rest + (chunk or b"\n\n")).split(b"\n")
        rest = lines.pop()
        if len(rest) > LONGEST_LINE:
            raise ModelError("the provider sent a line without an end")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                pending.append(line[5:].strip())
            elif not line and pending:
                yield b"\n".join(pending)
                pending = []
        if ended:
            return


def _parsed(data: bytes) -> dict[str, JsonValue] | None:
    try:
        event = json.loads(data)
    except ValueError:
        # Its content may be what somebody wrote, so it is not logged.
        log.warning("a corrupt event of %d bytes in a streamed answer was skipped", len(data))
        return None
    return event if isinstance(event, dict) else None


def mapping(value: JsonValue) -> dict[str, JsonValue]:
    """Whatever is no object counts as an empty one."""
    return value if isinstance(value, dict) else {}


def text_of(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def number(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
