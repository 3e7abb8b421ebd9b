"""Displays for pipes: the answer alone, or its pieces as JSON lines."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import asdict
from decimal import Decimal

from pydantic import JsonValue

from adapters.terminal.answer import Answer
from adapters.terminal.outlet import Outlet
from adapters.terminal.safe import Cleaner, clean
from bot.api import Controls, Done, Notice, Reply, Speaker, Text, ToolEnd, ToolStart

# JSON leaves these as they are, but a terminal would obey some and no encoding takes the others.
_AWKWARD = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# What chat programs show in small letters.
_SMALL = re.compile("^-# ", re.MULTILINE)


class PlainDisplay:
    """Answers on `out`, everything that is not part of them on `aside`.

    One answer is written as it comes; a second one meanwhile waits until it is complete.
    """

    def __init__(self, out: Outlet, aside: Outlet) -> None:
        self._out = out
        self._aside = aside
        self._growing: Answer | None = None
        self._at_line_start = True

    @property
    def closed(self) -> asyncio.Event:
        return self._out.closed

    @property
    def busy(self) -> bool:
        return self._growing is not None

    async def tell(self, answer: Answer) -> None:
        if self._growing is not None:
            await answer.ended.wait()
        outermost = self._growing is None
        if outermost:
            self._growing = answer
        try:
            await self._write_answer(answer)
        finally:
            if outermost:
                self._growing = None

    async def _write_answer(self, answer: Answer) -> None:
        cleaner = Cleaner()
        if answer.speaker is not None:
            await self._write(f"{clean(answer.speaker.name)}: ")
        async for batch in answer.batches():
            await self._write("".join(cleaner.feed(piece.text) for piece in batch if isinstance(piece, Text)))
            for piece in batch:
                if isinstance(piece, Notice):
                    await self.remark(piece.text)
        await self._write(cleaner.finish())
        await self._end_line()

    async def show(self, reply: Reply) -> None:
        if not self._at_line_start:
            await self._end_line()
        if reply.failed:
            await self.remark(reply.text)
            return
        name = f"{clean(reply.speaker.name)}: " if reply.speaker else ""
        if reply.text.strip():
            await self._write(name + _SMALL.sub("", clean(reply.text)))
            await self._end_line()

    async def remark(self, text: str) -> None:
        await self._aside.write(clean(text).strip() + "\n")

    async def _write(self, text: str) -> None:
        if text:
            self._at_line_start = text.endswith("\n")
            await self._out.write(text)

    async def _end_line(self) -> None:
        if not self._at_line_start:
            await self._write("\n")


class JsonDisplay:
    """Every piece one line, at once. Each answer ends in exactly one `done`, also one that broke."""

    def __init__(self, out: Outlet) -> None:
        self._out = out
        self._growing = 0

    @property
    def closed(self) -> asyncio.Event:
        return self._out.closed

    @property
    def busy(self) -> bool:
        return self._growing > 0

    async def tell(self, answer: Answer) -> None:
        self._growing += 1
        try:
            await self._write_pieces(answer)
        finally:
            self._growing -= 1

    async def _write_pieces(self, answer: Answer) -> None:
        if answer.speaker is not None:
            await self._line({"type": "speaker", "id": answer.speaker.id, "name": answer.speaker.name})
        done = False
        async for batch in answer.batches():
            done = done or any(isinstance(piece, Done) for piece in batch)
            for piece in batch:
                # There are no buttons in a terminal.
                if not isinstance(piece, Controls):
                    await self._line(piece_to_json(piece))
        if not done:
            await self._line({"type": "done", "reason": "failed"})

    async def show(self, reply: Reply) -> None:
        if reply.text.strip():
            failed: dict[str, JsonValue] = {"failed": True} if reply.failed else {}
            await self._line({"type": "reply", "text": reply.text, **_named(reply.speaker), **failed})

    async def remark(self, text: str) -> None:
        await self._line({"type": "notice", "text": text})

    async def _line(self, value: dict[str, JsonValue]) -> None:
        text = json.dumps(value, ensure_ascii=False)
        await self._out.write(_AWKWARD.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


def piece_to_json(piece: Text | Notice | ToolStart | ToolEnd | Done) -> dict[str, JsonValue]:
    match piece:
        case Text(text):
            return {"type": "text", "text": text}
        case Notice(text):
            return {"type": "notice", "text": text}
        case ToolStart():
            return {"type": "tool_start", **asdict(piece)}
        case ToolEnd():
            return {"type": "tool_end", **asdict(piece)}
        case Done():
            return {"type": "done", **{name: _number(value) for name, value in asdict(piece).items()}}


def _number(value: JsonValue | Decimal) -> JsonValue:
    return float(value) if isinstance(value, Decimal) else value


def _named(speaker: Speaker | None) -> dict[str, JsonValue]:
    return {"speaker": speaker.name} if speaker else {}
