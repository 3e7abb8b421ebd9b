"""Which messages brought which pictures: a picture stays for as long as one of them is remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import ScalarSelect, delete, exists, insert, select
from sqlalchemy.engine import Connection

from bot.store.tables import blob, message, picture


def blobs_in(parts: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The ids of the pictures that came with a message, each once."""
    listed = parts.get("images")
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return ()
    ids = [item.get("blob") for item in listed if isinstance(item, Mapping)]
    return tuple(dict.fromkeys(id for id in ids if isinstance(id, str)))


def refer(connection: Connection, message_id: int, parts: Mapping[str, JsonValue]) -> None:
    found = blobs_in(parts)
    if found:
        values = [{"message_id": message_id, "blob_id": id} for id in found]
        connection.execute(insert(picture), values)


def forget(connection: Connection, conversation_id: ScalarSelect[int], message_ids: Collection[int]) -> None:
    ids = select(message.c.id).where(message.c.conversation_id == conversation_id, message.c.id.in_(message_ids))
    connection.execute(delete(picture).where(picture.c.message_id.in_(ids)))


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Drop pictures that no message holds any more. Those put down just now belong to messages not yet written."""
    held = exists().where(picture.c.blob_id == blob.c.id, message.c.id == picture.c.message_id)
    unused = select(blob.c.id).where(blob.c.kept.is_(False), blob.c.created_at < before, ~held).limit(limit)
    deleted = connection.execute(delete(blob).where(blob.c.id.in_(unused)))
    return deleted.rowcount
