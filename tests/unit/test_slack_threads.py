"""The threads that the bot takes part in."""

from __future__ import annotations

from dataclasses import replace

from pydantic import JsonValue

from adapters.slack import threads as module
from adapters.slack.threads import Threads
from bot.api import Place
from bot.errors import StoreUnavailable

CHANNEL = Place("slack", "T1", "C1")
THREAD = replace(CHANNEL, thread="1700000000.000100")


class Shelf:
    def __init__(self) -> None:
        self.kept: dict[str, JsonValue] = {}
        self.broken = False
        self.loads = 0

    async def load(self, key: str) -> JsonValue | None:
        self.loads += 1
        if self.broken:
            raise StoreUnavailable
        return self.kept.get(key)

    async def save(self, key: str, value: JsonValue) -> None:
        if self.broken:
            raise StoreUnavailable
        self.kept[key] = value

    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        return None


async def test_a_thread_is_kept_for_the_next_life() -> None:
    shelf = Shelf()
    first, other = Threads(shelf), Threads(shelf)
    assert not await first.takes_part(THREAD)
    await other.join(THREAD)
    # Another process may have been asked there meanwhile.
    assert await first.takes_part(THREAD)
    assert await first.takes_part(THREAD)
    assert shelf.loads == 2
    assert shelf.kept == {"thread:T1/C1/1700000000.000100": True}


async def test_without_a_shelf_it_lasts_as_long_as_the_process() -> None:
    threads = Threads(None)
    assert not await threads.takes_part(THREAD)
    await threads.join(THREAD)
    assert await threads.takes_part(THREAD)


async def test_channels_and_direct_messages_are_not_kept() -> None:
    shelf = Shelf()
    threads = Threads(shelf)
    for place in (CHANNEL, Place("slack", "T1", "D1", "1700000000.000100")):
        await threads.join(place)
        assert not await threads.takes_part(place)
    assert shelf.kept == {}


async def test_a_shelf_that_fails_keeps_nobody_from_anything() -> None:
    shelf = Shelf()
    threads = Threads(shelf)
    shelf.broken = True
    assert not await threads.takes_part(THREAD)
    await threads.join(THREAD)
    assert await threads.takes_part(THREAD)


async def test_what_is_no_longer_at_hand_is_on_the_shelf() -> None:
    shelf = Shelf()
    threads = Threads(shelf)
    for number in range(module.MOST_KNOWN + 1):
        await threads.join(replace(CHANNEL, thread=f"{number}"))
    before = shelf.loads
    assert await threads.takes_part(replace(CHANNEL, thread="0"))
    assert shelf.loads == before + 1
