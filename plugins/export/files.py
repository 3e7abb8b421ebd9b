"""A transcript as files: one that is small enough, else zipped, else several, each of which can be opened by itself."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.api import UsageError, say
from plugins.export.reading import Reading, Stretch
from plugins.export.transcript import Format

# Zipped files of one export; who wants more than that reads the database itself.
MOST_FILES = 20
# Some messages compress worse than others.
SLACK = 1.25
# Bytes: file systems take 255 for a name, with its date, part and suffix.
LONGEST_NAME = 180
UNSAFE = re.compile(r"[^\w.-]+")
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Made:
    """`entries` are the messages in it."""

    file: Path
    media_type: str
    entries: int


Advance = Callable[[int], None]
Write = Callable[[Reading, Format, Path, Advance], int]


def file_name(reading: Reading, format: Format, *, part: int = 0, parts: int = 0) -> str:
    """Of letters, digits and dashes, the same for the same transcript."""
    title = unicodedata.normalize("NFKC", reading.header.title)[:60]
    name = UNSAFE.sub("-", title).strip("-.").lower().encode()[:LONGEST_NAME].decode(errors="ignore") or "conversation"
    if reading.header.exported_at is not None:
        name += f"-{reading.header.exported_at:%Y-%m-%d}"
    return f"{name}-{part}-of-{parts}{format.suffix}" if parts else f"{name}{format.suffix}"


def make(reading: Reading, format: Format, folder: Path, most_bytes: int, write: Write, advance: Advance) -> list[Made]:
    """Blocks; `write` writes one file and says how many messages that were. Raises UsageError where even many files
    would be too large."""
    file = folder / file_name(reading, format)
    entries = write(reading, format, file, advance)
    if not file.stat().st_size:
        raise UsageError(
            say(
                "Nothing of it may stand in a file of this format. Training data holds only what personas said, and "
                "people who agreed with `/training yes`."
            )
        )
    if most_bytes <= 0 or file.stat().st_size <= most_bytes:
        return [Made(file, format.media_type, entries)]
    zipped = zip_up(file)
    size = zipped.stat().st_size
    if size <= most_bytes:
        return [Made(zipped, "application/zip", entries)]
    zipped.unlink()
    parts = int(size * SLACK / most_bytes) + 1
    while parts <= MOST_FILES:
        made = _parts(reading, format, folder, parts, write)
        if all(one.file.stat().st_size <= most_bytes for one in made):
            return made
        for one in made:
            one.file.unlink()
        parts *= 2
    raise UsageError(
        say("This would be more than {most} files here. Export less of it, with `since`.", most=MOST_FILES)
    )


def _parts(reading: Reading, format: Format, folder: Path, parts: int, write: Write) -> list[Made]:
    made = []
    for number, some in enumerate(split(reading, parts), 1):
        file = folder / file_name(reading, format, part=number, parts=parts)
        entries = write(some, format, file, lambda count: None)
        made.append(Made(zip_up(file), "application/zip", entries))
    return made


def split(reading: Reading, parts: int) -> Sequence[Reading]:
    """Each with its share of the messages."""
    share = max(1, -(-reading.total // parts))
    shares: list[list[Stretch]] = [[]]
    room = share
    for stretch in reading.stretches:
        first = 0
        while first < len(stretch.ids):
            if not room:
                shares.append([])
                room = share
            ids = stretch.ids[first : first + room]
            # What came before may stand in another file.
            known = first == 0 and any(_holds(one.ids, stretch.after) for one in shares[-1])
            after = stretch.after if known else None
            shares[-1].append(Stretch(ids, after))
            first, room = first + len(ids), room - len(ids)
    return [reading.only(some) for some in shares if some]


def _holds(ids: Sequence[int], id: int | None) -> bool:
    at = bisect_left(ids, id) if id is not None else len(ids)
    return at < len(ids) and ids[at] == id


def zip_up(file: Path) -> Path:
    """The same bytes for the same file; the file itself goes."""
    zipped = file.with_suffix(f"{file.suffix}.zip")
    entry = zipfile.ZipInfo(file.name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    entry.file_size = file.stat().st_size
    with zipfile.ZipFile(zipped, "w") as archive, file.open("rb") as source, archive.open(entry, "w") as target:
        while block := source.read(1 << 20):
            target.write(block)
    file.unlink()
    return zipped
