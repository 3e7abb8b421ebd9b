"""The messages that one native stream after the other makes of an answer, and where one ends and the next begins."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.slack.escaping import to_markdown_text
from adapters.slack.lengths import MAX_MARKDOWN, markdown_length
from adapters.slack.streams import Card
from bot.api import Fence, SentId, open_fence

# From these lengths on, a message ends at the next paragraph, line or word, and at the last one anywhere. What is left
# is for what closes a block and for notes.
_LENGTHS = (MAX_MARKDOWN - 2000, MAX_MARKDOWN - 1200, MAX_MARKDOWN - 700, MAX_MARKDOWN - 500)
# The same for its age: Slack ends a stream after five minutes.
AGES = (200.0, 225.0, 240.0, 250.0)
_BREAKS = (re.compile(r"\n[ \t]*\n"), re.compile(r"\n"), re.compile(r"\s"))
_FENCE_END = re.compile(r"\s*(?:`{3,}|~{3,})[ \t]*(?:\n|\Z)")


@dataclass(slots=True, eq=False)
class Part:
    """One message. `body` is the piece of the answer that it holds, beginning at `at`; `fence` was open before it.

    `told`: so much of the body was sent. `tail` is what closes the message. `doubtful`: it may not show all that it
    was told. `tried` is a start that may have landed: how much of the body it had, and its cards.
    """

    at: int
    fence: Fence | None = None
    opening: str = ""
    sent: SentId | None = None
    started: float = 0.0
    body: str = ""
    told: int = 0
    tail: str = ""
    cards: tuple[Card, ...] = ()
    doubtful: bool = False
    stopped: bool = False
    # Somebody pressed stop: it is not appended to any more.
    halted: bool = False
    tried: tuple[int, tuple[Card, ...]] | None = None

    @property
    def text(self) -> str:
        return self.opening + self.body + self.tail

    @property
    def end(self) -> int:
        return self.at + len(self.body)

    def untold(self, more: str = "") -> str:
        """What has to be sent so that the message shows `more` as well, ready to be sent."""
        before = to_markdown_text(self.opening + self.body[: self.told]) if self.sent is not None else ""
        return to_markdown_text(self.text + more)[len(before) :]

    def tell(self, piece: str) -> None:
        self.body += piece
        self.told = len(self.body)

    def is_old(self, now: float) -> bool:
        return self.sent is not None and now - self.started >= AGES[-1]

    def ages_at(self, now: float) -> float:
        """When its age next makes a difference."""
        return next((self.started + age for age in AGES if self.started + age > now), self.started + AGES[-1])

    def take(self, pending: str, now: float) -> tuple[int, bool]:
        """How much of what waits belongs into this message, and whether it ends there."""
        age = now - self.started if self.sent is not None else 0.0
        used = markdown_length(self.opening + self.body)
        least = [
            0 if age >= old else _fitting(pending, length - used) for length, old in zip(_LENGTHS, AGES, strict=True)
        ]
        if age < AGES[-1] and least[0] >= len(pending):
            return len(pending), False
        ends = [least[3]] if least[3] < len(pending) or age >= AGES[-1] else []
        for pattern, start in zip(_BREAKS, least, strict=False):
            found = pattern.search(pending, max(start - 1, 0))
            if found and found.end() <= max(least[3], 1):
                is_paragraph = pattern is _BREAKS[0]
                if not is_paragraph or open_fence(self.body + pending[: found.end()], self.fence) is None:
                    ends.append(found.end())
        return (min(ends), True) if ends else (len(pending), False)

    def fence_at_end(self) -> Fence | None:
        return open_fence(self.body, self.fence)

    def closing(self) -> str:
        fence = self.fence_at_end()
        if fence is None:
            return ""
        return fence.closing if (self.opening + self.body).endswith("\n") else "\n" + fence.closing


def next_part(at: int, fence: Fence | None, pending: str, *, complete: bool) -> Part:
    """The message that goes on with `pending`. A block of which only the end is left is not opened again."""
    if fence is not None:
        end = _FENCE_END.match(pending)
        if end is None or not (complete or end.end() < len(pending)):
            return Part(at, fence, fence.opening)
        at, pending = at + end.end(), pending[end.end() :]
    return Part(at + len(pending) - len(pending.lstrip("\n")))


def _fitting(text: str, room: int) -> int:
    """How many characters of a text fit."""
    if markdown_length(text) <= room:
        return len(text)
    low, high = 0, min(len(text), max(room, 0))
    while low < high:
        middle = (low + high + 1) // 2
        if markdown_length(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return low
