"""One answer's papers: what it needs from its beginning to its end, and where it is written down meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from bot.answering import Answer, Spoken
from bot.composing import Composed
from bot.controls import Below
from bot.errors import DeliveryError
from bot.events import AnyEvent
from bot.replies import Done, Notice, Piece, Reason, SentId
from bot.store import Draft, NewMessage, Store
from bot.store.records import MessageStatus
from bot.turn import LanguageModel, PromptMessage, Turn, reading


@dataclass(frozen=True, slots=True)
class DraftJournal:
    """Writes down one answer while it grows."""

    store: Store
    draft: Draft

    async def save(self, text: str, sent: Sequence[SentId], reason: Reason | None) -> None:
        await self.store.save_draft(self.draft.id, text=text, sent=sent, finished=reason)


@dataclass(slots=True)
class Speech:
    """What one answer needs from its beginning to its end. `known` are the tools' messages it was asked with, `below`
    is what its buttons depend on, None for one that has none. What was `interrupted` is not gone on with. `told_by` is
    the id of the person whose words they are, empty for the bot's own."""

    event: AnyEvent
    draft: Draft
    turn: Turn
    answer: Answer
    known: tuple[PromptMessage, ...]
    composed: Composed | None = None
    below: Below | None = None
    interrupted: bool = False
    told_by: str = ""

    def ended(self, spoken: Spoken) -> Below:
        """What the buttons depend on now that the answer has ended."""
        assert self.below is not None, "asked only of an answer with buttons"
        return replace(self.below, reason=spoken.reason, said=bool(spoken.text.strip()))


def status_of(spoken: Spoken) -> MessageStatus:
    """`interrupted` is what people have not seen whole, `partial` what was not said to its end."""
    if isinstance(spoken.error, DeliveryError):
        return "interrupted"
    return "complete" if spoken.reason == "stop" else "partial"


def only(done: Done, *before: Piece) -> LanguageModel:
    """A model that is not asked, for an answer that is only to be ended."""

    async def model(turn: Turn) -> AsyncIterator[Piece]:
        for piece in before:
            yield piece
        yield done

    return model


def ending_with(notice: Notice, model: LanguageModel) -> LanguageModel:
    async def noting(turn: Turn) -> AsyncIterator[Piece]:
        async with reading(model(turn)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Done):
                    yield notice
                yield piece

    return noting


def tool_message(message: PromptMessage) -> NewMessage:
    parts: dict[str, JsonValue] = {}
    if message.tool_calls:
        parts["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls
        ]
    if message.tool_call_id:
        parts["tool_call_id"] = message.tool_call_id
    # What was said before a tool call is part of the answer's own text.
    return NewMessage(message.role, "" if message.tool_calls else message.text, parts=parts)
