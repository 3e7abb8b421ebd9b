"""The plugin: a question is checked before the model sees it, an answer before people do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from bot.api import (
    Context,
    Done,
    LanguageModel,
    ModelError,
    Notice,
    Piece,
    Plugin,
    Turn,
    Verdict,
    phrase,
    say,
)
from plugins.moderation.holding import held_back

log = structlog.get_logger(__name__)

# Characters that are checked at once; providers read only so much.
AT_ONCE = 10_000
# What somebody wrote just before their question, and is answered together with it.
RECENT = 20

REFUSED = phrase("I would rather not talk about that. Let us talk about something else.")
ENDED = phrase("I stop here: the rest of my answer did not pass the moderation of this place.")
NOT_CHECKED = phrase("I cannot check messages at the moment, so I do not answer. Please try again later.")
NOT_CHECKED_ON = phrase("I stop here: I cannot check the rest of my answer at the moment.")


class ModerationSettings(BaseModel):
    """What is checked, and what happens when it cannot be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: bool = Field(True, description="Whether questions are checked before the model sees them.")
    answers: bool = Field(True, description="Whether answers are checked before people see them.")
    categories: tuple[str, ...] = Field(
        (),
        description="Only these are objected to, such as `['sexual/minors', 'hate']`; empty is all that are flagged.",
    )
    when_unavailable: Literal["refuse", "allow"] = Field(
        "refuse", description="What happens while nothing can be checked: no answer, or one that is not checked."
    )
    chunk_characters: int = Field(
        300, ge=50, le=5000, description="An answer is held back and checked by so many characters at a time."
    )


# First of all filters: it sees the question before, and the answer after all others.
plugin = Plugin(
    "moderation",
    "Check questions and answers with the provider's moderation",
    settings=ModerationSettings,
    order=-1000,
    locales=Path(__file__).with_name("locales"),
)


@plugin.filter
async def moderated(turn: Turn, call_next: LanguageModel) -> AsyncIterator[Piece]:
    if turn.context is None:
        raise ModelError("moderation works on conversations only")
    settings = turn.context.get(ModerationSettings)
    guard = Guard(turn.context, settings)
    # Nothing that goes wrong in here may let an unchecked answer pass.
    try:
        refusal = await guard.refusal(turn) if settings.questions else None
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"a question could not be checked: {error!r}", public=NOT_CHECKED) from error
    if refusal is not None:
        yield Notice(refusal)
        yield Done("filtered")
        return
    pieces = call_next(turn)
    if settings.answers:
        pieces = held_back(pieces, guard.objection, settings.chunk_characters)
    async with aclosing(pieces) as checked:  # type: ignore[type-var] # filters and models are generators
        async for piece in checked:
            yield piece


@dataclass(frozen=True, slots=True)
class Guard:
    """Asks the provider about texts of one conversation."""

    context: Context
    settings: ModerationSettings

    async def refusal(self, turn: Turn) -> str | None:
        """What is said instead of an answer. What was refused is not sent to the model again either."""
        asked = await self._asked()
        texts = [text for _, text in asked] or [_last_of_people(turn)]
        verdicts = await asyncio.gather(*(self._flagged(text) for text in texts), return_exceptions=True)
        for error in verdicts:
            if isinstance(error, BaseException):
                return self._unavailable(error, NOT_CHECKED)
        if not any(verdicts):
            return None
        # The question itself is marked by the engine; what came before it would be sent along with the next one.
        before = [id for (id, _), flagged in zip(asked[:-1], verdicts, strict=False) if flagged]
        await self.context.conversation.forget(*before)
        return say(REFUSED)

    async def objection(self, text: str) -> str | None:
        """Why this part of an answer may not be shown, in words for people."""
        try:
            return say(ENDED) if await self._flagged(text) else None
        except Exception as error:
            return self._unavailable(error, NOT_CHECKED_ON)

    async def _asked(self) -> Sequence[tuple[int, str]]:
        """What the person who is answered has written since the bot spoke last: numbers and texts."""
        asked: list[tuple[int, str]] = []
        for message in reversed(await self.context.conversation.path(RECENT)):
            if message.role != "user":
                break
            if message.author_id == self.context.user.id:
                asked.append((message.id, message.text))
        return asked[::-1]

    async def _flagged(self, text: str) -> bool:
        parts = [text[start : start + AT_ONCE] for start in range(0, len(text), AT_ONCE)] if text.strip() else []
        verdicts = await asyncio.gather(*(self.context.models.moderate(part) for part in parts))
        found = [verdict for verdict in verdicts if objects(verdict, self.settings.categories)]
        if found:
            log.info("moderation objected", categories=sorted({name for each in found for name in each.categories}))
        return bool(found)

    def _unavailable(self, error: BaseException, says: str) -> str | None:
        if not isinstance(error, Exception):
            raise error
        log.warning("a text could not be checked", error=repr(error), then=self.settings.when_unavailable)
        return None if self.settings.when_unavailable == "allow" else say(says)


def objects(verdict: Verdict, categories: Collection[str]) -> bool:
    """`hate` stands for `hate/threatening` too."""
    if not categories:
        return verdict.flagged
    return any(name in categories or name.partition("/")[0] in categories for name in verdict.categories)


def _last_of_people(turn: Turn) -> str:
    return next((message.text for message in reversed(turn.prompt.messages) if message.role == "user"), "")
