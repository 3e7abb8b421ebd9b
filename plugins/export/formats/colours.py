"""A colour for each speaker: the same in each export, far from the others', and easy to read on light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from plugins.export.transcript import Speaker

# For light pages and for dark ones: equally light and strong, and neighbours in this list are far apart.
COLOURS = (
    ("#225b9f", "#8cbefd"),
    ("#943835", "#f7a098"),
    ("#0b6d32", "#88ce97"),
    ("#6b4592", "#caa9f1"),
    ("#7e4f02", "#e6af6d"),
    ("#0c686c", "#5acfd5"),
    ("#89396b", "#eb9fca"),
    ("#596103", "#b8c372"),
    ("#4f509f", "#adb3fd"),
    ("#913e10", "#f3a582"),
    ("#0d6a58", "#68d1b7"),
    ("#7d3e81", "#dda3e0"),
)
MOST_FACE, MOST_PICTURE = 1_400_000, 6_000_000
"""Characters of an address."""
_SHOWN = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")
_WORD = re.compile(r"\w")


def shares(speakers: Iterable[Speaker]) -> Iterator[tuple[str, int]]:
    """Who has which colour. It hangs on who somebody is, and gives way only to those who were there before."""
    taken: set[int] = set()
    for one in speakers:
        wanted = blake2b(f"{one.kind}\n{one.id or one.name}".encode(errors="replace"), digest_size=4).digest()
        at = int.from_bytes(wanted) % len(COLOURS)
        if len(taken) == len(COLOURS):
            taken.clear()
        while at in taken:
            at = (at + 1) % len(COLOURS)
        taken.add(at)
        yield one.key, at


def face(speaker: Speaker) -> str:
    """The address of a speaker's picture, if it is one that may stand in a page."""
    return picture(speaker.face, MOST_FACE)


def picture(address: str, most: int = MOST_PICTURE) -> str:
    """The address, if it is itself a picture of a kind that may stand in a page."""
    return address if len(address) <= most and _SHOWN.fullmatch(address) else ""


def initials(name: str) -> str:
    """Two letters at most; a name without letters gives its first sign."""
    words = [found[0] for word in name.split() if (found := _WORD.search(word))]
    return "".join(words[:1] + words[-1:] if len(words) > 1 else words).upper() or name.strip()[:1] or "?"
