"""Drafts: the journal of answers that are not finished, and how one is finished."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection

from bot.events import Place, Route, route_from_json
from bot.replies import Reason, SentId, Speaker
from bot.store import claims, ledger, tree, variants, ways
from bot.store.cleaning import route_text, storable
from bot.store.records import Draft, NewMessage, Remembered
from bot.store.tables import draft, event
from bot.turn import ModelCall

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Growth:
    """What a draft says and shows by now. `finished` is given once the model has said everything."""

    draft: int
    text: str
    sent: Sequence[SentId]
    finished: Reason | None


@dataclass(frozen=True, slots=True)
class Taking:
    """What a draft begins with when it takes the place of an answer: that answer's id, its messages, and as much of
    its text as stays."""

    answer: int | None = None
    sent: tuple[SentId, ...] = ()
    text: str = ""
    as_variant: bool = False


def begin(
    connection: Connection,
    conversation: int,
    route: Route,
    event_id: str,
    question: int | None,
    *,
    epoch: int,
    owner: str,
    now: datetime,
    speaker: Speaker | None = None,
    taking: Taking | None = None,
    scene: int | None = None,
) -> Draft:
    taking = taking or Taking()
    values = {
        "conversation_id": conversation,
        "platform": route.place.platform,
        "place": str(route.place),
        "route": route_text(route),
        "event_id": storable(event_id),
        "question": question,
        "speaker": None if speaker is None else [storable(speaker.id), storable(speaker.name), speaker.avatar],
        "text": storable(taking.text),
        "sent": _sent_json(taking.sent),
        "replaces": taking.answer,
        "as_variant": taking.as_variant,
        "scene_id": scene,
        "owner": owner,
        "epoch": epoch,
        "attempts": 0,
        "started_at": now,
    }
    id = connection.execute(_begin, values).scalar_one()
    return Draft(
        id,
        conversation,
        route,
        event_id,
        question,
        taking.text,
        taking.sent,
        epoch,
        now,
        speaker=speaker,
        replaces=taking.answer,
        as_variant=taking.as_variant,
        scene=scene,
    )


_begin = insert(draft).returning(draft.c.id)


def save(connection: Connection, growths: Sequence[Growth], owner: str) -> None:
    """Nothing happens to a draft that another process has taken over meanwhile."""
    grown = [
        {
            "draft": growth.draft,
            "by": owner,
            "new_text": storable(growth.text),
            "new_sent": _sent_json(growth.sent),
            "new_finished": growth.finished,
        }
        for growth in growths
    ]
    connection.execute(_grow, grown)


_grown: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("text", "sent", "finished")}
_grow = update(draft).where(draft.c.id == bindparam("draft"), draft.c.owner == bindparam("by")).values(_grown)


def answered(
    connection: Connection,
    finished: Draft,
    place: Place,
    messages: Sequence[NewMessage],
    calls: Sequence[ModelCall],
    *,
    user_id: str | None,
    now: datetime,
) -> tuple[Remembered, ...] | None:
    if not _remove(connection, finished):
        return None
    added = _write(connection, finished, place, messages, now)
    ledger.write(connection, place, calls, user_id=user_id, message=added[-1].id if added else None, now=now)
    _close(connection, finished)
    return added


def _write(
    connection: Connection, finished: Draft, place: Place, messages: Sequence[NewMessage], now: datetime
) -> tuple[Remembered, ...]:
    if finished.replaces is not None and messages:
        replaced = variants.replace_answer(
            connection, finished.replaces, messages[-1], now, as_variant=finished.as_variant
        )
        if replaced is not None:
            return (replaced,)
    current = ways.where_begun(connection, tree.ensure(connection, place, now), finished)
    if current is None:
        return ()
    if messages and finished.question not in (None, current.tip):
        *before, answer = messages
        messages = [*before, replace(answer, parts={**answer.parts, variants.ANSWERS: finished.question})]
    return tree.append(connection, current, messages, now)


def abandon(connection: Connection, dropped: Draft) -> None:
    if _remove(connection, dropped):
        _close(connection, dropped)


def of_others(connection: Connection, platform: str, owner: str) -> tuple[tuple[str, Draft], ...]:
    """Drafts with their owners, oldest first. One that cannot be read is left for the version that wrote it."""
    rows = connection.execute(
        select(draft).where(draft.c.platform == platform, draft.c.owner != owner).order_by(draft.c.id)
    )
    found = []
    for row in rows:
        try:
            found.append((row.owner, _draft(row)))
        except (ValueError, TypeError):
            log.warning("Draft %s was written by another version and cannot be read; it is left alone.", row.id)
    return tuple(found)


def take_over(connection: Connection, left: Sequence[Draft], owner: str) -> tuple[Draft, ...]:
    """With the events that they answer, so that these are not handled a second time."""
    taken = []
    for one in left:
        statement = update(draft).where(draft.c.id == one.id, draft.c.epoch == one.epoch)
        values = {"owner": owner, "epoch": one.epoch + 1, "attempts": one.attempts + 1}
        row = connection.execute(statement.values(values).returning(*draft.c)).first()
        if row is None:
            continue
        taken.append(_draft(row))
        claim = update(event).where(
            event.c.place == str(one.route.place), event.c.id == one.event_id, event.c.state != "done"
        )
        connection.execute(claim.values(owner=owner, epoch=event.c.epoch + 1))
    return tuple(taken)


def _remove(connection: Connection, old: Draft) -> bool:
    """False if its epoch has moved on: then it belongs to somebody else."""
    return connection.execute(_removal, {"draft": old.id, "at": old.epoch}).first() is not None


_removal = delete(draft).where(draft.c.id == bindparam("draft"), draft.c.epoch == bindparam("at")).returning(draft.c.id)


def _close(connection: Connection, old: Draft) -> None:
    claims.done(connection, old.route.place, old.event_id)


def _draft(row: Row[*tuple[Any, ...]]) -> Draft:
    return Draft(
        id=row.id,
        conversation=row.conversation_id,
        route=route_from_json(row.route),
        event_id=row.event_id,
        question=row.question,
        text=row.text,
        sent=tuple(SentId(id, kind) for id, kind in row.sent),
        epoch=row.epoch,
        started_at=row.started_at,
        attempts=row.attempts,
        finished=row.finished,
        speaker=Speaker(*row.speaker) if row.speaker else None,
        replaces=row.replaces,
        as_variant=bool(row.as_variant),
        scene=row.scene_id,
    )


def _sent_json(sent: Sequence[SentId]) -> JsonValue:
    return [[storable(one.id), storable(one.kind)] for one in sent]
