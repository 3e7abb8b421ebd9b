"""Forgetting a whole workspace, in steps so small that nobody waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Table, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.events import Place
from bot.store.tables import branch, conversation, draft, event, job, message, picture, sent, state, summary, usage

ROWS_AT_ONCE = 500


async def drop_running(connection: AsyncConnection, platform: str, workspace: str) -> None:
    prefix = str(Place(platform, workspace, ""))
    await connection.execute(delete(draft).where(_inside(connection, draft.c.place, prefix)))
    await connection.execute(delete(job).where(_inside(connection, job.c.place, prefix)))
    left = update(event).where(_inside(connection, event.c.place, prefix), event.c.state != "done")
    await connection.execute(left.values(state="done", data=None))


async def forget_some(connection: AsyncConnection, platform: str, workspace: str) -> bool:
    """Delete a few rows; False once there are none left. What refers to others goes before them."""
    prefix = str(Place(platform, workspace, ""))
    for table, chosen in _rows(connection, prefix):
        key = next(iter(table.primary_key))
        # The newest first: a variant is younger than the answer that it is one of.
        ids = (await connection.execute(select(key).where(chosen).order_by(key.desc()).limit(ROWS_AT_ONCE))).scalars()
        if found := list(ids):
            if table is message:
                await connection.execute(delete(picture).where(picture.c.message_id.in_(found)))
                await connection.execute(update(message).where(message.c.parent_id.in_(found)).values(parent_id=None))
            await connection.execute(delete(table).where(key.in_(found)))
            return True
    # What plugins keep for the workspace and for its places.
    kept = or_(
        state.c.scope == f"workspace:{platform}:{workspace}", _inside(connection, state.c.scope, f"place:{prefix}")
    )
    await connection.execute(delete(state).where(kept))
    return False


async def heard_since(connection: AsyncConnection, platform: str, workspace: str, since: datetime) -> bool:
    """Whether anything was heard from there after a moment."""
    inside = _inside(connection, event.c.place, str(Place(platform, workspace, "")))
    found = await connection.execute(select(exists().where(inside, event.c.claimed_at > since)))
    return bool(found.scalar_one())


def _rows(connection: AsyncConnection, prefix: str) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    conversations = select(conversation.c.id).where(_inside(connection, conversation.c.place, prefix))
    for table in (draft, summary, sent):
        yield table, table.c.conversation_id.in_(conversations)
    yield usage, _inside(connection, usage.c.place, prefix)
    yield message, message.c.conversation_id.in_(conversations)
    yield branch, branch.c.conversation_id.in_(conversations)
    yield conversation, _inside(connection, conversation.c.place, prefix)
    yield job, _inside(connection, job.c.place, prefix)
    yield event, _inside(connection, event.c.place, prefix)


def _inside(connection: AsyncConnection, place: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    if connection.dialect.name == "sqlite":
        # A range uses the index, which LIKE does not there; "0" is the sign after the slash that the prefix ends with.
        return (place >= prefix) & (place < f"{prefix.removesuffix('/')}0")
    return place.startswith(prefix, autoescape=True)
