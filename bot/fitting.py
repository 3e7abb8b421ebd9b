"""When a prompt is too long for its model, it is asked once more with less."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import structlog
from pydantic import JsonValue

from bot.composing import Composer
from bot.errors import ContextTooLong
from bot.replies import Piece
from bot.tools import added_by_tools, tool_messages
from bot.turn import LanguageModel, Prompt, PromptMessage, Turn, reading

log = structlog.get_logger(__name__)

# What is left of the budget when the provider says that the context is too long.
SHRINK = 0.7


# What to ask with instead; None where there is nothing that could be left out.
Less: TypeAlias = Callable[[Turn], Awaitable[Prompt | None]]


def fitting(
    model: LanguageModel, composer: Composer, settings: Mapping[str, JsonValue], until: int | None = None
) -> LanguageModel:
    """All that tools said for this answer is kept; `until` is the remembered message that is answered."""
    known: Sequence[PromptMessage] | None = None
    shrink = 1.0

    async def less(turn: Turn) -> Prompt:
        nonlocal known, shrink
        shrink *= SHRINK
        composed = await composer.compose(turn.place, settings, shrink=shrink, until=until)
        added = added_by_tools(turn.prompt, known or ())
        known = tool_messages(composed.prompt)
        return Prompt((*composed.prompt.messages, *added))

    def asked(turn: Turn) -> AsyncIterator[Piece]:
        nonlocal known
        known = tool_messages(turn.prompt) if known is None else known
        return _once_more(model, less, turn)

    return asked


def thinned(model: LanguageModel) -> LanguageModel:
    """For a prompt that is not the conversation's own: the oldest of what was said goes, never what a system message
    says, nor the end."""

    async def less(turn: Turn) -> Prompt | None:
        thin = without_oldest(turn.prompt)
        return thin if thin != turn.prompt else None

    return partial(_once_more, model, less)


async def _once_more(model: LanguageModel, less: Less, turn: Turn) -> AsyncIterator[Piece]:
    try:
        async with reading(model(turn)) as pieces:
            async for piece in pieces:
                yield piece
        return
    except ContextTooLong as error:
        prompt = await less(turn)
        if prompt is None:
            raise
        log.info("prompt was too long, asking with less", error=repr(error))
    turn.prompt = prompt
    async with reading(model(turn)) as pieces:
        async for piece in pieces:
            yield piece


def without_oldest(prompt: Prompt) -> Prompt:
    too_many = (1 - SHRINK) * sum(len(message.text) for message in prompt.messages)
    kept: list[PromptMessage] = []
    for message in prompt.messages[:-1]:
        if too_many > 0 and message.role != "system":
            too_many -= len(message.text)
        else:
            kept.append(message)
    return Prompt((*kept, *prompt.messages[-1:]))
