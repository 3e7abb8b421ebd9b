"""Filters around the model, first plugin outermost; a broken one is stepped over, not fatal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import structlog

from bot.errors import BotError
from bot.plugin import Filter
from bot.replies import Piece
from bot.turn import LanguageModel, Turn, reading

log = structlog.get_logger(__name__)


def filtered(model: LanguageModel, filters: Sequence[Filter]) -> LanguageModel:
    for each in reversed(filters):
        model = _around(each, model)
    return model


def _around(each: Filter, inner: LanguageModel) -> LanguageModel:
    async def around(turn: Turn) -> AsyncIterator[Piece]:
        source = _Source(inner)
        try:
            async with reading(each(turn, source.open)) as pieces:
                try:
                    async for piece in pieces:
                        yield piece
                    return
                except BotError:
                    raise  # a refusal on purpose, or the model's own error
                except Exception as error:
                    if source.error is error:
                        raise
                    log.exception("filter failed and is stepped over", filter=getattr(each, "__name__", repr(each)))
            # What the filter had not passed on yet still reaches people.
            async for piece in source.rest(turn):
                yield piece
        finally:
            await source.close()

    return around


class _Source:
    """The model as a filter sees it; it can be read on when the filter broke."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._pieces: AsyncIterator[Piece] | None = None
        self._view: AsyncIterator[Piece] | None = None
        self.error: Exception | None = None

    def open(self, turn: Turn) -> AsyncIterator[Piece]:
        self._pieces = self._model(turn)
        self._view = self._read(self._pieces)
        return self._view

    async def _read(self, pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
        try:
            async for piece in pieces:
                yield piece
        except Exception as error:
            self.error = error
            raise

    def rest(self, turn: Turn) -> AsyncIterator[Piece]:
        return self._pieces or self.open(turn)

    async def close(self) -> None:
        """Nothing of the model stays open, whatever the filter did."""
        for pieces in (self._view, self._pieces):
            if pieces is not None:
                async with reading(pieces):
                    pass
