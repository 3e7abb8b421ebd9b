"""What was deleted leaves the disk: the file is written anew, the log beside it is emptied, old copies go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Connection

from bot.store.database import Database

log = logging.getLogger(__name__)

# A larger file would keep others from writing for too long: there, deleted content is only overwritten.
MOST_BYTES = 512_000_000
# Readers may hold the log for a moment.
TRIES, WAIT = 50, 0.2


async def compact(database: Database) -> None:
    """On SQLite: VACUUM, then a checkpoint that empties the log. A server does this by itself in its own time."""
    if database.file is None:
        return
    await asyncio.to_thread(drop_copies, database.file)
    if await asyncio.to_thread(_bytes, database.file) <= MOST_BYTES:
        await database.write_alone(_vacuum)
    else:
        log.warning("The database is too large to be written anew while the bot runs; deleted content is overwritten.")
    await empty_log(database)


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


def _bytes(file: Path) -> int:
    return file.stat().st_size


def _vacuum(connection: Connection) -> None:
    connection.exec_driver_sql("VACUUM")


def _checkpoint(connection: Connection) -> bool:
    """Whether the log is empty now."""
    busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    return not busy
