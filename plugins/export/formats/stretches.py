"""Where in a transcript another branch, day or scene begins: what all formats that are read by people tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from plugins.export.transcript import Entry, Header, Scene, Speaker, Way

TOGETHER = timedelta(minutes=7)
"""How soon somebody must go on speaking for it to be shown as one."""


@dataclass(frozen=True, slots=True)
class Step:
    """An entry, and what is to be told before it. `stretch` says that another stretch of the tree begins here: of
    `way`, where that is known, going on `after` an entry. `ends` and `begins` are scenes. `goes_on` says that the
    same speaker goes on speaking. `leaving` are the branches that begin at this entry, `apart` those of them that
    are told further below."""

    entry: Entry
    speaker: Speaker
    stretch: bool = False
    way: Way | None = None
    after: int | None = None
    ends: Scene | None = None
    begins: Scene | None = None
    day: bool = False
    goes_on: bool = False
    leaving: tuple[Way, ...] = ()
    apart: frozenset[int] = frozenset()


class Walk:
    """Goes from entry to entry; `scene` is the one that it is in."""

    def __init__(self, header: Header) -> None:
        self._speakers = {one.key: one for one in header.speakers}
        self._scenes = {one.id: one for one in header.scenes}
        self._branches = header.scope is None and header.scene is None and len(header.ways) > 1
        # The branch that is told first is the active one, or one that left no other.
        self._untold = sorted(header.ways, key=lambda way: (not way.active, way.forked_from is not None))
        self._begins = {way.begins: way for way in header.ways if way.begins is not None}
        self._told_apart = frozenset(way.id for way in self._begins.values())
        if not self._begins:
            self._told_apart = frozenset(way.id for way in header.ways)
        self._way: Way | None = None
        self._leaving: dict[int, list[Way]] = {}
        if self._branches:
            for way in header.ways:
                if way.forked_from is not None:
                    self._leaving.setdefault(way.forked_from, []).append(way)
        self._before: Entry | None = None
        self.scene: Scene | None = None
        self._day: date | None = None
        self._talking: tuple[str, str] = ("", "")

    def step(self, entry: Entry) -> Step:
        speaker = self._speakers.get(entry.speaker) or Speaker(entry.speaker, entry.speaker, "person")
        if entry.variant_of is not None:
            return Step(entry, speaker)
        before = self._before
        first = before is None
        stretch = self._branches and (before is None or entry.parent != before.id or entry.id in self._begins)
        way = self._way_of(entry, first=first) if stretch else None
        self._way = way if stretch else self._way
        ends, begins = self._scenes_at(entry, stretch=stretch)
        day = stretch or entry.at.date() != self._day
        goes_on = not (stretch or ends or begins or day) and self._goes_on(entry)
        self._before, self._day = entry, entry.at.date()
        if entry.role != "tool":
            self._talking = entry.speaker, entry.role
        return Step(
            entry,
            speaker,
            stretch,
            way,
            entry.parent if stretch and not first else None,
            ends,
            begins,
            day,
            goes_on,
            leaving=tuple(each for each in self._leaving.get(entry.id, ()) if each is not self._way),
            apart=self._told_apart,
        )

    def _way_of(self, entry: Entry, *, first: bool) -> Way | None:
        if (known := self._begins.get(entry.id)) is not None:
            self._untold = [way for way in self._untold if way is not known]
            return known
        found = [
            way
            for way in self._untold
            if first or (way.forked_from == entry.parent and way.forked_from is not None) or way.forked_from is None
        ]

        def closeness(way: Way) -> tuple[bool, bool]:
            """What is told first is the active one, if anything was said on it. Others are known to leave just here,
            and hold something of their own."""
            leaves = way.active and way.tip is not None if first else way.forked_from == entry.parent
            return leaves, way.tip is not None and way.tip != way.forked_from

        way = max(found, key=closeness, default=None)
        if way is not None:
            self._untold.remove(way)
        return way

    def _scenes_at(self, entry: Entry, *, stretch: bool) -> tuple[Scene | None, Scene | None]:
        known = self.scene
        if entry.scene == (known.id if known else None) and not stretch:
            return None, None
        self.scene = None if entry.scene is None else self._scenes.get(entry.scene) or Scene(entry.scene, "")
        return known, self.scene

    def _goes_on(self, entry: Entry) -> bool:
        """What a tool answers belongs to whoever called it."""
        if self._before is None or not timedelta() <= entry.at - self._before.at <= TOGETHER:
            return False
        return entry.role == "tool" or self._talking == (entry.speaker, entry.role)
