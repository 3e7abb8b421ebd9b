"""What people change after they wrote it: memory follows their edits and deletions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.events import AnyEvent, Message, MessageDeleted, MessageEdited, Route
from bot.exchanges import Exchanges
from bot.merging import Merging
from bot.runner import LocalRunner
from bot.store import Store


class Changes:
    def __init__(self, store: Store, runner: LocalRunner, exchanges: Exchanges, merging: Merging) -> None:
        self._store = store
        self._runner = runner
        self._exchanges = exchanges
        self._merging = merging

    async def edited(self, event: MessageEdited) -> bool:
        """Whether it was a question before, which needs no asking anew."""
        found = [
            await self._rewrite(replace(event, route=route)) for route in await self._wherever(event, [event.message])
        ]
        return any(found)

    async def deleted(self, event: MessageDeleted) -> Sequence[Message]:
        """Those that waited to be answered together with others, and now are not."""
        waiting = self._merging.deleted(event.place, event.messages)
        for route in await self._wherever(event, event.messages):
            await self._forget(replace(event, route=route))
        return waiting

    async def _wherever(self, event: AnyEvent, messages: Sequence[str]) -> Sequence[Route]:
        """Here, and in those threads of this channel in which questions asked here were answered."""
        if event.place.thread is not None:
            return (event.route,)
        threads = await self._store.threads_with(event.place, messages)
        return (event.route, *(Route(place, event.route.data) for place in threads))

    async def _rewrite(self, event: MessageEdited) -> bool:
        known = await self._store.rewrite(event.place, event.message, event.text)
        if known is None and self._merging.edited(event.place, event.message, event.text):
            return True
        if self._runner.standing(event.place):
            # It may be a question that waits for its turn and is remembered only then, or is being answered.
            await self._runner.passed(event.place)
            known = known or await self._store.rewrite(event.place, event.message, event.text)
        answered = known is not None and await self._store.answer_to(known) is not None
        if known is not None and (answered or event.question is None):
            await self._exchanges.question_edited(event, known)
        return answered

    async def _forget(self, event: MessageDeleted) -> None:
        all_known = await self._forget_known(event)
        if not all_known and self._runner.standing(event.place):
            await self._runner.passed(event.place)
            await self._forget_known(event)

    async def _forget_known(self, event: MessageDeleted) -> bool:
        """Whether all the messages that were deleted are known."""
        known = [await self._store.message_of(event.place, message) for message in event.messages]
        found = zip(known, event.messages, strict=True)
        for message in [one for one, id in found if one is not None and await self._exchanges.is_its_first(one, id)]:
            await self._exchanges.deleted(event, message)
        return None not in known
