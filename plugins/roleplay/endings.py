"""When a scene ends: conditions side by side, each of which names its reason."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Reason: TypeAlias = Literal[
    "turns", "budget", "time", "phrase", "farewell", "loop", "idle", "manual", "errors", "asked", "empty"
]

# Lines of the same speaker that are compared with a new one.
LOOKS_BACK = 6
SAME = 0.6
# Of lines shorter than this, only whole cycles are taken for loops: people say "No." twice.
TELLING_WORDS = 3
LONGEST_CYCLE = 3
# A farewell in more words than this is a speech.
FAREWELL_WORDS = 25
_FAREWELL = re.compile(
    r"\b(?:good\s?bye|bye(?:\s?bye)?|farewell|fare thee well|see ya|good\s?night|until we meet|"
    # These stand in other sentences, too: “I see you brought it”, “Take care of them”, “so long that”.
    r"see you (?:later|soon|then|again|around|there|tomorrow|tonight|next \w+|on \w+day)(?=\W*$|\s*[.!,;…—–])|"
    r"(?<!\w )(?:see you|take care|so long|bis (?:bald|dann|morgen|später))(?=\W*$|\s*[.!,;…—–])|"
    r"tschüss|tschau|auf wiedersehen|leb(?:e|t)? wohl|gute nacht|mach's gut|ade|au revoir|adieu|à bientôt|"
    r"bonne nuit|adiós|hasta (?:luego|pronto)|"
    r"buenas noches|arrivederci|addio|ciao|buona notte|adeus|até logo|tot ziens|farvel|hej då)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the scene. `generated` ones count as turns; those of people do not."""

    speaker: str
    text: str
    generated: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scene is. `lines` are the newest, oldest first; `running` is in seconds."""

    lines: Sequence[Said] = ()
    turns: int = 0
    running: float = 0.0
    errors: int = 0


class Ending(Protocol):
    def reason(self, progress: Progress) -> Reason | None:
        """Why the scene is over, None when it is not."""
        ...


@dataclass(frozen=True, slots=True)
class Turns:
    most: int

    def reason(self, progress: Progress) -> Reason | None:
        return "turns" if progress.turns >= self.most else None


@dataclass(frozen=True, slots=True)
class Time:
    seconds: float

    def reason(self, progress: Progress) -> Reason | None:
        return "time" if progress.running >= self.seconds else None


@dataclass(frozen=True, slots=True)
class Errors:
    most: int = 3

    def reason(self, progress: Progress) -> Reason | None:
        return "errors" if progress.errors >= self.most else None


@dataclass(frozen=True, slots=True)
class Phrase:
    """Any of these words, whole, in the newest line."""

    phrases: tuple[str, ...]

    def reason(self, progress: Progress) -> Reason | None:
        if not progress.lines:
            return None
        text = f" {' '.join(words_of(progress.lines[-1].text))} "
        wanted = [" ".join(words_of(phrase)) for phrase in self.phrases]
        return "phrase" if any(each and f" {each} " in text for each in wanted) else None


@dataclass(frozen=True, slots=True)
class Farewell:
    """Two speakers took leave of each other, and nobody asked anything."""

    def reason(self, progress: Progress) -> Reason | None:
        last = progress.lines[-2:]
        if len(last) < 2 or last[0].speaker == last[1].speaker:
            return None
        return "farewell" if all(_takes_leave(line.text) for line in last) else None


def reason_to_end(progress: Progress, endings: Sequence[Ending]) -> Reason | None:
    """The first reason that holds."""
    return next((reason for ending in endings if (reason := ending.reason(progress))), None)


def repeats(lines: Sequence[Said]) -> bool:
    """Whether the newest line brings nothing new: the same speaker said it lately, in these or nearly these words, or
    the last lines are a short cycle for the second time."""
    if not lines:
        return False
    words = [words_of(line.text) for line in lines[-max(4 * LOOKS_BACK, 2 * LONGEST_CYCLE) :]]
    newest = words[-1]
    if _is_cycle(words):
        return True
    if len(newest) < TELLING_WORDS:
        return False
    speakers = [line.speaker for line in lines[-len(words) :]]
    own = [each for each, who in zip(words[:-1], speakers, strict=False) if who == speakers[-1]]
    return newest in own[-LOOKS_BACK:] or any(alike(newest, each) >= SAME for each in own[-2:])


def alike(first: Sequence[str], second: Sequence[str]) -> float:
    """The part of their runs of three words that both have, from 0 to 1."""
    one, other = ({tuple(words[at : at + 3]) for at in range(len(words) - 2)} for words in (first, second))
    return len(one & other) / len(one | other) if one and other else 0.0


def words_of(text: str) -> list[str]:
    """For comparing: without case, punctuation and kinds of digits."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(re.sub(r"\d", "0", folded))


def _is_cycle(words: Sequence[Sequence[str]]) -> bool:
    for length in range(1, LONGEST_CYCLE + 1):
        times = 3 if length == 1 else 2
        last = words[-length * times :]
        if len(last) == length * times and any(last) and all(last[at] == last[at % length] for at in range(len(last))):
            return True
    return False


def _takes_leave(text: str) -> bool:
    return "?" not in text and len(words_of(text)) <= FAREWELL_WORDS and _FAREWELL.search(text) is not None
