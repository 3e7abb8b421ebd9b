"""A chat that SillyTavern opens: one message a line, and the answers to the same question as swipes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

from pydantic import JsonValue

from bot.api import phrase
from plugins.export.formats import telling
from plugins.export.formats.stretches import Step, Walk
from plugins.export.transcript import Entry, Format, Header, Speaker

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    walk = Walk(header)
    begun, last = False, EPOCH
    for step, variants in _answers(walk, entries):
        if not begun:
            out.write(_line(_head(header, step.entry.at)))
            begun = True
        if step.ends is not None and (told := telling.curtain(step.ends)):
            out.write(_line(_note(step.entry.at, f"❧ {told}")))
        if step.stretch and step.after is not None:
            name = step.way.name if step.way is not None else ""
            out.write(_line(_note(step.entry.at, f"⑂ {name}".rstrip())))
        if step.begins is not None and step.begins.title:
            out.write(_line(_note(step.entry.at, f"❦ {step.begins.title}")))
        last = step.entry.at
        out.write(_line(_message(step, variants)))
    if not begun:
        out.write(_line(_head(header, None)))
    elif walk.scene is not None and (told := telling.curtain(walk.scene)):
        out.write(_line(_note(last, f"❧ {told}")))


SILLYTAVERN = Format(
    "sillytavern", ".jsonl", "application/jsonl", phrase("A chat for SillyTavern, with its swipes"), write
)


def _answers(walk: Walk, entries: Iterable[Entry]) -> Iterator[tuple[Step, list[Entry]]]:
    """Each with the variants that follow it. Tools have no place there, and what was deleted has no words."""
    waiting: tuple[Step, list[Entry]] | None = None
    for entry in entries:
        if entry.variant_of is not None:
            if waiting is not None and waiting[0].entry.id == entry.variant_of:
                waiting[1].append(entry)
            continue
        step = walk.step(entry)
        if waiting is not None:
            yield waiting
        shown = entry.role != "tool" and "tool_calls" not in entry.parts and entry.status != "forgotten"
        waiting = (step, []) if shown else None
    if waiting is not None:
        yield waiting


def _head(header: Header, began: datetime | None) -> Mapping[str, JsonValue]:
    def first(*kinds: str) -> str:
        return next((one.name for kind in kinds for one in header.speakers if one.kind == kind), "")

    return {
        "user_name": first("person") or "User",
        "character_name": first("persona", "bot") or "Duologue",
        "create_date": _moment(began) if began is not None else "",
        "chat_metadata": {},
    }


def _message(step: Step, variants: list[Entry]) -> Mapping[str, JsonValue]:
    entry, speaker = step.entry, step.speaker
    told: dict[str, JsonValue] = {**_said(entry, speaker), "extra": _extra(entry)}
    if variants:
        swipes = sorted([entry, *variants], key=lambda each: (each.variant, each.id))
        told["swipe_id"] = swipes.index(entry)
        told["swipes"] = [each.text for each in swipes]
        told["swipe_info"] = [{"send_date": _moment(each.at), "extra": _extra(each)} for each in swipes]
    return told


def _said(entry: Entry, speaker: Speaker) -> dict[str, JsonValue]:
    system = entry.role == "system"
    return {
        "name": "System" if system else speaker.name,
        "is_user": not system and speaker.kind == "person",
        "is_system": system,
        "send_date": _moment(entry.at),
        "mes": entry.text,
    }


def _note(at: datetime, text: str) -> Mapping[str, JsonValue]:
    """Of ours, which no model is sent there."""
    return {
        "name": "System",
        "is_user": False,
        "is_system": True,
        "send_date": _moment(at),
        "mes": text,
        "extra": {"type": "comment"},
    }


def _extra(entry: Entry) -> dict[str, JsonValue]:
    extra: dict[str, JsonValue] = {}
    if entry.model:
        extra["model"] = entry.model
    if entry.tokens is not None:
        extra["token_count"] = entry.tokens
    return extra


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(value: Mapping[str, JsonValue]) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode(errors="replace")
