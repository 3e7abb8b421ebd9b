"""The threads that the bot takes part in: what is said there is meant for it, also after a restart."""

from __future__ import annotations

import logging
from collections import OrderedDict

from adapters.slack.places import is_direct
from bot.api import BotError, Place, Shelf

log = logging.getLogger(__name__)

# Threads that are known without a look at the shelf.
MOST_KNOWN = 10_000


class Threads:
    """Works without a shelf, too, for as long as the process lives. In direct messages everything is meant for the bot
    anyway, so their threads are not kept."""

    def __init__(self, shelf: Shelf | None) -> None:
        self._shelf = shelf
        self._known: OrderedDict[Place, None] = OrderedDict()

    async def takes_part(self, place: Place) -> bool:
        if place in self._known:
            self._known.move_to_end(place)
            return True
        # That it takes no part is not kept: another process may have been asked there meanwhile.
        if not _counts(place) or self._shelf is None:
            return False
        try:
            found = await self._shelf.load(_key(place))
        except BotError as error:
            log.warning("whose thread this is cannot be read: %s", error)
            return False
        if found:
            self._remember(place)
        return bool(found)

    async def join(self, place: Place) -> None:
        """Whoever was addressed in a thread, or has posted there, takes part. Does nothing for other places."""
        if not _counts(place) or place in self._known:
            return
        self._remember(place)
        if self._shelf is None:
            return
        try:
            await self._shelf.save(_key(place), True)
        except BotError as error:
            log.warning("a thread of mine cannot be kept: %s", error)

    def _remember(self, place: Place) -> None:
        self._known[place] = None
        self._known.move_to_end(place)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _counts(place: Place) -> bool:
    return place.thread is not None and not is_direct(place)


def _key(place: Place) -> str:
    return f"thread:{place.workspace}/{place.channel}/{place.thread}"
