"""Our own JSON: all branches with nothing lost, one message a line, so that it can be imported again and compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from bot.api import phrase
from plugins.export.transcript import VERSION, Entry, Format, Header

NAME = "duologue"
"""What the file says it is, under `format`."""

HEADER, ENTRY = TypeAdapter(Header), TypeAdapter(Entry)
_T = TypeVar("_T", Header, Entry)


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    """What has its usual value is left out."""
    out.write(b'{\n"format": "%s",\n"version": %d,\n"header": ' % (NAME.encode(), VERSION))
    out.write(_dumped(HEADER, header))
    out.write(b',\n"messages": [')
    between = b"\n"
    for entry in entries:
        out.write(between + _dumped(ENTRY, entry))
        between = b",\n"
    out.write(b"\n]\n}\n")


JSON = Format(
    "json",
    ".json",
    "application/json",
    phrase("Everything, with all branches, to be imported again"),
    write,
    tree=True,
    faces=True,
)


def _dumped(kind: TypeAdapter[_T], value: _T) -> bytes:
    try:
        return kind.dump_json(value, exclude_defaults=True)
    except (PydanticSerializationError, UnicodeEncodeError):
        return kind.dump_json(kind.validate_python(_clean(kind.dump_python(value))), exclude_defaults=True)


def _clean(value: object) -> object:
    """Without halves of signs, which no file can hold."""
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {_clean(key): _clean(each) for key, each in value.items()}
        case list() | tuple():
            return [_clean(each) for each in value]
        case _:
            return value
