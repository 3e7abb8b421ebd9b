"""The memory works no harder for a long history than for a short one, counted in steps of the database, not in time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.events import Route
from bot.store import Store
from bot.store.doors import Door
from bot.testing.store_samples import OTHER, PLACE, answer, heard, said


class Steps:
    """Counts what SQLite's machine does on one connection."""

    def __init__(self) -> None:
        self.taken = 0

    async def watch(self, door: Door) -> None:
        await door.run(lambda c: c.connection.driver_connection.set_progress_handler(self._count, 1))

    def _count(self) -> int:
        self.taken += 1
        return 0


class Resting(SystemClock):
    """Tells when the store has dropped what is old, and sleeps until the next time."""

    def __init__(self) -> None:
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await super().sleep(seconds)


async def steps_of_a_turn(file: Path, messages: int) -> dict[str, int]:
    clock = Resting()
    async with Store(f"sqlite:///{file}", clock=clock) as store:
        conversation = await store.conversation(PLACE)
        await clock.asleep.wait()
        for first in range(0, messages, 500):
            draft = await store.open_draft(conversation.id, Route(PLACE), "e", None, epoch=0)
            some = [answer(f"{number}", tokens=10) for number in range(first, min(first + 500, messages))]
            await store.answered(draft, PLACE, some, [])
        steps = Steps()
        for door in (store._db._writer, store._db._reader):
            await steps.watch(door)
        taken = {}
        for name, work in (
            ("claim", lambda: store.claim(heard("1"))),
            ("remember", lambda: store.remember(PLACE, said("hello", "1", tokens=10))),
            ("path", lambda: store.path(PLACE, max_tokens=150)),
            ("message_of", lambda: store.message_of(PLACE, "1")),
        ):
            before = steps.taken
            await work()
            taken[name] = steps.taken - before
        assert len((await store.path(PLACE, max_tokens=150)).messages) == 15
        return taken


async def test_a_turn_costs_the_same_after_20_and_after_3000_messages(tmp_path: Path) -> None:
    short, long = await asyncio.gather(
        steps_of_a_turn(tmp_path / "short.db", 20), steps_of_a_turn(tmp_path / "long.db", 3000)
    )
    assert all(short.values()), "the steps are counted"
    assert long == pytest.approx(short, rel=0.05)


async def steps_of_catching_up(file: Path, messages: int) -> int:
    clock = Resting()
    async with Store(f"sqlite:///{file}", clock=clock) as store:
        await clock.asleep.wait()
        for number in range(messages):
            await store.claim(heard(f"{number}", place=OTHER if number % 2 else PLACE))
        steps = Steps()
        await steps.watch(store._db._reader)
        assert await store.last_heard("fake") == {str(PLACE): f"{messages - 2}", str(OTHER): f"{messages - 1}"}
        return steps.taken


async def test_finding_what_was_heard_last_costs_the_same_after_20_and_after_1000_messages(tmp_path: Path) -> None:
    short = await steps_of_catching_up(tmp_path / "short.db", 20)
    assert short
    assert await steps_of_catching_up(tmp_path / "long.db", 1000) == pytest.approx(short, rel=0.05)
