"""The ways that a conversation went: branches that point into its tree, and what stands in the window of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, count

from sqlalchemy import delete, func, select, update
from sqlalchemy.engine import Connection

from bot.clock import Clock
from bot.errors import StoreError
from bot.events import Place
from bot.store import summaries, tree, ways
from bot.store.cleaning import storable
from bot.store.database import Database
from bot.store.places import within
from bot.store.records import Branch, Conversation, NewSummary, Remembered, Summary, remembered
from bot.store.tables import branch, conversation, message
from bot.words import Language, phrase, say, spoken_now

SAID = ("complete", "partial", "interrupted")
# What a deleted branch has alone is looked for among so many numbers of messages at first.
LOOKS_BACK = 256
# What branches are called where nobody gave them a name.
FIRST, NEXT = phrase("main"), phrase("branch {number}")


class Branches:
    """`Store.branches`. A branch or message of another place raises StoreError with a sentence for people."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    async def all(self, place: Place) -> tuple[Branch, ...]:
        """In the order in which they were begun."""
        return tuple(map(_called, await self._db.read(lambda c: listed(c, place))))

    async def fork(self, place: Place, at: int | None, name: str = "") -> Conversation:
        """A new branch that leaves the others at a message, None = an empty one. It becomes the active one."""
        now, language = self._clock.now(), spoken_now()
        return await self._db.write(lambda c: fork(c, place, at, name, now, language))

    async def switch(self, place: Place, id: int) -> Conversation:
        now = self._clock.now()
        return await self._db.write(lambda c: switch(c, place, id, now))

    async def undo_fork(self, place: Place, forked: int, back_to: int, asked: int | None) -> None:
        """Nothing came of a branch: all is as if it had never been begun, but what others said meanwhile stays."""
        now = self._clock.now()
        await self._db.write(lambda c: undo_fork(c, place, forked, back_to, asked, now))

    async def is_shared(self, place: Place, answer: int) -> bool:
        """Whether another branch ends with an answer, or goes on from it in its own way."""
        return await self._db.read(lambda c: ways.is_shared(c, place, answer))

    async def leading_to(self, place: Place, message: int) -> Branch | None:
        """The newest branch that a message is on; None where it was cleared."""
        id = await self._db.read(lambda c: ways.leading_to(c, place, message))
        return next((one for one in await self.all(place) if one.id == id), None)

    async def rename(self, place: Place, id: int, name: str) -> None:
        await self._db.write(lambda c: rename(c, place, id, name))

    async def delete(self, place: Place, id: int) -> int:
        """What was said on this branch alone is forgotten; returns how many messages that were. The active one cannot
        be deleted."""
        return await self._db.write(lambda c: drop(c, place, id))

    async def move_tip(self, place: Place, to: int | None) -> Conversation:
        """Let the active branch end with an earlier message."""
        now = self._clock.now()
        return await self._db.write(lambda c: move_tip(c, place, to, now))

    async def pins(self, place: Place) -> tuple[Remembered, ...]:
        """The pinned messages of the active branch, oldest first."""

        def pinned(connection: Connection) -> tuple[Remembered, ...]:
            current = tree.find(connection, place)
            if current is None or current.tip is None:
                return ()
            return tree.pinned_on(connection, current.branch, current.tip)

        return await self._db.read(pinned)

    async def pin(self, place: Place, message: int) -> None:
        now = self._clock.now()

        def put(connection: Connection) -> None:
            current = tree.ensure(connection, place, now)
            if not tree.reaches(connection, place, message):
                raise _unknown_message(place, message)
            summaries.put_pin(connection, current.branch, message, now)

        await self._db.write(put)

    async def unpin(self, place: Place, message: int) -> bool:
        now = self._clock.now()
        return await self._db.write(lambda c: summaries.take_pin(c, tree.ensure(c, place, now).branch, message))

    async def summary(self, place: Place) -> Summary | None:
        """Of what the active branch's window no longer holds."""

        def newest(connection: Connection) -> Summary | None:
            current = tree.find(connection, place)
            return None if current is None else summaries.newest(connection, current.branch)

        return await self._db.read(newest)

    async def newest_summary(self, branch: int) -> Summary | None:
        return await self._db.read(lambda c: summaries.newest(c, branch))

    async def stretch(self, until: int, *, after: int, max_tokens: int) -> tuple[Remembered, ...]:
        """What was said on the way to a message since another one, oldest first; of more than `max_tokens` the end."""
        return await self._db.read(lambda c: stretch(c, until, after, max_tokens))

    async def summarise(self, current: Conversation, new: NewSummary) -> bool:
        """False, and nothing is kept, when what it was made of has changed meanwhile."""
        now = self._clock.now()

        def keep(connection: Connection) -> bool:
            # The branch may have been deleted or cleared meanwhile, or end with an earlier message.
            if not ways.leads_to(connection, current.branch, new.until):
                return False
            if not summaries.is_true(connection, current.branch, new):
                return False
            summaries.add(connection, current, until=new.until, text=new.text, model=new.model, now=now)
            return True

        return await self._db.write(keep)

    async def write_summary(self, place: Place, text: str) -> None:
        """What a person wrote stands in the place of what a model said, or at the beginning of what never was told."""
        now = self._clock.now()

        def write(connection: Connection) -> None:
            current = tree.ensure(connection, place, now)
            if current.tip is None:
                raise StoreError(f"nothing was said on {place}", public=phrase("Nothing was said here yet."))
            until = current.summary_until or last_before(connection, current)
            summaries.add(connection, current, until=until, text=text, model=None, now=now)

        await self._db.write(write)


def listed(connection: Connection, place: Place) -> tuple[Branch, ...]:
    current = tree.find(connection, place)
    if current is None:
        return ()
    columns = (branch.c.id, branch.c.name, branch.c.tip_id, branch.c.forked_from, branch.c.created_at)
    found = connection.execute(select(*columns).where(branch.c.conversation_id == current.id).order_by(branch.c.id))
    # One that was left without a name was cleared: nobody hears of it any more.
    kept = [row for row in found if row.name or row.id == current.branch]
    return tuple(Branch(*row, active=row.id == current.branch) for row in kept)


def clear(connection: Connection, place: Place, now: datetime) -> int:
    """The active branch begins anew: what was said on it alone is on no branch any more."""
    current = tree.ensure(connection, place, now)
    left = tree.count(connection, current)
    summaries.cut_back(connection, current.branch, None)
    anew = {"tip_id": None, "forked_from": None, "window_start_id": None}
    connection.execute(update(branch).where(branch.c.id == current.branch).values(anew))
    return left


def fork(
    connection: Connection, place: Place, at: int | None, name: str, now: datetime, language: Language
) -> Conversation:
    current = tree.ensure(connection, place, now)
    if at is not None and not ways.is_on_any(connection, current, at):
        # What was cleared does not come back.
        raise _unknown_message(place, at)
    known = listed(connection, place)
    if any(one.active and not one.name for one in known):
        # Whoever leaves a branch wants to find it again.
        first = language.says(FIRST, {})
        named = _unused(chain((first,), (f"{first} ({number})" for number in count(2))), known)
        connection.execute(update(branch).where(branch.c.id == current.branch).values(name=named))
    name = name or _unused((language.says(NEXT, {"number": number}) for number in count(len(known) + 1)), known)
    new = tree.new_branch(connection, current.id, now, name=name, at=at)
    if at is not None and tree.reaches(connection, place, at):
        summaries.inherit(connection, current, new, at)
    tree.activate(connection, current.id, new)
    return tree.ensure(connection, place, now)


def _called(known: Branch) -> Branch:
    return known if known.name else replace(known, name=say(FIRST))


def _unused(names: Iterable[str], known: Sequence[Branch]) -> str:
    taken = {one.name.casefold() for one in known}
    return next(name for name in names if name.casefold() not in taken)


def switch(connection: Connection, place: Place, id: int, now: datetime) -> Conversation:
    _check_known(connection, place, id)
    current = tree.ensure(connection, place, now)
    tree.activate(connection, current.id, id)
    return tree.ensure(connection, place, now)


def undo_fork(
    connection: Connection, place: Place, forked: int, back_to: int, asked: int | None, now: datetime
) -> None:
    """As if a branch had never been begun: what was `asked` on it is forgotten, and what others said there meanwhile
    goes on from the end of the branch that it left."""
    known, left = _check_known(connection, place, forked), _check_known(connection, place, back_to)
    since = known.forked_from
    walk = tree.whole_branch(known.tip or 0, down_to=(since or 0) + 1)
    said = sorted(id for id in connection.execute(select(walk.c.id)).scalars() if id not in (since, asked))
    for parent, id in zip((left.tip, *said), said, strict=False):
        connection.execute(update(message).where(message.c.id == id).values(parent_id=parent))
    if said:
        connection.execute(update(branch).where(branch.c.id == left.id).values(tip_id=said[-1]))
    connection.execute(update(branch).where(branch.c.id == forked).values(tip_id=since if asked is None else asked))
    switch(connection, place, left.id, now)
    drop(connection, place, forked)


def rename(connection: Connection, place: Place, id: int, name: str) -> None:
    _check_known(connection, place, id)
    connection.execute(update(branch).where(branch.c.id == id).values(name=storable(name)))


def drop(connection: Connection, place: Place, id: int) -> int:
    known = _check_known(connection, place, id)
    if known.active:
        raise StoreError(
            f"Branch {id} is the active one of {place}.",
            public=phrase("This branch is the one we are on. Switch to another one first."),
        )
    own = _only_on(connection, place, known) if known.tip is not None else ()
    summaries.forget(connection, id)
    connection.execute(delete(branch).where(branch.c.id == id))
    if own:
        variants = select(message.c.id).where(message.c.variant_of.in_(own))
        tree.forget(connection, place, [*own, *connection.execute(variants).scalars()])
    return len(own)


def move_tip(connection: Connection, place: Place, to: int | None, now: datetime) -> Conversation:
    current = tree.ensure(connection, place, now)
    _check_belongs(connection, current, to)
    on_it = to is not None and tree.reaches(connection, place, to)
    summaries.cut_back(connection, current.branch, to if on_it else None)
    connection.execute(update(branch).where(branch.c.id == current.branch).values(tip_id=to))
    return replace(tree.ensure(connection, place, now), tip=to)


def stretch(connection: Connection, until: int, after: int, max_tokens: int) -> tuple[Remembered, ...]:
    """What was said on the way to a message since another one, oldest first; of more than `max_tokens` the end."""
    walked = connection.execute(tree.newest, {"tip": until, "start": after + 1, "max_tokens": max_tokens}).all()
    return tuple(one for one in sorted(map(remembered, walked), key=lambda one: one.id) if one.status in SAID)


def last_before(connection: Connection, current: Conversation) -> int:
    """The newest message that the window no longer holds; where it holds all, the first one."""
    start = current.window_start
    walk = tree.whole_branch(current.tip or 0, down_to=start or 0)
    first = connection.execute(select(func.min(walk.c.id))).scalar_one()
    before = tree.message_by_id(connection, first) if start is not None else None
    return before.parent if before is not None and before.parent is not None else int(first)


def _only_on(connection: Connection, place: Place, of: Branch) -> Sequence[int]:
    """The messages of a branch that no other branch leads to, nor a thread that hangs on them."""
    tips = (
        select(branch.c.tip_id)
        .join(conversation, conversation.c.id == branch.c.conversation_id)
        .where(within(connection, conversation.c.place, place), branch.c.id != of.id, branch.c.tip_id.is_not(None))
    )
    tip, back = of.tip or 0, LOOKS_BACK
    while True:
        # All before the place where it meets another way is on both. Most branches are short: look nearby first.
        down_to = max(0, tip - back)
        mine, others = tree.whole_branch(tip, down_to=down_to), tree.all_ways(tips, down_to=down_to)
        met: int | None = connection.execute(
            select(func.max(mine.c.id)).where(mine.c.id.in_(select(others.c.id)))
        ).scalar_one_or_none()
        if met is not None or down_to == 0:
            break
        back *= 16
    here = select(conversation.c.id).where(conversation.c.place == str(place)).scalar_subquery()
    alone = (
        select(mine.c.id)
        .join(message, message.c.id == mine.c.id)
        .where(mine.c.id > (met or 0), message.c.conversation_id == here)
    )
    return connection.execute(alone.order_by(mine.c.id)).scalars().all()


def _check_known(connection: Connection, place: Place, id: int) -> Branch:
    found = next((one for one in listed(connection, place) if one.id == id), None)
    if found is None:
        raise StoreError(
            f"Branch {id} is not one of {place}.", public=phrase("There is no such branch. `/branch list` shows all.")
        )
    return found


def _check_belongs(connection: Connection, current: Conversation, id: int | None) -> None:
    """A thread may go on from what was said in its channel before it was opened."""
    if id is None:
        return
    found = tree.message_by_id(connection, id)
    if found is None or (found.conversation != current.id and not tree.reaches(connection, current.place, id)):
        raise _unknown_message(current.place, id)


def _unknown_message(place: Place, id: int) -> StoreError:
    return StoreError(
        f"Message {id} is not one of {place}.",
        public=phrase("I do not remember that message in this conversation."),
    )
