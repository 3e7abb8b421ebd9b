"""The threads that the bot takes part in, and what threads hang on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pydantic import JsonValue

from adapters.slack import threads as module
from adapters.slack.threads import Threads
from adapters.slack.tops import MAX_CHARS, MOST, Tops
from bot.api import Message, MessageDeleted, MessageEdited, Place, Route, User
from bot.errors import StoreUnavailable

CHANNEL = Place("slack", "T1", "C1")
THREAD = replace(CHANNEL, thread="1700000000.000100")
ADA = User("U1", "Ada")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


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


def said(id: str, text: str = "tea", place: Place = CHANNEL) -> Message:
    return Message(id=id, user=ADA, route=Route(place, {"user": "U1"}), at=NOW, text=text, addressed=False)


def test_what_a_thread_hangs_on_is_given_once() -> None:
    tops = Tops()
    tops.note(said("1"))
    thread = replace(CHANNEL, thread="1")
    assert tops.taken(thread) == (replace(said("1"), route=Route(thread, {"user": "U1"})),)
    assert tops.taken(thread) == ()
    assert tops.taken(replace(CHANNEL, thread="2")) == ()


def test_it_follows_edits_and_deletions() -> None:
    tops = Tops()
    for id in ("1", "2"):
        tops.note(said(id))
    tops.note(MessageEdited(id="e", user=ADA, route=Route(CHANNEL), at=NOW, message="1", text="coffee"))
    tops.note(MessageDeleted(id="d", user=ADA, route=Route(CHANNEL), at=NOW, messages=("2",)))
    assert [each.text for each in tops.taken(replace(CHANNEL, thread="1"))] == ["coffee"]
    assert tops.taken(replace(CHANNEL, thread="2")) == ()


def test_only_so_much_is_kept() -> None:
    tops = Tops()
    tops.note(said("long", "x" * (MAX_CHARS + 1)))
    tops.note(said("below", place=THREAD))
    tops.note(said("alone", place=Place("slack", "T1", "D1")))
    for number in range(MOST + 1):
        tops.note(said(f"{number}"))
    assert len(tops._kept) == MOST
    assert tops.taken(replace(CHANNEL, thread="0")) == ()
    assert tops.taken(replace(CHANNEL, thread="1"))
