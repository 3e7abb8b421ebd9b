"""Builds what is sent to the model, stable part first: system, pinned, summary, messages, and what changes at the end.

The system message never changes with the time or the people, and there is only one, at the top: chat templates of small
models refuse more or later ones. Date, time and names stand in one line in brackets above the newest message of a
person; a system message after it would make small models answer that instead, and either costs a prefix cache the same.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import JsonValue

from bot.pictures import Picture
from bot.store.records import Remembered
from bot.turn import Prompt, PromptMessage, ToolCall
from bot.window import HIGH_WATER, LOW_WATER, Count, Entry, Part, Window, WindowReport, cut_middle, window
from bot.words import say

# What surrounds a message and its author's name in the formats of the providers.
PER_MESSAGE = 4
LONGEST_NAME = 32
# The most that `#4f2a: ` and a quotation mark add; lines that might become quotations begin like this.
NAME_MARK = 6
QUOTATION = 2
MAYBE_A_NAME = re.compile(r"^[^\n:]{1,40}:", re.MULTILINE)
# No system prompt, and nothing pinned or summarised, may crowd out the conversation.
SYSTEM_SHARE = 0.5
BACKGROUND_SHARE = 0.25
# Pictures may not crowd out what is said about them; so many go along with one request, and so many bytes of them.
PICTURES_SHARE = 0.6
MOST_PICTURES = 6
MOST_PICTURE_BYTES = 20_000_000
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
GO_ON = (
    "Your answer was cut off in the middle. Go on exactly where it stops, beginning with the very next character. "
    "Do not repeat anything, do not apologise, and do not comment on this."
)
# Some chat templates want a person to begin.
BEFORE = "[What was said here before:]"
INTERRUPTED = "Your last message was interrupted before its end."


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the messages. `now` is aware, in the time zone that people here live in, called `zone`."""

    system: str
    now: datetime
    zone: str = "UTC"
    pinned: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget` counts input and answer, `reserve` is the answer's share of it; pictures count where they are seen.
    `most` is how many messages are read, 0 = as many as fit."""

    budget: int
    reserve: int
    high_water: float = HIGH_WATER
    low_water: float = LOW_WATER
    sees: bool = True
    most: int = 0

    @property
    def input(self) -> int:
        return max(self.budget - self.reserve, self.budget // 2, 1)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A prompt and what it is made of. `window.start` is to be stored when it moved; `notice` tells people that their
    message was read in part."""

    prompt: Prompt
    window: Window
    report: WindowReport
    notice: str | None = None


@dataclass(slots=True)
class _Head:
    """The one system message, counted by part."""

    texts: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def add(self, name: str, text: str, room: int, count: Count, title: str = "") -> None:
        if text.strip():
            text = cut_middle(cleaned(text.strip()), room, count)
            text = f"{title}\n{text}" if title else text
            self.texts.append(text)
            self.parts.append(Part(name, count(text) + PER_MESSAGE))

    @property
    def tokens(self) -> int:
        return sum(part.tokens for part in self.parts)


def assemble(
    rows: Sequence[Remembered], frame: Frame, limits: Limits, count: Count, start: int | None = None
) -> Assembled:
    """`rows` oldest first, `start` the stored beginning of the window."""
    head = _head(frame, limits, count)
    rows = [row for row in rows if _speaks(row)]
    # Of all people first, which is the longest it can get.
    tail_tokens = count(_tail(frame, rows)) + PER_MESSAGE
    before_tokens = count(BEFORE) + PER_MESSAGE if rows and rows[0].role == "assistant" else 0
    room = max(limits.input - head.tokens - tail_tokens - before_tokens, limits.input // 8, 1)
    pictures = newest_pictures(rows, int(room * PICTURES_SHARE))
    entries = [_entry(row, count, pictures.get(row.id, ()) if limits.sees else ()) for row in rows]
    chosen = window(entries, room, start, high_water=limits.high_water, low_water=limits.low_water, most=limits.most)
    by_id = {row.id: (row, entry) for row, entry in zip(rows, entries, strict=True)}
    kept = [by_id[id] for id in chosen.kept]
    tail = _tail(frame, [row for row, _ in kept])
    messages = _messages([row for row, _ in kept], chosen, count, dict(by_id), pictures)
    notice, spoken = None, sum(entry.tokens for _, entry in kept)
    if chosen.cut is not None:
        question = next(entry for row, entry in reversed(kept) if row.role == "user")
        spoken += chosen.cut - question.tokens
        notice = say(
            "Your message has about {count:,} tokens, more than I can read at once. I read its beginning and its end.",
            count=question.tokens,
        )
    parts = (*head.parts, Part("messages", spoken, len(kept)), Part("date and people", tail_tokens))
    system = [PromptMessage("system", "\n\n".join(head.texts))] if head.texts else []
    report = WindowReport(parts, limits.input, limits.reserve, trimmed=chosen.start is not None)
    return Assembled(Prompt((*system, *_with_tail(messages, tail))), chosen, report, notice)


def continuation(prompt: Prompt, said: str) -> Prompt:
    """Asks for the rest of an answer that broke off after `said`."""
    messages = prompt.messages
    if messages and messages[-1].text == GO_ON:
        messages = messages[:-2]
    return Prompt((*messages, PromptMessage("assistant", cleaned(said)), PromptMessage("user", GO_ON)))


def unfinished(prompt: Prompt) -> Prompt:
    """A continuation for a model that writes on from any text: it ends in the unfinished answer itself.

    Small models talk about the instruction instead of following it.
    """
    asked = bool(prompt.messages) and prompt.messages[-1].text == GO_ON
    return Prompt(prompt.messages[:-1]) if asked else prompt


def cleaned(text: str) -> str:
    """Without lone surrogates, which no provider takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def safe_name(name: str) -> str:
    """A display name as one short label: no line break, colon, bracket or invisible character."""
    visible = "".join(" " if unicodedata.category(char)[0] in "CZ" or char in ":[]" else char for char in name)
    return " ".join(visible.split())[:LONGEST_NAME].strip() or "Someone"


def names_of(rows: Sequence[Remembered]) -> dict[str, str]:
    """Author id → the label that the model reads, the same for as long as the same names are there."""
    latest: dict[str, str] = {}
    for row in rows:
        if row.role == "user" and row.author_id:
            # Taken out first, so that who spoke last stands last.
            latest.pop(row.author_id, None)
            latest[row.author_id] = safe_name(row.author or "")
    bearers: dict[str, int] = {}
    for name in latest.values():
        bearers[name.casefold()] = bearers.get(name.casefold(), 0) + 1
    return {id: name if bearers[name.casefold()] == 1 else f"{name} #{_mark(id)}" for id, name in latest.items()}


def _mark(author_id: str) -> str:
    return hashlib.sha256(author_id.encode(errors="replace")).hexdigest()[:4]


def _head(frame: Frame, limits: Limits, count: Count) -> _Head:
    head = _Head()
    background = int(limits.input * BACKGROUND_SHARE)
    head.add("system", frame.system, int(limits.input * SYSTEM_SHARE), count)
    pinned = "\n".join(f"- {' '.join(fact.split())}" for fact in frame.pinned if fact.strip())
    head.add("pinned", pinned, background // 2, count, "Keep in mind:")
    head.add("summary", frame.summary, background // 2, count, "What was said before:")
    return head


def _speaks(row: Remembered) -> bool:
    if row.status == "forgotten":
        return False
    return bool(row.text.strip()) or row.role == "tool" or bool(_calls(row))


def _entry(row: Remembered, count: Count, pictures: Sequence[Picture]) -> Entry:
    tokens = (count(row.text) if row.tokens is None else row.tokens) + PER_MESSAGE
    if who := row.author if row.role == "user" else row.speaker:
        # Counted whether shown or not, so that the sizes do not depend on who else is there.
        tokens += count(safe_name(who)) + NAME_MARK + QUOTATION * len(MAYBE_A_NAME.findall(row.text))
    calls = _calls(row)
    tokens += sum(count(call.name + call.arguments) + PER_MESSAGE for call in calls)
    tokens += sum(picture.tokens for picture in pictures)
    return Entry(row.id, row.role, tokens, tuple(call.id for call in calls), _answers(row))


def _calls(row: Remembered) -> tuple[ToolCall, ...]:
    listed = row.parts.get("tool_calls")
    if row.role != "assistant" or not isinstance(listed, Sequence) or isinstance(listed, str):
        return ()
    return tuple(call for item in listed if (call := _call(item)))


def _call(item: JsonValue) -> ToolCall | None:
    if not isinstance(item, Mapping):
        return None
    id, name, arguments = item.get("id"), item.get("name"), item.get("arguments", "{}")
    if not (isinstance(id, str) and isinstance(name, str)):
        return None
    return ToolCall(id, name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def newest_pictures(rows: Sequence[Remembered], room: int) -> dict[int, tuple[Picture, ...]]:
    """By message id: the newest pictures that there is room for, in tokens, in number and in bytes. Of older ones the
    message tells the name."""
    found: dict[int, tuple[Picture, ...]] = {}
    number, size = MOST_PICTURES, MOST_PICTURE_BYTES
    for row in reversed(rows):
        for picture in reversed(pictures_of(row)):
            number, size, room = number - 1, size - picture.size, room - picture.tokens
            if min(number, size, room) < 0:
                return found
            found[row.id] = (picture, *found.get(row.id, ()))
    return found


def pictures_of(row: Remembered) -> tuple[Picture, ...]:
    listed = row.parts.get("images")
    if row.role != "user" or not isinstance(listed, Sequence) or isinstance(listed, str):
        return ()
    return tuple(picture for item in listed if (picture := _picture(item)))


def _picture(item: JsonValue) -> Picture | None:
    if not isinstance(item, Mapping):
        return None
    name, kind, blob = item.get("name"), item.get("media_type"), item.get("blob")
    if not (isinstance(name, str) and isinstance(kind, str) and isinstance(blob, str)):
        return None
    size, width, height = (
        found if isinstance(found := item.get(key), int) else 0 for key in ("size", "width", "height")
    )
    return Picture(name, kind, size, blob, width, height)


def _answers(row: Remembered) -> str | None:
    answered = row.parts.get("tool_call_id")
    return answered if row.role == "tool" and isinstance(answered, str) else None


def _messages(
    rows: Sequence[Remembered],
    chosen: Window,
    count: Count,
    by_id: Mapping[int, tuple[Remembered, Entry]],
    pictures: Mapping[int, tuple[Picture, ...]],
) -> list[PromptMessage]:
    names = names_of(rows)
    several = len(names) > 1
    newest = max((at for at, row in enumerate(rows) if row.role == "user"), default=None)
    messages = []
    for at, row in enumerate(rows):
        text = cleaned(row.text)
        if chosen.cut is not None and at == newest:
            entry = by_id[row.id][1]
            around = entry.tokens - (count(row.text) if row.tokens is None else row.tokens)
            text = cut_middle(text, chosen.cut - around, count)
        if row.role == "user" and several:
            text = _said_by(names.get(row.author_id or "", "Someone"), text, names.values())
        elif row.role == "assistant" and row.speaker:
            text = f"{safe_name(row.speaker)}: {text}"
        calls = () if row.id in chosen.bare else _calls(row)
        if not text.strip() and not calls and row.role != "tool":
            continue
        images = pictures.get(row.id, ())
        messages.append(PromptMessage(row.role, text, tool_calls=calls, tool_call_id=_answers(row), images=images))
    if messages and messages[0].role == "assistant":
        messages.insert(0, PromptMessage("user", BEFORE))
    return messages


def _said_by(name: str, text: str, names: Collection[str]) -> str:
    """Nobody can put words into another's mouth: a line that begins like theirs becomes a quotation."""
    others = "|".join(re.escape(other) for other in names)
    return f"{name}: " + re.sub(rf"(?mi)^(?=(?:{others})\s*:)", "> ", text)


def _tail(frame: Frame, rows: Sequence[Remembered]) -> str:
    now = frame.now
    date = f"{DAYS[now.weekday()]}, {now.day} {MONTHS[now.month - 1]} {now.year}, {now:%H:%M}"
    says = f"It is {date} ({safe_name(frame.zone)})."
    names = list(names_of(rows).values())
    if len(names) > 1:
        says += f" Here are {', '.join(names[-20:])}; each message begins with its author's name, yours do not."
    answers = [row for row in rows if row.role == "assistant"]
    if answers and answers[-1].status in ("partial", "interrupted"):
        says += f" {INTERRUPTED}"
    return f"[{says}]"


def without_aside(prompt: Prompt) -> Prompt:
    """For very small models, which talk about the line in brackets instead of answering: it is kept only where
    somebody asks about time."""
    messages = list(prompt.messages)
    for at in range(len(messages) - 1, -1, -1):
        said = _ASIDE.sub("", messages[at].text)
        if messages[at].role == "user" and said != messages[at].text and not _ABOUT_TIME.search(said):
            messages[at] = replace(messages[at], text=said)
    return Prompt(tuple(messages))


_ASIDE = re.compile(rf"\A\[It is (?:{'|'.join(DAYS)}), [^\n]*\]\n")
_ABOUT_TIME = re.compile(r"\b(?:date|day|days|today|tomorrow|yesterday|time|o'clock|week|month|year)\b", re.IGNORECASE)


def _with_tail(messages: Sequence[PromptMessage], tail: str) -> list[PromptMessage]:
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].role == "user":
            told = replace(messages[at], text=f"{tail}\n{messages[at].text}")
            return [*messages[:at], told, *messages[at + 1 :]]
    return [*messages, PromptMessage("system", tail)]
