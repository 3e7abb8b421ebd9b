"""Opening a database: made, migrated, or refused and left as it was."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from bot.errors import StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from bot.events import Route
from bot.store import Store, migrate
from bot.store.database import Database, database_url
from bot.store.opening import Steps, bring_up_to_date, revision_of
from bot.store.tables import HEAD, metadata
from bot.testing.store_samples import PLACE, everything, said

NEXT = f"{int(HEAD) + 1:04}"
SECOND_STEP = f"""
from alembic import op
import sqlalchemy as sa
revision, down_revision = "{NEXT}", "{HEAD}"

def upgrade():
    with op.batch_alter_table("message") as table:
        table.add_column(sa.Column("mood", sa.Text(), nullable=False, server_default="calm"))
        table.alter_column("author", new_column_name="name")
"""


def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture(autouse=True)
def new_databases() -> None:
    """Here they are migrated."""


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A database with one message in it."""
    file = tmp_path / "memory.db"
    async with Store(url(file)) as store:
        await store.remember(PLACE, said("hello", "p1"))
    return file


def newer_steps(folder: Path, second: str) -> Steps:
    shutil.copytree(Steps().folder, folder)
    (folder / "versions" / f"{NEXT}_mood.py").write_text(second)
    return Steps(NEXT, folder)


async def opened_with(file: Path, steps: Steps) -> None:
    database = Database(database_url(url(file)))
    database.open()
    try:
        await bring_up_to_date(database, steps)
    finally:
        await database.close()


async def test_a_new_database_is_private_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there yet" / "memory 100%.db"
    async with Store(url(file)) as store:
        await store.remember(PLACE, said("hello"))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder here that no one can write")
async def test_a_folder_that_takes_no_files_is_told_at_once() -> None:
    with pytest.raises(StoreUnavailable, match=r"/proc/x\.db cannot be written.*or set another path") as failed:
        async with asyncio.timeout(20), Store(url(Path("/proc/x.db"))):
            pass
    assert "migrating" not in str(failed.value)


@pytest.mark.parametrize("path", ["a file/memory.db", "a file/deeper/memory.db"])
async def test_a_folder_that_cannot_be_made_is_told_at_once(tmp_path: Path, path: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StoreUnavailable, match=r"folder of the database .*memory\.db cannot be made.*another path"):
        async with asyncio.timeout(20), Store(url(tmp_path / path)):
            pass


async def test_a_folder_in_the_place_of_the_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is a folder"):
        async with Store(url(tmp_path)):
            pass


async def test_two_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    stores = [Store(url(file)) for _ in range(3)]
    await asyncio.gather(*(store.__aenter__() for store in stores))
    try:
        await asyncio.gather(*(store.remember(PLACE, said("hello")) for store in stores))
        assert await everything(stores[0]) == ["hello"] * 3
    finally:
        for store in stores:
            await store.__aexit__(None, None, None)


async def test_a_database_in_memory_works_too() -> None:
    for address in ("sqlite://", "sqlite+aiosqlite:///:memory:"):
        async with Store(address) as store:
            await asyncio.gather(*(store.remember(PLACE, said("hello")) for _ in range(20)))
            assert await everything(store) == ["hello"] * 20


async def test_migrations_make_exactly_the_tables(file: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = create_engine(url(file))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_newest_step_is_known_by_name() -> None:
    numbers = sorted(path.name[:4] for path in (Steps().folder / "versions").glob("0*.py"))
    assert numbers[-1] == HEAD


def test_opening_a_database_that_is_up_to_date_needs_neither_alembic_nor_the_mapper(file: Path) -> None:
    program = f"""
import asyncio, sys
from bot.store import Store
async def main():
    async with Store({url(file)!r}): pass
asyncio.run(main())
assert not {{"alembic", "sqlalchemy.orm"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_a_migration_keeps_everything_and_a_backup(file: Path, tmp_path: Path) -> None:
    before = dump(file)
    await opened_with(file, newer_steps(tmp_path / "steps", SECOND_STEP))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT text, name, mood FROM message").fetchall() == [("hello", "Ann", "calm")]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    backup = file.with_name(f"memory.db.before-{NEXT}")
    assert dump(backup) == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with pytest.raises(StoreTooNew):
        await Store(url(file)).__aenter__()


async def test_a_migration_that_fails_changes_nothing(file: Path, tmp_path: Path) -> None:
    before = dump(file)
    with pytest.raises(StoreError, match="nonsense"):
        await opened_with(file, newer_steps(tmp_path / "steps", SECOND_STEP + '    op.execute("SELECT nonsense")\n'))
    assert dump(file) == before
    async with Store(url(file)) as store:
        assert await everything(store) == ["hello"]


async def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    address = url(tmp_path / "memory.db")
    assert "made with schema" in await migrate(address)
    assert "up to date" in await migrate(address)


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


def no_database(file: Path) -> None:
    file.write_text("Dear diary,\n" * 100)


def short_text(file: Path) -> None:
    file.write_text("hi")


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def scratched(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 12] = b"\xff" * 4096 * 9
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (newer, StoreTooNew),
        (foreign, StoreCorrupt),
        (no_database, StoreCorrupt),
        (short_text, StoreCorrupt),
        (cut_off, StoreCorrupt),
        (scratched, StoreCorrupt),
    ],
)
def test_what_cannot_be_used_is_refused_and_left_alone(
    file: Path, harm: Callable[[Path], None], expected: type[StoreError]
) -> None:
    harm(file)
    before = file.read_bytes()
    for attempt in (Store(url(file)).__aenter__, partial(migrate, url(file))):
        with pytest.raises(expected, match=r"memory\.db") as caught:
            asyncio.run(awaited(attempt))
        assert type(caught.value) is expected
    assert file.read_bytes() == before
    left = {path.name for path in file.parent.iterdir()}
    assert left <= {"memory.db", "memory.db-shm", "memory.db-wal"}


async def awaited(attempt: Callable[[], Awaitable[object]]) -> None:
    await attempt()


READ_ONLY = """
import asyncio, os, sys
from bot.errors import StoreUnavailable
from bot.store import Store
async def main():
    await asyncio.to_thread(int)
    async with Store("sqlite://"): pass  # now all there is to import is imported
    if os.geteuid() == 0:
        os.setuid(65534)  # nobody: root may write everywhere
    for name in sys.argv[1:]:
        try:
            async with Store(f"sqlite:///{name}"): print("opened")
        except StoreUnavailable as error: print(error)
asyncio.run(main())
"""


def test_without_write_permission_a_sentence_says_what_to_do(file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    names = ["memory.db", "new.db", "new/new.db", "open/sealed.db", "open/fine.db"]
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        (folder / "open").mkdir()
        for copy, mode in (("memory.db", 0o644), ("open/sealed.db", 0o444), ("open/fine.db", 0o666)):
            shutil.copy(file, folder / copy)
            (folder / copy).chmod(mode)
        (folder / "open").chmod(0o777)
        folder.chmod(0o555)
        program = [sys.executable, "-c", READ_ONLY, *names]
        ran = subprocess.run(program, check=False, cwd=folder, env=environment, capture_output=True, text=True)
        folder.chmod(0o755)
        assert (folder / "memory.db").read_bytes() == (folder / "open/sealed.db").read_bytes() == file.read_bytes()
    assert not ran.stderr
    lines = ran.stdout.splitlines()
    for line, name in zip(lines[:4], names, strict=False):
        assert "write permission" in line
        assert name.split("/")[-1] in line
    assert lines[4:] == ["opened"]


@pytest.mark.parametrize("address", ["", "memory.db", "mysql://localhost/x", "nonsense://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(StoreError):
        Store(address)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1") as caught:
        await Store("postgresql://bot:hunter2@127.0.0.1:1/duologue").__aenter__()
    assert "hunter2" not in str(caught.value)


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


async def test_an_older_database_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    await opened_with(file, Steps("0001"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO blob VALUES ('b', 'text/plain', x'00', '2026-01-01 00:00:00')")
        connection.commit()
    async with Store(f"sqlite+aiosqlite:///{file}") as store:
        assert await store.get_blob("b") == (b"\0", "text/plain")
        conversation, asked = await store.remember(PLACE, said("hi"))
        await store.open_draft(conversation.id, Route(PLACE), "1", asked.id, epoch=0)
    assert revision_of(file) == HEAD
