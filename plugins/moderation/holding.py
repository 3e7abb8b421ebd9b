"""Holds a stream back until its text was checked, part by part, while the model goes on writing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from bot.api import Done, Notice, Piece, Text

# Parts that are checked at the same time; a model that writes faster waits.
AT_ONCE = 6
# Seconds after which also a smaller part is checked, so that slow models are seen to write.
LONGEST_HOLD = 1.5
# What is repeated of the part before, so that nothing hides where two meet.
OVERLAP = 200

Objection = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class _Held:
    """A piece and the check that it waits for; or how the stream ended."""

    piece: Piece | None = None
    check: asyncio.Task[str | None] | None = None
    error: Exception | None = None


async def held_back(pieces: AsyncIterator[Piece], objection: Objection, size: int) -> AsyncGenerator[Piece, None]:
    """The same pieces in the same order. At the first objection they end with its words."""
    holding = _Holding(pieces, objection, size)
    reader = asyncio.create_task(holding.read())
    try:
        while True:
            held = await holding.queue.get()
            if held.error is not None:
                raise held.error
            if held.piece is None:
                return
            if held.check is not None and (says := await held.check):
                yield Notice(says)
                yield Done("filtered")
                return
            yield held.piece
    finally:
        reader.cancel()
        await asyncio.wait({reader})
        await holding.close()


class _Holding:
    def __init__(self, pieces: AsyncIterator[Piece], objection: Objection, size: int) -> None:
        self._pieces = pieces
        self._objection = objection
        self._size = size
        self._text = ""
        self._before = ""
        self._checks: set[asyncio.Task[str | None]] = set()
        self.queue: asyncio.Queue[_Held] = asyncio.Queue(AT_ONCE)

    async def read(self) -> None:
        try:
            await self._read()
        except Exception as error:
            # Errors of the model come after what it said.
            await self._flush(len(self._text))
            await self.queue.put(_Held(error=error))
        else:
            await self._flush(len(self._text))
            await self.queue.put(_Held())

    async def _read(self) -> None:
        coming: asyncio.Task[Piece | None] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(_next(self._pieces))
                await asyncio.wait({coming}, timeout=LONGEST_HOLD if self._text else None)
                if not coming.done():
                    await self._flush(_at_a_word(self._text))
                    continue
                piece = await coming
                coming = None
                if piece is None:
                    return
                await self._take(piece)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _take(self, piece: Piece) -> None:
        if isinstance(piece, Text):
            self._text += piece.text
            while len(self._text) >= self._size:
                await self._flush(_at_a_word(self._text[: self._size]))
            return
        await self._flush(len(self._text))
        await self.queue.put(_Held(piece))

    async def _flush(self, end: int) -> None:
        part, self._text = self._text[:end], self._text[end:]
        if not part:
            return
        check = asyncio.ensure_future(self._objection(self._before + part))
        self._checks.add(check)
        check.add_done_callback(self._checks.discard)
        self._before = (self._before + part)[-OVERLAP:]
        await self.queue.put(_Held(Text(part), check))

    async def close(self) -> None:
        for check in [*self._checks]:
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()


async def _next(pieces: AsyncIterator[Piece]) -> Piece | None:
    return await anext(pieces, None)


def _at_a_word(text: str) -> int:
    """Where to cut: after the last space, or at the end where there is none."""
    return max(text.rfind(" "), text.rfind("\n")) + 1 or len(text)
