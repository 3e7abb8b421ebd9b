"""Answers that a crash interrupted: finished in their own messages, or marked where they are not gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from bot.answering import Answer
from bot.clock import Clock
from bot.commands import Tool
from bot.composing import Composer
from bot.controls import Below
from bot.events import AnyEvent, Message, User
from bot.handler import Line
from bot.replies import Controls, Done, Notice, Piece, Resume, Speaker, Text
from bot.speech import Speech, only
from bot.store import Conversation, Draft, Remembered, Store
from bot.tools import tool_messages
from bot.turn import LanguageModel, ModelChoice, Prompt, Turn
from bot.words import phrase, say, speak_at

log = structlog.get_logger(__name__)

# Waits between attempts to reach the model.
WAITS = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
INTERRUPTED = phrase("I was interrupted here. Say “go on” and I will continue.")
# Below what a plugin let somebody say: it knows itself how that goes on.
LINE_INTERRUPTED = phrase("I was interrupted here.")


class Answering(Protocol):
    """What is shared with answers that nothing interrupted."""

    @property
    def tools(self) -> tuple[Tool, ...]: ...

    def turn_for(
        self,
        event: AnyEvent,
        prompt: Prompt,
        choice: ModelChoice,
        *,
        tools: Sequence[Tool] = (),
        speaker: Speaker | None = None,
    ) -> Turn: ...

    def model_for(self, event: AnyEvent, conversation: Conversation, until: int | None = None) -> LanguageModel: ...

    def below(self, event: AnyEvent, question: Remembered) -> Below | None: ...

    async def finish(self, speech: Speech, resume: Resume | None = None) -> Line: ...


class TakingUp:
    def __init__(self, answering: Answering, store: Store, composer: Composer, clock: Clock) -> None:
        self._answering = answering
        self._store = store
        self._composer = composer
        self._clock = clock

    async def take_up(self, draft: Draft, *, complete: bool) -> None:
        """Finish the answer in its own messages, or mark it where that is not wanted or not possible."""
        question = await self._store.message(draft.question) if draft.question is not None else None
        user = User(question.author_id or "", question.author or "") if question else User("", "")
        event = Message(id=draft.event_id, user=user, route=draft.route, at=draft.started_at, text="", addressed=True)
        conversation = await self._store.conversation(draft.route.place)
        speak_at(conversation.settings, event.locale)
        composed = await self._composer.compose(event.place, conversation.settings, until=draft.question)
        turn = self._answering.turn_for(
            event, composed.prompt, composed.choice, tools=self._answering.tools, speaker=draft.speaker
        )
        model = self._answering.model_for(event, conversation, draft.question)
        if draft.question is None:
            await self._put_down(Speech(event, draft, turn, Answer(turn, model, self._clock), ()))
            return
        if draft.finished is not None or not complete:
            model = only(Done(draft.finished or "truncated"), *(() if draft.finished else (Notice(say(INTERRUPTED)),)))
            answer = Answer(turn, model, self._clock, said=draft.text, go_on=False)
        else:
            answer = await self._reached(turn, model, draft)
        speech = Speech(event, draft, turn, answer, tool_messages(composed.prompt), composed)
        if question is not None:
            speech.below = await self._taken_up_below(draft, question, event)
        await self._answering.finish(speech, Resume(draft.sent, draft.text, draft.shown))

    async def _put_down(self, speech: Speech) -> None:
        """What a plugin made its bot say was asked with a prompt of its own: its job decides how to go on. What was to
        take the place of another line, and had not begun, leaves that one as it was."""
        draft = speech.draft
        if not draft.text.strip() and draft.replaces is None:
            await self._store.abandon(draft)
            return
        old = await self._store.message(draft.replaces) if draft.replaces is not None and not draft.text else None
        whole = draft.finished is not None or (old is not None and old.status != "interrupted")
        pieces: list[Piece] = [Text(old.text)] if old is not None else []
        if not whole:
            # What could be pressed while it was being said cannot be any more.
            pieces += [Controls(), Notice(say(LINE_INTERRUPTED))]
        ending = only(Done(draft.finished or ("stop" if whole else "truncated")), *pieces)
        speech.draft = replace(draft, as_variant=draft.as_variant and old is None)
        speech.answer = Answer(speech.turn, ending, self._clock, said=draft.text, go_on=False)
        speech.interrupted = not whole
        await self._answering.finish(speech, Resume(draft.sent, draft.text, draft.shown))

    async def _taken_up_below(self, draft: Draft, question: Remembered, event: AnyEvent) -> Below | None:
        below = self._answering.below(event, question)
        if below is None or draft.replaces is None:
            return below
        count = len(await self._store.variants(draft.replaces)) + draft.as_variant
        return replace(below, variants=count, shown=count)

    async def _reached(self, turn: Turn, model: LanguageModel, draft: Draft) -> Answer:
        """An answer whose model has begun to speak; one that only marks the end when it cannot be reached."""
        asked = turn.prompt
        for wait in (*WAITS, None):
            turn.prompt = asked
            answer = Answer(turn, model, self._clock, said=draft.text)
            answer.ask()
            error = await answer.begun()
            if error is None:
                return answer
            await answer.abandon()
            if wait is None or not getattr(error, "retryable", False):
                break
            log.info("model not reached for an interrupted answer, trying again", wait=wait, error=repr(error))
            await self._clock.sleep(wait)
        ending = only(Done("truncated"), Notice(say(INTERRUPTED)))
        return Answer(turn, ending, self._clock, said=draft.text, go_on=False)
