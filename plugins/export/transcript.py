"""What an export is made of: who spoke, which ways the talk went, and what was said. Pure values, no platform."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, BinaryIO, Literal, TypeAlias

from pydantic import Field, JsonValue

VERSION = 2
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
class Told:
    """A summary of what was said until and with the entry `until`. `model` wrote it, empty = a person."""

    until: int
    text: str
    at: datetime
    model: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """A branch. `tip`, `forked_from` and `pins` are ids of entries; a tip may be None where nothing was said. `summary`
    tells of what no longer fits into its window, and `pins` always stand there. `begins` is the first entry that is
    told as its own, if that is known; no file needs it."""

    id: int
    name: str
    tip: int | None
    forked_from: int | None
    at: datetime
    active: bool
    pins: tuple[int, ...] = ()
    summary: Told | None = None
    begins: Annotated[int | None, Field(exclude=True)] = None


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
    and sizes of files. `scene` is the entry that its scene begins with. `pictures` are the `data:` addresses of those
    that `parts` names, empty where one is not there any more or is too large; only a format that shows them gets any.
    """

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
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody in a scene: the key of a speaker, and that of the person who played them, empty where a model did."""

    speaker: str
    player: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of a scene. `id` is the entry that it begins with, which `lines` does not count; `ended` says why
    it ended, if it did."""

    id: int
    title: str
    ended: str = ""
    ended_at: datetime | None = None
    began: datetime | None = None
    lines: int = 0
    cast: tuple[Part, ...] = ()


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


def in_time(at: datetime) -> datetime | None:
    """A moment that is told without a zone is in UTC, as everything is that has none; None for one that UTC lacks."""
    try:
        if at.tzinfo is None:
            return at.replace(tzinfo=UTC)
        at.astimezone(UTC)
    except OverflowError:
        return None
    return at


Write: TypeAlias = Callable[[Header, Iterable[Entry], BinaryIO], None]
"""Writes one export. Entries come in the order of the tree (parents before children) or of the branch, once, and are
never held all together: 100,000 of them must not need more room than a few."""


@dataclass(frozen=True, slots=True)
class Format:
    """`tree` says that it can hold all branches at once; others write one after the other. `faces` and `pictures` say
    that it shows those of speakers and those that people sent, which are not even read for others."""

    name: str
    suffix: str
    media_type: str
    description: str
    write: Write
    tree: bool = False
    faces: bool = False
    pictures: bool = False
