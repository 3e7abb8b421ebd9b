"""Which messages of a conversation the model reads: pure arithmetic over cached token counts.

Messages leave the window rarely and many at a time: nothing moves until the total passes the high water, then the start
jumps to where the rest is at the low water. In between only the end grows, so a provider's prefix cache stays warm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.turn import Role

Count = Callable[[str], int]

HIGH_WATER = 0.8
LOW_WATER = 0.5


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as the window sees it. `tokens` includes what surrounds the text; `calls` are the ids of the tools it
    calls, `answers` the id of the call that it is the result of."""

    id: int
    role: Role
    tokens: int
    calls: tuple[str, ...] = ()
    answers: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """`start` is to be stored when it `moved`. `cut` is what the newest message of a person may have of tokens, where
    it alone is too large; `bare` are messages whose tool calls have no results and are to be left out."""

    start: int | None
    kept: tuple[int, ...]
    moved: bool
    cut: int | None = None
    bare: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of what will be sent to the model, for `/context`: its tokens and how many messages it has."""

    name: str
    tokens: int
    messages: int = 0


@dataclass(frozen=True, slots=True)
class WindowReport:
    """What would be sent now. `budget` is all that may be used for input, `reserve` what is kept for the answer."""

    parts: tuple[Part, ...]
    budget: int
    reserve: int
    trimmed: bool

    @property
    def total(self) -> int:
        return sum(part.tokens for part in self.parts)


def window(
    entries: Sequence[Entry],
    budget: int,
    start: int | None = None,
    *,
    high_water: float = HIGH_WATER,
    low_water: float = LOW_WATER,
    most: int = 0,
) -> Window:
    """`entries` oldest first, their ids rising; `start` is the stored one. What is kept begins with a person's message
    (or with what was said before anybody spoke, as long as nothing has left), has every tool call together with its
    results, and never more than `budget` tokens. Past `most` messages it falls as far as past the high water; 0 is no
    limit."""
    paired, bare = _paired(entries)
    first = next((at for at, entry in enumerate(paired) if start is None or entry.id >= start), len(paired))
    people = [at for at in range(first, len(paired)) if paired[at].role == "user"]
    if not people:
        # Whoever spoke last before the stored start is still the one to be answered.
        people = [at for at in range(len(paired)) if paired[at].role == "user"][-1:]
    if not people:
        return Window(start, (), False, bare=bare)
    begin = usual = people[0] if start is not None else 0
    if sum(entry.tokens for entry in paired[begin:]) > high_water * budget or 0 < most < _messages(paired[begin:]):
        fewer = max(int(most * low_water / high_water), 1) if most else len(paired)
        begin = _low_start(paired, people, low_water * budget, fewer)
    kept, cut = _within(paired[begin:], budget)
    new_start = paired[begin].id
    moved = begin > usual or (start is not None and new_start != start)
    return Window(new_start if moved else start, tuple(entry.id for entry in kept), moved, cut, bare)


def _paired(entries: Sequence[Entry]) -> tuple[list[Entry], frozenset[int]]:
    """Without results whose call is not there, and the calls that lack a result."""
    kept: list[Entry] = []
    bare: set[int] = set()
    at = 0
    while at < len(entries):
        entry = entries[at]
        at += 1
        if entry.role == "tool":
            continue
        kept.append(entry)
        results: dict[str, Entry] = {}
        while entry.calls and at < len(entries) and entries[at].role == "tool":
            answered = entries[at].answers
            if answered in entry.calls:
                results.setdefault(answered, entries[at])
            at += 1
        if len(results) == len(entry.calls):
            kept += results.values()
        else:
            bare.add(entry.id)
    return kept, frozenset(bare)


def _messages(entries: Sequence[Entry]) -> int:
    """Results of tools are part of the message that called them."""
    return sum(entry.role != "tool" for entry in entries)


def _low_start(entries: Sequence[Entry], people: Sequence[int], low: float, most: int) -> int:
    """The first message of a person from which on everything is within the low water, or the newest one."""
    best, total, messages, end = people[-1], 0, 0, len(entries)
    for at in reversed(people):
        total += sum(entry.tokens for entry in entries[at:end])
        messages += _messages(entries[at:end])
        end = at
        if total > low or messages > most:
            break
        best = at
    return best


def _within(entries: Sequence[Entry], budget: int) -> tuple[list[Entry], int | None]:
    """Only what follows the newest message of a person, and that message itself, can still be too large here."""
    total = sum(entry.tokens for entry in entries)
    if total <= budget:
        return list(entries), None
    newest = max(at for at, entry in enumerate(entries) if entry.role == "user")
    question = entries[newest]
    room = budget - min(question.tokens, budget // 2)
    after: list[Entry] = []
    for block in reversed(_blocks(entries[newest + 1 :])):
        size = sum(entry.tokens for entry in block)
        if size > room:
            break
        room -= size
        after = block + after
    room = budget - sum(entry.tokens for entry in after)
    return [question, *after], room if question.tokens > room else None


def _blocks(entries: Sequence[Entry]) -> list[list[Entry]]:
    """A call and its results are one."""
    blocks: list[list[Entry]] = []
    for entry in entries:
        if entry.role == "tool" and blocks:
            blocks[-1].append(entry)
        else:
            blocks.append([entry])
    return blocks


def cut_middle(text: str, allowance: int, count: Count) -> str:
    """The beginning and the end of a text that has more than `allowance` tokens, with a note of what is left out."""
    total = count(text)
    if total <= allowance:
        return text
    room = allowance - count(_note(total))
    half = int(len(text) * max(room, 0) / total / 2)
    while half > 0:
        shortened = text[:half].rstrip() + _note(max(total - room, 1)) + text[-half:].lstrip()
        if count(shortened) <= allowance:
            return shortened
        # Counts are not even over a text: a dense beginning or end needs a shorter share. Geometric, so linear in all.
        half = int(half * 0.85)
    # No room for a note: the bare beginning.
    head = text[: max(allowance, 0)]
    while head and count(head) > allowance:
        head = head[: len(head) // 2]
    return head


def _note(tokens: int) -> str:
    return f"\n\n[… about {tokens:,} tokens in the middle were too much to read and are left out …]\n\n"
