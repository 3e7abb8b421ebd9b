"""Keeps bots from talking to each other for ever: they get some turns, until a person speaks again."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from bot.events import Message, Place

MOST_PLACES = 1024
# How many of a bot's last messages are compared with its new one, and how much of each.
COMPARED, COMPARED_CHARS = 4, 500
NEARLY_EQUAL = 0.92

Verdict: TypeAlias = Literal["answer", "say why not", "be quiet"]


@dataclass(slots=True)
class _Talk:
    """What bots said at one place since a person last spoke."""

    turns: int = 0
    quiet: bool = False
    said: dict[str, deque[str]] = field(default_factory=dict)


class BotTalks:
    def __init__(self, most_turns: int) -> None:
        self._most_turns = most_turns
        self._talks: OrderedDict[Place, _Talk] = OrderedDict()

    def person_spoke(self, place: Place) -> None:
        self._talks.pop(place, None)

    def judge(self, event: Message) -> Verdict:
        """Whether a message of another bot that addresses this one is answered."""
        talk = self._talks.setdefault(event.place, _Talk())
        self._talks.move_to_end(event.place)
        if len(self._talks) > MOST_PLACES:
            self._talks.popitem(last=False)
        if talk.quiet:
            return "be quiet"
        said = talk.said.setdefault(event.user.id, deque(maxlen=COMPARED))
        now = normalised(event.text)
        if talk.turns >= self._most_turns or any(nearly_equal(now, before) for before in said):
            talk.quiet = True
            return "say why not" if self._most_turns else "be quiet"
        said.append(now)
        talk.turns += 1
        return "answer"


def normalised(text: str) -> str:
    """Words alone, where there are any: neither case nor signs make a message new."""
    words = "".join(sign if sign.isalnum() else " " for sign in text.casefold()).split()
    return " ".join(words or text.split())[:COMPARED_CHARS]


def nearly_equal(one: str, other: str) -> bool:
    if one == other:
        return True
    match = SequenceMatcher(None, one, other, autojunk=False)
    return match.quick_ratio() >= NEARLY_EQUAL and match.ratio() >= NEARLY_EQUAL
