"""What goes wrong while a database is in use: full disk, locks, cancelled callers, age."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from bot.errors import StoreCorrupt, StoreError, StoreUnavailable
from bot.events import Place, Route
from bot.replies import SentId
from bot.store import Store
from bot.store.claims import prune
from bot.store.database import translated
from bot.testing.store_samples import OTHER, PLACE, answer, call, everything, heard, said

BIG = "word " * 20_000


class Patient:
    """A clock that is set by hand and sleeps for as long as the test likes."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.asleep = asyncio.Event()
        self._woken = asyncio.Event()

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self._woken.wait()
        self._woken.clear()

    async def wake(self) -> None:
        """Whoever sleeps wakes up, does its work, and sleeps again."""
        self.asleep.clear()
        self._woken.set()
        await self.asleep.wait()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{file}") as store:
        yield store


async def pragma(store: Store, setting: str) -> None:
    """On the one connection that writes."""
    await store._db.write_alone(lambda c: c.exec_driver_sql(f"PRAGMA {setting}").close())


async def test_a_full_disk_is_said_and_nothing_is_half_written(store: Store, file: Path) -> None:
    await store.claim(heard("1"))
    conversation, question = await store.remember(PLACE, said("hello"))
    draft = await store.open_draft(conversation.id, Route(PLACE), "1", question.id, epoch=0)
    await pragma(store, "max_page_count = 1")  # as many as there are
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: store.remember(PLACE, said(BIG)),
        lambda: store.answered(draft, PLACE, [answer("short", "p"), answer(BIG)], [call("1")]),
        lambda: store.put_blob(BIG.encode(), "text/plain"),
        lambda: store.save_draft(draft.id, text=BIG, sent=[]),
    ]
    for attempt in attempts * 2:
        with pytest.raises(StoreUnavailable, match=r"memory\.db is full") as caught:
            await attempt()
        assert "space" in str(caught.value)
        assert await everything(store) == ["hello"], "reading goes on"
    await pragma(store, "max_page_count = 1000000")
    added = await store.answered(draft, PLACE, [answer("short", "p"), answer(BIG)], [call("1")])
    assert added is not None
    assert await everything(store) == ["hello", "short", BIG]
    assert len(await store.tree(PLACE)) == 3
    assert len(await store.usage()) == 1


LIMITED = """
import asyncio, resource, sys
from bot.errors import StoreUnavailable
from bot.events import Place
from bot.store import NewMessage, Store
def limit(bytes): resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))
async def main():
    place = Place("fake", "w", "c")
    async with Store(sys.argv[1]) as store:
        limit(400_000)
        kept = 0
        try:
            while True:
                await store.remember(place, NewMessage("user", f"{kept}" + "x" * 10_000))
                kept += 1
        except StoreUnavailable as error:
            print(error)
        limit(resource.RLIM_INFINITY)
        await store.remember(place, NewMessage("user", "after"))
        print(kept + 1, sum([len(page) async for page in store.pages(place)]))
asyncio.run(main())
"""


def test_a_disk_that_takes_no_more_loses_nothing(file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    program = [sys.executable, "-c", LIMITED, f"sqlite:///{file}"]
    ran = subprocess.run(program, check=True, env=environment, capture_output=True, text=True)
    sentence, counts = ran.stdout.splitlines()
    assert "full or fails" in sentence
    kept, found = counts.split()
    assert int(kept) == int(found) > 5
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_lock_that_is_held_for_too_long_is_said(store: Store, file: Path) -> None:
    await store.remember(PLACE, said("before"))
    await pragma(store, "busy_timeout = 20")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"memory\.db is locked"):
                await store.remember(PLACE, said("lost"))
        assert await everything(store) == ["before"], "reading goes on"
        other.execute("ROLLBACK")
    await store.remember(PLACE, said("after"))
    assert await everything(store) == ["before", "after"]


async def test_a_file_that_became_read_only_is_said(store: Store) -> None:
    await pragma(store, "query_only = ON")
    with pytest.raises(StoreUnavailable, match="write permission"):
        await store.remember(PLACE, said("lost"))
    await pragma(store, "query_only = OFF")
    await store.remember(PLACE, said("kept"))
    assert await everything(store) == ["kept"]


def test_damage_that_shows_late_is_called_damage() -> None:
    error = translated(sqlite3.DatabaseError("database disk image is malformed"), "memory.db")
    assert isinstance(error, StoreCorrupt)
    assert "memory.db" in str(error)
    assert type(translated(sqlite3.IntegrityError("FOREIGN KEY constraint failed"), "memory.db")) is StoreError


async def test_work_that_began_is_finished_when_its_caller_is_cancelled(store: Store) -> None:
    for number in range(20):
        asked = asyncio.create_task(store.remember(PLACE, said(str(number))))
        for _ in range(number + 1):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    await store.remember(PLACE, said("last"))
    assert await everything(store) == [*(str(number) for number in range(20)), "last"]


async def test_closing_waits_for_what_was_begun(file: Path) -> None:
    async with Store(f"sqlite:///{file}") as store:
        asked = asyncio.create_task(store.remember(PLACE, said("hello")))
        await asyncio.sleep(0)
        asked.cancel()
    async with Store(f"sqlite:///{file}") as store:
        assert await everything(store) == ["hello"]


async def test_an_error_in_the_middle_takes_everything_back(store: Store) -> None:
    def fail(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM message")
        raise RuntimeError("a mistake of ours")

    await store.remember(PLACE, said("hello"))
    with pytest.raises(RuntimeError):
        await store._db.write(fail)
    await store.remember(PLACE, said("again"))
    assert await everything(store) == ["hello", "again"]


async def test_pages_are_read_while_others_write(store: Store) -> None:
    for number in range(4):
        await store.remember(PLACE, said(str(number)))
    shown = []
    async for page in store.pages(PLACE, size=2):
        shown += [one.text for one in page]
        await store.remember(PLACE, said("later"))
    assert shown == ["0", "1", "2", "3"]


async def test_a_moment_without_a_time_zone_is_a_mistake(store: Store) -> None:
    with pytest.raises(StoreError, match="time zone"):
        await store.claim(heard("1", at=datetime(2026, 1, 1)))  # noqa: DTZ001  # the mistake that is meant


async def test_old_events_are_dropped_but_the_newest_message_of_a_place(file: Path) -> None:
    clock = Patient()
    async with Store(f"sqlite:///{file}", clock=clock) as store:
        for number in range(5):
            await store.claim(heard(str(number), at=clock.time + timedelta(seconds=number)))
            await store.done(PLACE, str(number))
        await store.claim(heard("open", place=OTHER, at=clock.time))
        await store.claim(heard("newer", place=OTHER, at=clock.time + timedelta(seconds=1)))
        await store.done(OTHER, "newer")
        assert await store._db.write(lambda c: prune(c, clock.time, 3)) == 0, "nothing is old yet"
        clock.time += timedelta(days=1)
        assert [await store._db.write(lambda c: prune(c, clock.time, 3)) for _ in range(3)] == [3, 1, 0]
        assert await store.last_heard("fake") == {str(PLACE): "4", str(OTHER): "newer"}
        assert (await store.claim(heard("open", place=OTHER))).state == "running"


async def test_old_events_are_dropped_in_the_background_as_long_as_the_bot_runs(file: Path) -> None:
    clock = Patient()
    async with Store(f"sqlite:///{file}", clock=clock) as store:
        await clock.asleep.wait()
        for number in range(3):
            await store.claim(heard(str(number), at=clock.time + timedelta(seconds=number)))
            await store.done(PLACE, str(number))
        clock.time += timedelta(days=31)
        await clock.wake()
        assert [(await store.claim(heard(str(number)))).state for number in (0, 1, 2)] == ["new", "new", "done"]


async def test_no_traceback_repeats_what_people_said(store: Store, file: Path) -> None:
    secret = "-".join(["My", "secret", "is", "tulip"])

    def into_nothing(connection: Connection) -> None:
        connection.execute(text("INSERT INTO nothing VALUES (:said)"), {"said": secret})

    with pytest.raises(StoreError) as caught:
        await store._db.write(into_nothing)
    assert "INSERT INTO nothing" in "".join(traceback.format_exception(caught.value))
    assert secret not in "".join(traceback.format_exception(caught.value))


async def test_a_draft_that_cannot_be_read_does_not_stand_in_the_way_of_others(file: Path) -> None:
    async with Store(f"sqlite:///{file}") as store:
        conversation = await store.conversation(PLACE)
        for id in ("1", "2"):
            await store.open_draft(conversation.id, Route(PLACE), id, None, epoch=0)
        await store._db.write(lambda c: c.execute(text("UPDATE draft SET route = '{}' WHERE event_id = '1'")))
    async with Store(f"sqlite:///{file}") as store:
        assert [draft.event_id for draft in await store.orphans("fake")] == ["2"]


async def test_a_platform_message_in_two_places_is_two_messages(store: Store) -> None:
    place = Place("fake", "w/1", "c:2", "50%/3")
    _, first = await store.remember(place, said("a", "p"))
    _, second = await store.remember(PLACE, answer("b", "p", sent=(SentId("p", "webhook"),)))
    assert await store.message_of(place, "p") == first != second
    assert Place.parse(str(place)) == place


async def test_two_writers_on_one_file_wait_for_each_other(store: Store, file: Path) -> None:
    async with Store(f"sqlite:///{file}") as other:
        await store.remember(PLACE, said("first"))
        both = [one.remember(PLACE, said(f"{number}")) for number in range(30) for one in (store, other)]
        await asyncio.gather(*both)
        numbers = [str(number) for number in range(30)]
        assert sorted(await everything(store)) == sorted(["first", *numbers, *numbers])
