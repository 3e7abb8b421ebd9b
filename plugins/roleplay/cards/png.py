"""PNG files as chunks: enough to find a text in one, put another in its place, and leave every pixel as it is."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.api import phrase

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 20_000
# Texts of one name that are unpacked until one can be read.
MOST_TRIED = 4
TEXTS = (b"tEXt", b"zTXt", b"iTXt")


class BadPng(ValueError):
    """Not a PNG file, or one that is cut off."""


@dataclass(frozen=True, slots=True)
class Chunk:
    kind: bytes
    data: bytes


def is_png(content: bytes) -> bool:
    return content.startswith(SIGNATURE)


def chunks_of(content: bytes) -> tuple[Chunk, ...]:
    """All until the end chunk; what stands behind it is no part of the picture. Sums that do not fit are borne with,
    since many tools write cards without counting again."""
    if not is_png(content):
        raise BadPng(phrase("it does not begin like a PNG file"))
    found: list[Chunk] = []
    at = len(SIGNATURE)
    while at < len(content):
        if len(found) == MAX_CHUNKS:
            raise BadPng(phrase("it has too many parts"))
        if at + 8 > len(content):
            raise BadPng(phrase("it ends in the middle of a part"))
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        if end > len(content):
            raise BadPng(phrase("it ends in the middle of a part"))
        found.append(Chunk(kind, content[at + 8 : end]))
        if kind == b"IEND":
            return tuple(found)
        at = end + 4
    raise BadPng(phrase("its end is missing"))


def written(chunks: Iterable[Chunk]) -> bytes:
    parts = [SIGNATURE]
    for chunk in chunks:
        total = zlib.crc32(chunk.data, zlib.crc32(chunk.kind))
        parts += [struct.pack(">I4s", len(chunk.data), chunk.kind), chunk.data, struct.pack(">I", total)]
    return b"".join(parts)


def text_in(chunks: Sequence[Chunk], name: str, max_bytes: int) -> bytes | None:
    """The first text of this name, in lower case, that can be read. No other is unpacked."""
    tried = 0
    for chunk in chunks:
        _, zero, rest = chunk.data.partition(b"\0")
        if chunk.kind not in TEXTS or not zero or tried == MOST_TRIED or _keyword(chunk) != name:
            continue
        tried += 1
        content = _content(chunk.kind, rest, max_bytes)
        if content is not None and len(content) <= max_bytes:
            return content
    return None


def with_texts(chunks: Sequence[Chunk], texts: Sequence[tuple[str, bytes]]) -> tuple[Chunk, ...]:
    """These texts in place of all others of their names, right before the end. An empty one is only taken away."""
    names = {name.lower() for name, _ in texts}
    kept = [chunk for chunk in chunks if chunk.kind not in TEXTS or _keyword(chunk) not in names]
    new = [Chunk(b"tEXt", name.encode("latin-1") + b"\0" + content) for name, content in texts if content]
    return (*kept[:-1], *new, kept[-1])


def plain(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A picture of one colour."""
    row = b"\0" + bytes(colour) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return written([Chunk(b"IHDR", header), Chunk(b"IDAT", zlib.compress(row * height, 9)), Chunk(b"IEND", b"")])


def _keyword(chunk: Chunk) -> str:
    return chunk.data.partition(b"\0")[0].decode("latin-1").strip().lower()


def _content(kind: bytes, rest: bytes, max_bytes: int) -> bytes | None:
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:], max_bytes) if rest[:1] == b"\0" else None
    # Compressed or not, how, the language, the keyword in that language, and then the text.
    if len(rest) < 2:
        return None
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(text, max_bytes) if rest[0] == 1 else text


def _inflated(data: bytes, max_bytes: int) -> bytes | None:
    """Never more than one byte above the limit, however small it was made."""
    try:
        return zlib.decompressobj().decompress(data, max_bytes + 1)
    except zlib.error:
        return None
