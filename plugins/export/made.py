"""Making an export's files, in this process or in one of its own: the loop reads while a thread writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from bot.api import Archive, speaking_to
from plugins.export.files import Advance, Made, make
from plugins.export.pictures import rooms
from plugins.export.reading import Reading, pulled, read
from plugins.export.transcript import Entry, Format
from plugins.export.wanted import Wanted

__all__ = ["make_files", "write_one"]

# After so many messages others are told how far it is.
STEP = 500


async def make_files(
    archive: Archive,
    wanted: Wanted,
    format: Format,
    folder: Path,
    *,
    most_bytes: int = 0,
    now: datetime | None = None,
    started: Callable[[int], None] | None = None,
    advance: Advance | None = None,
) -> Sequence[Made]:
    """The folder must exist and be nobody else's. `most_bytes` 0 is no limit. `started` is told how many messages there
    are, `advance` how many were written."""
    face_bytes, picture_bytes = rooms(most_bytes)
    reading = await read(
        archive,
        wanted,
        tree=format.tree,
        now=now,
        face_bytes=face_bytes if format.faces else 0,
        picture_bytes=picture_bytes if format.pictures else 0,
    )
    if started is not None:
        started(reading.total)
    loop = asyncio.get_running_loop()

    def write(some: Reading, of: Format, file: Path, tell: Advance) -> int:
        return write_one(some, of, file, loop, tell)

    return await asyncio.to_thread(make, reading, format, folder, most_bytes, write, advance or (lambda count: None))


def write_one(reading: Reading, format: Format, file: Path, loop: asyncio.AbstractEventLoop, advance: Advance) -> int:
    """Blocks; how many messages were written."""
    count = 0

    def counting() -> Iterator[Entry]:
        nonlocal count
        for entry in pulled(reading.pages(), loop):
            yield entry
            if entry.variant_of is None:
                count += 1
                if count % STEP == 0:
                    advance(count)

    with speaking_to(reading.header.language), file.open("wb") as out:
        format.write(reading.header, counting(), out)
    return count
