"""What stands in the window of a branch beside its newest messages: summaries of older ones, and pinned messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, delete, func, insert, literal, or_, select, update
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store.cleaning import storable, storable_or_none
from bot.store.database import insert_into
from bot.store.places import within
from bot.store.records import Conversation, NewSummary, Summary
from bot.store.tables import branch, conversation, message, pin, summary

# A branch takes over so many of the summaries that led to the one it begins with, for rebuilding it.
INHERITED = 20

_newest_first = (summary.c.covers_until.desc(), summary.c.id.desc())
_of_branch = select(summary.c.covers_until, summary.c.text, summary.c.model, summary.c.created_at)


def newest(connection: Connection, branch_id: int) -> Summary | None:
    found = _of_branch.where(summary.c.branch_id == branch_id).order_by(*_newest_first).limit(1)
    row = connection.execute(found).first()
    return Summary(*row) if row is not None else None


def add(
    connection: Connection,
    current: Conversation,
    *,
    until: int,
    text: str,
    model: str | None,
    now: datetime,
) -> None:
    values = {
        "conversation_id": current.id,
        "branch_id": current.branch,
        "covers_until": until,
        "text": storable(text),
        "model": storable_or_none(model),
        "created_at": now,
    }
    connection.execute(insert(summary), values)


def put_back(connection: Connection, conversation_id: int, branch_id: int, told: Summary) -> None:
    """What a file told of a branch, whose window begins behind it."""
    values = {
        "conversation_id": conversation_id,
        "branch_id": branch_id,
        "covers_until": told.until,
        "text": storable(told.text),
        "model": storable_or_none(told.model),
        "created_at": told.created_at,
    }
    connection.execute(insert(summary), values)
    connection.execute(update(branch).where(branch.c.id == branch_id).values(window_start_id=told.until + 1))


def is_true(connection: Connection, branch_id: int, new: NewSummary) -> bool:
    """Whether it may still be written: another may stand in the place of the one that it goes on from by now, and
    messages may have been edited or taken back meanwhile."""
    standing = newest(connection, branch_id)
    base, before = (standing.until, standing.text) if standing is not None else (0, "")
    if base != new.base or (new.before is not None and before != storable(new.before)):
        return False
    ids = [one.id for one in new.told]
    texts = select(message.c.id, message.c.text).where(message.c.id.in_(ids), message.c.status != "forgotten")
    now: dict[int, str] = {row.id: row.text for row in connection.execute(texts)}
    return all(now.get(one.id) == one.text for one in new.told)


def drop(connection: Connection, place: Place, since: int) -> None:
    """All that tell of a message or of what came after it, here and in threads that hang on it."""
    here = select(conversation.c.id).where(within(connection, conversation.c.place, place))
    connection.execute(
        delete(summary).where(summary.c.conversation_id.in_(here.scalar_subquery()), summary.c.covers_until >= since)
    )


def inherit(connection: Connection, old: Conversation, new_branch: int, at: int) -> None:
    """A branch that leaves another one at a message begins with what stood in the other's window until there. No
    summary tells of that message itself, which may be said anew."""
    columns = ("conversation_id", "covers_until", "text", "tokens", "model", "prompt_version", "created_at")
    known = (
        select(*(summary.c[name] for name in columns), literal(new_branch))
        .where(summary.c.branch_id == old.branch, summary.c.covers_until < at)
        .order_by(*_newest_first)
        .limit(INHERITED)
    )
    connection.execute(insert(summary).from_select([*columns, "branch_id"], known))
    pinned = select(literal(new_branch), pin.c.message_id, pin.c.created_at)
    kept = pinned.where(pin.c.branch_id == old.branch, pin.c.message_id <= at)
    connection.execute(insert(pin).from_select(["branch_id", "message_id", "created_at"], kept))
    start = old.window_start if old.window_start is not None and old.window_start <= at else None
    if start is None and old.window_start is not None:
        last = select(func.max(summary.c.covers_until)).where(summary.c.branch_id == new_branch)
        until: int | None = connection.execute(last).scalar_one_or_none()
        start = until + 1 if until is not None else None
    connection.execute(update(branch).where(branch.c.id == new_branch).values(window_start_id=start))


def cut_back(connection: Connection, branch_id: int, to: int | None) -> None:
    """A branch ends with an earlier message now, or somewhere else altogether (None)."""
    after = [summary.c.covers_until > to] if to is not None else []
    connection.execute(delete(summary).where(summary.c.branch_id == branch_id, *after))
    gone = [pin.c.message_id > to] if to is not None else []
    connection.execute(delete(pin).where(pin.c.branch_id == branch_id, *gone))
    last = select(func.max(summary.c.covers_until) + 1).where(summary.c.branch_id == branch_id).scalar_subquery()
    beyond = or_(literal(to is None), branch.c.window_start_id > (to or 0))
    kept = case((beyond, last), else_=branch.c.window_start_id)
    connection.execute(update(branch).where(branch.c.id == branch_id).values(window_start_id=kept))


def put_pin(connection: Connection, branch_id: int, id: int, now: datetime) -> None:
    statement = insert_into(connection.dialect.name, pin).on_conflict_do_nothing()
    connection.execute(statement, {"branch_id": branch_id, "message_id": id, "created_at": now})


def take_pin(connection: Connection, branch_id: int, id: int) -> bool:
    taken = connection.execute(delete(pin).where(pin.c.branch_id == branch_id, pin.c.message_id == id))
    return taken.rowcount > 0


def forget(connection: Connection, branch_id: int) -> None:
    """All of a branch that is deleted."""
    connection.execute(delete(summary).where(summary.c.branch_id == branch_id))
    connection.execute(delete(pin).where(pin.c.branch_id == branch_id))
