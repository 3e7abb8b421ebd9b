"""What is kept of an answer when it has ended: its text, what it cost, and that its question was answered."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.answering import Spoken
from bot.clock import Clock
from bot.composing import Composer
from bot.errors import StoreError
from bot.events import AnyEvent
from bot.replies import Reason
from bot.runner import LocalRunner
from bot.speech import Speech, status_of, tool_message
from bot.store import NewMessage, Remembered, Store
from bot.summarising import Summaries
from bot.tools import added_by_tools
from bot.turn import ModelCall

log = structlog.get_logger(__name__)

# Waits before the memory of a finished answer is written again, when the disk was full or the file locked.
REMEMBER_WAITS = (1.0, 5.0, 25.0, 120.0)


class Remembering:
    def __init__(
        self, store: Store, composer: Composer, summaries: Summaries, runner: LocalRunner, clock: Clock
    ) -> None:
        self._store = store
        self._summaries = summaries
        self._composer = composer
        self._runner = runner
        self._clock = clock

    async def conclude(self, speech: Speech, spoken: Spoken) -> Sequence[Remembered]:
        """Remember what was said. When the memory cannot be written, it is tried again beside everything else."""
        if speech.composed is not None:
            await self._composer.keep(speech.composed)
            self._summaries.look_after(speech.composed)
        if not spoken.text.strip():
            await self._nothing_said(speech, spoken.reason)
            return ()
        messages = await self._messages(speech, spoken)
        try:
            return await self._write(speech, messages)
        except StoreError as error:
            log.error("answer could not be remembered, trying again", error=repr(error))
            self._runner.spawn(lambda: self._write_later(speech, messages))
            return ()

    async def _nothing_said(self, speech: Speech, reason: Reason) -> None:
        """A failed call leaves the memory as it was: the question is kept, but not sent again. What was stopped by
        somebody did not fail."""
        await self.spend(speech.event, speech.turn.calls)
        try:
            if speech.draft.question is not None and reason != "stopped":
                await self._store.set_status(speech.draft.question, "failed")
            await self._store.abandon(speech.draft)
        except StoreError as error:
            log.error("failed answer could not be closed", error=repr(error))

    async def spend(self, event: AnyEvent, calls: Sequence[ModelCall]) -> None:
        """What was asked is paid for, also where there is nothing to remember."""
        if not calls:
            return
        try:
            await self._store.spend(event.place, calls, user_id=event.user.id or None)
        except StoreError as error:
            log.error("calls could not be entered into the ledger", calls=len(calls), error=repr(error))

    async def _messages(self, speech: Speech, spoken: Spoken) -> list[NewMessage]:
        """Tool calls and their results as they were sent, then the answer."""
        turn = speech.turn
        tools = [tool_message(message) for message in added_by_tools(turn.prompt, speech.known)]
        answer = NewMessage(
            "assistant",
            spoken.text,
            author_id=speech.told_by or None,
            speaker=turn.speaker.name if turn.speaker else None,
            tokens=await self._composer.count(spoken.text),
            status="interrupted" if speech.interrupted else status_of(spoken),
            # What a plugin wrote itself is no model's.
            model=turn.model.model if turn.calls else None,
            sent=spoken.sent,
            scene=speech.draft.scene,
        )
        return [*tools, answer]

    async def _write(self, speech: Speech, messages: Sequence[NewMessage]) -> Sequence[Remembered]:
        calls: Sequence[ModelCall] = speech.turn.calls
        written = await self._store.answered(
            speech.draft, speech.event.place, messages, calls, user_id=speech.event.user.id or None
        )
        if written is None:
            log.warning("another process answers this now", draft=speech.draft.id)
            await self.spend(speech.event, speech.turn.calls)
        return written or ()

    async def _write_later(self, speech: Speech, messages: Sequence[NewMessage]) -> None:
        for wait in REMEMBER_WAITS:
            await self._clock.sleep(wait)
            try:
                await self._write(speech, messages)
            except StoreError as error:
                log.error("answer could still not be remembered", error=repr(error))
            else:
                return
        # The draft stays in the database: the next start finishes it.
