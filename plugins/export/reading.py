"""From what is remembered to a transcript: who spoke, the ways the talk went, and its messages a page at a time."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from pydantic import JsonValue

from bot.api import Archive, Branch, Excerpt, Kept, ModelCall, Remembered, SceneSpan, Voice, say
from plugins.export.names import Pseudonyms
from plugins.export.pictures import Room, faces_of, pictures_of
from plugins.export.transcript import Entry, Header, Part, Scene, Speaker, Told, Used, Way
from plugins.export.wanted import Wanted, bot_of

PAGE = 500
# What a file that came with a message has in `parts` and nobody else is to have: where its content lies.
KEPT_BACK = frozenset({"blob", "url"})


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages that follow each other, and the one before them."""

    ids: Sequence[int]
    after: int | None = None


@dataclass(frozen=True, slots=True)
class _People:
    """Everybody by what memory calls them."""

    speakers: tuple[Speaker, ...]
    keys: Mapping[Voice, str]
    pseudonyms: Pseudonyms | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One export as it is read. `total` counts messages without their variants. `lines` are those of scenes,
    where what is said between them is told as part of the scene; `picture_bytes` is how much of what people sent is
    shown."""

    header: Header
    total: int
    archive: Archive = field(repr=False)
    stretches: Sequence[Stretch] = field(repr=False)
    people: _People = field(repr=False)
    lines: Mapping[int, int] | None = field(default=None, repr=False)
    picture_bytes: int = 0

    async def pages(self) -> AsyncIterator[Sequence[Entry]]:
        """In the order that formats are promised."""
        room = Room(self.picture_bytes)
        for stretch in self.stretches:
            parent = stretch.after
            acts = _Acts(self.lines, stretch.ids) if self.lines is not None else None
            for first in range(0, len(stretch.ids), PAGE):
                page: list[Entry] = []
                for kept in await self.archive.messages(stretch.ids[first : first + PAGE], variants=True):
                    one = kept.message
                    before = parent if one.variant_of is None else page[-1].parent
                    shown = await pictures_of(self.archive, one.parts, room) if room.left and one.parts else ()
                    scene = one.scene if acts is None else acts.at(one.variant_of or one.id)
                    page.append(self._entry(kept, before, scene, shown))
                    if one.variant_of is None:
                        parent = one.id
                yield page

    def only(self, stretches: Sequence[Stretch]) -> Reading:
        """With these of its messages alone; ways end with what there is of them."""
        held = [id for stretch in stretches for id in stretch.ids]
        known = set(held)

        def part_of(way: Way) -> Way:
            tip = way.tip if way.tip in known else held[-1] if len(self.header.ways) == 1 else None
            pins = tuple(id for id in way.pins if id in known)
            told = way.summary if way.summary is not None and way.summary.until in known else None
            fork = way.forked_from if way.forked_from in known else None
            begins = way.begins if way.begins in known else None
            return replace(way, tip=tip, forked_from=fork, pins=pins, summary=told, begins=begins)

        header = replace(self.header, ways=tuple(map(part_of, self.header.ways)))
        return replace(self, header=header, total=len(held), stretches=stretches)

    def _entry(self, kept: Kept, parent: int | None, scene: int | None, pictures: tuple[str, ...]) -> Entry:
        one, hide = kept.message, self.people.pseudonyms
        text, parts = one.text, shareable(one.parts)
        if hide is not None:
            parts = {key: hide.value(value) for key, value in parts.items()}
            if isinstance(said := parts.get("said"), int) and 0 <= said < len(text):
                # Where files begin that came with it.
                written = hide.text(text[:said])
                text, parts["said"] = written + hide.text(text[said:]), len(written)
            else:
                text = hide.text(text)
        forgotten = one.status == "forgotten"
        return Entry(
            id=one.id,
            parent=parent,
            role=one.role,
            speaker="" if forgotten else self.people.keys.get(voice_of(one), "bot"),
            text=text,
            at=one.created_at.astimezone(self.archive.zone),
            status=one.status,
            model=one.model or "",
            tokens=None if forgotten else one.tokens,
            variant_of=one.variant_of,
            variant=kept.variant,
            variants=kept.variants,
            scene=scene,
            used=used(kept.calls),
            parts=parts,
            pictures=pictures,
        )


class _Acts:
    """Which scene the messages of a stretch stand in: between the lines of one, people speak as well."""

    def __init__(self, lines: Mapping[int, int], ids: Sequence[int]) -> None:
        spans: dict[int, tuple[int, int]] = {}
        for id in ids:
            if (scene := lines.get(id)) is not None:
                spans[scene] = (spans[scene][0] if scene in spans else id, id)
        self._spans = sorted((first, last, scene) for scene, (first, last) in spans.items())

    def at(self, id: int) -> int | None:
        at = bisect_right(self._spans, id, key=lambda span: span[0]) - 1
        _, last, scene = self._spans[at] if at >= 0 else (0, -1, 0)
        return scene if id <= last else None


async def read(
    archive: Archive,
    wanted: Wanted,
    *,
    tree: bool,
    now: datetime | None = None,
    face_bytes: int = 0,
    picture_bytes: int = 0,
) -> Reading:
    """`tree` says that all is told as memory has it: what was forgotten keeps its place too, where all branches are
    wanted. `face_bytes` and `picture_bytes` bound what is shown of either; who is not to be known has neither."""
    everything = wanted.branch is None and wanted.scene is None
    branches = await archive.branches()
    if everything:
        stretches, ways = await _all_ways(archive, branches, wanted, hidden=tree)
    else:
        ids = await archive.ids(_excerpt(wanted, branch=wanted.branch, scene=wanted.scene))
        stretches = [Stretch(ids)]
        ways = [await _way(archive, one, ids, wanted) for one in branches if one.id == wanted.branch]
    voices = await archive.voices(
        _excerpt(wanted, branch=wanted.branch, scene=wanted.scene, hidden=everything and tree)
    )
    lines = await archive.lines()
    scenes = await _told_scenes(archive, lines, stretches)
    faces = await faces_of(archive, [span for span, _ in scenes], Room(face_bytes))
    if wanted.pseudonymise:
        # Those who spoke elsewhere in this place, or under another name before, may be spoken of here.
        people = _pseudonymous(voices, await archive.voices(Excerpt(hidden=True)), wanted)
    else:
        people = _people(voices, wanted)
    people = _with_cast(people, [span for span, _ in scenes], faces)
    header = await _header(archive, wanted, branches, ways, people, now)
    clean = people.pseudonyms.text if people.pseudonyms is not None else str
    told = tuple(_scene(archive, span, people, clean, "" if tree else _numbered(number)) for span, number in scenes)
    return Reading(
        replace(header, scenes=told),
        sum(len(one.ids) for one in stretches),
        archive,
        stretches,
        people,
        lines=None if tree else lines,
        picture_bytes=0 if wanted.pseudonymise else picture_bytes,
    )


async def _told_scenes(
    archive: Archive, lines: Mapping[int, int], stretches: Sequence[Stretch]
) -> Sequence[tuple[SceneSpan, int]]:
    """Those of which something is told here, each with its number, counted from 1."""
    here = {lines[id] for stretch in stretches for id in stretch.ids if id in lines} if lines else ()
    return [(span, number) for number, span in enumerate(await archive.scenes(), 1) if span.root in here]


def _numbered(number: int) -> str:
    return say("Scene {number}", number=number)


def _scene(archive: Archive, span: SceneSpan, people: _People, clean: Callable[[str], str], unnamed: str) -> Scene:
    bill, zone = span.bill, archive.zone
    played = {voice.author_id: key for voice, key in people.keys.items() if voice.role == "user" and voice.author_id}
    keys = {one.name: one.key for one in people.speakers if one.kind == "persona"}
    return Scene(
        span.root,
        clean(bill.title) or unnamed,
        clean(bill.ended),
        bill.ended_at.astimezone(zone) if bill.ended_at is not None else None,
        span.began.astimezone(zone),
        span.lines,
        tuple(Part(keys[one.name], played.get(one.player or "", "")) for one in bill.cast if one.name in keys),
    )


def _with_cast(people: _People, scenes: Sequence[SceneSpan], faces: Mapping[str, str]) -> _People:
    """Also of those who said nothing yet, and with their faces."""
    known = {one.name for one in people.speakers if one.kind == "persona"}
    silent = {one.name: None for scene in scenes for one in scene.bill.cast if one.name and one.name not in known}
    first = 1 + sum(one.kind == "persona" for one in people.speakers)
    more = [Speaker(f"c{number}", name, "persona") for number, name in enumerate(silent, first)]
    speakers = (
        replace(one, face=faces.get(one.name, "")) if one.kind == "persona" else one
        for one in (*people.speakers, *more)
    )
    return replace(people, speakers=tuple(speakers))


async def _header(
    archive: Archive,
    wanted: Wanted,
    branches: Sequence[Branch],
    ways: Sequence[Way],
    people: _People,
    now: datetime | None,
) -> Header:
    active = next((one for one in branches if one.active), None)
    summary = ""
    if active is not None and wanted.branch in (active.id, None) and wanted.scene is None and wanted.since is None:
        found = await archive.summary(active.id)
        summary = found.text if found is not None else ""
    hide = people.pseudonyms
    clean = hide.text if hide is not None else str
    return Header(
        place="" if hide is not None else str(archive.place),
        title=clean(wanted.title) or say("Conversation"),
        speakers=people.speakers,
        ways=tuple(_clean_way(way, clean) for way in ways),
        exported_at=None if wanted.stable or now is None else now.astimezone(archive.zone),
        system=None if wanted.system is None else clean(wanted.system),
        summary=clean(summary),
        scope=wanted.branch,
        scene=wanted.scene,
        since=wanted.since.astimezone(archive.zone) if wanted.since is not None else None,
        until=wanted.until.astimezone(archive.zone) if wanted.until is not None else None,
        pseudonymised=wanted.pseudonymise,
        language=wanted.language,
    )


async def _all_ways(
    archive: Archive, branches: Sequence[Branch], wanted: Wanted, *, hidden: bool
) -> tuple[list[Stretch], list[Way]]:
    """The active branch whole, then of each other one what it does not share with those before."""
    told: set[int] = set()
    stretches, ways = [], {}
    for one in sorted(branches, key=lambda one: (not one.active, one.id)):
        chain = await archive.ids(_excerpt(wanted, branch=one.id, hidden=hidden))
        # Ways that have parted never meet again.
        shared = bisect_left(chain, 1, key=lambda id: int(id not in told))
        stretches.append(Stretch(chain[shared:], chain[shared - 1] if shared else None))
        told.update(chain[shared:])
        begins = chain[shared] if shared < len(chain) else None
        ways[one.id] = replace(await _way(archive, one, chain, wanted), begins=begins)
    return [one for one in stretches if len(one.ids)], [ways[one.id] for one in branches]


async def _way(archive: Archive, of: Branch, chain: Sequence[int], wanted: Wanted) -> Way:
    """Its end, where it left another one and what stands in its window, as far as they are told here."""
    at = bisect_right(chain, of.forked_from) if of.forked_from is not None else 0
    known = await archive.summary(of.id) if wanted.since is None else None
    told = None
    if known is not None and _holds(chain, known.until):
        told = Told(known.until, known.text, known.created_at.astimezone(archive.zone), known.model or "")
    return Way(
        of.id,
        of.name,
        chain[-1] if len(chain) else None,
        chain[at - 1] if at else None,
        of.created_at,
        of.active,
        tuple(id for id in await archive.pins(of.id) if _holds(chain, id)),
        told,
    )


def _holds(chain: Sequence[int], id: int) -> bool:
    at = bisect_left(chain, id)
    return at < len(chain) and chain[at] == id


def _clean_way(way: Way, clean: Callable[[str], str]) -> Way:
    told = replace(way.summary, text=clean(way.summary.text)) if way.summary is not None else None
    return replace(way, name=clean(way.name), summary=told)


def _excerpt(wanted: Wanted, *, branch: int | None = None, scene: int | None = None, hidden: bool = False) -> Excerpt:
    return Excerpt(branch, scene, wanted.since, wanted.until, hidden)


def voice_of(one: Remembered) -> Voice:
    return Voice(one.role, one.author_id, one.author, one.speaker)


def _people(voices: Sequence[Voice], wanted: Wanted) -> _People:
    """Keys are given in the order in which they spoke first; who changed their name is told under both."""
    speakers: dict[tuple[str, str, str], Speaker] = {}
    keys: dict[Voice, str] = {}
    counts = {"p": 0, "c": 0}
    for voice in voices:
        same = _same(voice)
        if same not in speakers:
            kind, name, id = same
            if kind == "bot":
                speakers[same] = bot_of(wanted)
            else:
                letter = "p" if kind == "person" else "c"
                counts[letter] += 1
                key = f"{letter}{counts[letter]}"
                trains = kind == "person" and id in wanted.agreed
                speakers[same] = Speaker(key, name, "person" if kind == "person" else "persona", id, trains=trains)
        keys[voice] = speakers[same].key
    return _People(tuple(speakers.values()), keys)


def _pseudonymous(voices: Sequence[Voice], known: Sequence[Voice], wanted: Wanted) -> _People:
    """One number for each person, whatever they were called; `known` are others who may be spoken of."""
    speakers: dict[str, Speaker] = {}
    keys: dict[Voice, str] = {}
    names: dict[str, str] = {}
    for voice in (*voices, *known):
        kind, name, id = _same(voice)
        if kind != "person":
            continue
        who = id or name
        if who not in speakers:
            number = len(speakers) + 1
            called = say("Person {number}", number=number)
            speakers[who] = Speaker(f"p{number}", called, "person", trains=id in wanted.agreed)
        keys[voice] = speakers[who].key
        names |= {each: speakers[who].name for each in (voice.author or voice.speaker, id) if each}
    here = {voice: keys[voice] for voice in voices if voice in keys}
    spoke = {*here.values()}
    told = (one for one in speakers.values() if one.key in spoke)
    others = _people([voice for voice in voices if _same(voice)[0] != "person"], wanted)
    return _People((*told, *others.speakers), {**here, **others.keys}, Pseudonyms(names))


def _same(voice: Voice) -> tuple[str, str, str]:
    """Kind, name and id of whoever it is."""
    if voice.role == "user":
        name = voice.author or voice.speaker or ""
        return "person", name or say("Somebody"), voice.author_id or ""
    return ("persona", voice.speaker, "") if voice.speaker else ("bot", "", "")


def used(calls: Sequence[ModelCall]) -> Used | None:
    if not calls:
        return None
    costs = [call.cost for call in calls if call.cost is not None]
    return Used(
        input=sum(call.usage.input for call in calls),
        output=sum(call.usage.output for call in calls),
        cached=sum(call.usage.cached for call in calls),
        cost=sum(costs, Decimal(0)) if len(costs) == len(calls) else None,
        seconds=round(sum(call.seconds for call in calls), 3),
        estimated=any(call.usage.estimated for call in calls),
    )


def shareable(parts: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    if not parts:
        return parts
    return {key: _without(value) if key in ("images", "unread") else value for key, value in parts.items()}


def _without(value: JsonValue) -> JsonValue:
    if not isinstance(value, list):
        return value
    return [
        {key: each for key, each in one.items() if key not in KEPT_BACK} if isinstance(one, Mapping) else one
        for one in value
    ]


def pulled(pages: AsyncIterator[Sequence[Entry]], loop: asyncio.AbstractEventLoop) -> Iterator[Entry]:
    """For a thread that writes while the loop reads, one page ahead."""

    async def following() -> Sequence[Entry] | None:
        return await anext(pages, None)

    coming = asyncio.run_coroutine_threadsafe(following(), loop)
    while (page := coming.result()) is not None:
        coming = asyncio.run_coroutine_threadsafe(following(), loop)
        yield from page
