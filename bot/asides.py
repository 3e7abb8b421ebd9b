"""What plugins make the bot say with prompts of their own, and what they ask a model without anybody seeing it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bot.answering import Answer, Spoken
from bot.clock import Clock
from bot.composing import Composer
from bot.events import AnyEvent
from bot.filters import filtered
from bot.handler import Filter, Line, Saying
from bot.limits import Limits
from bot.model.registry import Registry
from bot.remembering import Remembering
from bot.replies import Notice, Resume, Speaker, Text
from bot.runner import LocalRunner
from bot.speech import Speech
from bot.store import Conversation, Store, Taking
from bot.tools import tool_messages
from bot.turn import LanguageModel, ModelChoice, Prompt, Turn, reading


class Stage(Protocol):
    """What is shared with answers to questions."""

    def turn_for(
        self, event: AnyEvent, prompt: Prompt, choice: ModelChoice, *, speaker: Speaker | None = None
    ) -> Turn: ...

    def model_for(self, event: AnyEvent, conversation: Conversation | None) -> LanguageModel: ...

    async def check(self, event: AnyEvent) -> None: ...

    async def show(self, speech: Speech, resume: Resume | None = None) -> Spoken: ...


class Asides:
    def __init__(
        self,
        stage: Stage,
        store: Store,
        registry: Registry,
        composer: Composer,
        memory: Remembering,
        limits: Limits,
        runner: LocalRunner,
        clock: Clock,
        filters: Sequence[Filter],
    ) -> None:
        self._stage = stage
        self._store = store
        self._registry = registry
        self._composer = composer
        self._memory = memory
        self._limits = limits
        self._runner = runner
        self._clock = clock
        self._filters = filters

    async def say(self, event: AnyEvent, line: Saying) -> Line:
        """Nothing is shown before the model's first word. Raises BotError when there is none."""
        await self._stage.check(event)
        choice = line.model or await self._usual(event)
        turn = self._stage.turn_for(event, line.prompt, choice, speaker=line.speaker)
        turn.feature = "scene" if line.scene is not None else turn.feature
        model = self._stage.model_for(event, None)
        answer = Answer(turn, filtered(model, [line.through] if line.through else ()), self._clock)
        answer.ask()
        try:
            with self._runner.stoppable(event.place, answer.stop, None):
                conversation, error = await asyncio.gather(self._store.conversation(event.place), answer.first_word())
            if error is not None:
                raise error
            taking = await self._taking(line)
            draft = await self._store.open_draft(
                conversation.id,
                event.route,
                event.id,
                None,
                epoch=0,
                speaker=line.speaker,
                taking=taking,
                scene=line.scene,
            )
        except BaseException:
            await answer.abandon()
            await self._memory.spend(event, turn.calls)
            raise
        speech = Speech(event, draft, turn, answer, tool_messages(line.prompt), told_by=line.told_by)
        spoken = await self._stage.show(speech, Resume(taking.sent, "") if taking is not None else None)
        remembered = await self._memory.conclude(speech, spoken)
        if spoken.error and not spoken.text:
            raise spoken.error
        kept = remembered[-1] if remembered else None
        interrupted = kept is not None and kept.status == "interrupted"
        message = kept.id if kept is not None else None
        return Line(spoken.text, spoken.sent, message, tuple(turn.calls), interrupted, spoken.stood)

    async def _usual(self, event: AnyEvent) -> ModelChoice:
        conversation = await self._store.conversation(event.place)
        return self._composer.choice(conversation.settings, event.place)

    async def _taking(self, line: Saying) -> Taking | None:
        if line.instead_of is None:
            return None
        sent = await self._store.sent_of(line.instead_of)
        return Taking(line.instead_of, sent, as_variant=line.as_variant)

    async def ask(self, event: AnyEvent, prompt: Prompt, model: ModelChoice | None, *, shown: bool) -> str:
        await self._stage.check(event)
        choice = model or await self._usual(event)
        turn = replace(self._stage.turn_for(event, prompt, choice), feature="ask")
        said, stream = [], filtered(self._registry.stream, self._filters if shown else ())
        try:
            async with reading(self._limits.counting(stream)(turn)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Text):
                        said.append(piece.text)
                    elif shown and isinstance(piece, Notice):
                        said.append(f"\n\n{piece.text}")
        finally:
            await self._store.spend(event.place, turn.calls, user_id=event.user.id)
        return "".join(said)
