"""Whose names stand in what somebody typed: `a pirate and a librarian`, or `"Salt and Pepper", Ada`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.api import phrase, spoken_now

# Within a word, as in an id, it is no word: `salt-and-pepper`.
_WORDS = re.compile(r"(?<![\w-])(?:vs\.?|versus|and|und|et)(?![\w-])", re.IGNORECASE)
_SPANISH = re.compile(rf"{_WORDS.pattern}|(?<![\w-])y(?![\w-])", re.IGNORECASE)
_ARTICLES = re.compile(r"(?<![\w-])(?:un|una|el|la|los|las) \w", re.IGNORECASE)
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
    return names if len(names) > 1 else _apart(unquoted(typed), _between(typed))


def unquoted(typed: str) -> str:
    return typed.strip().strip('"“”„«»').strip()


def may_be_one(typed: str) -> bool:
    """Whether some of the names may have been meant as one."""
    bare = _QUOTED.sub("", typed)
    return len(_words_in(bare).findall(bare)) > 1


def _words_in(typed: str) -> re.Pattern[str]:
    """What stands for `and`. In other languages than Spanish, `y` is part of a name: `Sol y Luna`."""
    return _SPANISH if spoken_now().code.partition("-")[0] == "es" or _ARTICLES.search(typed) else _WORDS


def _between(typed: str) -> re.Pattern[str]:
    return re.compile(rf"\s*(?:[,&+]|{_words_in(typed).pattern})\s*", re.IGNORECASE)


def _together(typed: str, known: Iterable[str]) -> list[str]:
    held: list[tuple[str, str]] = []

    def hold(found: re.Match[str]) -> str:
        if len(held) >= _MOST:
            return found[0]
        inner = next((group for group in found.groups() if group), found[0])
        held.append((found[0], inner.strip()))
        return chr(_FIRST + len(held) - 1)

    between = _between(typed)
    text = _QUOTED.sub(hold, _HELD.sub("", typed))
    for name in sorted({each for each in known if between.search(each)}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", hold, text, flags=re.IGNORECASE)
    found = []
    for part in _apart(text, between):
        alone = "".join(part.split())
        if _HELD.sub("", alone):
            found.append(_HELD.sub(lambda each: held[ord(each[0]) - _FIRST][0], part))
        else:
            found += [held[ord(each) - _FIRST][1] for each in alone]
    return [name for name in found if name]


def _apart(text: str, between: re.Pattern[str]) -> list[str]:
    return [name.strip() for name in between.split(text) if name.strip()]
