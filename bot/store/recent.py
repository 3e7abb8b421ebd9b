"""Which conversation of a platform was the last one."""

from __future__ import annotations

from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store.tables import conversation, message


def last_place(connection: Connection, platform: str) -> Place | None:
    """Conversations are few beside messages, whose newest one an index gives for each of them."""
    newest = (
        select(func.max(message.c.id))
        .where(message.c.conversation_id == conversation.c.id)
        .correlate(conversation)
        .scalar_subquery()
    )
    statement = (
        select(conversation.c.place)
        .where(conversation.c.place.startswith(f"{quote(platform, safe='')}:", autoescape=True), newest.is_not(None))
        .order_by(newest.desc())
        .limit(1)
    )
    place = connection.execute(statement).scalar()
    return None if place is None else Place.parse(place)
