"""The plugin: a question is checked before the model sees it, an answer before people do."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
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
# Of so many messages, those of whoever is answered are looked at: some were merged with the question, some edited.
RECENT = 100
# Texts of which it is known that nothing is objected to.
MOST_PASSED = 5_000

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


class Passed:
    """Texts that were checked before, so that each is checked once and what was edited again."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, text: str) -> bool:
        return _mark(text) in self._known

    def add(self, text: str) -> None:
        self._known[_mark(text)] = None
        if len(self._known) > MOST_PASSED:
            self._known.popitem(last=False)


@asynccontextmanager
async def remembering(settings: ModerationSettings) -> AsyncIterator[Passed]:
    yield Passed()


# First of all filters: it sees the question before, and the answer after all others.
plugin = Plugin(
    "moderation",
    "Check questions and answers with the provider's moderation",
    settings=ModerationSettings,
    lifespan=remembering,
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
        # What a command asks is made of other people's words too; what comes of it is checked.
        asks = settings.questions and turn.feature in ("answer", "scene")
        refusal = await guard.refusal(turn) if asks else None
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
        rows = await self.context.conversation.path(RECENT)
        passed = self.context.get(Passed)
        own = [row for row in rows if row.role == "user" and row.author_id == self.context.user.id]
        asked = [row for row in own if row.text not in passed]
        spoke = max((row.id for row in rows if row.role == "assistant"), default=0)
        newest = own[-1] if own and own[-1].id > spoke else None
        # What is answered again, or gone on with, may be somebody else's question.
        again = _last_of_people(turn) if newest is None else []
        texts = [*(row.text for row in asked), *again]
        verdicts = await asyncio.gather(*(self._flagged(text) for text in texts), return_exceptions=True)
        for text, verdict in zip(texts, verdicts, strict=True):
            if isinstance(verdict, BaseException):
                return self._unavailable(verdict, NOT_CHECKED)
            if not verdict:
                passed.add(text)
        if not any(verdicts):
            return None
        # The question itself is marked by the engine; what came before it would be sent along with the next one.
        flagged = [row.id for row, bad in zip(asked, verdicts, strict=False) if bad and row is not newest]
        await self.context.conversation.forget(*flagged)
        return say(REFUSED)

    async def objection(self, text: str) -> str | None:
        """Why this part of an answer may not be shown, in words for people."""
        try:
            return say(ENDED) if await self._flagged(text) else None
        except Exception as error:
            return self._unavailable(error, NOT_CHECKED_ON)

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


def _last_of_people(turn: Turn) -> Sequence[str]:
    """The question, also where the word to go on comes after it."""
    return [message.text for message in turn.prompt.messages if message.role == "user"][-2:]


def _mark(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
