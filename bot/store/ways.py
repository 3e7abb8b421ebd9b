"""Which way of a conversation something belongs to, where several lead through its tree."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import or_, select
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store import tree
from bot.store.records import Conversation, Draft
from bot.store.tables import branch, message


def where_begun(connection: Connection, current: Conversation, of: Draft) -> Conversation | None:
    """The conversation on the branch that an answer was begun on, whichever is the active one by now. None where that
    branch was deleted meanwhile."""
    if of.branch is not None:
        return _on(connection, current, of.branch)
    if of.question is None or of.question == current.tip:
        return current
    # After a crash only the question tells: where nothing came after it, where it is spoken on, or wherever it is.
    tips = _tips(connection, current, of.question)
    ending = next((id for id, tip in tips if tip == of.question), None)
    if ending is not None:
        return _on(connection, current, ending)
    leading = [id for id, tip in tips if _leads(connection, tip, of.question)]
    if not leading or current.branch in leading:
        return current
    return _on(connection, current, leading[0])


def leading_to(connection: Connection, place: Place, to: int) -> int | None:
    """The newest branch that a message is on; None where it was cleared."""
    current = tree.find(connection, place)
    if current is None:
        return None
    return next((id for id, tip in _tips(connection, current, to) if _leads(connection, tip, to)), None)


def leads_to(connection: Connection, branch_id: int, to: int) -> bool:
    """Whether a branch is still there and a message on it."""
    tip: int | None = connection.execute(select(branch.c.tip_id).where(branch.c.id == branch_id)).scalar_one_or_none()
    return tip is not None and _leads(connection, tip, to)


def is_on_any(connection: Connection, current: Conversation, id: int) -> bool:
    """Whether a message is on one of the branches here, however many there are."""
    if current.tip is not None and _leads(connection, current.tip, id):
        return True
    tips = select(branch.c.tip_id).where(
        branch.c.conversation_id == current.id, branch.c.tip_id >= id, branch.c.name != ""
    )
    walk = tree.all_ways(tips, down_to=id)
    return connection.execute(select(walk.c.id).where(walk.c.id == id)).first() is not None


def is_shared(connection: Connection, place: Place, answer: int) -> bool:
    """Whether another branch ends with an answer, or goes on from it in its own way; so does a thread."""
    current = tree.find(connection, place)
    if current is None:
        return False
    ends = select(branch.c.id).where(
        branch.c.conversation_id == current.id, branch.c.tip_id == answer, branch.c.id != current.branch
    )
    if connection.execute(ends.limit(1)).first() is not None:
        return True
    following = select(message.c.conversation_id).where(
        message.c.parent_id == answer, message.c.variant_of.is_(None), message.c.status != "forgotten"
    )
    found = connection.execute(following.order_by(message.c.conversation_id != current.id).limit(3)).scalars().all()
    # One of them may be what follows on this branch.
    own = found.count(current.id)
    return own < len(found) or own > (0 if current.tip == answer else 1)


def _on(connection: Connection, current: Conversation, id: int) -> Conversation | None:
    if id == current.branch:
        return current
    known = select(branch.c.tip_id).where(branch.c.id == id, branch.c.conversation_id == current.id)
    row = connection.execute(known).first()
    return None if row is None else replace(current, branch=id, tip=row.tip_id)


def _tips(connection: Connection, current: Conversation, since: int) -> list[tuple[int, int]]:
    """Branches that may lead to a message and their ends, the newest first."""
    known = select(branch.c.id, branch.c.tip_id).where(
        branch.c.conversation_id == current.id,
        branch.c.tip_id >= since,
        or_(branch.c.name != "", branch.c.id == current.branch),
    )
    return [(row.id, row.tip_id) for row in connection.execute(known.order_by(branch.c.id.desc()))]


def _leads(connection: Connection, tip: int, to: int) -> bool:
    walk = tree.whole_branch(tip, down_to=to)
    return connection.execute(select(walk.c.id).where(walk.c.id == to)).first() is not None
