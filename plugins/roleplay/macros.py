"""Macros in the texts of characters: `{{char}}`, `{{random:a,b}}` and their kin, filled in once."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

# Innermost first, so that one may stand in another.
_MACRO = re.compile(r"\{\{(?P<inside>[^{}]{0,2000})\}\}")
_OLD = re.compile(r"<(?P<name>bot|char|user)>", re.IGNORECASE)
_DICE = re.compile(r"\s*(?P<count>\d{0,2})d?(?P<sides>\d{1,4})\s*", re.IGNORECASE)
# Rounds of filling in, for macros in macros.
_ROUNDS = 5
# Names may be macros themselves, so that a text grows with each round.
LONGEST_FILLED = 100_000


@dataclass(frozen=True, slots=True)
class Macros:
    """`char` and `user` are the names of the character and of whoever it talks to, `original` what a card's own prompt
    would replace. `seed` keeps what was picked: the same text says the same for the same seed."""

    char: str
    user: str
    original: str = ""
    seed: str = ""

    def fill(self, text: str) -> str:
        """Unknown ones stay as they are written."""
        text = _OLD.sub(lambda found: self.user if found["name"].lower() == "user" else self.char, text)
        dice = random.Random(f"{self.seed}\n{text}")
        for _ in range(_ROUNDS):
            filled = _MACRO.sub(lambda found: self._one(found[0], found["inside"], dice), text)
            if filled == text:
                break
            text = filled[:LONGEST_FILLED]
        return text

    def _one(self, whole: str, inside: str, dice: random.Random) -> str:
        name, _, given = inside.partition(":")
        match name.strip().lower():
            case "char" | "bot":
                return self.char
            case "user":
                return self.user
            case "original":
                return self.original
            case "random" | "pick" if given:
                return dice.choice(_choices(given))
            case "roll" if rolled := _DICE.fullmatch(given):
                count, sides = int(rolled["count"] or 1), int(rolled["sides"])
                return str(sum(dice.randint(1, sides) for _ in range(count))) if count and sides else "0"
            case "reverse":
                return given[::-1]
            case "hidden_key" | "comment":
                return ""
            case "newline":
                return "\n"
            case comment if comment.startswith("//"):
                return ""
        return whole


def _choices(given: str) -> list[str]:
    r"""Between commas, or colons twice; `\,` is a comma."""
    if "::" in given:
        return [part.strip() for part in given.split("::")]
    return [part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\),", given)]
