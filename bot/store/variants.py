"""Answers said anew: the place in the tree stays, what stands there changes, and what stood there is kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.replies import SentId
from bot.store import summaries, tree
from bot.store.cleaning import storable, storable_json, storable_or_none
from bot.store.records import NewMessage, Remembered, remembered
from bot.store.tables import conversation, message, sent

# What an answer is made of, apart from its place in the tree.
_CONTENT = ("speaker", "text", "parts", "tokens", "size", "status", "model", "created_at")
# Between a question and its answer stand only calls of tools and their results, …
_MOST_BETWEEN = 200
# … or what others said meanwhile: then the answer's `parts` tell by this the number of its question.
ANSWERS = "answers"
# A message with this among its `parts` is the beginning of a question that its author went on with.
GOES_ON = "goes_on"
# Of so many that come after a question, one is looked for that answers it.
_MOST_ANSWERS = 20


def group(connection: Connection, answer: int) -> tuple[Remembered, ...]:
    """All that was ever said in this place, oldest first; one of them has the id of the place itself."""
    rows = connection.execute(
        tree.rows.where((message.c.id == answer) | (message.c.variant_of == answer)).order_by(
            message.c.created_at, message.c.id
        )
    )
    return tuple(remembered(row) for row in rows)


def replace_answer(
    connection: Connection, answer: int, new: NewMessage, now: datetime, *, as_variant: bool
) -> Remembered | None:
    """None if there is no such answer any more. `as_variant` keeps what stood there."""
    old = tree.message_by_id(connection, answer)
    if old is None:
        return None
    if as_variant and old.status != "forgotten":
        _set_aside(connection, answer)
    text, parts = storable(new.text), {storable(key): storable_json(value) for key, value in new.parts.items()}
    parts |= {ANSWERS: old.parts[ANSWERS]} if ANSWERS in old.parts else {}
    values = {
        "speaker": storable_or_none(new.speaker),
        "text": text,
        "parts": parts,
        "tokens": new.tokens,
        "size": tree.size_of(text, parts),
        "status": new.status,
        "model": storable_or_none(new.model),
        **({"created_at": now} if as_variant else {}),
    }
    connection.execute(update(message).where(message.c.id == answer).values(values))
    _drop_summaries(connection, old)
    set_sent(connection, old, new.sent)
    return tree.message_by_id(connection, answer)


def choose(connection: Connection, answer: int, variant: int) -> Remembered | None:
    """Exchange what stands in the place with one of its variants."""
    if variant != answer:
        columns = [message.c[name] for name in _CONTENT]
        shown = connection.execute(select(*columns).where(message.c.id == answer)).mappings().one()
        wanted = connection.execute(select(*columns).where(message.c.id == variant)).mappings().one()
        connection.execute(update(message).where(message.c.id == answer).values(dict(wanted)))
        connection.execute(update(message).where(message.c.id == variant).values(dict(shown)))
    chosen = tree.message_by_id(connection, answer)
    if chosen is not None and variant != answer:
        _drop_summaries(connection, chosen)
    return chosen


def _drop_summaries(connection: Connection, answer: Remembered) -> None:
    """Those that tell of it: something else stands there now."""
    here = select(conversation.c.place).where(conversation.c.id == answer.conversation)
    summaries.drop(connection, Place.parse(connection.execute(here).scalar_one()), answer.id)


def set_sent(connection: Connection, of: Remembered, now_sent: Sequence[SentId]) -> None:
    """The platform's messages that show it now."""
    connection.execute(delete(sent).where(sent.c.message_id == of.id))
    if now_sent:
        connection.execute(insert(sent), tree.sent_values(of.conversation, of.id, now_sent, of.speaker))


def sent_of(connection: Connection, id: int) -> tuple[SentId, ...]:
    rows = connection.execute(
        select(sent.c.platform_id, sent.c.kind).where(sent.c.message_id == id).order_by(sent.c.part)
    )
    return tuple(SentId(row.platform_id, row.kind) for row in rows)


def question_of(connection: Connection, answer: Remembered) -> Remembered | None:
    """The person's message that an answer was given to."""
    told = answer.parts.get(ANSWERS)
    if isinstance(told, int):
        return tree.message_by_id(connection, told)
    at: Remembered | None = answer
    for _ in range(_MOST_BETWEEN):
        if at is None or at.parent is None:
            return None
        at = tree.message_by_id(connection, at.parent)
        if at is not None and at.role == "user":
            return at
    return None


def answer_to(connection: Connection, question: Remembered) -> Remembered | None:
    """The answer that a person's message got, if it got one."""
    answers = tree.rows.where(
        message.c.conversation_id == question.conversation,
        message.c.id > question.id,
        message.c.role == "assistant",
        message.c.variant_of.is_(None),
    )
    for row in connection.execute(answers.order_by(message.c.id).limit(_MOST_ANSWERS)).all():
        found = remembered(row)
        asked = None if found.parts.get("tool_calls") else question_of(connection, found)
        if asked is not None and asked.id == question.id:
            return found
    return None


def forget_between(connection: Connection, question: Remembered, answer: Remembered) -> Sequence[int]:
    """Ids of everything from a question to its answer, and of the answer's variants."""
    ids = [question.id, *(one.id for one in group(connection, answer.id)), *_beginnings(connection, question)]
    at = tree.message_by_id(connection, answer.parent) if answer.parent is not None else None
    for _ in range(_MOST_BETWEEN):
        if at is None or at.id == question.id or at.role == "user":
            break
        ids.append(at.id)
        at = tree.message_by_id(connection, at.parent) if at.parent is not None else None
    return ids


def _beginnings(connection: Connection, question: Remembered) -> Sequence[int]:
    """What the same person wrote just before, to be answered together with it."""
    ids: list[int] = []
    at = tree.message_by_id(connection, question.parent) if question.parent is not None else None
    for _ in range(_MOST_BETWEEN):
        if at is None or at.role != "user":
            break
        if at.author_id == question.author_id:
            if GOES_ON not in at.parts:
                break
            ids.append(at.id)
        at = tree.message_by_id(connection, at.parent) if at.parent is not None else None
    return ids


def _set_aside(connection: Connection, answer: int) -> None:
    columns = ["conversation_id", "parent_id", "role", "author_id", "author", "scene_id", *_CONTENT]
    kept = select(*(message.c[name] for name in columns), message.c.id).where(message.c.id == answer)
    connection.execute(insert(message).from_select([*columns, "variant_of"], kept))
