"""What is kept about one person of a platform: giving it out, and forgetting it in steps so small that nobody waits."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Text, cast, delete, exists, func, select, update
from sqlalchemy.engine import Connection

from bot.clock import Clock
from bot.events import Place
from bot.store import compacting, playbills, shelf, summaries
from bot.store.cleaning import storable
from bot.store.database import Database
from bot.store.places import Whose, inside, used_by
from bot.store.tables import blob, conversation, job, message, picture, pin, state, usage

CORE, FORGETTING = "core", "forgetting persons"
# How many numbers of messages are looked through, and lines of the ledger changed, in one step.
NUMBERS_AT_ONCE, LINES_AT_ONCE = 400, 200
PAGE = 500
# What a plugin keeps under a person's id is theirs; what else it keeps may name them at its top, as `made_by` does.
_BLOB = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True, slots=True)
class OwnMessage:
    """Something that a person wrote."""

    place: Place
    text: str
    at: datetime
    parts: Mapping[str, JsonValue]
    number: int


@dataclass(frozen=True, slots=True)
class OwnState:
    """Something that a plugin keeps about a person, in one place, a server or everywhere; the core's are opinions of
    answers."""

    plugin: str
    scope: str
    key: str
    value: JsonValue


@dataclass(frozen=True, slots=True)
class Forgetting:
    """How far a person is forgotten. Messages up to the number `until` were there when it began; those up to `after`
    are done. `places` are numbers of conversations in which something was; once all is `gone`, the tables hold nothing
    any more."""

    until: int
    lines: int
    after: int = 0
    messages: int = 0
    places: tuple[int, ...] = ()
    gone: bool = False


class Persons:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    # Giving out.

    async def messages(self, platform: str, user: str) -> AsyncIterator[Sequence[OwnMessage]]:
        """All that they wrote, oldest first, in every branch, page by page."""
        after = 0
        while True:
            page = await self._db.read(partial(_written, platform=platform, user=user, after=after))
            if not page:
                return
            yield page
            after = page[-1].number

    async def states(self, platform: str, user: str) -> Sequence[OwnState]:
        return await self._db.read(lambda c: _states(c, platform, user))

    # Forgetting.

    async def begin(self, platform: str, user: str) -> None:
        """Put down that they are to be forgotten, so that it is done whatever happens."""
        now = self._clock.now()
        await self._db.write(lambda c: _begin(c, platform, user, now))

    async def begun(self) -> Sequence[tuple[str, str]]:
        """Platform and id of everybody who is being forgotten."""
        keys = await self._db.read(_begun)
        return [(platform, user) for platform, _, user in (key.partition(":") for key in keys)]

    async def forget_some(self, platform: str, user: str) -> Forgetting | None:
        """One small step; None for somebody who is not being forgotten."""
        now = self._clock.now()
        return await self._db.write(lambda c: _forget_some(c, platform, user, now))

    async def forget_late(self, platform: str, user: str) -> None:
        """What answers cost that were under way when it began, and ended since."""
        whose = Whose(user=user)
        unnamed = update(usage).values(user_id=None)
        await self._db.write(lambda c: c.execute(unnamed.where(*used_by(c, platform, whose))).rowcount)

    async def places(self, numbers: Collection[int], platform: str, user: str) -> Sequence[tuple[Place, bool]]:
        """Where somebody had written or plugins know of them, and whether scenes were performed there."""
        return await self._db.read(lambda c: _places(c, numbers, platform, user))

    async def ended(self, platform: str, user: str) -> bool:
        """Nothing reminds of them any more, not even this. False where it was begun anew meanwhile."""
        return await self._db.write(lambda c: _ended(c, platform, user))

    async def compact(self) -> None:
        """What was deleted leaves the file, too, and so do copies of it."""
        await compacting.compact(self._db, self._clock.now())

    async def empty_log(self) -> None:
        await compacting.empty_log(self._db)


def _written(connection: Connection, platform: str, user: str, after: int) -> Sequence[OwnMessage]:
    columns = select(message.c.id, conversation.c.place, message.c.text, message.c.created_at, message.c.parts)
    rows = connection.execute(
        columns.join(conversation, conversation.c.id == message.c.conversation_id)
        .where(message.c.id > after, message.c.author_id == storable(user), message.c.status != "forgotten")
        .where(inside(connection, conversation.c.place, f"{platform}:"))
        .order_by(message.c.id)
        .limit(PAGE)
    )
    return [OwnMessage(Place.parse(row.place), row.text, row.created_at, row.parts, row.id) for row in rows]


def _states(connection: Connection, platform: str, user: str) -> Sequence[OwnState]:
    columns = select(state.c.plugin, state.c.scope, state.c.key, state.c.value)
    theirs = connection.execute(columns.where(_is_theirs(connection, platform, user))).all()
    scopes = [inside(connection, state.c.scope, f"{kind}:{platform}:") for kind in ("place", "workspace")]
    about = [scope & cast(state.c.value, Text).contains(f'"{storable(user)}"', autoescape=True) for scope in scopes]
    named = [row for each in about for row in connection.execute(columns.where(each)) if _names(row.value, user)]
    return [OwnState(row.plugin, row.scope, row.key, row.value) for row in (*theirs, *named)]


def _is_theirs(connection: Connection, platform: str, user: str) -> ColumnElement[bool]:
    """What plugins keep for the person, and their opinions of answers."""
    opinions = (
        (state.c.plugin == CORE)
        & inside(connection, state.c.scope, f"place:{platform}:")
        & state.c.key.like("feedback %")
        & state.c.key.endswith(f" {storable(user)}", autoescape=True)
    )
    return (state.c.scope == f"user:{platform}:{storable(user)}") | opinions


def _names(value: JsonValue, user: str) -> bool:
    """Whether it says at its top whose it is. Deeper down it is about others as well."""
    return isinstance(value, Mapping) and user in [each for each in value.values() if isinstance(each, str)]


def _begin(connection: Connection, platform: str, user: str, now: datetime) -> None:
    until = connection.execute(select(func.coalesce(func.max(message.c.id), 0))).scalar_one()
    lines = connection.execute(select(func.coalesce(func.max(usage.c.id), 0))).scalar_one()
    known = _load(connection, platform, user)
    begun = Forgetting(until, lines)
    if known is not None:
        begun = replace(begun, messages=known.messages, places=known.places)
    _save(connection, platform, user, begun, now)


def _begun(connection: Connection) -> Sequence[str]:
    rows = connection.execute(select(state.c.key).where(state.c.plugin == CORE, state.c.scope == FORGETTING))
    return rows.scalars().all()


def _ended(connection: Connection, platform: str, user: str) -> bool:
    done = _load(connection, platform, user)
    if done is not None and not done.gone:
        return False
    shelf.delete_state(connection, CORE, FORGETTING, f"{platform}:{user}")
    return True


def _load(connection: Connection, platform: str, user: str) -> Forgetting | None:
    known = shelf.load_state(connection, CORE, FORGETTING, f"{platform}:{user}")
    if known is None or not isinstance(known[0], Mapping):
        return None
    kept: dict[str, Any] = dict(known[0])
    return Forgetting(**{**kept, "places": tuple(kept["places"])})


def _save(connection: Connection, platform: str, user: str, done: Forgetting, now: datetime) -> None:
    kept: dict[str, Any] = {**asdict(done), "places": list(done.places)}
    shelf.save_state(connection, CORE, FORGETTING, f"{platform}:{user}", kept, version=None, now=now)


def _forget_some(connection: Connection, platform: str, user: str, now: datetime) -> Forgetting | None:
    done = _load(connection, platform, user)
    if done is None or done.gone:
        return done
    if done.after < done.until:
        done = _forget_messages(connection, platform, user, done)
    elif not _forget_lines(connection, platform, user, done):
        _forget_states(connection, platform, user)
        done = replace(done, gone=True)
    _save(connection, platform, user, done, now)
    return done


def _forget_messages(connection: Connection, platform: str, user: str, done: Forgetting) -> Forgetting:
    """Their texts, their names, their pictures; what was told of them in summaries. The tree stays connected."""
    reached = min(done.after + NUMBERS_AT_ONCE, done.until)
    rows = connection.execute(
        select(message.c.id, message.c.conversation_id, conversation.c.place, message.c.status)
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(message.c.id > done.after, message.c.id <= reached, message.c.author_id == storable(user))
        .where(inside(connection, conversation.c.place, f"{platform}:"))
        .order_by(message.c.id)
    ).all()
    if rows:
        wipe(connection, [row.id for row in rows])
        first: dict[str, int] = {}
        for row in rows:
            first.setdefault(row.place, row.id)
        for place, since in first.items():
            summaries.drop(connection, Place.parse(place), since)
            # What a scene is about may be what its first line says.
            playbills.forget(connection, Place.parse(place), [row.id for row in rows if row.place == place])
    places = dict.fromkeys((*done.places, *(row.conversation_id for row in rows)))
    count = sum(row.status != "forgotten" for row in rows)
    return replace(done, after=reached, messages=done.messages + count, places=tuple(places))


def wipe(connection: Connection, ids: Sequence[int]) -> None:
    """Nothing is left of these messages but their place in the tree."""
    connection.execute(
        update(message)
        .where(message.c.id.in_(ids))
        .values(text="", parts={}, tokens=0, size=0, status="forgotten", author_id=None, author=None)
    )
    connection.execute(delete(pin).where(pin.c.message_id.in_(ids)))
    shown = connection.execute(select(picture.c.blob_id).where(picture.c.message_id.in_(ids)).distinct()).scalars()
    blobs = shown.all()
    connection.execute(delete(picture).where(picture.c.message_id.in_(ids)))
    held = exists().where(picture.c.blob_id == blob.c.id)
    connection.execute(delete(blob).where(blob.c.id.in_(blobs), blob.c.kept.is_(False), ~held))


def _forget_lines(connection: Connection, platform: str, user: str, done: Forgetting) -> bool:
    """A few lines of the ledger lose whose they are; False once there are none left."""
    theirs = used_by(connection, platform, Whose(user=user))
    some = select(usage.c.id).where(*theirs, usage.c.id <= done.lines).limit(LINES_AT_ONCE)
    ids = connection.execute(some).scalars().all()
    if ids:
        connection.execute(update(usage).where(usage.c.id.in_(ids)).values(user_id=None))
    return bool(ids)


def _forget_states(connection: Connection, platform: str, user: str) -> None:
    """With the pictures that only they used."""
    playbills.leave(connection, platform, user)
    _forget_by_id(connection, platform, user)
    theirs = _is_theirs(connection, platform, user)
    values = connection.execute(select(cast(state.c.value, Text)).where(theirs)).scalars().all()
    connection.execute(delete(state).where(theirs))
    for id in {found for value in values for found in _BLOB.findall(value)}:
        elsewhere = (
            exists().where(cast(state.c.value, Text).contains(id)),
            exists().where(cast(job.c.state, Text).contains(id)),
            exists().where(picture.c.blob_id == id),
        )
        connection.execute(delete(blob).where(blob.c.id == id, *(~other for other in elsewhere)))


def _forget_by_id(connection: Connection, platform: str, user: str) -> None:
    """What plugins keep in a place or workspace under the person's id, and which says that it is theirs: nobody else
    would tell them where somebody agreed to something and never wrote."""
    for kind in ("place", "workspace"):
        here = (state.c.plugin != CORE, inside(connection, state.c.scope, f"{kind}:{platform}:"))
        under = state.c.key.endswith(f":{storable(user)}", autoescape=True)
        rows = connection.execute(select(state).where(*here, under)).all()
        for row in rows:
            if row.key.partition(":")[2] == storable(user) and _names(row.value, user):
                shelf.delete_state(connection, row.plugin, row.scope, row.key)


def _places(connection: Connection, numbers: Collection[int], platform: str, user: str) -> Sequence[tuple[Place, bool]]:
    staged = exists().where(message.c.conversation_id == conversation.c.id, message.c.scene_id.is_not(None))
    columns = select(conversation.c.place, staged.label("staged"))
    found = [*connection.execute(columns.where(conversation.c.id.in_(numbers)))]
    known = _known_in(connection, platform, user) - {row.place for row in found}
    found += connection.execute(columns.where(conversation.c.place.in_(known)))
    places = [(Place.parse(row.place), bool(row.staged)) for row in found]
    of = {place.workspace for place, _ in places}
    for workspace in sorted(_known_of(connection, platform, user) - of):
        there = inside(connection, conversation.c.place, str(Place(platform, workspace, "")))
        row = connection.execute(columns.where(there).order_by(conversation.c.id).limit(1)).first()
        # Where nothing was ever said, the workspace itself is the place.
        places.append((Place.parse(row.place), bool(row.staged)) if row else (Place(platform, workspace, ""), False))
    return places


def _known_in(connection: Connection, platform: str, user: str) -> set[str]:
    """Places of which plugins keep something that names the person."""
    names = f'"{storable(user)}"'
    there = inside(connection, job.c.place, f"{platform}:"), cast(job.c.state, Text).contains(names, autoescape=True)
    of_jobs = connection.execute(select(job.c.place).where(*there)).scalars()
    return {*of_jobs, *(scope.removeprefix("place:") for scope in _scopes(connection, "place", platform, names))}


def _known_of(connection: Connection, platform: str, user: str) -> set[str]:
    """The same of workspaces."""
    scopes = _scopes(connection, "workspace", platform, f'"{storable(user)}"')
    return {scope.removeprefix(f"workspace:{platform}:") for scope in scopes}


def _scopes(connection: Connection, kind: str, platform: str, names: str) -> Sequence[str]:
    there = inside(connection, state.c.scope, f"{kind}:{platform}:")
    named = cast(state.c.value, Text).contains(names, autoescape=True)
    return connection.execute(select(state.c.scope).where(there, named).distinct()).scalars().all()
