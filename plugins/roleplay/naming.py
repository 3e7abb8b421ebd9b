"""Whose names stand in what somebody typed: `a pirate and a librarian`, or `"Salt and Pepper", Ada`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.api import phrase

# Within a word, as in an id, it is no word: `salt-and-pepper`.
_WORDS = re.compile(r"(?<![\w-])(?:vs\.?|versus|and|und|et|y)(?![\w-])", re.IGNORECASE)
_BETWEEN = re.compile(rf"\s*(?:[,&+]|{_WORDS.pattern})\s*", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]+)"|“([^“”]+)”|„([^„“”]+)[“”]|«([^«»]+)»')
# One letter that nobody types stands for each name that is kept together.
_FIRST, _MOST = 0xE000, 1_000
_HELD = re.compile(f"[{chr(_FIRST)}-{chr(_FIRST + _MOST)}]")

QUOTES = phrase("A name with “and” in it needs quotes: `/roleplay start {quoted} and Ada`.")
QUOTED = '"Salt and Pepper"'


def names_in(typed: str, known: Iterable[str] = ()) -> list[str]:
    """What stands between commas and `and`s. What is quoted is one name, and so is what is known; where that leaves
    nobody to play with, they are taken apart all the same."""
    names = _together(typed, known)
    return names if len(names) > 1 else _apart(unquoted(typed))


def unquoted(typed: str) -> str:
    return typed.strip().strip('"“”„«»').strip()


def may_be_one(typed: str) -> bool:
    """Whether some of the names may have been meant as one."""
    return len(_WORDS.findall(_QUOTED.sub("", typed))) > 1


def _together(typed: str, known: Iterable[str]) -> list[str]:
    held: list[tuple[str, str]] = []

    def hold(found: re.Match[str]) -> str:
        if len(held) >= _MOST:
            return found[0]
        inner = next((group for group in found.groups() if group), found[0])
        held.append((found[0], inner.strip()))
        return chr(_FIRST + len(held) - 1)

    text = _QUOTED.sub(hold, _HELD.sub("", typed))
    for name in sorted({each for each in known if _BETWEEN.search(each)}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", hold, text, flags=re.IGNORECASE)
    found = []
    for part in _apart(text):
        alone = "".join(part.split())
        if _HELD.sub("", alone):
            found.append(_HELD.sub(lambda each: held[ord(each[0]) - _FIRST][0], part))
        else:
            found += [held[ord(each) - _FIRST][1] for each in alone]
    return [name for name in found if name]


def _apart(text: str) -> list[str]:
    return [name.strip() for name in _BETWEEN.split(text) if name.strip()]
