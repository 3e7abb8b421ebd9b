"""What was deleted leaves the disk: it is overwritten, the log beside the file is emptied, old copies go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Connection

from bot.store import shelf
from bot.store.database import Database

log = logging.getLogger(__name__)

CORE, DISK, REWRITTEN = "core", "disk", "written anew"
# A larger file would keep others from writing for too long: there, deleted content is only overwritten.
MOST_BYTES = 512_000_000
# Readers may hold the log for a moment.
TRIES, WAIT = 50, 0.2


async def compact(database: Database, now: datetime) -> None:
    """On SQLite: what is deleted is overwritten at once (`secure_delete`); a file from before that was so is written
    anew, once. A server does this by itself in its own time."""
    if database.file is None:
        return
    await asyncio.to_thread(drop_copies, database.file)
    known = await database.read(lambda c: shelf.load_state(c, CORE, DISK, REWRITTEN))
    if known is None and await asyncio.to_thread(_bytes, database.file) <= MOST_BYTES:
        await database.write_alone(_vacuum)
        await database.write(lambda c: shelf.save_state(c, CORE, DISK, REWRITTEN, True, version=None, now=now))
    elif known is None:
        log.warning("The database is too large to be written anew while the bot runs: stop it, and run VACUUM once.")
    await empty_log(database)


async def look(database: Database, now: datetime) -> None:
    """A file that never held a message holds nothing that was deleted before that was overwritten."""
    if database.file is not None and await database.read(_is_unused):
        await database.write(lambda c: shelf.save_state(c, CORE, DISK, REWRITTEN, True, version=None, now=now))


async def empty_log(database: Database) -> None:
    """Nothing of what was deleted stays in the log beside the file."""
    if database.file is None:
        return
    for _ in range(TRIES):
        if await database.write_alone(_checkpoint):
            return
        await asyncio.sleep(WAIT)
    log.warning("The log of the database could not be emptied, for somebody reads it all the time.")


def copies(file: Path) -> Sequence[Path]:
    """Those that were made before the database was brought up to date, and what an interrupted one left."""
    return sorted(file.parent.glob(f"{file.name}.before-*"))


def drop_copies(file: Path, older_than: datetime | None = None) -> int:
    """Says how many it was."""
    dropped = 0
    for copy in copies(file):
        try:
            if older_than is None or copy.stat().st_mtime < older_than.timestamp():
                copy.unlink()
                dropped += 1
        except OSError as error:
            log.warning("An old copy of the database could not be deleted: %s", error)
    return dropped


def _is_unused(connection: Connection) -> bool:
    """Whether no message ever had a number, and this was not put down yet."""
    if shelf.load_state(connection, CORE, DISK, REWRITTEN) is not None:
        return False
    return connection.exec_driver_sql("SELECT 1 FROM sqlite_sequence WHERE name = 'message'").first() is None


def _bytes(file: Path) -> int:
    return file.stat().st_size


def _vacuum(connection: Connection) -> None:
    connection.exec_driver_sql("VACUUM")


def _checkpoint(connection: Connection) -> bool:
    """Whether the log is empty now."""
    busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    return not busy
