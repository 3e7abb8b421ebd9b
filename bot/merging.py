"""Quick messages of one person become one question: a short wait gathers them, and so does a running answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bot.clock import Clock
from bot.events import Message, Place
from bot.runner import LocalRunner
from bot.store import Claim

# However often somebody goes on writing, they are answered after this many waits …
MOST_WAITS = 4
# … or when so much has been gathered.
MOST_MERGED = 20

# The last of them, its claim, and those before it.
Answer: TypeAlias = Callable[[Message, Claim, Sequence[Message]], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Gathered:
    key: tuple[Place, str]
    began: float
    last: float
    messages: list[Message] = field(default_factory=list)
    claim: Claim = field(default_factory=lambda: Claim("new"))
    in_line: bool = False


class Merging:
    """`answer` gets what one person wrote in one place, in their turn."""

    def __init__(self, runner: LocalRunner, clock: Clock, wait: float, answer: Answer) -> None:
        self._runner = runner
        self._clock = clock
        self._wait = wait
        self._answer = answer
        # What still takes messages, and all that waits: what is full has a successor.
        self._gathering: dict[tuple[Place, str], _Gathered] = {}
        self._waiting: list[_Gathered] = []

    def gathering(self, place: Place) -> int:
        """How many people's messages are gathered there that do not stand in line yet."""
        return sum(not gathered.in_line for gathered in self._at(place))

    def joins(self, event: Message) -> bool:
        """Whether the message belongs to those that wait already."""
        gathered = self._gathering.get((event.place, event.user.id))
        return gathered is not None and len(gathered.messages) < MOST_MERGED

    def continues(self, event: Message) -> bool:
        """Whether somebody goes on with a question that they began a moment ago, without speaking to anybody else."""
        gathered = self._gathering.get((event.place, event.user.id))
        quick = gathered is not None and not gathered.in_line and self.joins(event)
        return quick and not (event.mentions or event.in_reply_to or event.user.is_bot)

    def add(self, event: Message, claim: Claim) -> None:
        key = (event.place, event.user.id)
        now = self._clock.monotonic()
        if self.joins(event):
            gathered = self._gathering[key]
            gathered.last = now
        else:
            gathered = self._gathering[key] = _Gathered(key, now, now)
            self._waiting.append(gathered)
            self._runner.spawn(lambda: self._gather(gathered), place=event.place)
        gathered.messages.append(event)
        gathered.claim = claim

    def edited(self, place: Place, message: str, text: str) -> bool:
        """Whether it was one of those that wait; it will be answered as it reads now."""
        for gathered in self._at(place):
            for at, waiting in enumerate(gathered.messages):
                if waiting.id == message:
                    gathered.messages[at] = replace(waiting, text=text)
                    return True
        return False

    def deleted(self, place: Place, messages: Collection[str]) -> Sequence[Message]:
        """Those that waited and are not answered any more."""
        gone: list[Message] = []
        for gathered in self._at(place):
            gone += [waiting for waiting in gathered.messages if waiting.id in messages]
            gathered.messages[:] = [waiting for waiting in gathered.messages if waiting.id not in messages]
        return gone

    def _at(self, place: Place) -> Sequence[_Gathered]:
        return [gathered for gathered in self._waiting if gathered.key[0] == place]

    async def _gather(self, gathered: _Gathered) -> None:
        try:
            await self._wait_for_the_last(gathered)
            gathered.in_line = True
            async with self._runner.turn(*gathered.key):
                self._close(gathered)
                if gathered.messages:
                    *earlier, last = gathered.messages
                    await self._answer(last, gathered.claim, earlier)
        except asyncio.CancelledError:
            self._close(gathered)
            raise

    async def _wait_for_the_last(self, gathered: _Gathered) -> None:
        while True:
            end = min(gathered.last + self._wait, gathered.began + MOST_WAITS * self._wait)
            left = end - self._clock.monotonic()
            if left <= 0 or len(gathered.messages) >= MOST_MERGED:
                return
            await self._clock.sleep(left)

    def _close(self, gathered: _Gathered) -> None:
        """What comes from now on is gathered anew."""
        if gathered in self._waiting:
            self._waiting.remove(gathered)
        if self._gathering.get(gathered.key) is gathered:
            del self._gathering[gathered.key]
