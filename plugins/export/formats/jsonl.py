"""Training data: chats as models are fed them. Only what models said as personas, and people who agreed to it."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from bot.api import phrase
from plugins.export.formats.stretches import Walk
from plugins.export.transcript import Entry, Format, Header, Speaker

MOST_LINES, MOST_CHARACTERS = 64, 60_000
"""Of one chat; a longer one goes on in the next."""
REMEMBERED, WORDS_ALIKE, MOST_WORDS = 200, 5, 2_000
"""So many messages of people who did not agree are known, each by this many of its words: who says this many of them in
their order quotes them."""
_WORD = re.compile(r"\w+")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    for line in _lines(header, entries):
        out.write(line)


JSONL = Format(
    "jsonl", ".jsonl", "application/jsonl", phrase("Training data, of personas and of people who agreed"), write
)


@dataclass(slots=True)
class _Chat:
    """Lines that follow each other, each said by somebody whose words may be used."""

    lines: list[tuple[Speaker, str]] = field(default_factory=list)
    size: int = 0

    def add(self, speaker: Speaker, text: str) -> None:
        self.lines.append((speaker, text))
        self.size += len(text)

    @property
    def is_full(self) -> bool:
        return len(self.lines) >= MOST_LINES or self.size >= MOST_CHARACTERS


class _Withheld:
    """What was said by people who did not agree, so that nobody says it for them."""

    def __init__(self) -> None:
        self._said: deque[frozenset[int]] = deque()
        self._known: Counter[int] = Counter()

    def add(self, text: str) -> None:
        self._said.append(frozenset(_runs(text)))
        self._known.update(self._said[-1])
        if len(self._said) > REMEMBERED:
            for run in self._said.popleft():
                self._known[run] -= 1
                if not self._known[run]:
                    del self._known[run]

    def stands_in(self, text: str) -> bool:
        return bool(self._known) and any(run in self._known for run in _runs(text))


def _runs(text: str) -> Iterator[int]:
    words = [found[0] for found in islice(_WORD.finditer(text.casefold()), MOST_WORDS)]
    return (hash(tuple(words[at : at + WORDS_ALIKE])) for at in range(len(words) - WORDS_ALIKE + 1))


def _lines(header: Header, entries: Iterable[Entry]) -> Iterator[bytes]:
    walk, chat, withheld = Walk(header), _Chat(), _Withheld()
    for entry in entries:
        if entry.variant_of is not None or entry.role in ("system", "tool") or "tool_calls" in entry.parts:
            continue
        step = walk.step(entry)
        usable = _usable(entry, step.speaker, chat) and not withheld.stands_in(entry.text)
        if step.speaker.kind == "person" and not step.speaker.trains:
            withheld.add(entry.text)
        if step.stretch or step.begins or step.ends or chat.is_full or not usable:
            yield from _samples(header, chat)
            chat = _Chat()
            # What the bot answers to is not in the new one.
            usable = usable and step.speaker.kind != "bot"
        if usable:
            chat.add(step.speaker, entry.text.strip())
    yield from _samples(header, chat)


def _usable(entry: Entry, speaker: Speaker, chat: _Chat) -> bool:
    """The bot's own answers repeat what they answer to, so they may be used where that may. What no model said as a
    persona was written by somebody: the narrator's word, the topic of a scene."""
    if entry.status != "complete" or not entry.text.strip():
        return False
    match speaker.kind:
        case "persona":
            return bool(entry.model)
        case "bot":
            return bool(chat.lines)
        case "person":
            return speaker.trains


def _samples(header: Header, chat: _Chat) -> Iterator[bytes]:
    """One for each that learns: its own lines are the assistant's, all others' are the user's."""
    learning = dict.fromkeys(speaker.key for speaker, _ in chat.lines if speaker.kind != "person")
    for key in learning:
        messages = _messages(chat, key)
        if len(messages) < 2:
            continue
        one = next(speaker for speaker, _ in chat.lines if speaker.key == key)
        if header.system and one.kind == "bot":
            messages.insert(0, {"role": "system", "content": header.system})
        yield (json.dumps({"messages": messages}, ensure_ascii=False) + "\n").encode(errors="replace")


def _messages(chat: _Chat, key: str) -> list[Mapping[str, str]]:
    """In turn, ending with what is to be learned. Several who speak one after the other are told by name."""
    others = {speaker.key for speaker, _ in chat.lines} - {key}
    found: list[dict[str, str]] = []
    for speaker, text in chat.lines:
        role = "assistant" if speaker.key == key else "user"
        if role == "user" and len(others) > 1:
            text = f"{speaker.name}: {text}"
        if found and found[-1]["role"] == role:
            found[-1]["content"] += f"\n\n{text}"
            continue
        message = {"role": role, "content": text}
        if name := _name(speaker) if role == "assistant" or len(others) == 1 else "":
            message["name"] = name
        found.append(message)
    while found and found[-1]["role"] == "user":
        found.pop()
    return [*found]


def _name(speaker: Speaker) -> str:
    return _NO_NAME.sub("_", speaker.name).strip("_")[:64]
