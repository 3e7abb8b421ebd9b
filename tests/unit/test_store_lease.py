"""Who lives, in a database that is a server: a lease that is renewed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.store.database import Database, database_url
from bot.store.opening import bring_up_to_date
from bot.store.presence import HEARTBEAT, LEASE, LeasePresence


class Stepping:
    """A clock that is set by hand; sleepers wake when it has been moved far enough."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.moved = asyncio.Condition()
        self.naps = 0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        until = self.time + timedelta(seconds=seconds)
        async with self.moved:
            self.naps += 1
            self.moved.notify_all()
            await self.moved.wait_for(lambda: self.time >= until)

    async def pass_by(self, seconds: float) -> None:
        """Move when the sleeper sleeps, and wait until it sleeps again."""
        async with self.moved:
            await self.moved.wait_for(lambda: self.naps > 0)
            before = self.naps
            self.time += timedelta(seconds=seconds)
            self.moved.notify_all()
            await self.moved.wait_for(lambda: self.naps > before)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(database_url(f"sqlite:///{tmp_path / 'memory.db'}"))
    database.open()
    await bring_up_to_date(database)
    yield database
    await database.close()


async def test_a_lease_is_renewed_while_its_owner_lives(database: Database) -> None:
    clock = Stepping()
    owner, other = LeasePresence(database, "owner", clock), LeasePresence(database, "other", Stepping())
    await owner.enter()
    for _ in range(3 * int(LEASE.total_seconds() / HEARTBEAT)):
        await clock.pass_by(HEARTBEAT)
    observer = LeasePresence(database, "observer", clock)
    assert not await observer.is_dead("owner")
    assert not await owner.is_dead("owner")
    assert await observer.is_dead("other"), "it never came"
    await owner.leave()
    assert await observer.is_dead("owner"), "it left"
    assert await other.is_dead("owner")


async def test_a_lease_that_is_not_renewed_runs_out(database: Database) -> None:
    frozen, clock = Stepping(), Stepping()
    sleeper = LeasePresence(database, "sleeper", frozen)
    await sleeper.enter()
    observer = LeasePresence(database, "observer", clock)
    clock.time += LEASE
    assert not await observer.is_dead("sleeper")
    clock.time += timedelta(seconds=1)
    assert await observer.is_dead("sleeper")
    await sleeper.leave()
