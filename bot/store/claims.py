"""Claims: who handles which event, and what a dead process left."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import CTE, ColumnElement, ScalarSelect, bindparam, delete, exists, func, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import ReturningInsert

from bot.events import AnyEvent, Place, event_from_json
from bot.store.cleaning import event_text, storable
from bot.store.database import insert_into
from bot.store.records import Claim
from bot.store.tables import draft, event

log = logging.getLogger(__name__)

_drafted = exists().where(draft.c.place == event.c.place, draft.c.event_id == event.c.id)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has an event that was claimed before. `drafted`: an answer to it was begun and will be recovered as such."""

    state: str
    owner: str
    epoch: int
    drafted: bool


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A claim that some other process has not finished."""

    number: int
    owner: str
    state: str
    data: str | None


def insert(connection: Connection, heard: AnyEvent, owner: str, now: datetime) -> bool:
    """False if the event is known already."""
    values = {
        "platform": heard.place.platform,
        "place": str(heard.place),
        "id": storable(heard.id),
        "kind": heard.kind,
        "data": event_text(heard),
        "state": "seen",
        "owner": owner,
        "epoch": 0,
        "at": heard.at,
        "claimed_at": now,
    }
    return connection.execute(_insertion(connection.dialect.name), values).first() is not None


@cache
def _insertion(dialect: str) -> ReturningInsert[*tuple[int]]:
    """Built once, which costs more than to run it."""
    statement = insert_into(dialect, event).on_conflict_do_nothing(index_elements=["place", "id"])
    return statement.returning(event.c.number)


def holder(connection: Connection, place: Place, event_id: str) -> Holder | None:
    columns = select(event.c.state, event.c.owner, event.c.epoch, _drafted.label("drafted"))
    row = connection.execute(columns.where(*_is(place, event_id))).first()
    return None if row is None else Holder(row.state, row.owner, row.epoch, bool(row.drafted))


def take_over(connection: Connection, place: Place, event_id: str, held: Holder, owner: str) -> int | None:
    """The new epoch; None if another process was faster."""
    statement = update(event).where(
        *_is(place, event_id), event.c.owner == held.owner, event.c.epoch == held.epoch, event.c.state != "done"
    )
    taken = connection.execute(statement.values(owner=owner, epoch=held.epoch + 1).returning(event.c.epoch))
    epoch: int | None = taken.scalar_one_or_none()
    return epoch


def begin(connection: Connection, place: Place, event_id: str, owner: str) -> None:
    statement = update(event).where(*_is(place, event_id), event.c.owner == owner, event.c.state == "seen")
    connection.execute(statement.values(state="running"))


def done(connection: Connection, place: Place, event_id: str, owner: str | None = None) -> None:
    """What the event said is dropped: from here on only its number matters."""
    named = {"in": str(place), "named": storable(event_id)}
    if owner is None:
        connection.execute(_done, named)
    else:
        connection.execute(_done_by_owner, {**named, "by": owner})


_done = (
    update(event)
    .where(event.c.place == bindparam("in"), event.c.id == bindparam("named"))
    .values(state="done", data=None)
)
_done_by_owner = _done.where(event.c.owner == bindparam("by"))


def unfinished(connection: Connection, platform: str, owner: str) -> tuple[Unfinished, ...]:
    """Of other owners, oldest first, without those that a draft stands for."""
    rows = connection.execute(
        select(event.c.number, event.c.owner, event.c.state, event.c.data)
        .where(event.c.state.in_(("seen", "running")), event.c.platform == platform)
        .where(event.c.owner != owner, ~_drafted)
        .order_by(event.c.number)
    )
    return tuple(Unfinished(row.number, row.owner, row.state, row.data) for row in rows)


def take_unfinished(
    connection: Connection, left: tuple[Unfinished, ...], owner: str
) -> tuple[tuple[AnyEvent, Claim], ...]:
    taken = []
    for one in left:
        statement = update(event).where(
            event.c.number == one.number, event.c.owner == one.owner, event.c.state != "done", ~_drafted
        )
        values = statement.values(owner=owner, epoch=event.c.epoch + 1).returning(event.c.epoch)
        epoch = connection.execute(values).scalar_one_or_none()
        if epoch is None:
            continue
        heard = _read(one)
        if heard is None:
            connection.execute(update(event).where(event.c.number == one.number).values(state="done", data=None))
        else:
            taken.append((heard, Claim("taken_over", epoch, started=one.state == "running")))
    return tuple(taken)


def last_heard(connection: Connection, platform: str) -> Mapping[str, str]:
    place = _places()
    newest = select(_newest_in(place)).select_from(place).where(place.c.place.is_not(None))
    rows = connection.execute(
        select(event.c.place, event.c.id).where(event.c.platform == platform, event.c.number.in_(newest))
    )
    return {row.place: row.id for row in rows}


def _places() -> CTE:
    """Every place there is, from one to the next in the index, so that it costs as much as there are places."""
    place = select(func.min(event.c.place).label("place")).cte("place", recursive=True)
    following = select(func.min(event.c.place)).where(event.c.place > place.c.place).scalar_subquery()
    return place.union_all(select(following).where(place.c.place.is_not(None)))


def _newest_in(place: CTE) -> ScalarSelect[int]:
    of_place = select(event.c.number).where(event.c.place == place.c.place, event.c.kind == "message")
    return of_place.order_by(event.c.at.desc(), event.c.number.desc()).limit(1).correlate(place).scalar_subquery()


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Forget done events, but keep the newest message of each place: `last_heard` tells by it what was missed."""
    newer = event.alias()
    superseded = exists().where(newer.c.place == event.c.place, newer.c.kind == "message", newer.c.at > event.c.at)
    old = (
        select(event.c.number)
        .where(event.c.claimed_at < before, event.c.state == "done", (event.c.kind != "message") | superseded)
        .limit(limit)
    )
    deleted = connection.execute(delete(event).where(event.c.number.in_(old)))
    return deleted.rowcount


def _is(place: Place, event_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return event.c.place == str(place), event.c.id == storable(event_id)


def _read(left: Unfinished) -> AnyEvent | None:
    try:
        return event_from_json(left.data or "")
    except ValueError:
        log.warning("Event %s was written by another version and cannot be read; it is dropped.", left.number)
        return None
