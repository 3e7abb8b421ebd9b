"""How to behave in a place: its own setting goes before its channel's, that before the one in the settings file."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import get_args

import structlog
from pydantic import JsonValue

from bot.clock import Clock
from bot.errors import StoreError
from bot.events import Message, Place
from bot.manners import Busy, Manner, Speak
from bot.platform import Capabilities
from bot.settings import AnswerSettings
from bot.store import Store

log = structlog.get_logger(__name__)

SPEAK: tuple[Speak, ...] = get_args(Speak)
BUSY: tuple[Busy, ...] = get_args(Busy)
# Every message asks, so what was found is kept for a while; another process may change it.
KEPT_SECONDS = 60.0
MOST_KEPT = 4096


@dataclass(frozen=True, slots=True)
class _Kept:
    manner: Manner
    until: float


@dataclass(slots=True)
class _Asking:
    """Those who wait for the same look into the database, first come first served."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Manners:
    def __init__(self, store: Store, answers: AnswerSettings, clock: Clock) -> None:
        self._store = store
        self._answers = answers
        self._clock = clock
        self._kept: OrderedDict[Place, _Kept] = OrderedDict()
        self._asking: dict[Place, _Asking] = {}

    async def of(self, place: Place, capabilities: Capabilities) -> Manner:
        manner = await self._found(place)
        if capabilities.direct:
            return replace(manner, speak="mention")
        opens = manner.speak == "thread" and place.thread is None and capabilities.threads
        return replace(manner, opens_threads=True) if opens else manner

    def drop(self, place: Place) -> None:
        """Something about this place was changed: look again, also for its threads."""
        for known in [known for known in self._kept if place in (known, known.parent)]:
            del self._kept[known]

    async def answers(self, event: Message, manner: Manner) -> bool:
        """Whether a message is answered there. `addressed` is the adapter's word: a mention, a reply, a thread of the
        bot's own."""
        if manner.speak == "never":
            return False
        everything = manner.speak == "always" or (manner.speak == "thread" and event.place.thread is not None)
        if event.addressed or not everything or event.user.is_bot:
            return event.addressed
        # What was missed for long is remembered and no more, whoever it was meant for.
        if self._clock.now() - event.at > timedelta(seconds=self._answers.missed_age):
            return False
        return not await self._is_for_others(event)

    async def _is_for_others(self, event: Message) -> bool:
        if any(user.id != event.user.id for user in event.mentions):
            return True
        if event.in_reply_to is None:
            return False
        replied = await self._store.message_of(event.place, event.in_reply_to)
        return replied is None or (replied.role == "user" and replied.author_id != event.user.id)

    async def _found(self, place: Place) -> Manner:
        asking = self._asking.get(place)
        if asking is None:
            if manner := self._remembered(place):
                return manner
            asking = self._asking[place] = _Asking()
        # Messages stay in order: whoever comes while others wait for the answer waits behind them.
        asking.waiting += 1
        try:
            async with asking.lock:
                return self._remembered(place) or await self._look(place)
        finally:
            asking.waiting -= 1
            if not asking.waiting:
                del self._asking[place]

    def _remembered(self, place: Place) -> Manner | None:
        kept = self._kept.get(place)
        if kept is None or kept.until <= self._clock.monotonic():
            return None
        self._kept.move_to_end(place)
        return kept.manner

    async def _look(self, place: Place) -> Manner:
        places = (place, *((place.parent,) if place.parent is not None else ()))
        try:
            own = await self._store.settings_of(*places)
        except StoreError as error:
            log.warning("how to behave here cannot be read", place=str(place), error=repr(error))
            return self._manner(places, {})
        manner = self._manner(places, own)
        self._kept[place] = _Kept(manner, self._clock.monotonic() + KEPT_SECONDS)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return manner

    def _manner(self, places: tuple[Place, ...], own: Mapping[Place, Mapping[str, JsonValue]]) -> Manner:
        given = [own.get(place, {}) for place in places]
        listed = [self._answers.places[str(place)] for place in places if str(place) in self._answers.places]

        def settings(name: str) -> Iterator[object]:
            yield from (conversation.get(name) for conversation in given)
            yield from (getattr(place, name) for place in listed)
            yield getattr(self._answers, name)

        # What a conversation has is JSON, perhaps of another version.
        speak = next(known for value in settings("speak") for known in SPEAK if value == known)
        busy = next(known for value in settings("busy") for known in BUSY if value == known)
        pings = (float(value) for value in settings("ping_after") if isinstance(value, int | float))
        return Manner(speak, busy, next(pings, None))
