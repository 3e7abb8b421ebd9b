"""Transactions: which there are, and where the errors of SQLite and PostgreSQL become ours."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import URL, Table, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import StoreCorrupt, StoreError, StoreUnavailable
from bot.store.doors import Door, Rooms, Server, Work

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert

Upsert: TypeAlias = "sqlite.Insert | PostgresInsert"
T = TypeVar("T")

READERS = 3


def database_url(text: str) -> URL:
    """With the asynchronous driver that goes with the database, whatever the short form says."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreError(f"{text!r} is not a database address; write for example sqlite:///data/duologue.db") from None
    drivers = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    backend = url.get_backend_name()
    if backend not in drivers:
        raise StoreError(f"Duologue keeps its memory in SQLite or PostgreSQL, not in {backend!r}.")
    return url.set(drivername=drivers[backend])


def file_of(url: URL) -> Path | None:
    """The SQLite file; None for a database in memory and for a server."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


class Database:
    """One writer and a few readers on SQLite, one pool elsewhere.

    Work that has begun is finished even when whoever asked for it is cancelled: a stopped answer must not cost the
    connection, nor leave half a thought behind.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.file = file_of(url)
        self._name = str(self.file or url.render_as_string(hide_password=True))
        self._working: set[asyncio.Future[Any]] = set()  # Any: each piece of work has its own result

    def open(self) -> None:
        self._writer, self._reader = _doors(self.url, self.file)

    async def close(self) -> None:
        if self._working:
            await asyncio.wait(tuple(self._working))
        await self._reader.close()
        if self._reader is not self._writer:
            await self._writer.close()

    async def write(self, work: Work[T]) -> T:
        """One transaction; it is rolled back if the work raises."""
        return await self._finish(self._writer.run(work))

    async def write_alone(self, work: Work[T]) -> T:
        """For work that is a single statement: SQLite needs no BEGIN and no COMMIT around it."""
        return await self._finish(self._writer.run(work, alone=True))

    async def read(self, work: Work[T]) -> T:
        """One consistent view of the database that waits for no writer."""
        return await self._finish(self._reader.run(work))

    async def _finish(self, work: asyncio.Future[T]) -> T:
        self._working.add(work)
        work.add_done_callback(self._worked)
        try:
            return await asyncio.shield(work)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise translated(error, self._name) from error

    def _worked(self, work: asyncio.Future[Any]) -> None:
        self._working.discard(work)
        if not work.cancelled():
            work.exception()  # has been seen, also when nobody waits for it any more


def _doors(url: URL, file: Path | None) -> tuple[Door, Door]:
    if url.get_backend_name() != "sqlite":
        server = Server(url)
        return server, server
    writer = Rooms(url, connections=1, begin="BEGIN IMMEDIATE", pragmas=("secure_delete = ON",))
    if file is None:
        return writer, writer
    return writer, Rooms(url, connections=READERS, begin="BEGIN", pragmas=("query_only = ON",))


def insert_into(dialect: str, table: Table) -> Upsert:
    """An INSERT that knows ON CONFLICT, which SQLAlchemy has per database."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # costs time that only its users should pay

        return postgresql.insert(table)
    return sqlite.insert(table)


def translated(error: Exception, name: str) -> StoreError:
    """What a driver says, as one of our errors with a sentence that helps; the only place that knows their texts."""
    said = str(getattr(error, "orig", None) or error)
    low = said.lower()
    if isinstance(error, StoreError):
        return error
    if "malformed" in low or "not a database" in low:
        return StoreCorrupt(
            f"The database {name} is damaged ({said}). Nothing was overwritten: stop the bot, keep a copy of the file, "
            "and put a backup in its place or recover it with `sqlite3 FILE .recover`."
        )
    for signs, sentence in _UNAVAILABLE:
        if any(sign in low for sign in signs):
            return StoreUnavailable(f"{sentence.format(name=name)} ({said})")
    if isinstance(error, (PoolTimeout, OSError)) or getattr(error, "connection_invalidated", False):
        return StoreUnavailable(f"The database {name} does not answer. Check that it runs and can be reached. ({said})")
    return StoreError(f"The database {name} refused a statement: {said}")


_UNAVAILABLE = (
    (
        ("is full", "no space left", "disk i/o error", "file too large"),
        "The disk that holds the database {name} is full or fails. Free some space; nothing that was kept is lost.",
    ),
    (
        ("readonly", "read-only", "permission denied"),
        "The database {name} cannot be written. Give the bot's user write permission to the file and its folder.",
    ),
    (
        ("database is locked", "table is locked", "database is busy"),
        "The database {name} is locked by another program for too long. Close whatever else has it open.",
    ),
    (
        ("unable to open database file", "no such file"),
        "The database {name} cannot be opened. Check that its folder exists and that the bot's user may write there.",
    ),
    (
        ("connection refused", "connection was closed", "too many clients", "cannot connect", "shutting down"),
        "The database {name} does not answer. Check that it runs and can be reached.",
    ),
)
