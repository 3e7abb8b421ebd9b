"""What is asked of places as such: their own settings, where a message went, how much was used there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store.cleaning import storable
from bot.store.tables import conversation, sent, state, usage


def inside(connection: Connection, column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Whether a text begins with a prefix, which ends with a sign of ASCII."""
    if connection.dialect.name == "sqlite":
        # A range uses the index, which LIKE does not there.
        return (column >= prefix) & (column < prefix[:-1] + chr(ord(prefix[-1]) + 1))
    return column.startswith(prefix, autoescape=True)


def within(connection: Connection, column: ColumnElement[str], place: Place) -> ColumnElement[bool]:
    """Whether it is this place, or a thread of this channel."""
    return or_(column == str(place), inside(connection, column, f"{place}/"))


@dataclass(frozen=True, slots=True)
class Whose:
    """What one person used, one channel with its threads, or one workspace with all that is in it."""

    user: str | None = None
    channel: Place | None = None
    workspace: str | None = None


def used_by(connection: Connection, platform: str, whose: Whose) -> Sequence[ColumnElement[bool]]:
    """Which lines of the ledger these are."""
    chosen = []
    if whose.user is not None:
        chosen.append(usage.c.user_id == storable(whose.user))
    if whose.channel is not None:
        chosen.append(within(connection, usage.c.place, whose.channel))
    else:
        # A person's id is unique on their platform only.
        key = str(Place(platform, whose.workspace, "")) if whose.workspace is not None else f"{platform}:"
        chosen.append(inside(connection, usage.c.place, key))
    return chosen


def settings_of(connection: Connection, places: Sequence[Place]) -> Mapping[Place, Mapping[str, JsonValue]]:
    """The settings of those conversations that exist; asking makes none."""
    keys = {str(place): place for place in places}
    rows = connection.execute(
        select(conversation.c.place, conversation.c.settings).where(conversation.c.place.in_(keys))
    )
    return {keys[row.place]: row.settings for row in rows}


def threads_with(connection: Connection, place: Place, messages: Sequence[str]) -> Sequence[Place]:
    """The threads of a channel that remember one of the platform's messages, which was written in the channel."""
    rows = connection.execute(
        select(conversation.c.place)
        .join(sent, sent.c.conversation_id == conversation.c.id)
        .where(sent.c.platform_id.in_([storable(id) for id in messages]))
        .where(inside(connection, conversation.c.place, f"{place}/"))
        .distinct()
    )
    return [Place.parse(text) for text in rows.scalars()]


def marks(connection: Connection, kind: str) -> Mapping[str, JsonValue]:
    rows = connection.execute(select(state.c.key, state.c.value).where(state.c.plugin == "core", state.c.scope == kind))
    return {row.key: row.value for row in rows}
