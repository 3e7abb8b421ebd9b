"""The store's contract on a SQLite file, and on PostgreSQL where one is at hand.

`DUOLOGUE_TEST_POSTGRES` names a server database that may be used and emptied: `postgresql://user@host/name`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import ClauseElement, Connection, Engine, Executable, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store import Store, migrate
from bot.store.database import database_url
from bot.testing.store_contract import MakeStore, StoreContract

POSTGRES = os.environ.get("DUOLOGUE_TEST_POSTGRES")  # read before the tests' environment is cleaned


class TestSQLite(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Iterator[MakeStore]:
        """Whatever runs here must also be a sentence in PostgreSQL's language."""
        spoken = create_async_engine("postgresql+asyncpg://").dialect

        def compiles(_: Connection, statement: Executable, *rest: object) -> None:
            # ON CONFLICT comes from the dialect's own module, so its other half only runs on the real one.
            if not isinstance(statement, sqlite.Insert):
                assert isinstance(statement, ClauseElement)
                statement.compile(dialect=spoken)

        event.listen(Engine, "before_execute", compiles)
        yield lambda: Store(f"sqlite:///{tmp_path / 'memory.db'}")
        event.remove(Engine, "before_execute", compiles)


@pytest.mark.skipif(POSTGRES is None, reason="DUOLOGUE_TEST_POSTGRES is not set")
class TestPostgres(StoreContract):
    @pytest.fixture
    async def make_store(self) -> MakeStore:
        url = POSTGRES or ""
        engine = create_async_engine(database_url(url))
        async with engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
        await engine.dispose()
        await migrate(url)
        return lambda: Store(url)
