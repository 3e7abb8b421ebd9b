"""SQLite's driver with one walk to the connection's thread for each statement, where it would take four."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite


class Cursor:
    """What SQLAlchemy asks of a cursor. All rows are read at once, as SQLAlchemy does anyway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []  # Any: what a row holds is known to SQLAlchemy
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Cursor:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        await self._connection.in_thread(lambda cursor: cursor.execute(sql, parameters), self)
        return self

    async def executemany(self, sql: str, parameters: Any) -> Cursor:
        await self._connection.in_thread(lambda cursor: cursor.executemany(sql, parameters), self)
        return self

    async def fetchall(self) -> Sequence[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None: ...

    def take(self, cursor: sqlite3.Cursor) -> None:
        self._rows = cursor.fetchall() if cursor.description else []
        self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid


class Connection(aiosqlite.Connection):
    def cursor(self) -> Cursor:  # type: ignore[override]  # only SQLAlchemy calls it, which is content with these
        return Cursor(self)

    async def in_thread(self, work: Any, into: Cursor) -> None:
        def run() -> None:
            cursor = self._conn.cursor()
            try:
                work(cursor)
                into.take(cursor)
            finally:
                cursor.close()

        await self._execute(run)  # type: ignore[no-untyped-call]  # aiosqlite has no types there

    async def commit(self) -> None:
        if self.in_transaction:  # else there is nothing to walk to the thread for
            await super().commit()


def connect(database: str | Path, **options: Any) -> Connection:
    connection = Connection(lambda: sqlite3.connect(database, **options), 64)
    # As SQLAlchemy sets it where it connects itself: a process must not wait for a thread that waits for it.
    connection._thread.daemon = True
    return connection
