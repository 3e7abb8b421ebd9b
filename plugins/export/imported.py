"""Transcripts from files: our own JSON, chats of SillyTavern, and what SelfPlay saved. Read whole or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import from_json

from bot.api import UsageError, say
from plugins.export.formats.our_json import NAME
from plugins.export.transcript import VERSION, Entry, Header, Speaker, Way, in_time

Origin: TypeAlias = Literal["duologue", "sillytavern", "selfplay"]
_Object: TypeAlias = Mapping[str, JsonValue]

UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""When something was said whose file does not tell."""

MOST_NAME = 80
_BOM = b"\xef\xbb\xbf"
_WHY = re.compile(r"[^\x20-\x7e]|`")
_HUMANIZED = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@ ?(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s(?: ?(\d{1,3})ms)?")
_WRITTEN = re.compile(r"([A-Z][a-z]+) (\d{1,2}), (\d{4}) (\d{1,2}):(\d{2}) ?([ap]m)", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file told. `left_out` counts what has no place in a conversation, such as the program's own notes."""

    header: Header
    entries: tuple[Entry, ...]
    origin: Origin = "duologue"
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Ours:
    header: Header
    messages: tuple[Entry, ...]


_OURS = TypeAdapter(_Ours)


def parse(content: bytes) -> Imported:
    """Raises UsageError that says what is wrong, and where."""
    content = content.removeprefix(_BOM).strip()
    if not content:
        raise UsageError(say("This file is empty."))
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(say("This file is no text in UTF-8 (byte {at:,}).", at=error.start + 1)) from error
    first, newline, _ = content.partition(b"\n")
    head = _object(first)
    if head is not None and newline and ("user_name" in head or "chat_metadata" in head or "mes" in head):
        return _sillytavern(content)
    try:
        known: JsonValue = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise UsageError(say("This file is no JSON: {why}.", why=_plain(str(error)))) from error
    if isinstance(known, list) and known and isinstance(known[0], dict) and {"role", "content"} <= known[0].keys():
        return _memory(known)
    if isinstance(known, dict):
        if known.get("format") == NAME:
            return _ours(known)
        if isinstance(lines := known.get("conversation"), list):
            return _selfplay(lines, known.get("metadata"))
        if known.keys() & {"user_name", "chat_metadata", "mes"}:
            return _sillytavern(content)
    raise UsageError(
        say("I do not know what this file is. I read my own JSON, chats of SillyTavern and what SelfPlay saved.")
    )


# Our own


def _ours(told: _Object) -> Imported:
    version = told.get("version")
    if not isinstance(version, int) or version < 1:
        raise UsageError(say("In this file `{field}` is not what it must be.", field="version"))
    if version > VERSION:
        raise UsageError(
            say("This file is of version {version}, and I know versions up to {known}.", version=version, known=VERSION)
        )
    try:
        found = _OURS.validate_python(told)
    except ValidationError as error:
        raise UsageError(_problem(error)) from error
    ways = tuple(_way_in_time(way, number) for number, way in enumerate(found.header.ways))
    header = found.header if ways == found.header.ways else replace(found.header, ways=ways)
    if version == 1:
        # Scenes were only numbered then.
        header = replace(header, scenes=())
    return Imported(header, tuple(_in_time(each, number) for number, each in enumerate(found.messages, 1)))


def _in_time(entry: Entry, number: int) -> Entry:
    at = in_time(entry.at)
    if at is None:
        raise UsageError(_wrong(("messages", number - 1, "at"), missing=False))
    return entry if at is entry.at else replace(entry, at=at)


def _way_in_time(way: Way, number: int) -> Way:
    at = in_time(way.at)
    if at is None:
        raise UsageError(_wrong(("header", "ways", number, "at"), missing=False))
    return way if at is way.at else replace(way, at=at)


def _problem(error: ValidationError) -> str:
    """The first one is enough: most follow from one mistake."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return _wrong(first["loc"], missing=first["type"] == "missing")


def _wrong(where: Sequence[str | int], *, missing: bool) -> str:
    number = 0
    if len(where) > 1 and where[0] == "messages" and isinstance(where[1], int):
        number, where = where[1] + 1, where[2:]
    field = _plain(".".join(str(each) for each in where)) or "message"
    if number and missing:
        return say("Message {number:,} in this file: `{field}` is missing.", number=number, field=field)
    if number:
        return say("Message {number:,} in this file: `{field}` is not what it must be.", number=number, field=field)
    if missing:
        return say("In this file `{field}` is missing.", field=field)
    return say("In this file `{field}` is not what it must be.", field=field)


# Others'


class _Told:
    """Entries that follow each other, and who said them."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.speakers: dict[tuple[str, str], Speaker] = {}
        self._last: int | None = None
        self._next = 1

    def speaker(self, name: str, kind: Literal["person", "bot", "persona"]) -> str:
        name = " ".join(name.split())[:MOST_NAME] or "?"
        known = self.speakers.get((kind, name))
        if known is None:
            letter = {"person": "p", "bot": "b", "persona": "c"}[kind]
            known = self.speakers[kind, name] = Speaker(f"{letter}{len(self.speakers) + 1}", name, kind)
        return known.key

    def add(self, speaker: str, texts: Sequence[str], at: datetime, *, shown: int = 0, model: str = "") -> None:
        """Several texts are variants of each other."""
        person = speaker.startswith("p")
        entry = Entry(
            self._next,
            self._last,
            "user" if person else "assistant",
            speaker,
            texts[shown],
            at,
            model=model,
            variant=shown + 1,
            variants=len(texts),
        )
        self.entries.append(entry)
        for number, text in enumerate(texts):
            self._next += 1
            if number != shown:
                id = self._next - 1 if number > shown else self._next
                self.entries.append(replace(entry, id=id, text=text, variant_of=entry.id, variant=number + 1))
        self._last = entry.id

    def imported(self, title: str, origin: Origin, left_out: int = 0) -> Imported:
        if not self.entries:
            raise UsageError(say("There are no messages in this file."))
        way = Way(1, "", self._last, None, self.entries[0].at, active=True)
        header = Header("", title, tuple(self.speakers.values()), (way,))
        return Imported(header, tuple(self.entries), origin, left_out)


def _sillytavern(content: bytes) -> Imported:
    told, left_out, at, names = _Told(), 0, UNKNOWN, ""
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        message = _object(line)
        if message is None:
            raise UsageError(say("Line {number:,} of this chat is no JSON object.", number=number))
        if "mes" not in message:
            if number > 1:
                raise UsageError(say("Line {number:,} of this chat: `{field}` is missing.", number=number, field="mes"))
            at = _moment(message.get("create_date"), at)
            names = str(message.get("character_name") or "")
            continue
        # Notes of the program, and what its user hid from models.
        if message.get("is_system") is True:
            left_out += 1
            continue
        at = _moment(message.get("send_date"), at)
        _add_message(told, message, at, number)
    title = names if names.strip() and names != "unused" else ", ".join(one.name for one in told.speakers.values())
    return told.imported(title[: MOST_NAME * 2], "sillytavern", left_out)


def _add_message(told: _Told, message: _Object, at: datetime, number: int) -> None:
    text, name, swipes, shown = (message.get(each) for each in ("mes", "name", "swipes", "swipe_id"))
    for field, value in (("mes", text), ("name", name)):
        if not isinstance(value, str):
            raise UsageError(
                say("Line {number:,} of this chat: `{field}` is not what it must be.", number=number, field=field)
            )
    speaker = told.speaker(str(name), "person" if message.get("is_user") is True else "persona")
    texts = [each for each in swipes if isinstance(each, str)] if isinstance(swipes, list) else []
    at_all = isinstance(swipes, list) and len(texts) == len(swipes)
    if not (at_all and isinstance(shown, int) and 0 <= shown < len(texts)) or isinstance(shown, bool):
        texts, shown = [str(text)], 0
    # What stands in the message is what was shown, also where it was edited after it came.
    texts[shown] = str(text)
    extra = message.get("extra")
    model = extra.get("model") if isinstance(extra, Mapping) else None
    told.add(speaker, texts, at, shown=shown, model=model if isinstance(model, str) else "")


def _selfplay(lines: Sequence[JsonValue], metadata: JsonValue) -> Imported:
    metadata = metadata if isinstance(metadata, Mapping) else {}
    told, at = _Told(), _moment(metadata.get("timestamp"), UNKNOWN)
    models = dict(_models(metadata.get("participants")))
    for number, line in enumerate(lines, 1):
        speaker = line.get("speaker") if isinstance(line, Mapping) else None
        text = line.get("message") if isinstance(line, Mapping) else None
        if not isinstance(speaker, str) or not isinstance(text, str):
            field = "message" if isinstance(speaker, str) else "speaker"
            raise UsageError(
                say("Message {number:,} in this file: `{field}` is not what it must be.", number=number, field=field)
            )
        told.add(
            told.speaker(speaker, "persona"), [text], at + timedelta(seconds=number - 1), model=models.get(speaker, "")
        )
    return told.imported(" · ".join(one.name for one in told.speakers.values())[: MOST_NAME * 2], "selfplay")


def _models(participants: JsonValue) -> Iterator[tuple[str, str]]:
    for each in participants if isinstance(participants, list) else ():
        if isinstance(each, Mapping):
            name, model = each.get("name"), each.get("model")
            if isinstance(name, str) and isinstance(model, str):
                yield name, model


def _memory(known: Sequence[JsonValue]) -> Imported:
    """What SelfPlay's bots remember of a talk with a person."""
    told, left_out = _Told(), 0
    for number, each in enumerate(known, 1):
        role = each.get("role") if isinstance(each, Mapping) else None
        text = each.get("content") if isinstance(each, Mapping) else None
        if role == "system":
            left_out += 1
            continue
        if role not in ("user", "assistant") or not isinstance(text, str):
            field = "content" if role in ("user", "assistant") else "role"
            raise UsageError(
                say("Message {number:,} in this file: `{field}` is not what it must be.", number=number, field=field)
            )
        kind: Literal["person", "bot"] = "person" if role == "user" else "bot"
        name = say("Person") if role == "user" else say("Bot")
        told.add(told.speaker(name, kind), [text], UNKNOWN + timedelta(seconds=number - 1))
    return told.imported(say("A conversation"), "selfplay", left_out)


def _object(line: bytes) -> _Object | None:
    with suppress(ValueError):
        found: JsonValue = from_json(line, allow_inf_nan=False)
        return found if isinstance(found, dict) else None
    return None


def _moment(told: JsonValue, before: datetime) -> datetime:
    """As SillyTavern wrote it over the years; what nobody can read was said when the message before it was."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(told, str) and told.strip().isdecimal():
            told = int(told)
        if isinstance(told, int | float) and not isinstance(told, bool):
            return datetime.fromtimestamp(told / 1000 if told > 10**11 else told, UTC)
        if isinstance(told, str):
            found = _spelled(told.strip()) or datetime.fromisoformat(told.strip())
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return before


def _spelled(told: str) -> datetime | None:
    if found := _HUMANIZED.fullmatch(told):
        year, month, day, hour, minute, second, milli = (int(each or 0) for each in found.groups())
        return datetime(year, month, day, hour, minute, second, milli * 1000, UTC)
    if found := _WRITTEN.fullmatch(told):
        month = _MONTHS.index(found[1][:3].lower()) + 1
        hour = int(found[4]) % 12 + (12 if found[6].lower() == "pm" else 0)
        return datetime(int(found[3]), month, int(found[2]), hour, int(found[5]), tzinfo=UTC)
    return None


def _plain(text: str) -> str:
    return _WHY.sub("?", text)[:200]
