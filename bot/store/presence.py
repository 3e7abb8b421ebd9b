"""Which processes live: a lock beside a database file, a lease in a database that is a server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from bot.clock import Clock
from bot.errors import StoreError, StoreUnavailable
from bot.store.database import Database
from bot.store.tables import process

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
HEARTBEAT = 15.0


class Presence(Protocol):
    """Shows that its owner lives from `enter` to `leave`, and knows whether another owner does."""

    async def enter(self) -> None: ...

    async def leave(self) -> None: ...

    async def is_dead(self, owner: str) -> bool: ...


def presence(database: Database, owner: str, clock: Clock) -> Presence:
    if database.file is not None:
        return FilePresence(database.file, owner)
    if database.url.get_backend_name() == "sqlite":
        return Alone(owner)
    return LeasePresence(database, owner, clock)


class Alone:
    """For a database in memory: nobody else can have it."""

    def __init__(self, owner: str) -> None:
        self._owner = owner

    async def enter(self) -> None: ...

    async def leave(self) -> None: ...

    async def is_dead(self, owner: str) -> bool:
        return owner != self._owner


class FilePresence:
    """The operating system lets go of the lock when the process ends, however it ends, so the next one can take over
    at once."""

    def __init__(self, database: Path, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._lock = _lock(self._path(owner))
        self._dead: set[str] = set()  # owners are random: who is dead stays dead
        self._asking = asyncio.Lock()  # two questions at once would stand in each other's way

    async def enter(self) -> None:
        await asyncio.to_thread(self._enter)

    async def leave(self) -> None:
        await asyncio.to_thread(self._leave)

    async def is_dead(self, owner: str) -> bool:
        if owner == self._owner:
            return False
        async with self._asking:
            if owner not in self._dead and await asyncio.to_thread(_bury, self._path(owner)):
                self._dead.add(owner)
        return owner in self._dead

    def _path(self, owner: str) -> Path:
        return self._database.with_name(f"{self._database.name}.{owner}.alive")

    def _enter(self) -> None:
        try:
            self._lock.acquire(blocking=False)
            for path in self._database.parent.glob(f"{_literal(self._database.name)}.*.alive"):
                if path != self._path(self._owner):
                    _bury(path)
        except OSError as error:
            raise StoreUnavailable(
                f"The folder of the database {self._database} cannot be written. "
                f"Give the bot's user write permission to it. ({error})"
            ) from error

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            self._path(self._owner).unlink(missing_ok=True)
        self._lock.release()


def _lock(path: Path) -> FileLock:
    return FileLock(path, thread_local=False, mode=0o600, preserve_lock_file=True, fallback_to_soft=False)


def _bury(path: Path) -> bool:
    """True if nobody holds the lock any more; its file is removed then."""
    if not path.exists():
        return True
    lock = _lock(path)
    try:
        # Another process may be asking the same question at this moment, which takes the lock for an instant.
        lock.acquire(timeout=0.03, poll_interval=0.005)
    except Timeout:
        return False
    except OSError:
        return not path.exists()
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()
    return True


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


class LeasePresence:
    """A row that is renewed every 15 seconds; whoever has not renewed it for a minute counts as dead.

    A process that only froze finds when it wakes up that the epoch of its drafts has moved on.
    """

    def __init__(self, database: Database, owner: str, clock: Clock) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._beating: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        await self._database.write(self._arrive)
        self._beating = asyncio.create_task(self._beat())

    async def leave(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
        with contextlib.suppress(StoreError):
            await self._database.write(lambda c: c.execute(delete(process).where(process.c.owner == self._owner)))

    async def is_dead(self, owner: str) -> bool:
        if owner == self._owner:
            return False
        until = await self._database.read(lambda c: c.scalar(select(process.c.alive_until).filter_by(owner=owner)))
        return until is None or until < self._clock.now()

    def _arrive(self, connection: Connection) -> None:
        now = self._clock.now()
        connection.execute(delete(process).where(process.c.alive_until < now))
        connection.execute(insert(process).values(owner=self._owner, alive_until=now + LEASE))

    def _renew(self, connection: Connection) -> None:
        renewed = update(process).where(process.c.owner == self._owner)
        connection.execute(renewed.values(alive_until=self._clock.now() + LEASE))

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT)
            try:
                await self._database.write(self._renew)
            except StoreError as error:
                log.warning("The lease in the database could not be renewed: %s", error)
