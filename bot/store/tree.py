"""Conversations: trees of messages, and branches that point into them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import CTE, Select, and_, bindparam, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.engine import Connection, CursorResult

from bot.errors import StoreError
from bot.events import Place
from bot.replies import SentId
from bot.store import pictures, playbills, summaries
from bot.store.cleaning import storable, storable_json, storable_or_none
from bot.store.database import insert_into
from bot.store.records import Conversation, MessageStatus, NewMessage, Path, Remembered, remembered
from bot.store.tables import branch, conversation, message, pin, sent, summary

_visible = message.c.status.not_in(("forgotten", "failed"))
_cost = case((_visible, func.coalesce(message.c.tokens, (message.c.size + 3) // 4)), else_=0)
_shown = case((_visible, 1), else_=0)

rows = select(
    message.c.id,
    message.c.conversation_id,
    message.c.parent_id,
    message.c.role,
    message.c.text,
    message.c.author_id,
    message.c.author,
    message.c.speaker,
    message.c.parts,
    message.c.tokens,
    message.c.status,
    message.c.model,
    message.c.created_at,
    message.c.variant_of,
    message.c.scene_id,
)
# How to behave in a thread is asked of its channel each time, so that a change there is heeded.
_FOLLOWED = ("speak", "busy", "ping_after")
_newest_summary = summary.c.branch_id == branch.c.id
_told_last = (summary.c.covers_until.desc(), summary.c.id.desc())
_conversations = select(
    conversation.c.id,
    conversation.c.place,
    conversation.c.settings,
    branch.c.id.label("branch"),
    branch.c.tip_id,
    branch.c.window_start_id,
    select(summary.c.text).where(_newest_summary).order_by(*_told_last).limit(1).scalar_subquery().label("summary"),
    select(func.max(summary.c.covers_until)).where(_newest_summary).scalar_subquery().label("summary_until"),
    exists().where(pin.c.branch_id == branch.c.id).label("has_pins"),
).join(branch, branch.c.id == conversation.c.branch_id)
# Statements of every turn are built once: that costs more than to run them.
_of_place = _conversations.where(conversation.c.place == bindparam("of"))
_of_place_locked = _of_place.with_for_update(of=conversation)
_insert_message = insert(message).returning(message.c.id)
_insert_sent = insert(sent)
_move_tip = update(branch).where(branch.c.id == bindparam("of")).values(tip_id=bindparam("tip"))


def find(connection: Connection, place: Place, *, lock: bool = False) -> Conversation | None:
    """`lock` keeps other processes from moving the tip until the transaction ends (SQLite locks as a whole)."""
    row = connection.execute(_of_place_locked if lock else _of_place, {"of": str(place)}).first()
    if row is None:
        return None
    told = (row.summary or "", row.summary_until or 0, bool(row.has_pins))
    return Conversation(row.id, place, row.settings, row.branch, row.tip_id, row.window_start_id, *told)


def ensure(connection: Connection, place: Place, now: datetime, *, inherit: Place | None = None) -> Conversation:
    """A thread begins with the settings of its channel and with what was said there until it was opened: its messages
    hang on the channel's own."""
    found = find(connection, place, lock=True)
    if found is not None:
        return found
    source = inherit or place.parent
    other = find(connection, source) if source is not None else None
    settings = {key: value for key, value in other.settings.items() if key not in _FOLLOWED} if other else {}
    start = _start_of_thread(connection, other, place) if other is not None and place.parent else None
    statement = insert_into(connection.dialect.name, conversation).on_conflict_do_nothing(index_elements=["place"])
    made = connection.execute(
        statement.returning(conversation.c.id), {"place": str(place), "settings": settings, "created_at": now}
    )
    new: int | None = made.scalar_one_or_none()
    if new is not None:
        activate(connection, new, new_branch(connection, new, now, at=start))
    found = find(connection, place, lock=True)
    if found is None:
        raise StoreError(f"The conversation of {place} vanished while it was made.")
    return found


def _start_of_thread(connection: Connection, parent: Conversation, thread: Place) -> int | None:
    """A thread that was opened on a message has that message's id; any other begins at the end of the talk, and so
    does one on a message from before everything was cleared."""
    opened_on = message_of(connection, parent.id, thread.thread or "")
    if opened_on is None or not reaches(connection, parent.place, opened_on.id):
        return parent.tip
    return opened_on.id


def change_settings(
    connection: Connection, place: Place, changes: Mapping[str, JsonValue], now: datetime
) -> Conversation:
    current = ensure(connection, place, now)
    merged = {**current.settings, **{storable(key): storable_json(value) for key, value in changes.items()}}
    settings = {key: value for key, value in merged.items() if value is not None}
    connection.execute(update(conversation).filter_by(id=current.id).values(settings=settings))
    return replace(current, settings=settings)


def remember(connection: Connection, place: Place, new: NewMessage, now: datetime) -> tuple[Conversation, Remembered]:
    current = ensure(connection, place, now)
    if new.sent:
        known = message_of(connection, current.id, *(one.id for one in new.sent))
        if known is not None:
            return current, known
    (added,) = append(connection, current, (new,), now)
    return replace(current, tip=added.id), added


def append(
    connection: Connection, current: Conversation, new: Sequence[NewMessage], now: datetime
) -> tuple[Remembered, ...]:
    """Add messages one after the other and move the tip to the last."""
    added: list[Remembered] = []
    tip = current.tip
    for one in new:
        added.append(_insert(connection, current.id, tip, one, now))
        tip = added[-1].id
    if added:
        connection.execute(_move_tip, {"of": current.branch, "tip": tip})
    return tuple(added)


def _insert(
    connection: Connection,
    conversation_id: int,
    parent: int | None,
    new: NewMessage,
    now: datetime,
) -> Remembered:
    text = storable(new.text)
    parts = {storable(key): storable_json(value) for key, value in new.parts.items()}
    values = {
        "conversation_id": conversation_id,
        "parent_id": parent,
        "role": new.role,
        "author_id": storable_or_none(new.author_id),
        "author": storable_or_none(new.author),
        "speaker": storable_or_none(new.speaker),
        "text": text,
        "parts": parts,
        "tokens": new.tokens,
        "size": size_of(text, parts),
        "status": new.status,
        "scene_id": new.scene,
        "model": storable_or_none(new.model),
        "created_at": now,
    }
    id = connection.execute(_insert_message, values).scalar_one()
    pictures.refer(connection, id, parts)
    if new.sent:
        connection.execute(_insert_sent, sent_values(conversation_id, id, new.sent, new.speaker))
    return Remembered(
        id=id,
        conversation=conversation_id,
        parent=parent,
        role=new.role,
        text=text,
        author_id=storable_or_none(new.author_id),
        author=storable_or_none(new.author),
        speaker=storable_or_none(new.speaker),
        parts=parts,
        tokens=new.tokens,
        status=new.status,
        model=storable_or_none(new.model),
        created_at=now,
        scene=new.scene,
    )


def sent_values(
    conversation_id: int, id: int, messages: Sequence[SentId], speaker: str | None
) -> list[dict[str, int | str | None]]:
    return [
        {
            "conversation_id": conversation_id,
            "message_id": id,
            "part": part,
            "platform_id": storable(one.id),
            "kind": storable(one.kind),
            "speaker": storable_or_none(speaker),
        }
        for part, one in enumerate(messages)
    ]


def path(
    connection: Connection, current: Conversation, max_tokens: int, until: int | None = None, *, whole: bool = False
) -> Path:
    """`until` is the message it ends with, None = the tip."""
    tip = current.tip if until is None else until
    if tip is None:
        return Path(current, (), complete=True)
    start = 0 if whole else current.window_start or 0
    values = {"tip": tip, "start": start, "max_tokens": max_tokens}
    walked = connection.execute(newest, values).all()
    found = sorted((remembered(row) for row in walked), key=lambda one: one.id)
    complete = bool(found) and (found[0].parent is None or found[0].parent < start)
    shown = tuple(one for one in found if one.status not in ("forgotten", "failed"))
    pinned = pinned_on(connection, current.branch, tip) if current.has_pins else ()
    return Path(current, shown, complete, pinned)


def pinned_on(connection: Connection, branch_id: int, until: int) -> tuple[Remembered, ...]:
    """Oldest first."""
    return tuple(remembered(row) for row in connection.execute(_pinned, {"of": branch_id, "until": until}))


_pinned = (
    rows.join(pin, pin.c.message_id == message.c.id)
    .where(pin.c.branch_id == bindparam("of"), message.c.id <= bindparam("until"), _visible)
    .order_by(message.c.id)
)


def _walk_within_limit() -> CTE:
    """From the tip backwards with a running total, so that it ends where the limit ends, not where the branch does."""
    start = select(message.c.id, message.c.parent_id, _cost.label("total"), _shown.label("shown"))
    walk = start.where(message.c.id == bindparam("tip")).cte("walk", recursive=True)
    step = (
        select(message.c.id, message.c.parent_id, walk.c.total + _cost, walk.c.shown + _shown)
        .where(message.c.id == walk.c.parent_id, message.c.id >= bindparam("start"))
        .where(or_(walk.c.shown == 0, walk.c.total + _cost <= bindparam("max_tokens")))
    )
    return walk.union_all(step)


newest = rows.where(message.c.id.in_(select(_walk_within_limit().c.id)))


def whole_branch(tip: int, *, down_to: int = 0) -> CTE:
    """A parent is always older than its child, and so is its number."""
    start = select(message.c.id, message.c.parent_id).where(message.c.id == tip)
    walk = start.cte("walk", recursive=True)
    step = select(message.c.id, message.c.parent_id).where(message.c.id == walk.c.parent_id)
    return walk.union_all(step.where(message.c.id >= down_to))


def all_ways(tips: Select[tuple[int | None]], *, down_to: int = 0) -> CTE:
    start = select(message.c.id, message.c.parent_id).where(message.c.id.in_(tips))
    walk = start.cte("others", recursive=True)
    # Where two ways meet, the rest is walked once.
    step = select(message.c.id, message.c.parent_id).where(message.c.id == walk.c.parent_id)
    return walk.union(step.where(message.c.id >= down_to))


def reaches(connection: Connection, place: Place, id: int) -> bool:
    """Whether a message is on the active branch; costs as much as was said since."""
    current = find(connection, place)
    if current is None or current.tip is None:
        return False
    walk = whole_branch(current.tip, down_to=id)
    return connection.execute(select(walk.c.id).where(walk.c.id == id)).first() is not None


def ids_of(connection: Connection, place: Place) -> tuple[int, ...]:
    """Of the active branch, oldest first."""
    current = find(connection, place)
    if current is None or current.tip is None:
        return ()
    walk = whole_branch(current.tip)
    return tuple(sorted(connection.execute(select(walk.c.id)).scalars()))


def messages_by_id(connection: Connection, ids: Sequence[int]) -> tuple[Remembered, ...]:
    """Those of them that may be shown, oldest first."""
    found = connection.execute(rows.where(message.c.id.in_(ids), _visible).order_by(message.c.id))
    return tuple(remembered(row) for row in found)


def page_of_tree(connection: Connection, place: Place, after: int, limit: int) -> tuple[Remembered, ...]:
    of_place = select(conversation.c.id).where(conversation.c.place == str(place)).scalar_subquery()
    found = connection.execute(
        rows.where(message.c.conversation_id == of_place, message.c.id > after).order_by(message.c.id).limit(limit)
    )
    return tuple(remembered(row) for row in found)


def count(connection: Connection, current: Conversation) -> int:
    if current.tip is None:
        return 0
    walk = whole_branch(current.tip)
    # What only calls tools shows nothing.
    said = or_(message.c.role == "user", and_(message.c.role == "assistant", message.c.text != ""))
    counted = connection.execute(
        select(func.count()).select_from(message).where(message.c.id.in_(select(walk.c.id)), _visible, said)
    )
    return counted.scalar_one()


def forget(connection: Connection, place: Place, ids: Collection[int]) -> None:
    """Summaries that were made of them go, too, also those of threads that hang on them."""
    of_place = select(conversation.c.id).where(conversation.c.place == str(place)).scalar_subquery()
    statement = update(message).where(message.c.conversation_id == of_place, message.c.id.in_(tuple(ids)))
    connection.execute(statement.values(text="", parts={}, tokens=0, size=0, status="forgotten"))
    pictures.forget(connection, of_place, tuple(ids))
    connection.execute(delete(pin).where(pin.c.message_id.in_(tuple(ids))))
    summaries.drop(connection, place, min(ids))
    playbills.forget(connection, place, ids)


def rewrite(connection: Connection, current: Conversation, platform_id: str, text: str) -> Remembered | None:
    known = message_of(connection, current.id, platform_id)
    if known is None or known.role != "user" or known.status == "forgotten":
        return None
    text, parts = known.rewritten(storable(text))
    values = {"text": text, "parts": parts, "tokens": None, "size": size_of(text, parts)}
    connection.execute(update(message).where(message.c.id == known.id).values(values))
    summaries.drop(connection, current.place, known.id)
    return replace(known, text=text, parts=parts, tokens=None)


def message_of(connection: Connection, conversation_id: int, *platform_ids: str) -> Remembered | None:
    """The newest one, where an answer took the place of another in the same platform message."""
    values = {"sent": [storable(id) for id in platform_ids], "conversation": conversation_id}
    return _one(connection.execute(_newest_shown_in, values))


_newest_shown_in = rows.where(
    message.c.id
    == select(func.max(sent.c.message_id))
    .where(sent.c.platform_id.in_(bindparam("sent", expanding=True)))
    .where(sent.c.conversation_id == bindparam("conversation"))
    .scalar_subquery()
)


def message_by_id(connection: Connection, id: int) -> Remembered | None:
    return _one(connection.execute(_by_id, {"of": id}))


_by_id = rows.where(message.c.id == bindparam("of"))


def set_window_start(connection: Connection, branch_id: int, start: int | None) -> None:
    connection.execute(update(branch).where(branch.c.id == branch_id).values(window_start_id=start))


def set_status(connection: Connection, id: int, status: MessageStatus) -> None:
    connection.execute(update(message).where(message.c.id == id).values(status=status))


def set_tokens(connection: Connection, counts: Mapping[int, int]) -> None:
    """Only of what still has its text: a forgotten message keeps its zero."""
    statement = update(message).where(message.c.id == bindparam("of"), message.c.status != "forgotten")
    counted = [{"of": id, "counted": tokens} for id, tokens in counts.items()]
    connection.execute(statement.values(tokens=bindparam("counted")), counted)


def new_branch(
    connection: Connection,
    conversation_id: int,
    now: datetime,
    *,
    name: str = "",
    at: int | None = None,
) -> int:
    values = {
        "conversation_id": conversation_id,
        "name": storable(name),
        "tip_id": at,
        "forked_from": at,
        "created_at": now,
    }
    id: int = connection.execute(insert(branch).returning(branch.c.id), values).scalar_one()
    return id


def activate(connection: Connection, conversation_id: int, branch_id: int) -> None:
    connection.execute(update(conversation).where(conversation.c.id == conversation_id).values(branch_id=branch_id))


def _one(found: CursorResult[*tuple[Any, ...]]) -> Remembered | None:
    row = found.first()
    return None if row is None else remembered(row)


def size_of(text: str, parts: Mapping[str, JsonValue]) -> int:
    return len(text.encode()) + (len(json.dumps(parts, ensure_ascii=False).encode()) if parts else 0)
