"""What plugins and models leave here: state, blobs, jobs, learned facts."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Row, Text, cast, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from bot.errors import StoreError
from bot.events import Place, Route, route_from_json
from bot.store.cleaning import route_text, storable, storable_json
from bot.store.database import insert_into
from bot.store.tables import blob, fact, job, state

log = logging.getLogger(__name__)

ABOUT_TO_BE_USED = timedelta(minutes=1)

KeptJob = tuple[int, str, str, Route, JsonValue, str]


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that is not done, and the process that wrote it last."""

    id: int
    place: Place
    status: str
    owner: str


def load_state(connection: Connection, plugin: str, scope: str, key: str) -> tuple[JsonValue, int] | None:
    found = connection.execute(select(state.c.value, state.c.version).filter_by(**_key(plugin, scope, key)))
    row = found.first()
    return None if row is None else (row.value, row.version)


def save_state(
    connection: Connection,
    plugin: str,
    scope: str,
    key: str,
    value: JsonValue,
    *,
    version: int | None,
    now: datetime,
) -> int:
    """`version` 0 says that there must be none yet."""
    names = _key(plugin, scope, key)
    new = {**names, "value": storable_json(value), "version": 1, "updated_at": now}
    insertion = insert_into(connection.dialect.name, state)
    if version is None:
        changes = {
            "value": insertion.excluded.value,
            "version": state.c.version + 1,
            "updated_at": insertion.excluded.updated_at,
        }
        upsert = insertion.on_conflict_do_update(index_elements=list(names), set_=changes)
        saved = connection.execute(upsert.returning(state.c.version), new)
    elif version == 0:
        saved = connection.execute(
            insertion.on_conflict_do_nothing(index_elements=list(names)).returning(state.c.version), new
        )
    else:
        changed = update(state).filter_by(**names).where(state.c.version == version)
        values = {"value": new["value"], "version": version + 1, "updated_at": now}
        saved = connection.execute(changed.values(values).returning(state.c.version))
    now_at: int | None = saved.scalar_one_or_none()
    if now_at is None:
        raise StoreError(f"State {plugin}/{scope}/{key} was changed by somebody else since version {version}.")
    return now_at


def load_states(connection: Connection, plugin: str, scope: str, prefix: str) -> Mapping[str, JsonValue]:
    """By key, all whose key begins so."""
    rows = connection.execute(
        select(state.c.key, state.c.value)
        .where(state.c.plugin == storable(plugin), state.c.scope == storable(scope))
        .where(state.c.key.startswith(storable(prefix), autoescape=True))
        .order_by(state.c.key)
    )
    return {row.key: row.value for row in rows}


def state_keys(connection: Connection, plugin: str, scope: str, prefix: str) -> Sequence[str]:
    found = connection.execute(
        select(state.c.key)
        .where(state.c.plugin == storable(plugin), state.c.scope == storable(scope))
        .where(state.c.key.startswith(storable(prefix), autoescape=True))
        .order_by(state.c.key)
    )
    return found.scalars().all()


def delete_state(connection: Connection, plugin: str, scope: str, key: str) -> None:
    connection.execute(delete(state).filter_by(**_key(plugin, scope, key)))


def put_blob(connection: Connection, content: bytes, media_type: str, now: datetime, *, kept: bool = True) -> str:
    id = hashlib.sha256(content).hexdigest()
    values = {"id": id, "media_type": storable(media_type), "content": content, "kept": kept, "created_at": now}
    insertion = insert_into(connection.dialect.name, blob)
    changes = {"kept": or_(blob.c.kept, insertion.excluded.kept), "created_at": insertion.excluded.created_at}
    connection.execute(insertion.on_conflict_do_update(index_elements=["id"], set_=changes), values)
    return id


def release_blob(connection: Connection, id: str, now: datetime) -> None:
    """It goes a day later, when no message holds it, unless something that was saved does: the same picture may be used
    twice. One that was put down just now may be about to be used again."""
    for column in (state.c.value, job.c.state):
        holding = select(column).where(cast(column, Text).contains(storable(id), autoescape=True)).limit(1)
        if connection.execute(holding).first() is not None:
            return
    released = update(blob).where(blob.c.id == storable(id), blob.c.created_at < now - ABOUT_TO_BE_USED)
    connection.execute(released.values(kept=False, created_at=now))


def get_blob(connection: Connection, id: str) -> tuple[bytes, str] | None:
    found = connection.execute(select(blob.c.content, blob.c.media_type).where(blob.c.id == storable(id)))
    row = found.first()
    return None if row is None else (row.content, row.media_type)


def get_small_blob(connection: Connection, id: str, max_bytes: int) -> bytes | None:
    """What is larger is not even read."""
    small = (blob.c.id == storable(id), func.length(blob.c.content) <= max_bytes)
    content: bytes | None = connection.execute(select(blob.c.content).where(*small)).scalar_one_or_none()
    return content


def save_job(
    connection: Connection,
    plugin: str,
    name: str,
    route: Route,
    job_state: JsonValue,
    *,
    status: str,
    id: int | None,
    owner: str,
    now: datetime,
) -> int:
    values = {
        "plugin": storable(plugin),
        "name": storable(name),
        "place": str(route.place),
        "route": route_text(route),
        "state": storable_json(job_state),
        "status": storable(status),
        "owner": owner,
        "updated_at": now,
    }
    if id is None:
        made: int = connection.execute(insert(job).returning(job.c.id), values).scalar_one()
        return made
    saved = connection.execute(update(job).where(job.c.id == id).values(values).returning(job.c.id))
    if saved.first() is None:
        raise StoreError(f"There is no job {id} to save.")
    return id


def jobs(connection: Connection, place: Place | None, status: str | None) -> Sequence[KeptJob]:
    statement = select(job).order_by(job.c.id)
    if place is not None:
        statement = statement.where(job.c.place == str(place))
    if status is not None:
        statement = statement.where(job.c.status == status)
    return _read_jobs(connection.execute(statement))


def held_jobs(connection: Connection, place: Place | None = None) -> Sequence[HeldJob]:
    """All that are not done."""
    columns = (job.c.id, job.c.place, job.c.status, job.c.owner)
    statement = select(*columns).where(job.c.status.in_(("running", "left", "paused")))
    if place is not None:
        statement = statement.where(job.c.place == str(place))
    return [HeldJob(row.id, Place.parse(row.place), row.status, row.owner) for row in connection.execute(statement)]


def take_jobs(connection: Connection, left: Sequence[HeldJob], owner: str, now: datetime) -> Sequence[KeptJob]:
    """Each goes to one process, however many come for it."""
    found: list[KeptJob] = []
    for each in left:
        statement = update(job).where(job.c.id == each.id, job.c.owner == each.owner, job.c.status == each.status)
        taken = connection.execute(statement.values(status="left", owner=owner, updated_at=now).returning(*job.c))
        found += _read_jobs(taken)
    return found


def _read_jobs(rows: Iterable[Row[Any]]) -> Sequence[KeptJob]:
    found = []
    for row in rows:
        try:
            found.append((row.id, row.plugin, row.name, route_from_json(row.route), row.state, row.status))
        except ValueError:
            log.warning("Job %s was written by another version and cannot be read; it is left alone.", row.id)
    return found


def learned(connection: Connection, provider: str, model: str) -> Mapping[str, JsonValue]:
    found = connection.execute(
        select(fact.c.facts).filter_by(provider=storable(provider), model=storable(model)).with_for_update()
    )
    facts: Mapping[str, JsonValue] | None = found.scalar_one_or_none()
    return facts or {}


def learn(connection: Connection, provider: str, model: str, facts: Mapping[str, JsonValue], now: datetime) -> None:
    known = learned(connection, provider, model)
    merged = {**known, **{storable(key): storable_json(value) for key, value in facts.items()}}
    insertion = insert_into(connection.dialect.name, fact)
    changes = {"facts": insertion.excluded.facts, "updated_at": insertion.excluded.updated_at}
    upsert = insertion.on_conflict_do_update(index_elements=["provider", "model"], set_=changes)
    values = {"provider": storable(provider), "model": storable(model), "facts": merged, "updated_at": now}
    connection.execute(upsert, values)


def _key(plugin: str, scope: str, key: str) -> dict[str, str]:
    return {"plugin": storable(plugin), "scope": storable(scope), "key": storable(key)}
