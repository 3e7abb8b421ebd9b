"""Where transactions run: SQLite's each in one walk to a thread and back, a server's on the event loop."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import aiosqlite
from pydantic import JsonValue
from sqlalchemy import URL, QueuePool, create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")
# What a transaction does, as if there were nothing else to do meanwhile: none of it runs on the event loop.
Work = Callable[[Connection], T]

BUSY_MS = 5000
# An option of ours on a connection: its transactions are one statement long.
ALONE = {"alone": True}
# What is written are people's words: they must not get into a log with the traceback of a failed statement.
HIDDEN = True


class Door(Protocol):
    """Runs transactions; `alone` says that this one is a single statement."""

    def run(self, work: Work[T], *, alone: bool = False) -> asyncio.Future[T]: ...

    async def close(self) -> None: ...


class Rooms:
    """As many rooms as connections, each transaction in the least busy one."""

    def __init__(self, url: URL, *, connections: int, begin: str, pragmas: tuple[str, ...]) -> None:
        self._rooms = [_Room(_sqlite_engine(url, begin, pragmas)) for _ in range(connections)]

    def run(self, work: Work[T], *, alone: bool = False) -> asyncio.Future[T]:
        return min(self._rooms, key=lambda room: room.busy).run(work, alone)

    async def close(self) -> None:
        for room in self._rooms:
            await room.close()


class _Room:
    """One connection of aiosqlite, in whose thread whole transactions run.

    Statement by statement, the way to the thread and back would cost more than the statements: whoever walks waits for
    a turn of the event loop each time.
    """

    def __init__(self, engine: Engine) -> None:
        self.busy = 0
        self._engine = engine
        self._alone = engine.execution_options(**ALONE)
        self._connection: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()

    def run(self, work: Work[T], alone: bool) -> asyncio.Future[T]:
        walk = partial(_transaction, self._alone if alone else self._engine, work)
        self.busy += 1
        done = self._sent(self._connection, walk) if self._connection else asyncio.ensure_future(self._first(walk))
        done.add_done_callback(self._left)
        return done

    async def close(self) -> None:
        async with self._opening:
            if self._connection is not None:
                await self._connection.close()
        self._engine.dispose()

    async def _first(self, walk: Callable[[], T]) -> T:
        async with self._opening:
            if self._connection is None:
                # Its thread opens the very connection that the engine hands out there.
                self._connection = await aiosqlite.Connection(self._opened, iter_chunk_size=64)
        return await self._sent(self._connection, walk)

    def _opened(self) -> sqlite3.Connection:
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        pooled.close()
        assert isinstance(connection, sqlite3.Connection)
        return connection

    def _sent(self, connection: aiosqlite.Connection, walk: Callable[[], T]) -> asyncio.Future[T]:
        """aiosqlite offers single calls only; its queue takes any, and does them in order."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        connection._tx.put_nowait((done, walk))
        return done

    def _left(self, done: asyncio.Future[Any]) -> None:
        self.busy -= 1


def _transaction(engine: Engine, work: Work[T]) -> T:
    with engine.begin() as connection:
        return work(connection)


class Server:
    def __init__(self, url: URL) -> None:
        from sqlalchemy.ext.asyncio import create_async_engine  # takes room that only its users should give

        self._engine = create_async_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True, hide_parameters=HIDDEN)

    def run(self, work: Work[T], *, alone: bool = False) -> asyncio.Future[T]:
        return asyncio.ensure_future(_transaction_on_loop(self._engine, work))

    async def close(self) -> None:
        await self._engine.dispose()


async def _transaction_on_loop(engine: AsyncEngine, work: Work[T]) -> T:
    async with engine.begin() as connection:
        return await connection.run_sync(work)


def _json(text: str) -> JsonValue:
    """Most messages have no parts, and windows read hundreds."""
    value: JsonValue = {} if text == "{}" else json.loads(text)
    return value


def _sqlite_engine(url: URL, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=HIDDEN,
        json_deserializer=_json,
        pool_reset_on_return=None,  # transactions end where they begin, below
        # Closed from another thread once its own has ended.
        connect_args={"isolation_level": None, "timeout": BUSY_MS / 1000, "check_same_thread": False},
    )
    settings = (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        *pragmas,
    )

    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get("alone"):
            return
        # The driver's own BEGIN comes late and does not take the write lock: two processes would run into each other.
        driver: Any = connection.connection.dbapi_connection  # typed as any driver's, it is sqlite3's
        if driver.in_transaction:  # what an error left behind
            driver.rollback()
        driver.execute(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
