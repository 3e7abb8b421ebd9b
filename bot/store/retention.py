"""What is kept for so many days only: whole exchanges go, oldest first; what is pinned stays."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import bindparam, delete, exists, func, or_, select, update
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store import playbills
from bot.store.database import Database
from bot.store.persons import NUMBERS_AT_ONCE, wipe
from bot.store.places import within
from bot.store.tables import branch, conversation, message, pin, summary

# Between two steps, in seconds.
PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Keep:
    """How long memory lasts; 0 days is for ever. `summaries` says that they stay when what they tell of is gone."""

    days: int = 0
    summaries: bool = True

    def before(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Step:
    """Numbers of messages up to `reached` were looked at, and some forgotten in these conversations."""

    reached: int
    conversations: Collection[int]
    last: bool


async def forget(database: Database, before: datetime) -> bool:
    """Whatever was said before a moment, in small steps. Whether there was anything."""
    step = Step(0, (), last=False)
    touched: set[int] = set()
    while not step.last:
        step = await database.write(partial(_forget_some, before=before, after=step.reached))
        touched.update(step.conversations)
        await asyncio.sleep(PAUSE)
    for conversation_id in touched:
        for each in await database.read(partial(_with_threads, conversation_id=conversation_id)):
            await database.write(partial(_begin_windows, conversation_id=each))
            await asyncio.sleep(PAUSE)
    return bool(touched)


def _forget_some(connection: Connection, before: datetime, after: int) -> Step:
    most: int = connection.execute(select(func.coalesce(func.max(message.c.id), 0))).scalar_one()
    reached = min(after + NUMBERS_AT_ONCE, most)
    later = message.alias()
    # A question stays for as long as its answer, an answer for as long as one that was said in its place.
    is_answer = (later.c.parent_id == message.c.id) & (later.c.role != "user") & (message.c.role == "user")
    goes_on = exists().where(is_answer, later.c.created_at >= before)
    stands = exists().where(later.c.id == message.c.variant_of, later.c.created_at >= before)
    pinned = exists().where(pin.c.message_id == message.c.id)
    old = select(message.c.id, message.c.conversation_id).where(
        message.c.id > after,
        message.c.id <= reached,
        message.c.created_at < before,
        message.c.status != "forgotten",
        ~goes_on,
        ~stands,
        ~pinned,
    )
    rows = connection.execute(old).all()
    if rows:
        wipe(connection, [row.id for row in rows])
        playbills.forget(connection, None, [row.id for row in rows])
    return Step(reached, {row.conversation_id for row in rows}, last=reached >= most)


def forget_summaries(connection: Connection, before: datetime, limit: int) -> int:
    """Says how many it was."""
    old = select(summary.c.id).where(summary.c.created_at < before).limit(limit)
    return connection.execute(delete(summary).where(summary.c.id.in_(old))).rowcount


def _with_threads(connection: Connection, conversation_id: int) -> Sequence[int]:
    place: str = connection.execute(
        select(conversation.c.place).where(conversation.c.id == conversation_id)
    ).scalar_one()
    here = within(connection, conversation.c.place, Place.parse(place))
    return connection.execute(select(conversation.c.id).where(here)).scalars().all()


def _begin_windows(connection: Connection, conversation_id: int) -> None:
    """Nobody need walk through what is gone: the windows of a conversation begin with the first message that is left,
    in it or in the channel that it hangs on."""
    place: str = connection.execute(
        select(conversation.c.place).where(conversation.c.id == conversation_id)
    ).scalar_one()
    parent = Place.parse(place).parent
    of = [place, *([str(parent)] if parent is not None else [])]
    ids = connection.execute(select(conversation.c.id).where(conversation.c.place.in_(of))).scalars().all()
    # One by one, for each is found at once by its index.
    firsts = [connection.execute(_first_left, {"of": id}).scalar_one_or_none() for id in ids]
    left = [first for first in firsts if first is not None]
    if left:
        earlier = or_(branch.c.window_start_id.is_(None), branch.c.window_start_id < min(left))
        here = (branch.c.conversation_id == conversation_id, earlier)
        connection.execute(update(branch).where(*here).values(window_start_id=min(left)))
    else:
        here = (branch.c.conversation_id == conversation_id, branch.c.tip_id.is_not(None))
        connection.execute(update(branch).where(*here).values(window_start_id=branch.c.tip_id + 1))


_first_left = (
    select(message.c.id)
    .where(message.c.conversation_id == bindparam("of"), message.c.status.not_in(("forgotten", "failed")))
    .where(~exists().where(pin.c.message_id == message.c.id))
    .order_by(message.c.id)
    .limit(1)
)
