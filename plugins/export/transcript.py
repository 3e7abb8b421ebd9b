"""What an export is made of: who spoke, which ways the talk went, and what was said. Pure values, no platform."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import BinaryIO, Literal, TypeAlias

from pydantic import JsonValue

VERSION = 1
"""Of our JSON. A reader takes this one and older ones."""

Kind: TypeAlias = Literal["person", "bot", "persona"]
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Status: TypeAlias = Literal["complete", "partial", "interrupted", "failed", "forgotten"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody who spoke. `key` names them in this transcript alone; `id` is the platform's, empty for the bot, for
    personas, and where people are pseudonymised. `face` is a `data:` address. `trains` says that a person agreed that
    what they say may train models."""

    key: str
    name: str
    kind: Kind
    id: str = ""
    face: str = ""
    trains: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """A branch. `tip` and `forked_from` are ids of entries; a tip may be None where nothing was said."""

    id: int
    name: str
    tip: int | None
    forked_from: int | None
    at: datetime
    active: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What an answer took; `cost` in US dollars, None = unknown."""

    input: int
    output: int
    cached: int
    cost: Decimal | None
    seconds: float
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. `id`, `parent` and `variant_of` are its place in the tree. `variant` of `variants` says which of the
    answers to the same question it is, counted from 1. `parts` is as it is remembered: tool calls and results, names
    and sizes of files. `scene` is the entry that its scene begins with."""

    id: int
    parent: int | None
    role: Role
    speaker: str
    text: str
    at: datetime
    status: Status = "complete"
    model: str = ""
    tokens: int | None = None
    variant_of: int | None = None
    variant: int = 1
    variants: int = 1
    scene: int | None = None
    used: Used | None = None
    parts: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of a scene. `id` is the entry that it begins with; `ended` says why it ended, if it did."""

    id: int
    title: str
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before the first entry. `system` is None where system prompts are left out; `summary` is what the
    active branch tells of what no longer fits. `exported_at` is None for an export that is the same each time. `scope`
    is the branch that was exported, None = all of them, and `scene` the one scene."""

    place: str
    title: str
    speakers: tuple[Speaker, ...]
    ways: tuple[Way, ...]
    exported_at: datetime | None = None
    system: str | None = None
    summary: str = ""
    scope: int | None = None
    scene: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    pseudonymised: bool = False
    language: str = "en"
    scenes: tuple[Scene, ...] = ()

    def speaker(self, key: str) -> Speaker:
        return next((one for one in self.speakers if one.key == key), Speaker(key, key, "person"))


Write: TypeAlias = Callable[[Header, Iterable[Entry], BinaryIO], None]
"""Writes one export. Entries come in the order of the tree (parents before children) or of the branch, once, and are
never held all together: 100,000 of them must not need more room than a few."""


@dataclass(frozen=True, slots=True)
class Format:
    """`tree` says that it can hold all branches at once; others write one after the other."""

    name: str
    suffix: str
    media_type: str
    description: str
    write: Write
    tree: bool = False
