"""Pictures for models: what the first bytes of a file tell about it, and how many tokens it will cost."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import ceil
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]

# How OpenAI counts: fit into a square of LONGEST, shrink the short side to SHORTEST, then count tiles.
LONGEST, SHORTEST, TILE = 2048, 768, 512
PER_PICTURE, PER_TILE = 85, 170
MOST_TILES = 8
# No provider reads more pixels than this, and what decodes them should not have to try.
MOST_PIXELS = 100_000_000
# A JPEG that has not told its size after so many segments was made to keep somebody busy.
MOST_SEGMENTS = 2_000

_PLAIN = re.compile(r"[^\W_](?:[^\W_]|[ .()-])*", re.ASCII)
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# The markers of JPEG that carry the size of the picture; those between that do not are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Look:
    """What a file's own bytes say it is; a width of 0 is unknown. `whole` is False when its end is missing."""

    media_type: Kind
    width: int
    height: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a prompt: a stored `blob`, or its `content`. A width of 0 is unknown."""

    name: str
    media_type: str
    size: int = 0
    blob: str = ""
    width: int = 0
    height: int = 0
    content: bytes | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """What stands for it in the text of its message."""
        return f"(picture: {self.name})"

    @property
    def tokens(self) -> int:
        """By OpenAI's rule of tiles, also for other providers; the most there can be where the size is unknown."""
        if self.width <= 0 or self.height <= 0:
            return PER_PICTURE + MOST_TILES * PER_TILE
        scale = min(1.0, LONGEST / max(self.width, self.height))
        scale = min(scale, SHORTEST / min(self.width, self.height))
        tiles = ceil(self.width * scale / TILE) * ceil(self.height * scale / TILE)
        return PER_PICTURE + min(tiles, MOST_TILES) * PER_TILE


def shown_name(name: str) -> str:
    """A file's name in a sentence for people: as code where it could be taken for markup."""
    return name if _PLAIN.fullmatch(name) else f"`{name.replace('`', 'ʼ')}`"


def look(content: bytes) -> Look | None:
    """None for what is no PNG, JPEG, GIF or WebP. Reads the header alone."""
    if content.startswith(_PNG):
        return _png(content)
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith((b"GIF87a", b"GIF89a")) and len(content) >= 10:
        return Look("image/gif", _little(content, 6, 2), _little(content, 8, 2), b"\x3b" in content[-64:])
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp(content)
    return None


def _png(content: bytes) -> Look | None:
    if content[12:16] != b"IHDR" or len(content) < 24:
        return None
    width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    return Look("image/png", width, height, content.rfind(_PNG_END) > 0)


def _jpeg(content: bytes) -> Look:
    whole = content.rfind(b"\xff\xd9") > 0
    at = 2
    for _ in range(MOST_SEGMENTS):
        if at + 9 > len(content) or content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
        elif marker in _FRAMES:
            height, width = (
                int.from_bytes(content[at + 5 : at + 7], "big"),
                int.from_bytes(content[at + 7 : at + 9], "big"),
            )
            return Look("image/jpeg", width, height, whole)
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return Look("image/jpeg", 0, 0, False)


def _webp(content: bytes) -> Look | None:
    whole = len(content) >= 8 + _little(content, 4, 4)
    match content[12:16]:
        case b"VP8X" if len(content) >= 30:
            return Look("image/webp", _little(content, 24, 3) + 1, _little(content, 27, 3) + 1, whole)
        case b"VP8L" if len(content) >= 25:
            bits = _little(content, 21, 4)
            return Look("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, whole)
        case b"VP8 " if len(content) >= 30:
            return Look("image/webp", _little(content, 26, 2) & 0x3FFF, _little(content, 28, 2) & 0x3FFF, whole)
        case _:
            return None


def _little(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size], "little")
