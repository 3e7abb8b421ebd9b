"""A transcript from a file becomes branches of a place: checked first, taken whole or not at all, and once."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.api import (
    Archive,
    Character,
    ModelCall,
    NewEntry,
    NewScene,
    NewWay,
    Playbill,
    Restored,
    Summary,
    Usage,
    UsageError,
    look,
    say,
)
from plugins.export.formats.colours import MOST_FACE, picture
from plugins.export.reading import shareable
from plugins.export.transcript import Entry, Scene, Speaker, Way, in_time

if TYPE_CHECKING:
    from plugins.export.imported import Imported

MOST_BYTES = 100_000_000
MOST_ENTRIES, MOST_WAYS = 200_000, 2_000
# Longer ones are cut off.
LONGEST_NAME = 200
# Of one answer: what any database can count, and write down.
MOST_TOKENS, MOST_COST, LONGEST_COST = 2**31 - 1, 10**9, 60
STEP = 500
ZIP = b"PK\x03\x04"


async def importing(archive: Archive, content: bytes, advance: Callable[[int], None]) -> Restored:
    """`advance` is told how many messages were written. Raises UsageError that says what is wrong with the file."""
    new = await asyncio.to_thread(prepared, content)
    begun = await archive.restore(new.key)
    if isinstance(begun, Restored):
        return begun
    try:
        for first in range(0, len(new.entries), STEP):
            await begun.add(new.entries[first : first + STEP])
            advance(min(first + STEP, len(new.entries)))
        return await begun.finish(new.ways, active=new.active, scenes=new.scenes)
    except BaseException:
        await asyncio.shield(begun.give_up())
        raise


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be written, and a `key` that the same talk always has. `active` is the way that the talk went last."""

    entries: Sequence[NewEntry]
    ways: Sequence[NewWay]
    active: int
    scenes: Sequence[NewScene]
    key: str


def prepared(content: bytes) -> Prepared:
    # Only who imports needs what reads foreign files.
    from plugins.export.imported import parse

    imported = parse(unpacked(content))
    entries, ways = imported.entries, imported.header.ways
    if not entries:
        raise UsageError(say("There are no messages in this file."))
    if len(entries) > MOST_ENTRIES:
        raise UsageError(say("There are more than {most:,} messages in this file.", most=MOST_ENTRIES))
    if len(ways) > MOST_WAYS:
        raise UsageError(say("There are more than {most:,} branches in this file.", most=MOST_WAYS))
    numbers = _numbers(entries)
    if not ways:
        ways = (Way(0, "", entries[-1].id, None, entries[-1].at, active=True),)
    for way in ways:
        if way.tip is not None and way.tip not in numbers:
            raise UsageError(say("Branch `{name}` ends with a message that is not in this file.", name=way.name[:40]))
    speakers = {one.key: one for one in imported.header.speakers}
    return Prepared(
        [_new_entry(one, speakers) for one in entries],
        [_new_way(way) for way in ways],
        next((number for number, way in enumerate(ways) if way.active), len(ways) - 1),
        [_new_scene(one, speakers) for one in imported.header.scenes if one.title or one.cast or one.ended],
        _key(imported, ways, numbers),
    )


def unpacked(content: bytes) -> bytes:
    """The one file in a zipped one. Raises UsageError."""
    if not content.startswith(ZIP):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            names = [each for each in zipped.namelist() if not each.endswith("/")]
            if len(names) != 1:
                raise UsageError(say("There are {count:,} files in it. Zip one alone.", count=len(names)))
            with zipped.open(names[0]) as inside:
                found = inside.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise UsageError(say("This zipped file is damaged.")) from error
    if len(found) > MOST_BYTES:
        raise UsageError(say("Unzipped, this file has more than {most:,} MB.", most=MOST_BYTES // 1_000_000))
    return found


def _numbers(entries: Sequence[Entry]) -> Mapping[int, int]:
    """By id, in what order they come. Raises UsageError where one belongs to another that has not come before."""
    numbers: dict[int, int] = {}
    for number, one in enumerate(entries, 1):
        if one.id in numbers:
            raise UsageError(say("Message {number:,} in this file has the id of another one.", number=number))
        for before in (one.parent, one.variant_of):
            if before is not None and before not in numbers:
                raise UsageError(
                    say("Message {number:,} in this file belongs to one that does not come before it.", number=number)
                )
        numbers[one.id] = number
    return numbers


def _new_entry(one: Entry, speakers: Mapping[str, Speaker]) -> NewEntry:
    by = speakers.get(one.speaker) or Speaker("", "", "bot")
    is_person = one.role == "user"
    named = by.name[:LONGEST_NAME] or None
    is_gone = one.status == "forgotten"
    return NewEntry(
        id=one.id,
        parent=one.parent,
        role=one.role,
        text="" if is_gone else one.text,
        created_at=one.at,
        author_id=(by.id[:LONGEST_NAME] or None) if is_person else None,
        author=named if is_person else None,
        speaker=named if one.role == "assistant" and by.kind != "bot" else None,
        status=one.status,
        model=one.model[:LONGEST_NAME] or None,
        tokens=one.tokens if one.tokens is not None and 0 <= one.tokens <= MOST_TOKENS else None,
        variant_of=one.variant_of,
        scene=one.scene,
        parts={} if is_gone else shareable(one.parts),
        call=_call(one) if one.role == "assistant" and one.used is not None else None,
    )


def _call(one: Entry) -> ModelCall | None:
    """What an answer took; nothing where no ledger could hold it."""
    used = one.used
    assert used is not None
    fits = all(0 <= each <= MOST_TOKENS for each in (used.input, used.output, used.cached))
    cost = used.cost
    if cost is not None and not (cost.is_finite() and 0 <= cost <= MOST_COST and len(str(cost)) <= LONGEST_COST):
        fits = False
    if not fits or not 0 <= used.seconds <= MOST_TOKENS:
        return None
    usage = Usage(used.input, used.output, used.cached, estimated=used.estimated)
    return ModelCall("", one.model, usage, cost, {}, used.seconds, None)


def _new_way(way: Way) -> NewWay:
    told = way.summary
    at = in_time(told.at) if told is not None else None
    summary = Summary(told.until, told.text, told.model or None, at) if told is not None and at is not None else None
    return NewWay(way.name or say("imported"), way.tip, way.forked_from, way.at, way.pins, summary)


def _new_scene(one: Scene, speakers: Mapping[str, Speaker]) -> NewScene:
    cast, faces = [], {}
    for part in one.cast:
        played = speakers.get(part.speaker)
        if played is None or not played.name:
            continue
        player = speakers.get(part.player)
        cast.append(Character(played.name, None, player.id or None if player is not None else None))
        if face := _face(played.face):
            faces[played.name] = face
    ended_at = in_time(one.ended_at) if one.ended_at is not None else None
    return NewScene(one.id, Playbill(one.title, tuple(cast), one.ended, ended_at), faces)


def _face(address: str) -> tuple[bytes, str] | None:
    """A picture that the file holds, by its own bytes."""
    known = picture(address, MOST_FACE)
    try:
        content = b64decode(known.partition(",")[2], validate=True)
    except ValueError:
        return None
    seen = look(content) if content else None
    return (content, seen.media_type) if seen is not None and seen.whole else None


def _key(imported: Imported, ways: Sequence[Way], numbers: Mapping[int, int]) -> str:
    """Of the talk itself: neither when it was exported nor its numbers make another one of it."""

    def number(id: int | None) -> int | None:
        return None if id is None else numbers.get(id)

    # What the bot is called is a matter of the export.
    names = {one.key: (one.kind, one.name, one.id) for one in imported.header.speakers if one.kind != "bot"}
    digest = hashlib.sha256()
    for way in ways:
        digest.update(json.dumps([way.name, number(way.tip), number(way.forked_from)]).encode())
    for one in imported.entries:
        place = [number(one.parent), number(one.variant_of), number(one.scene)]
        told = [one.role, names.get(one.speaker), one.text, one.at.isoformat(), one.status, one.model, dict(one.parts)]
        digest.update(json.dumps([place, told], sort_keys=True).encode())
    return digest.hexdigest()
