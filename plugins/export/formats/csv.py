"""A table for spreadsheets, as RFC 4180 has it: everything quoted, and no cell that could be taken for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from bot.api import phrase
from plugins.export.formats.parts import files
from plugins.export.transcript import Entry, Format, Header, Speaker

COLUMNS = (
    "id",
    "parent",
    "time",
    "speaker",
    "kind",
    "speaker_id",
    "role",
    "text",
    "files",
    "status",
    "variant",
    "variants",
    "variant_of",
    "scene",
    "model",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "seconds",
    "scene_title",
)
# What spreadsheets begin a formula with, also as it is written in East Asia.
FORMULA = frozenset("=+-@\t\r\n＝＋－＠|%")
# The same behind what nobody sees: blanks, marks of direction and of order, signs that control.
_UNSEEN = re.compile(
    r"[\s\x00-\x20\x7f-\xa0\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufeff\uffa0]+"
    r"[=+\-@＝＋－＠|%]"
)
ROWS_AT_ONCE = 500


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    speakers = {one.key: one for one in header.speakers}
    rows = io.StringIO(newline="")
    # Spreadsheets take the first bytes for the sign that this is UTF-8.
    rows.write("\ufeff")
    to = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    to.writerow(COLUMNS)
    titles = {one.id: one.title for one in header.scenes}
    for count, entry in enumerate(entries, 1):
        speaker = speakers.get(entry.speaker) or Speaker(entry.speaker, entry.speaker, "person")
        title = titles.get(entry.scene, "") if entry.scene is not None else ""
        to.writerow([cell(each) for each in (*_row(entry, speaker), title)])
        if count % ROWS_AT_ONCE == 0:
            _move(rows, out)
    _move(rows, out)


CSV = Format("csv", ".csv", "text/csv", phrase("A table for spreadsheets"), write)


def cell(text: str) -> str:
    """An apostrophe before what would be a formula: spreadsheets show the rest as text."""
    if not text:
        return text
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return f"'{text}" if text[0] in FORMULA or _UNSEEN.match(text) else text


def _row(entry: Entry, speaker: Speaker) -> Iterator[str]:
    yield str(entry.id)
    yield _known(entry.parent)
    yield entry.at.isoformat(timespec="seconds")
    yield speaker.name
    yield speaker.kind
    yield speaker.id
    yield entry.role
    yield entry.text
    yield ", ".join(files(entry)) if entry.parts else ""
    yield entry.status
    yield str(entry.variant)
    yield str(entry.variants)
    yield _known(entry.variant_of)
    yield _known(entry.scene)
    yield entry.model
    used = entry.used
    if used is None:
        yield from ("", "", "", "", "")
    else:
        yield str(used.input)
        yield str(used.output)
        yield str(used.cached)
        yield "" if used.cost is None else f"{used.cost:f}"
        yield f"{used.seconds:g}"


def _known(id: int | None) -> str:
    return "" if id is None else str(id)


def _move(rows: io.StringIO, out: BinaryIO) -> None:
    out.write(rows.getvalue().encode(errors="replace"))
    rows.seek(0)
    rows.truncate()
