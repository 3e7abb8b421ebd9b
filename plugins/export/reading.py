"""From what is remembered to a transcript: who spoke, the ways the talk went, and its messages a page at a time."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from pydantic import JsonValue

from bot.api import Archive, Branch, Excerpt, Kept, ModelCall, Remembered, Voice, say
from plugins.export.names import Pseudonyms
from plugins.export.transcript import Entry, Header, Scene, Speaker, Used, Way
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
    """One export as it is read. `total` counts messages without their variants."""

    header: Header
    total: int
    archive: Archive = field(repr=False)
    stretches: Sequence[Stretch] = field(repr=False)
    people: _People = field(repr=False)

    async def pages(self) -> AsyncIterator[Sequence[Entry]]:
        """In the order that formats are promised."""
        for stretch in self.stretches:
            parent = stretch.after
            for first in range(0, len(stretch.ids), PAGE):
                page: list[Entry] = []
                for kept in await self.archive.messages(stretch.ids[first : first + PAGE], variants=True):
                    one = kept.message
                    page.append(self._entry(kept, parent if one.variant_of is None else page[-1].parent))
                    if one.variant_of is None:
                        parent = one.id
                yield page

    def only(self, stretches: Sequence[Stretch]) -> Reading:
        """With these of its messages alone; ways end with what there is of them."""
        held = [id for stretch in stretches for id in stretch.ids]
        known = set(held)

        def part_of(way: Way) -> Way:
            tip = way.tip if way.tip in known else held[-1] if len(self.header.ways) == 1 else None
            return replace(way, tip=tip, forked_from=way.forked_from if way.forked_from in known else None)

        header = replace(self.header, ways=tuple(map(part_of, self.header.ways)))
        return replace(self, header=header, total=len(held), stretches=stretches)

    def _entry(self, kept: Kept, parent: int | None) -> Entry:
        one, hide = kept.message, self.people.pseudonyms
        text, parts = one.text, shareable(one.parts)
        if hide is not None:
            text, parts = hide.text(text), {key: hide.value(value) for key, value in parts.items()}
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
            scene=one.scene,
            used=used(kept.calls),
            parts=parts,
        )


async def read(archive: Archive, wanted: Wanted, *, tree: bool, now: datetime | None = None) -> Reading:
    """`tree` says that what was forgotten keeps its place too, where all branches are wanted."""
    everything = wanted.branch is None and wanted.scene is None
    branches = await archive.branches()
    if everything:
        stretches, ways = await _all_ways(archive, branches, wanted, hidden=tree)
    else:
        ids = await archive.ids(_excerpt(wanted, branch=wanted.branch, scene=wanted.scene))
        stretches = [Stretch(ids)]
        ways = [_way(one, ids) for one in branches if one.id == wanted.branch]
    voices = await archive.voices(
        _excerpt(wanted, branch=wanted.branch, scene=wanted.scene, hidden=everything and tree)
    )
    people = _pseudonymous(voices, wanted) if wanted.pseudonymise else _people(voices, wanted)
    header = await _header(archive, wanted, branches, ways, people, now)
    return Reading(header, sum(len(one.ids) for one in stretches), archive, stretches, people)


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
        ways=tuple(Way(w.id, clean(w.name), w.tip, w.forked_from, w.at, w.active) for w in ways),
        exported_at=None if wanted.stable or now is None else now.astimezone(archive.zone),
        system=None if wanted.system is None else clean(wanted.system),
        summary=clean(summary),
        scope=wanted.branch,
        scene=wanted.scene,
        since=wanted.since.astimezone(archive.zone) if wanted.since is not None else None,
        until=wanted.until.astimezone(archive.zone) if wanted.until is not None else None,
        pseudonymised=wanted.pseudonymise,
        language=wanted.language,
        scenes=tuple(
            Scene(one.root, say("Scene {number}", number=number))
            for number, one in enumerate(await archive.scenes(), 1)
        ),
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
        ways[one.id] = _way(one, chain)
    return [one for one in stretches if len(one.ids)], [ways[one.id] for one in branches]


def _way(of: Branch, chain: Sequence[int]) -> Way:
    """Its end and where it left another one, as far as they are told here."""
    at = bisect_right(chain, of.forked_from) if of.forked_from is not None else 0
    return Way(
        of.id, of.name, chain[-1] if len(chain) else None, chain[at - 1] if at else None, of.created_at, of.active
    )


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


def _pseudonymous(voices: Sequence[Voice], wanted: Wanted) -> _People:
    """One number for each person, whatever they were called."""
    speakers: dict[str, Speaker] = {}
    keys: dict[Voice, str] = {}
    names: dict[str, str] = {}
    for voice in voices:
        kind, name, id = _same(voice)
        if kind != "person":
            continue
        who = id or name
        if who not in speakers:
            number = len(speakers) + 1
            called = say("Person {number}", number=number)
            speakers[who] = Speaker(f"p{number}", called, "person", trains=id in wanted.agreed)
        keys[voice] = speakers[who].key
        names |= {each: speakers[who].name for each in (name, id) if each}
    others = _people([voice for voice in voices if _same(voice)[0] != "person"], wanted)
    return _People((*speakers.values(), *others.speakers), {**keys, **others.keys}, Pseudonyms(names))


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
