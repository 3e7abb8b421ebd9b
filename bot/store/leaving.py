"""Forgetting a whole workspace, in steps so small that nobody waits for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store.places import inside
from bot.store.tables import branch, conversation, draft, event, job, message, picture, pin, sent, state, summary, usage

ROWS_AT_ONCE = 200


def drop_running(connection: Connection, platform: str, workspace: str) -> None:
    prefix = _prefix(platform, workspace)
    connection.execute(delete(draft).where(inside(connection, draft.c.place, prefix)))
    connection.execute(delete(job).where(inside(connection, job.c.place, prefix)))
    left = update(event).where(inside(connection, event.c.place, prefix), event.c.state != "done")
    connection.execute(left.values(state="done", data=None))


def heard_since(connection: Connection, platform: str, workspace: str, since: datetime) -> bool:
    """Whether anything was heard from there after a moment."""
    there = inside(connection, event.c.place, _prefix(platform, workspace))
    found = connection.execute(select(exists().where(there, event.c.claimed_at > since)))
    return bool(found.scalar_one())


def forget_some(connection: Connection, platform: str, workspace: str) -> bool:
    """Delete a few rows; False once there are none left. What refers to others goes before them."""
    prefix = _prefix(platform, workspace)
    for table in (draft, job, usage, event):
        key = next(iter(table.primary_key))
        there = select(key).where(inside(connection, table.c.place, prefix)).limit(ROWS_AT_ONCE)
        if ids := connection.execute(there).scalars().all():
            connection.execute(delete(table).where(key.in_(ids)))
            return True
    some = select(conversation.c.id).where(inside(connection, conversation.c.place, prefix)).limit(1)
    one: int | None = connection.execute(some).scalar_one_or_none()
    if one is not None:
        _forget_some_of(connection, one)
        return True
    # What plugins keep for the workspace and for its places.
    of_places = inside(connection, state.c.scope, f"place:{prefix}")
    connection.execute(delete(state).where(or_(state.c.scope == f"workspace:{platform}:{workspace}", of_places)))
    return False


def _forget_some_of(connection: Connection, one: int) -> None:
    """The newest messages of a conversation, for a variant is younger than the answer it belongs to, or the rest of it
    when it has none."""
    newest = select(message.c.id).where(message.c.conversation_id == one).order_by(message.c.id.desc())
    ids = connection.execute(newest.limit(ROWS_AT_ONCE)).scalars().all()
    if not ids:
        of_one = select(branch.c.id).where(branch.c.conversation_id == one).scalar_subquery()
        connection.execute(delete(pin).where(pin.c.branch_id.in_(of_one)))
        for table in (draft, summary, branch):
            connection.execute(delete(table).where(table.c.conversation_id == one))
        connection.execute(delete(conversation).where(conversation.c.id == one))
        return
    connection.execute(delete(summary).where(summary.c.covers_until.in_(ids)))
    connection.execute(delete(pin).where(pin.c.message_id.in_(ids)))
    connection.execute(delete(sent).where(sent.c.message_id.in_(ids)))
    connection.execute(delete(picture).where(picture.c.message_id.in_(ids)))
    # What was taken in with a file is in no place's ledger.
    connection.execute(delete(usage).where(usage.c.message_id.in_(ids)))
    connection.execute(update(message).where(message.c.parent_id.in_(ids)).values(parent_id=None))
    connection.execute(delete(message).where(message.c.id.in_(ids)))


def _prefix(platform: str, workspace: str) -> str:
    return str(Place(platform, workspace, ""))
