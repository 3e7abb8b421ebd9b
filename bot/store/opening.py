"""What happens before the first statement: the file is looked at, kept safe, and brought up to date."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from sqlalchemy import NullPool, create_engine, inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from bot.store.database import Database, database_url, translated
from bot.store.doors import BUSY_MS
from bot.store.tables import HEAD, metadata

MAGIC = b"SQLite format 3\0"
CHECKED_BYTES = 16_000_000
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Steps:
    """A folder of migrations and the newest of them."""

    head: str = HEAD
    folder: Path = Path(__file__).parent / "migrations"


async def bring_up_to_date(database: Database, steps: Steps = Steps()) -> None:
    """SQLite is made or migrated here; a server's schema is only looked at, since others may be using it."""
    if database.url.get_backend_name() != "sqlite":
        await _check_server(database, steps)
    elif database.file is None:
        await database.write(metadata.create_all)
    else:
        await _prepare_file(database, database.file, steps)


async def _prepare_file(database: Database, file: Path, steps: Steps) -> None:
    if await asyncio.to_thread(revision_of, file, steps) == steps.head:
        return
    await asyncio.to_thread(_check_folder, file)
    lock = FileLock(file.with_name(f"{file.name}.migrating"), thread_local=False, mode=0o600)
    try:
        await asyncio.to_thread(lock.acquire, timeout=PATIENCE)
    except Timeout:
        raise StoreUnavailable(f"Another process has been migrating {file} for a minute. Try again later.") from None
    except OSError as error:
        raise _unwritable(file, error) from error
    try:
        revision = await asyncio.to_thread(revision_of, file, steps)  # another process may have been faster
        if revision is None:
            await asyncio.to_thread(_create_private, file)
        elif revision != steps.head:
            await asyncio.to_thread(back_up, file, file.with_name(f"{file.name}.before-{steps.head}"))
        if revision != steps.head:
            await asyncio.to_thread(_upgrade_file, file, steps)
    finally:
        await asyncio.to_thread(_let_go, lock)


def _check_folder(file: Path) -> None:
    """A lock is waited for also where no file can be made, so that is tried first."""
    probe = file.with_name(f"{file.name}.{uuid4().hex}.probe")
    try:
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"The folder of the database {file} cannot be written. Give the bot's user write permission to it, "
        f"or set another path for the database. ({error.strerror or error})"
    )


def _let_go(lock: FileLock) -> None:
    """Removed while it is held: whoever waits for it notices and makes a new one."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def revision_of(file: Path, steps: Steps = Steps()) -> str | None:
    """The version of a database file, None if there is nothing in it yet. Reads only, writes nothing."""
    try:
        if file.is_dir():
            raise StoreUnavailable(f"{file} is a folder. Set the path of a file in it for the database.")
        if not file.exists():
            _make_folder(file)
            return None
        if file.stat().st_size == 0:
            return None
        _check_whole(file)
        if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
            raise StoreUnavailable(
                f"The database {file} cannot be written. "
                "Give the bot's user write permission to the file and its folder."
            )
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return _read_revision(connection, file, steps)
    except (sqlite3.Error, OSError) as error:
        raise translated(error, str(file)) from error


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"The folder of the database {file} cannot be made. Make it yourself and give the bot's user "
            f"write permission to it, or set another path for the database. ({error.strerror or error})"
        ) from error


def _check_whole(file: Path) -> None:
    """Cheap signs of damage: the first bytes, and a length that contradicts them."""
    with file.open("rb") as stream:
        head = stream.read(100)
    if not head.startswith(MAGIC[: len(head)]) or len(head) < 100:
        raise StoreCorrupt(
            f"The file {file} is not a database. It was left as it is: "
            "move it away, or set another path for the database."
        )
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    log = file.with_name(f"{file.name}-wal")
    in_use = log.exists() and log.stat().st_size > 0
    if not in_use and file.stat().st_size < pages * (65536 if page == 1 else page):
        raise StoreCorrupt(
            f"The database {file} is cut off in the middle. It was left as it is: put a backup in its place, "
            "or recover it with `sqlite3 FILE .recover`."
        )


def _read_revision(connection: sqlite3.Connection, file: Path, steps: Steps) -> str | None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    if file.stat().st_size <= CHECKED_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StoreCorrupt(
                f"The database {file} is damaged ({verdict}). It was left as it is: put a backup in its place, "
                "or recover it with `sqlite3 FILE .recover`."
            )
    row = None
    if "alembic_version" in tables:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return _known(None if row is None else str(row[0]), str(file), steps)


def _known(revision: str | None, name: str, steps: Steps) -> str:
    if revision is None:
        raise StoreCorrupt(
            f"The database {name} belongs to another program. It was left as it is: set another path for Duologue's."
        )
    if not revision.isdecimal() or int(revision) > int(steps.head):
        raise StoreTooNew(
            f"The database {name} was written by a newer version of Duologue (schema {revision}, this one knows "
            f"{steps.head}). It was left as it is: update Duologue, or set another path for the database."
        )
    return revision


def _create_private(file: Path) -> None:
    """What people say is nobody else's business: only the bot's own user may read it."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise translated(error, str(file)) from error


def back_up(file: Path, to: Path) -> None:
    """A complete copy, also of what is not yet in the main file; it appears under its name only when it is whole."""
    part = to.with_name(f"{to.name}.part")
    try:
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
        part.chmod(0o600)
        part.replace(to)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise translated(error, str(to)) from error


async def check_ready(database: Database, steps: Steps = Steps()) -> None:
    """Whether another process may use it as it is; nothing is made or migrated. Raises StoreError."""
    file = database.file
    if database.url.get_backend_name() != "sqlite":
        await _check_server(database, steps)
        return
    if file is None or not file.exists():
        raise StoreUnavailable(
            f"There is no database {file or ':memory:'} yet. `duologue migrate` makes one, as does the first start."
        )
    if await asyncio.to_thread(revision_of, file, steps) != steps.head:
        raise StoreError(f"The database {file} is older than this version of Duologue. Run `duologue migrate` once.")


async def _check_server(database: Database, steps: Steps) -> None:
    name = database.url.render_as_string(hide_password=True)
    revision = await database.read(_server_revision)
    if revision is None or _known(revision, name, steps) != steps.head:
        raise StoreError(f"The schema of the database {name} is not up to date. Run `duologue migrate` once.")


def _server_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


async def migrate(url: str) -> str:
    """Bring a database up to date, whatever kind it is (`duologue migrate`); says what was done."""
    database = Database(database_url(url))
    name = str(database.file or database.url.render_as_string(hide_password=True))
    database.open()
    try:
        if database.url.get_backend_name() == "sqlite":
            before = None if database.file is None else await asyncio.to_thread(revision_of, database.file)
            await bring_up_to_date(database)
        else:
            before = await database.read(_server_revision)
            if before is None or _known(before, name, Steps()) != HEAD:
                await database.write(lambda c: _upgrade(c, Steps()))
    finally:
        await database.close()
    if before == HEAD:
        return f"{name} is up to date (schema {HEAD})."
    return f"{name} was {'made with' if before is None else f'brought from schema {before} to'} schema {HEAD}."


_one_at_a_time = threading.Lock()  # Alembic keeps what it is doing in variables of its modules


def _upgrade_file(file: Path, steps: Steps) -> None:
    """All steps in one transaction. Foreign keys stay off in it: a step may copy a table and drop the old one."""
    engine = create_engine("sqlite://", creator=lambda: _connect(file), poolclass=NullPool)
    try:
        with _one_at_a_time, engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _upgrade(connection, steps)
            connection.commit()
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise translated(error, str(file)) from error


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, timeout=BUSY_MS / 1000)


def _upgrade(connection: Connection, steps: Steps) -> None:
    # Imported only when there is something to do: it takes a tenth of a second.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(steps.folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, steps.head)
