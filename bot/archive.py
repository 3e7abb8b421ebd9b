"""The memory as other processes read it: for command lines that work while the bot runs, and while it does not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bot.clock import SystemClock
from bot.errors import StoreError
from bot.store.archives import Archive, Archives, Excerpt, Kept, PlaceKept, SceneSpan, Voice
from bot.store.database import Database, database_url
from bot.store.opening import check_ready
from bot.store.restoring import NewEntry, NewScene, NewWay, Restored, Restoring

__all__ = [
    "Archive",
    "Archives",
    "Excerpt",
    "Kept",
    "NewEntry",
    "NewScene",
    "NewWay",
    "PlaceKept",
    "Restored",
    "Restoring",
    "SceneSpan",
    "Voice",
    "archive_environment",
    "open_archive",
]

# Names the database to a process that the bot starts: other processes can read its environment no more than the bot's.
ADDRESS = "DUOLOGUE_ARCHIVE"
# What any program needs: where programs, temporary files and the system's own are, language and zone; and how another
# database than a file is reached. Everything else, keys above all, stays with the bot.
NEEDED = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH")
LOCALE, POSTGRESQL = "LC_", "PG"


def archive_environment(archive: Archive) -> Mapping[str, str]:
    """The whole environment of a process that is to `open_archive()`: that and what any program needs, and no key of
    the bot's. Raises StoreError where it could not."""
    if archive.address is None:
        raise StoreError("This database is in the memory of one process, so no other can read it.")
    begin = LOCALE if archive.address.startswith("sqlite") else (LOCALE, POSTGRESQL)
    needed = {name: value for name, value in os.environ.items() if name in NEEDED or name.startswith(begin)}
    return {**needed, ADDRESS: archive.address}


@asynccontextmanager
async def open_archive(url: str | None = None) -> AsyncIterator[Archives]:
    """Of a database that exists and is up to date; without an address, of the one that this process was started for.
    Raises StoreError with a sentence that says what to do."""
    url = url or os.environ.get(ADDRESS)
    if url is None:
        raise StoreError("It is not said which database is meant.")
    database = Database(database_url(url))
    database.open()
    try:
        await check_ready(database)
        yield Archives(database, SystemClock())
    finally:
        await asyncio.shield(database.close())
