"""What a message bears besides its text: the files that came with it, and the tools that were called."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from plugins.export.transcript import Entry

UNITS = ("B", "kB", "MB", "GB")
MOST_CALLS = 64
# Of a side of a picture.
MOST_PIXELS = 100_000


@dataclass(frozen=True, slots=True)
class Called:
    """`arguments` as readable as they can be made."""

    id: str
    name: str
    arguments: str


def said_and_files(entry: Entry) -> tuple[str, str]:
    """What somebody wrote, and what followed of the files that came with it."""
    said = entry.parts.get("said")
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said < len(entry.text):
        return entry.text, ""
    return entry.text[:said], entry.text[said:].strip("\n")


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture; 0 is unknown."""

    name: str
    address: str
    width: int
    height: int


def pictures(entry: Entry) -> Iterator[Shown]:
    """Those of its pictures that are there to be shown."""
    for each, address in zip(_listed(entry.parts.get("images")), entry.pictures, strict=False):
        if address:
            yield Shown(str(each.get("name", "")), address, _size(each.get("width")), _size(each.get("height")))


def files(entry: Entry) -> Iterator[str]:
    """Names, with sizes where they are known, of those that are not shown."""
    for kind in ("images", "unread"):
        for at, each in enumerate(_listed(entry.parts.get(kind))):
            if kind == "images" and at < len(entry.pictures) and entry.pictures[at]:
                continue
            name, size = each.get("name"), each.get("size")
            if isinstance(name, str) and name:
                known = isinstance(size, int) and size > 0
                yield f"{name} ({sized(size)})" if known and isinstance(size, int) else name


def calls(entry: Entry) -> Iterator[Called]:
    for each in _listed(entry.parts.get("tool_calls")):
        yield Called(str(each.get("id", "")), str(each.get("name", "?")), readable(each.get("arguments", "")))


class Calling:
    """Which tools were called, so that results can be told by their names; only the newest calls are known."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def calls(self, entry: Entry) -> Iterator[Called]:
        for call in calls(entry):
            if len(self._names) >= MOST_CALLS:
                self._names.pop(next(iter(self._names)))
            self._names[call.id] = call.name
            yield call

    def answered(self, entry: Entry) -> str:
        return self._names.get(str(entry.parts.get("tool_call_id") or ""), "")


def readable(value: JsonValue) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    return json.dumps(value, ensure_ascii=False, indent=2)


def sized(size: int) -> str:
    amount, unit = float(size), 0
    while amount >= 1000 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {UNITS[unit]}" if unit == 0 or amount >= 10 else f"{amount:.1f} {UNITS[unit]}"


def _size(value: JsonValue) -> int:
    return value if isinstance(value, int) and 0 < value <= MOST_PIXELS else 0


def _listed(value: JsonValue | None) -> Iterator[Mapping[str, JsonValue]]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, Mapping))
