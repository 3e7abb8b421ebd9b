"""A conversation from a file becomes branches of a place: in small steps, all or nothing, and once."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from pydantic import JsonValue
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection

from bot.clock import Clock
from bot.errors import StoreError
from bot.events import Place
from bot.store import ledger, playbills, shelf, summaries, tree
from bot.store.branches import FIRST
from bot.store.cleaning import storable, storable_json, storable_or_none
from bot.store.database import Database
from bot.store.records import MessageStatus, Playbill, Summary
from bot.store.tables import branch, message, usage
from bot.store.variants import ANSWERS
from bot.turn import ModelCall, Role
from bot.words import phrase, say

# Rows that are written at once: nobody else can write meanwhile.
ROWS_AT_ONCE = 100
# A process that has not gone on with it for so long has died.
GIVEN_UP = timedelta(seconds=60)
LONGEST_NAME = 60
# Marks among the state of the place: `OWNER` as if a plugin kept them.
OWNER, RUNNING, DONE = "core", "importing:", "imported:"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A message as a file tells it. `id`, `parent`, `variant_of` and `scene` are the file's own numbers, of entries
    that came before it. `call` is what it took, which is told with it and counts in no budget: it was not spent here.
    """

    id: int
    parent: int | None
    role: Role
    text: str
    created_at: datetime
    author_id: str | None = None
    author: str | None = None
    speaker: str | None = None
    status: MessageStatus = "complete"
    model: str | None = None
    tokens: int | None = None
    variant_of: int | None = None
    scene: int | None = None
    parts: Mapping[str, JsonValue] = field(default_factory=dict)
    call: ModelCall | None = None


@dataclass(frozen=True, slots=True)
class NewWay:
    """A branch as a file tells it. `tip`, `forked_from`, `pins` and where its `summary` ends are the file's own
    numbers."""

    name: str
    tip: int | None
    forked_from: int | None
    created_at: datetime
    pins: tuple[int, ...] = ()
    summary: Summary | None = None


@dataclass(frozen=True, slots=True)
class NewScene:
    """What a file tells of the scene that begins with the message `root`. `faces` are pictures, by the names of the
    cast, and their media types."""

    root: int
    bill: Playbill
    faces: Mapping[str, tuple[bytes, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restored:
    """`is_new` is False where the same file was written here before; `active` says that the talk goes on there."""

    branches: tuple[str, ...]
    messages: int
    is_new: bool
    active: bool = False


class Restoring:
    """A file that is being written: `add` what it holds in order, then `finish`. Nobody sees any of it until then."""

    def __init__(self, database: Database, clock: Clock, place: Place, conversation: int, key: str) -> None:
        self.place = place
        self.key = key
        self.conversation = conversation
        self.ids: dict[int, int] = {}
        self._db = database
        self._clock = clock
        self._steps = 0
        self._writing: asyncio.Task[object] | None = None

    async def add(self, entries: Sequence[NewEntry]) -> None:
        """Raises KeyError for one that belongs to an entry that has not come yet."""
        for first in range(0, len(entries), ROWS_AT_ONCE):
            some = entries[first : first + ROWS_AT_ONCE]
            self.ids.update(await self._write(partial(self._add, entries=some)))

    def _add(self, connection: Connection, entries: Sequence[NewEntry]) -> Mapping[int, int]:
        known: ChainMap[int, int] = ChainMap({}, self.ids)
        for one in entries:
            known[one.id] = _insert(connection, self.conversation, one, known)
        now = self._clock.now()
        self._steps += 1
        written: list[JsonValue] = [*known.maps[0].values()]
        _put(connection, self.place, f"{RUNNING}{self.key}:{self._steps:06}", written, now)
        _put(connection, self.place, f"{RUNNING}{self.key}", now.isoformat(), now)
        return known.maps[0]

    async def finish(self, ways: Sequence[NewWay], *, active: int | None, scenes: Sequence[NewScene] = ()) -> Restored:
        """`active` is the way that the talk goes on with, where nothing was said here yet."""
        first = say(FIRST)
        return await self._write(lambda c: self._finish(c, ways, active, scenes, first))

    def _finish(
        self,
        connection: Connection,
        ways: Sequence[NewWay],
        active: int | None,
        scenes: Sequence[NewScene],
        first: str,
    ) -> Restored:
        now = self._clock.now()
        current = tree.ensure(connection, self.place, now)
        taken = connection.execute(select(branch.c.name).where(branch.c.conversation_id == current.id)).scalars().all()
        free = _Names(taken)
        if current.tip is not None and "" in taken:
            # Whoever leaves it wants to find it again.
            mine = update(branch).where(branch.c.id == current.branch, branch.c.name == "")
            connection.execute(mine.values(name=free.take(first)))
        names, made = [], []
        for way in ways:
            names.append(free.take(way.name))
            values = {
                "conversation_id": current.id,
                "name": storable(names[-1]),
                "tip_id": self.ids.get(way.tip or 0),
                "forked_from": self.ids.get(way.forked_from or 0),
                "created_at": way.created_at,
            }
            made.append(int(connection.execute(insert(branch).returning(branch.c.id), values).scalar_one()))
            self._stand(connection, current.id, made[-1], way, now)
        for scene in scenes:
            self._tell(connection, scene, now)
        goes_on = active is not None and current.tip is None
        if goes_on and active is not None:
            tree.activate(connection, current.id, made[active])
        _drop_marks(connection, self.place, self.key)
        done: JsonValue = {"branches": [*made], "messages": len(self.ids)}
        _put(connection, self.place, f"{DONE}{self.key}", done, now)
        return Restored(tuple(names), len(self.ids), is_new=True, active=goes_on)

    def _stand(self, connection: Connection, conversation: int, branch_id: int, way: NewWay, now: datetime) -> None:
        """What stands in the window of a branch beside its newest messages."""
        for id in way.pins:
            if id in self.ids:
                summaries.put_pin(connection, branch_id, self.ids[id], now)
        told = way.summary
        if told is not None and told.until in self.ids:
            summaries.put_back(connection, conversation, branch_id, replace(told, until=self.ids[told.until]))

    def _tell(self, connection: Connection, scene: NewScene, now: datetime) -> None:
        if scene.root not in self.ids:
            return
        put = partial(shelf.put_blob, connection, now=now)
        faces = {name: put(content, media_type) for name, (content, media_type) in scene.faces.items()}
        cast = tuple(replace(one, face=faces.get(one.name)) for one in scene.bill.cast)
        playbills.put(connection, self.place, self.ids[scene.root], replace(scene.bill, cast=cast), now)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        """What is under way goes on when whoever waits for it is told to stop."""
        writing = asyncio.ensure_future(self._db.write(work))
        self._writing = writing
        return await asyncio.shield(writing)

    async def give_up(self) -> None:
        """Nothing of it stays, unless it was finished just now."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await _clean_up(self._db, self.place, self.key)


async def begin(database: Database, clock: Clock, place: Place, key: str) -> Restoring | Restored:
    def look(connection: Connection) -> Restored | int:
        now = clock.now()
        current = tree.ensure(connection, place, now)
        if (known := _written(connection, place, current.id, key)) is not None:
            return known
        running = shelf.load_state(connection, OWNER, _scope(place), f"{RUNNING}{key}")
        if running is not None and now - datetime.fromisoformat(str(running[0])) < GIVEN_UP:
            raise StoreError(
                f"{key} is being imported into {place}", public=phrase("This file is being imported here right now.")
            )
        _put(connection, place, f"{RUNNING}{key}", now.isoformat(), now)
        return current.id

    found = await database.write(look)
    if isinstance(found, Restored):
        return found
    await _clean_up(database, place, key, marks=False)
    return Restoring(database, clock, place, found, key)


class _Names:
    """Of branches. Many of a file may bear the same one, so each number is tried once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._known = {each.casefold() for each in taken}
        self._numbers: dict[str, int] = {}

    def take(self, name: str) -> str:
        """For a new branch: this one, or with a number behind it."""
        found = name = " ".join(name.split())[:LONGEST_NAME].strip()
        stem = name[: LONGEST_NAME - 8]
        while found.casefold() in self._known:
            number = self._numbers[stem] = self._numbers.get(stem, 1) + 1
            found = f"{stem} ({number})"
        self._known.add(found.casefold())
        return found


def _written(connection: Connection, place: Place, conversation: int, key: str) -> Restored | None:
    """What the same file left here, unless all of its branches were deleted since."""
    mark = shelf.load_state(connection, OWNER, _scope(place), f"{DONE}{key}")
    if mark is None or not isinstance(mark[0], dict):
        return None
    ids, messages = mark[0].get("branches"), mark[0].get("messages")
    numbers = [id for id in ids if isinstance(id, int)] if isinstance(ids, list) else []
    here = select(branch.c.name).where(branch.c.id.in_(numbers), branch.c.conversation_id == conversation)
    names = tuple(connection.execute(here.order_by(branch.c.id)).scalars())
    return Restored(names, messages if isinstance(messages, int) else 0, is_new=False) if names else None


def _insert(connection: Connection, conversation: int, one: NewEntry, ids: Mapping[int, int]) -> int:
    text = storable(one.text)
    parts = {storable(key): storable_json(value) for key, value in one.parts.items()}
    answers = parts.pop(ANSWERS, None)
    if isinstance(answers, int) and answers in ids:
        parts[ANSWERS] = ids[answers]
    values = {
        "conversation_id": conversation,
        "parent_id": ids[one.parent] if one.parent is not None else None,
        "variant_of": ids[one.variant_of] if one.variant_of is not None else None,
        "role": one.role,
        "author_id": storable_or_none(one.author_id),
        "author": storable_or_none(one.author),
        "speaker": storable_or_none(one.speaker),
        "text": text,
        "parts": parts,
        "tokens": one.tokens,
        "size": tree.size_of(text, parts),
        "status": one.status,
        "scene_id": None,
        "model": storable_or_none(one.model),
        "created_at": one.created_at,
    }
    id: int = connection.execute(_new_message, values).scalar_one()
    if one.scene is not None and (root := id if one.scene == one.id else ids.get(one.scene)) is not None:
        connection.execute(_set_scene, {"of": id, "scene": root})
    if one.call is not None:
        of = ids[one.variant_of] if one.variant_of is not None else id
        ledger.restore(connection, of, one.call, one.created_at)
    return id


_new_message = insert(message).returning(message.c.id)
_set_scene = update(message).where(message.c.id == bindparam("of")).values(scene_id=bindparam("scene"))


async def _clean_up(database: Database, place: Place, key: str, *, marks: bool = True) -> None:
    """Take away what a try that did not come to its end has written, the newest first: others hang on the older."""
    steps = await database.read(lambda c: shelf.load_states(c, OWNER, _scope(place), f"{RUNNING}{key}:"))
    for name in sorted(steps, reverse=True):
        written = steps[name]
        ids = sorted((id for id in written if isinstance(id, int)), reverse=True) if isinstance(written, list) else []

        def take_away(connection: Connection, name: str = name, ids: Sequence[int] = ids) -> None:
            connection.execute(delete(usage).where(usage.c.message_id.in_(ids)))
            for id in ids:
                connection.execute(delete(message).where(message.c.id == id))
            shelf.delete_state(connection, OWNER, _scope(place), name)

        await database.write(take_away)
    if marks:
        await database.write(lambda c: _drop_marks(c, place, key))


def _drop_marks(connection: Connection, place: Place, key: str) -> None:
    steps = shelf.load_states(connection, OWNER, _scope(place), f"{RUNNING}{key}:")
    for name in (f"{RUNNING}{key}", *steps):
        shelf.delete_state(connection, OWNER, _scope(place), name)


def _put(connection: Connection, place: Place, key: str, value: JsonValue, now: datetime) -> None:
    shelf.save_state(connection, OWNER, _scope(place), key, value, version=None, now=now)


def _scope(place: Place) -> str:
    """Goes with all else of a place when its workspace is forgotten."""
    return f"place:{place}"
