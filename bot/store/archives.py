"""Whole conversations out of the database and into it: page by page, so that none is ever held all at once."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, JsonValue
from sqlalchemy import CTE, ColumnElement, Row, Select, func, literal, or_, select
from sqlalchemy.engine import Connection

from bot.clock import Clock
from bot.events import Place
from bot.store import branches, playbills, restoring, shelf, summaries, tree
from bot.store.database import Database
from bot.store.records import Branch, Playbill, Remembered, Summary, remembered
from bot.store.restoring import Restored, Restoring
from bot.store.tables import branch, conversation, message, pin, usage
from bot.turn import ModelCall, Usage

State = TypeVar("State", bound=BaseModel)

MOST_ROWS = 1000
VISIBLE = message.c.status.not_in(("forgotten", "failed"))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What of a place is read: a `branch`, a `scene` by the message that it begins with, or, with neither, all
    branches. What was cleared is in none. `hidden` is what was forgotten or failed: it keeps its place in the tree."""

    branch: int | None = None
    scene: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A message with the number of its variant, counted from 1, and the calls of models that were made for it."""

    message: Remembered
    variant: int = 1
    variants: int = 1
    calls: tuple[ModelCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who said something: a person by id and name, a speaker of the bot's by name, the bot by neither."""

    role: str
    author_id: str | None
    author: str | None
    speaker: str | None


@dataclass(frozen=True, slots=True)
class SceneSpan:
    """A scene by the message that it begins with, and the newest of its `lines`, which are counted without the first.
    `bill` is what was told of it beside them."""

    root: int
    last: int
    lines: int
    began: datetime
    bill: Playbill = field(default_factory=Playbill)


@dataclass(frozen=True, slots=True)
class PlaceKept:
    """A place that something is remembered of."""

    place: Place
    messages: int
    newest: datetime | None


class Archives:
    """What is kept of all places."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    @property
    def address(self) -> str | None:
        """Of the database, with its password, for a process of one's own; None where no other process can reach it."""
        if self._db.url.get_backend_name() == "sqlite" and self._db.file is None:
            return None
        return self._db.url.render_as_string(hide_password=False)

    async def places(self) -> Sequence[PlaceKept]:
        """All of which something is remembered, the newest last."""
        return await self._db.read(places)

    def at(self, place: Place, zone: tzinfo = UTC) -> Archive:
        return Archive(self._db, self._clock, place, zone, self.address)


class Archive:
    """What is kept of one place, read from the connections that only read, a page at a time; each page is one view.

    `zone` is the one that people there live in, `address` as of `Archives`.
    """

    def __init__(self, database: Database, clock: Clock, place: Place, zone: tzinfo, address: str | None) -> None:
        self.place = place
        self.zone = zone
        self.address = address
        self._db = database
        self._clock = clock

    async def settings(self) -> Mapping[str, JsonValue]:
        found = await self._db.read(lambda c: tree.find(c, self.place))
        return found.settings if found is not None else {}

    async def branches(self) -> Sequence[Branch]:
        """In the order in which they were begun."""
        return await self._db.read(lambda c: branches.listed(c, self.place))

    async def summary(self, branch: int) -> Summary | None:
        """Of what a branch's window no longer holds."""
        return await self._db.read(lambda c: summaries.newest(c, branch))

    async def scenes(self) -> Sequence[SceneSpan]:
        """In the order in which they were begun."""
        return await self._db.read(lambda c: scenes(c, self.place))

    async def lines(self) -> Mapping[int, int]:
        """Of all that belongs to scenes, which scene: message → the message that its scene begins with."""
        return await self._db.read(lambda c: lines(c, self.place))

    async def pins(self, branch: int) -> Sequence[int]:
        """What always stands in a branch's window, oldest first."""
        return await self._db.read(lambda c: pins(c, branch))

    async def blob(self, id: str, max_bytes: int) -> bytes | None:
        """What was put down under this id, such as a face; None for what is larger, and for what is gone."""
        return await self._db.read(lambda c: shelf.get_small_blob(c, id, max_bytes))

    async def load_all(
        self, plugin: str, kind: type[State], *, scope: Literal["place", "workspace"] = "place"
    ) -> Mapping[str, State]:
        """What a plugin saved of a kind for the place or its workspace, by key, as of `Context.load_all`."""
        prefix = f"{kind.__name__}:"
        owner = str(self.place) if scope == "place" else f"{self.place.platform}:{self.place.workspace}"
        found = await self._db.read(lambda c: shelf.load_states(c, plugin, f"{scope}:{owner}", prefix))
        return {key.removeprefix(prefix): kind.model_validate(value) for key, value in found.items()}

    async def voices(self, part: Excerpt) -> Sequence[Voice]:
        """Who said something in it, in the order in which they spoke first."""
        return await self._db.read(lambda c: voices(c, self.place, part))

    async def count(self, part: Excerpt) -> int:
        """How many messages there are to read, without their variants."""
        return await self._db.read(lambda c: count(c, self.place, part))

    async def ids(self, part: Excerpt) -> Sequence[int]:
        """Of its messages without their variants, oldest first: a number each is all that is ever held."""
        return await self._db.read(lambda c: ids_of(c, self.place, part))

    async def messages(self, ids: Sequence[int], *, variants: bool = False) -> Sequence[Kept]:
        """At most a thousand, oldest first. With `variants` the other answers to the same question follow each."""
        return await self._db.read(lambda c: page_of(c, ids[:MOST_ROWS], variants=variants))

    async def restore(self, key: str) -> Restoring | Restored:
        """Begin to write what a file with this key holds; Restored where its branches are here already. Raises
        StoreError while somebody else writes it."""
        return await restoring.begin(self._db, self._clock, self.place, key)


def places(connection: Connection) -> tuple[PlaceKept, ...]:
    said = (
        select(conversation.c.place, func.count(message.c.id), func.max(message.c.created_at).label("newest"))
        .join(message, message.c.conversation_id == conversation.c.id)
        .where(VISIBLE, message.c.variant_of.is_(None))
        .group_by(conversation.c.place)
        .order_by(func.max(message.c.id))
    )
    return tuple(PlaceKept(Place.parse(place), many, newest) for place, many, newest in connection.execute(said))


def scenes(connection: Connection, place: Place) -> tuple[SceneSpan, ...]:
    lines = (
        select(message.c.scene_id, func.max(message.c.id).label("last"), func.count().label("lines"))
        .where(_here(place), message.c.scene_id != message.c.id, VISIBLE, message.c.variant_of.is_(None))
        .where(message.c.id.in_(select(_ways_to(_tips(place)).c.id)))
        .group_by(message.c.scene_id)
        .subquery()
    )
    found = select(lines.c.scene_id, lines.c.last, lines.c.lines, message.c.created_at)
    rows = connection.execute(found.join(message, message.c.id == lines.c.scene_id).order_by(lines.c.scene_id))
    bills = playbills.of_place(connection, place)
    return tuple(SceneSpan(*row, bill=bills.get(row.scene_id, Playbill())) for row in rows)


def lines(connection: Connection, place: Place) -> Mapping[int, int]:
    of_scenes = select(message.c.id, message.c.scene_id).where(_here(place), message.c.scene_id.is_not(None))
    found: dict[int, int] = {row.id: row.scene_id for row in connection.execute(of_scenes.order_by(message.c.id))}
    return found | {scene: scene for scene in found.values()}


def pins(connection: Connection, branch: int) -> Sequence[int]:
    return (
        connection.execute(select(pin.c.message_id).where(pin.c.branch_id == branch).order_by(pin.c.message_id))
        .scalars()
        .all()
    )


def count(connection: Connection, place: Place, part: Excerpt) -> int:
    return int(connection.execute(_chosen(connection, place, part, func.count())).scalar_one())


def ids_of(connection: Connection, place: Place, part: Excerpt) -> Sequence[int]:
    found = connection.execute(_chosen(connection, place, part, message.c.id).order_by(message.c.id))
    return array("q", found.scalars())


def voices(connection: Connection, place: Place, part: Excerpt) -> tuple[Voice, ...]:
    who = (message.c.role, message.c.author_id, message.c.author, message.c.speaker)
    told = message.c.status != "forgotten"
    spoke = _chosen(connection, place, part, message.c.id, *who).where(told).subquery()
    answers = select(spoke.c.id).where(spoke.c.role == "assistant")
    others = select(message.c.id, *who).where(message.c.variant_of.in_(answers), told)
    all_ = select(*spoke.c).union_all(others).subquery()
    found = select(*all_.c[1:]).group_by(*all_.c[1:]).order_by(func.min(all_.c.id))
    return tuple(Voice(*row) for row in connection.execute(found))


def page_of(connection: Connection, ids: Sequence[int], *, variants: bool) -> tuple[Kept, ...]:
    standing = [remembered(row) for row in connection.execute(tree.rows.where(message.c.id.in_(ids)))]
    answers = [one.id for one in standing if one.role == "assistant"]
    others = _others(connection, answers)
    spent = _spent(connection, answers)
    page: list[Kept] = []
    for one in sorted(standing, key=lambda one: one.id):
        group = sorted((one, *others.get(one.id, ())), key=lambda each: (each.created_at, each.id))
        calls = _shared_out(spent.get(one.id, ()), group)
        for each in (one, *(other for other in group if other is not one and variants)):
            page.append(Kept(each, group.index(each) + 1, len(group), tuple(calls.get(each.id, ()))))
    return tuple(page)


def _others(connection: Connection, answers: Sequence[int]) -> Mapping[int, Sequence[Remembered]]:
    """The variants of answers that stand in the tree."""
    found: dict[int, list[Remembered]] = {}
    if answers:
        said = tree.rows.where(message.c.variant_of.in_(answers), message.c.status != "forgotten")
        for row in connection.execute(said):
            one = remembered(row)
            found.setdefault(one.variant_of or 0, []).append(one)
    return found


def _spent(connection: Connection, answers: Sequence[int]) -> Mapping[int, Sequence[tuple[datetime, ModelCall]]]:
    found: dict[int, list[tuple[datetime, ModelCall]]] = {}
    if answers:
        for row in connection.execute(_ledger.where(usage.c.message_id.in_(answers)).order_by(usage.c.id)):
            found.setdefault(row.message_id, []).append((row.at, _call(row)))
    return found


_ledger = select(
    usage.c.message_id,
    usage.c.at,
    usage.c.provider,
    usage.c.model,
    usage.c.feature,
    usage.c.input,
    usage.c.output,
    usage.c.cached,
    usage.c.reasoning,
    usage.c.cache_writes,
    usage.c.estimated,
    usage.c.cost,
    usage.c.seconds,
    usage.c.first_token,
)


def _call(row: Row[*tuple[Any, ...]]) -> ModelCall:
    used = Usage(row.input, row.output, row.cached, row.reasoning, row.cache_writes, bool(row.estimated))
    cost: Decimal | None = row.cost
    return ModelCall(row.provider, row.model, used, cost, {}, row.seconds, row.first_token, row.feature)


def _shared_out(
    spent: Sequence[tuple[datetime, ModelCall]], group: Sequence[Remembered]
) -> Mapping[int, list[ModelCall]]:
    """The ledger names the place in the tree; an answer and its calls were written at the same moment."""
    shared: dict[int, list[ModelCall]] = {}
    for at, call in spent:
        known = [one for one in group if one.created_at <= at]
        shared.setdefault((known[-1] if known else group[0]).id, []).append(call)
    return shared


def _chosen(connection: Connection, place: Place, part: Excerpt, *columns: Any) -> Select[Any]:
    """A statement over the messages of a part, as they stand in the tree."""
    chosen = select(*columns).select_from(message).where(_here(place), message.c.variant_of.is_(None), *_between(part))
    if not part.hidden:
        chosen = chosen.where(VISIBLE)
    if part.scene is not None:
        line = or_(message.c.scene_id == part.scene, message.c.id == part.scene, message.c.role == "user")
        return chosen.where(message.c.id.in_(select(_scene(connection, place, part.scene).c.id)), line)
    tips = select(branch.c.tip_id).where(branch.c.id == part.branch) if part.branch is not None else _tips(place)
    return chosen.where(message.c.id.in_(select(_ways_to(tips).c.id)))


def _scene(connection: Connection, place: Place, root: int) -> CTE:
    """The way to the newest line of a scene since it began: people speak on it, too."""
    lines = select(func.max(message.c.id)).where(_here(place), message.c.scene_id == root, VISIBLE)
    newest = connection.execute(lines.where(message.c.variant_of.is_(None))).scalar_one()
    return tree.whole_branch(newest or root, down_to=root)


def _tips(place: Place) -> Select[tuple[int | None]]:
    """Of all branches but those that were left without a name, which were cleared."""
    ours = select(branch.c.tip_id).join(conversation, conversation.c.id == branch.c.conversation_id)
    return ours.where(
        conversation.c.place == str(place),
        branch.c.tip_id.is_not(None),
        or_(branch.c.name != "", branch.c.id == conversation.c.branch_id),
    )


def _ways_to(tips: Select[tuple[int | None]]) -> CTE:
    start = select(message.c.id, message.c.parent_id).where(message.c.id.in_(tips))
    walk = start.cte("ways", recursive=True)
    # Where two ways meet, the rest is walked once.
    return walk.union(select(message.c.id, message.c.parent_id).where(message.c.id == walk.c.parent_id))


def _here(place: Place) -> ColumnElement[bool]:
    """A thread hangs on what was said in its channel, which is not its own."""
    return message.c.conversation_id == (
        select(conversation.c.id).where(conversation.c.place == str(place)).scalar_subquery()
    )


def _between(part: Excerpt) -> Sequence[ColumnElement[bool]]:
    bounds = []
    if part.since is not None:
        bounds.append(message.c.created_at >= literal(part.since, message.c.created_at.type))
    if part.until is not None:
        bounds.append(message.c.created_at < literal(part.until, message.c.created_at.type))
    return bounds
