"""Where transactions run: SQLite's each in one walk to a thread and back, a server's on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

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


class Threads:
    """As many threads as connections. Several walks would cost more than the statements: whoever walks waits for a
    turn of the event loop each time."""

    def __init__(self, url: URL, *, connections: int, begin: str, pragmas: tuple[str, ...]) -> None:
        self._engine = _sqlite_engine(url, connections, begin, pragmas)
        self._alone = self._engine.execution_options(**ALONE)
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="store")

    def run(self, work: Work[T], *, alone: bool = False) -> asyncio.Future[T]:
        engine = self._alone if alone else self._engine
        return asyncio.get_running_loop().run_in_executor(self._threads, _transaction, engine, work)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()


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


def _sqlite_engine(url: URL, connections: int, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=HIDDEN,
        pool_reset_on_return=None,  # transactions end where they begin, below
        # Any thread may take any connection, one at a time.
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
