"""Where each message of an answer begins in its text, for answers that are taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from adapters.slack.closing import Closer
from adapters.slack.lengths import MAX_MARKDOWN, markdown_length
from adapters.slack.parts import Part
from bot.api import Resume, SentId, open_fence

TakeUp = Callable[[Resume, Closer], Awaitable[list[Part]]]

# So many letters of a message tell where it begins; with fewer it must be all of them.
_ENOUGH = 60
_FENCES = ("```", "~~~")


async def all_ended(resume: Resume, closer: Closer) -> list[Part]:
    """What each message holds is not told."""
    await asyncio.gather(*(closer.end(sent) for sent in resume.sent))
    return []


def parts_of(text: str, sent: Sequence[SentId], shown: Sequence[str]) -> list[Part] | None:
    """The messages as the pieces of the text that they began to show; None where one of them cannot be found in it,
    or would hold too much. Their streams have ended, and whether they show all of it is in doubt."""
    begins = beginnings(text, shown)
    if begins is None or len(shown) != len(sent):
        return None
    parts = []
    for number, at in enumerate(begins):
        fence = open_fence(text[:at])
        body = text[at : begins[number + 1]] if number + 1 < len(begins) else text[at:]
        part = Part(at, fence, fence.opening if fence else "", sent[number], stopped=True, doubtful=True)
        part.tell(body)
        if number + 1 < len(begins):
            part.tail = part.closing()
            if markdown_length(part.text) > MAX_MARKDOWN:
                return None
        parts.append(part)
    return parts


def beginnings(text: str, shown: Sequence[str]) -> list[int] | None:
    """By their letters: what stands between those, platforms write down their own way."""
    at_letter = [index for index, char in enumerate(text) if char.isalnum()]
    said = "".join(text[index] for index in at_letter)
    found, next_letter = [], 0
    for number, seen in enumerate(shown):
        letter = _first(said, seen, next_letter) if number else 0
        if letter is None:
            return None
        found.append(_beginning(text, at_letter[letter], seen) if number else 0)
        next_letter = letter + 1
    return found if found == sorted(set(found)) else None


def _first(said: str, seen: str, start: int) -> int | None:
    """A block that goes on from the message before begins with a fence that was never said, and perhaps with the name
    of its language, on the same line or below."""
    lines = seen.split("\n") if seen.startswith(_FENCES) else []
    for candidate in (seen, *("\n".join(lines[count:]) for count in range(1, min(len(lines), 3)))):
        letters = "".join(filter(str.isalnum, candidate))[:_ENOUGH]
        at = said.find(letters, start)
        if letters and at >= 0:
            return at
    return None


def _beginning(text: str, at: int, seen: str) -> int:
    """With the signs that stand before the first letter of a line or word, and the fence that opens a block."""
    line = text.rfind("\n", 0, at) + 1
    if any(char.isalnum() for char in text[line:at]):
        while at > line and not text[at - 1].isspace():
            at -= 1
        return at
    above = text.rfind("\n", 0, max(line - 1, 0)) + 1
    opens = open_fence(text[:line]) is not None and open_fence(text[:above]) is None
    return above if opens and seen.startswith(_FENCES) else line
