"""What is told of scenes beside their lines: title, cast and end. Each is kept for as long as its first line is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Text, cast, select, update
from sqlalchemy.engine import Connection

from bot.errors import StoreError
from bot.events import Place
from bot.store import shelf
from bot.store.cleaning import storable
from bot.store.places import inside
from bot.store.records import Character, Playbill
from bot.store.tables import conversation, message, state

# Among the state of the place, as if a plugin kept them.
OWNER, SCENE = "core", "scene "
MOST_PARTS, LONGEST = 50, 500


def put(connection: Connection, place: Place, root: int, bill: Playbill, now: datetime) -> None:
    """In the place of the one before; nothing where the message is forgotten. Raises StoreError for one of another
    place."""
    here = select(conversation.c.id).where(conversation.c.place == str(place)).scalar_subquery()
    known = select(message.c.status).where(message.c.id == root, message.c.conversation_id == here)
    status: str | None = connection.execute(known).scalar_one_or_none()
    if status == "forgotten":
        return
    if status is None:
        raise StoreError(f"message {root} is not of {place}, so no scene begins with it there")
    shelf.save_state(connection, OWNER, _scope(place), f"{SCENE}{root}", _dumped(bill), version=None, now=now)


def of_place(connection: Connection, place: Place) -> Mapping[int, Playbill]:
    """By the message that the scene begins with."""
    kept = shelf.load_states(connection, OWNER, _scope(place), SCENE)
    return {int(key.removeprefix(SCENE)): _loaded(value) for key, value in kept.items()}


def forget(connection: Connection, place: Place | None, ids: Collection[int]) -> None:
    """Those of scenes that begin with one of these messages, here or (None) anywhere, and the faces that nothing else
    holds."""
    here = [state.c.plugin == OWNER, state.c.key.in_([f"{SCENE}{id}" for id in ids])]
    if place is not None:
        here.append(state.c.scope == storable(_scope(place)))
    for row in connection.execute(select(state).where(*here)).all():
        shelf.delete_state(connection, OWNER, row.scope, row.key)
        for part in _loaded(row.value).cast:
            if part.face is not None:
                # It was in use until now, so that nobody is about to use it again.
                shelf.release_blob(connection, part.face, row.updated_at + 2 * shelf.ABOUT_TO_BE_USED)


def leave(connection: Connection, platform: str, user: str) -> None:
    """A person who is forgotten played in none of them."""
    known = cast(state.c.value, Text).contains(f'"{storable(user)}"', autoescape=True)
    scenes = (state.c.plugin == OWNER, inside(connection, state.c.scope, f"place:{platform}:"))
    found = select(state.c.scope, state.c.key, state.c.value).where(*scenes, state.c.key.startswith(SCENE), known)
    for row in connection.execute(found).all():
        bill = _loaded(row.value)
        parts = tuple(Character(one.name, one.face, None if one.player == user else one.player) for one in bill.cast)
        left = _dumped(Playbill(bill.title, parts, bill.ended, bill.ended_at))
        this = (state.c.plugin == OWNER, state.c.scope == row.scope, state.c.key == row.key)
        connection.execute(update(state).where(*this).values(value=left))


def _dumped(bill: Playbill) -> JsonValue:
    parts: list[JsonValue] = [
        {"name": one.name[:LONGEST], "face": one.face, "player": one.player} for one in bill.cast[:MOST_PARTS]
    ]
    ended_at = bill.ended_at.isoformat() if bill.ended_at is not None else None
    return {"title": bill.title[:LONGEST], "cast": parts, "ended": bill.ended[:LONGEST], "ended_at": ended_at}


def _loaded(value: JsonValue) -> Playbill:
    """What another version wrote that is not understood is left out."""
    match value:
        case {"title": str(title), "cast": list(cast_), "ended": str(ended), "ended_at": str() | None as at}:
            parts = tuple(_part(one) for one in cast_ if isinstance(one, dict))
            return Playbill(title, parts, ended, datetime.fromisoformat(at) if at is not None else None)
        case _:
            return Playbill()


def _part(value: Mapping[str, JsonValue]) -> Character:
    known = {key: each for key, each in value.items() if isinstance(each, str)}
    return Character(known.get("name", ""), known.get("face"), known.get("player"))


def _scope(place: Place) -> str:
    """Goes with all else of a place when its workspace is forgotten."""
    return f"place:{place}"
