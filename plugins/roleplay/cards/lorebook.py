"""Lorebooks: what a character knows when it comes up, found by keys in what was said last."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, TypeAlias

import regex
from pydantic import JsonValue

from plugins.roleplay.cards.fields import flag, number, string, strings, whole

Role: TypeAlias = Literal["system", "user", "assistant"]
Where: TypeAlias = Literal["before", "after", "depth"]

MOST_ENTRIES, MOST_KEYS, LONGEST_KEY = 2_000, 100, 500
# Seconds for all the patterns of a book together: whoever wrote them is not trusted.
PATTERN_SECONDS = 0.1
# Parts of a pattern once all that is counted is written out, which is how it is compiled: `((a?){999}){999}` is a
# million of them, and half a gigabyte.
MOST_PARTS = 1_000
# Of what was said so many characters are searched, the newest.
LONGEST_SEARCHED = 20_000
# How far what was found is searched for keys of other entries.
DEEPEST = 3
USUAL_DEPTH = 4
# Characters of a token, roughly: budgets are no promises.
CHARS_PER_TOKEN = 4
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]|\{(?P<least>\d*)(?:,(?P<most>\d*))?\}|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """`order`: lower ones stand earlier. `priority`: lower ones go first when the budget is short. `depth` counts
    messages from the end, where `where` says so. `after` is the number of messages from which on it may be found."""

    keys: tuple[str, ...]
    content: str
    secondary: tuple[str, ...] = ()
    enabled: bool = True
    constant: bool = False
    selective: bool = False
    case_sensitive: bool = False
    patterns: bool = False
    order: float = 100
    priority: float = 10
    where: Where = "before"
    depth: int = USUAL_DEPTH
    role: Role = "system"
    scan_depth: int | None = None
    after: int = 0
    every: int = 1


@dataclass(frozen=True, slots=True)
class Lorebook:
    """`scan_depth` messages are searched; `budget` is in tokens, None = no limit."""

    entries: tuple[Entry, ...] = ()
    scan_depth: int = 4
    budget: int | None = None
    recursive: bool = False

    def found_in(self, messages: Sequence[str]) -> tuple[Entry, ...]:
        """What comes up after these messages, in the order in which it should stand, each once."""
        found = [self.entries[at] for at in _Search(self, messages).found()]
        return _within(found, self.budget)


def lorebook_of(given: JsonValue) -> Lorebook | None:
    """From a card's `character_book` or a file of its own, entries as a list or by number; None where there is none."""
    if not isinstance(given, dict):
        return None
    entries = given.get("entries")
    if isinstance(entries, dict):
        entries = list(entries.values())
    if not isinstance(entries, list):
        return None
    read = [_entry(each) for each in entries[:MOST_ENTRIES] if isinstance(each, dict)]
    budget = whole(given.get("token_budget"), -1)
    return Lorebook(
        tuple(entry for entry in read if entry.content),
        scan_depth=max(whole(given.get("scan_depth"), 4), 0),
        budget=budget if budget > 0 else None,
        recursive=flag(given.get("recursive_scanning"), default=False),
    )


def _entry(given: Mapping[str, JsonValue]) -> Entry:
    decorators, content = _decorated(string(given.get("content")))
    keys = strings(given.get("keys", given.get("key")))[:MOST_KEYS]
    secondary = strings(given.get("secondary_keys", given.get("keysecondary")))[:MOST_KEYS]
    position = given.get("position")
    where: Where = "after" if position in ("after_char", 1) else "before"
    told: dict[str, Any] = {}
    if "depth" in decorators:
        where, told["depth"] = "depth", max(whole(decorators["depth"], USUAL_DEPTH), 0)
    if decorators.get("role") in ("system", "user", "assistant"):
        told["role"] = decorators["role"]
    if "scan_depth" in decorators:
        told["scan_depth"] = max(whole(decorators["scan_depth"], 0), 0)
    enabled = flag(given.get("enabled"), default=not flag(given.get("disable"), default=False))
    return Entry(
        keys=tuple(key[:LONGEST_KEY] for key in keys if key.strip()),
        content=content.strip(),
        secondary=tuple(key[:LONGEST_KEY] for key in secondary if key.strip()),
        enabled=enabled and "dont_activate" not in decorators,
        constant=flag(given.get("constant"), default=False) or "constant" in decorators,
        selective=flag(given.get("selective"), default=False),
        case_sensitive=flag(given.get("case_sensitive", given.get("caseSensitive")), default=False),
        patterns=flag(given.get("use_regex"), default=False),
        order=number(given.get("insertion_order", given.get("order")), 100),
        priority=number(given.get("priority"), 10),
        where=where,
        after=max(whole(decorators.get("activate_only_after"), 0), 0),
        every=max(whole(decorators.get("activate_only_every"), 1), 1),
        **told,
    )


def _decorated(content: str) -> tuple[dict[str, str], str]:
    """Lines at the beginning that say how the entry is used: `@@depth 4`. Those that stand in for one that is unknown
    begin with three signs; they and unknown ones are left out."""
    told: dict[str, str] = {}
    lines = content.split("\n")
    for at, line in enumerate(lines):
        if not line.startswith("@@"):
            return told, "\n".join(lines[at:])
        if not line.startswith("@@@"):
            name, _, value = line[2:].strip().partition(" ")
            told.setdefault(name.lower(), value.strip())
    return told, ""


class _Search:
    """One search with one allowance of time."""

    def __init__(self, book: Lorebook, messages: Sequence[str]) -> None:
        self._book = book
        self._messages = messages
        self._until = monotonic() + PATTERN_SECONDS
        self._texts: dict[tuple[int, int | None], tuple[str, str]] = {}

    def found(self) -> list[int]:
        """Places in the book."""
        said, found = self._messages, dict[int, Entry]()
        for depth in range(DEEPEST):
            entries = enumerate(self._book.entries)
            new = {at: each for at, each in entries if at not in found and self._comes_up(each, said, depth)}
            found |= new
            if not new or not self._book.recursive:
                break
            said = [entry.content for entry in new.values()]
        return sorted(found)

    def _comes_up(self, entry: Entry, said: Sequence[str], depth: int) -> bool:
        count = len(self._messages)
        if not entry.enabled or count < entry.after or (entry.every > 1 and count % entry.every):
            return False
        if entry.constant:
            return True
        text, folded = self._searched(entry, said, depth)
        if not any(self._has(text, folded, key, entry) for key in entry.keys):
            return False
        secondary = entry.selective and entry.secondary
        return not secondary or any(self._has(text, folded, key, entry) for key in entry.secondary)

    def _searched(self, entry: Entry, said: Sequence[str], depth: int) -> tuple[str, str]:
        """The text, and how it reads without cases; made once for all entries that look as far back."""
        reach = None
        if depth == 0:
            reach = self._book.scan_depth if entry.scan_depth is None else entry.scan_depth
        found = self._texts.get((depth, reach))
        if found is None:
            text = "\n".join(said if reach is None else said[max(len(said) - reach, 0) :])[-LONGEST_SEARCHED:]
            found = self._texts[depth, reach] = text, text.casefold()
        return found

    def _has(self, text: str, folded: str, key: str, entry: Entry) -> bool:
        pattern = _pattern(key, always=entry.patterns)
        if pattern is None:
            return key in text if entry.case_sensitive else key.casefold() in folded
        left = self._until - monotonic()
        source, flags = pattern
        if left <= 0 or _parts_in(source) > MOST_PARTS:
            return False
        try:
            ignore = "i" in flags or (not entry.case_sensitive and not flags)
            compiled = regex.compile(source, regex.IGNORECASE if ignore else 0)
            return compiled.search(text, timeout=left) is not None
        except (regex.error, TimeoutError, RecursionError, OverflowError, MemoryError):
            return False


def _pattern(key: str, *, always: bool) -> tuple[str, str] | None:
    """`/pattern/flags` as it is written, None for a plain key."""
    if key.startswith("/") and len(key) > 2:
        source, slash, flags = key[1:].rpartition("/")
        if slash and source and flags.isalpha() | (flags == ""):
            return source, flags
    return (key, "") if always else None


def _parts_in(pattern: str) -> int:
    groups, last = [0], 0
    for part in _PART.finditer(pattern):
        if part[0] == "(":
            groups.append(0)
        elif part[0] == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif part["least"] is not None:
            times = max(int(part["least"] or 1), int(part["most"] or 1), 1)
            groups[-1] += last * (times - 1)
            last *= times
        else:
            groups[-1] += 1
            last = 1
    return sum(groups)


def _within(found: Sequence[Entry], budget: int | None) -> tuple[Entry, ...]:
    """As many as the budget holds, the least important left out first."""
    kept, used = set[int](), 0
    by_weight = sorted(range(len(found)), key=lambda at: (not found[at].constant, -found[at].priority))
    for at in by_weight:
        cost = len(found[at].content) // CHARS_PER_TOKEN + 1
        if budget is None or used + cost <= budget:
            kept.add(at)
            used += cost
    return tuple(sorted((found[at] for at in sorted(kept)), key=lambda entry: entry.order))
