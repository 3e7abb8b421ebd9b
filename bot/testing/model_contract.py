"""What every language model must do: inherit ModelContract and give it a `model` fixture.

The model must be able to answer `turn` several times, each time with some text; override `turn` where it needs more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.events import Place
from bot.replies import Done, Notice, Piece, Text, ToolEnd, ToolStart
from bot.turn import LanguageModel, ModelChoice, Prompt, PromptMessage, Turn

KINDS = (Text, ToolStart, ToolEnd, Notice, Done)


@asynccontextmanager
async def closing(pieces: AsyncIterator[Piece]) -> AsyncIterator[AsyncIterator[Piece]]:
    """Models are async generators or plain iterators."""
    try:
        yield pieces
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


class ModelContract:
    @pytest.fixture
    def turn(self) -> Turn:
        messages = (PromptMessage("system", "You are kind."), PromptMessage("user", "Say something, please."))
        return Turn(Place("contract", "home", "kitchen"), Prompt(messages), ModelChoice("contract", "model"))

    async def test_it_ends_with_exactly_one_done(self, model: LanguageModel, turn: Turn) -> None:
        pieces = [piece async for piece in model(turn)]
        assert all(isinstance(piece, KINDS) for piece in pieces)
        assert [piece for piece in pieces if isinstance(piece, Done)] == pieces[-1:]
        assert "".join(piece.text for piece in pieces if isinstance(piece, Text)).strip()

    async def test_text_is_never_empty(self, model: LanguageModel, turn: Turn) -> None:
        assert all(piece.text for piece in [piece async for piece in model(turn)] if isinstance(piece, Text))

    async def test_the_prompt_is_read_and_not_changed(self, model: LanguageModel, turn: Turn) -> None:
        before = (turn.prompt, turn.model)
        async for _ in model(turn):
            pass
        assert (turn.prompt, turn.model) == before

    async def test_nothing_happens_before_it_is_listened_to(self, model: LanguageModel, turn: Turn) -> None:
        before = asyncio.all_tasks()
        async with closing(model(turn)):
            assert asyncio.all_tasks() == before

    async def test_it_can_be_closed_in_the_middle(self, model: LanguageModel, turn: Turn) -> None:
        pieces = model(turn)
        async with asyncio.timeout(30), closing(pieces):
            await anext(pieces)
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)

    async def test_it_can_be_cancelled(self, model: LanguageModel, turn: Turn) -> None:
        began = asyncio.Event()

        async def listen() -> None:
            async with closing(model(turn)) as pieces:
                async for _ in pieces:
                    began.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(listen())
        await began.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    async def test_two_answers_at_once_do_not_mix(self, model: LanguageModel, turn: Turn) -> None:
        async def answer() -> list[Piece]:
            return [piece async for piece in model(turn)]

        for pieces in await asyncio.gather(answer(), answer()):
            assert [piece for piece in pieces if isinstance(piece, Done)] == pieces[-1:]

    async def test_it_answers_again_after_it_was_closed(self, model: LanguageModel, turn: Turn) -> None:
        async with closing(model(turn)) as pieces:
            await anext(pieces)
        assert isinstance([piece async for piece in model(turn)][-1], Done)
