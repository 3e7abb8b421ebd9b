"""The database: one Store, every statement a method of it. Longer than other files, for it is the list of them all."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import TypeAlias

from pydantic import JsonValue
from sqlalchemy import literal, select
from sqlalchemy.engine import Connection

from bot.clock import Clock, SystemClock
from bot.errors import StoreError
from bot.events import AnyEvent, Place, Route
from bot.replies import Reason, SentId, Speaker
from bot.store import (
    branches,
    claims,
    compacting,
    drafts,
    leaving,
    ledger,
    opening,
    pictures,
    playbills,
    recent,
    retention,
    shelf,
    tree,
    variants,
)
from bot.store import places as of_places
from bot.store.archives import Archives
from bot.store.branches import Branches
from bot.store.database import Database, database_url
from bot.store.drafts import Taking
from bot.store.journal import Journal
from bot.store.opening import migrate
from bot.store.persons import Persons
from bot.store.presence import presence
from bot.store.records import (
    Branch,
    Claim,
    Conversation,
    Draft,
    MessageStatus,
    NewMessage,
    NewSummary,
    Path,
    Playbill,
    Remembered,
    Summary,
)
from bot.store.retention import Keep
from bot.store.shelf import KeptJob
from bot.turn import ModelCall

__all__ = [
    "Branch",
    "Claim",
    "Conversation",
    "Draft",
    "Keep",
    "NewMessage",
    "NewSummary",
    "Path",
    "Playbill",
    "Remembered",
    "Store",
    "Summary",
    "Taking",
    "migrate",
]

log = logging.getLogger(__name__)

KEPT_DONE = timedelta(days=30)
PRUNED_AT_ONCE = 500
PRUNED_STEPS = 200
KEPT_UNUSED = timedelta(days=1)
PICTURES_AT_ONCE = 20
# Copies that were made before the database was brought up to date.
KEPT_COPIES = timedelta(days=30)
PRUNED_EVERY = timedelta(hours=6).total_seconds()

# Drops at most so many rows older than a moment; says how many it was.
Prune: TypeAlias = Callable[[Connection, datetime, int], int]


class Store:
    """`async with Store(url)` opens the database and brings it up to date (SQLite) or checks its version.

    Raises StoreCorrupt, StoreTooNew or StoreUnavailable with a sentence that names the file and what to do.
    Every method raises StoreUnavailable when the disk is full, the file read-only or locked for too long.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, keep: Keep | None = None) -> None:
        self._keep = keep or Keep()
        self._clock = clock or SystemClock()
        self._owner = secrets.token_hex(8)
        self._db = Database(database_url(url))
        self._journal = Journal(self._db, self._owner)
        self._presence = presence(self._db, self._owner, self._clock)
        self.branches = Branches(self._db, self._clock)
        self.persons = Persons(self._db, self._clock)
        self.archives = Archives(self._db, self._clock)

    async def __aenter__(self) -> Store:
        self._db.open()
        try:
            await opening.bring_up_to_date(self._db)
            await self._presence.enter()
            await compacting.look(self._db, self._clock.now())
        except BaseException:
            await self._db.close()
            raise
        self._pruning = asyncio.create_task(self._keep_pruned())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pruning.cancel()
        await asyncio.wait([self._pruning])
        await self._journal.finish()
        await self._presence.leave()
        await self._db.close()

    @property
    def owner(self) -> str:
        """Names this process in claims and drafts; others can tell whether it still lives."""
        return self._owner

    async def ping(self) -> None:
        """Raises StoreError when the database cannot be read."""
        await self._db.read(lambda c: c.scalar(select(literal(1))))

    # Claims: every event is claimed first.

    async def claim(self, event: AnyEvent) -> Claim:
        """Insert-or-ignore on (place, event id); the event itself is kept until it is done, so that what a crash
        left can be handled again."""
        now = self._clock.now()
        if await self._db.write_alone(lambda c: claims.insert(c, event, self._owner, now)):
            return Claim("new")
        held = await self._db.read(lambda c: claims.holder(c, event.place, event.id))
        if held is None or held.state == "done":
            return Claim("done", held.epoch if held else 0)
        if held.drafted or not await self._presence.is_dead(held.owner):
            return Claim("running", held.epoch)
        epoch = await self._db.write(lambda c: claims.take_over(c, event.place, event.id, held, self._owner))
        if epoch is None:
            return Claim("running", held.epoch)
        return Claim("taken_over", epoch, started=held.state == "running")

    async def begin(self, place: Place, event_id: str) -> None:
        """seen → running: from here on a repeat could be noticed by people."""
        await self._db.write(lambda c: claims.begin(c, place, event_id, self._owner))

    async def done(self, place: Place, event_id: str) -> None:
        await self._db.write(lambda c: claims.done(c, place, event_id, self._owner))

    async def left_behind(self, platform: str) -> tuple[tuple[AnyEvent, Claim], ...]:
        """Events that dead processes claimed and did not finish, oldest first, without those a draft stands for.
        They now belong to this process."""
        found = await self._db.read(lambda c: claims.unfinished(c, platform, self._owner))
        dead = await self._dead({one.owner for one in found})
        left = tuple(one for one in found if one.owner in dead)
        return await self._db.write(lambda c: claims.take_unfinished(c, left, self._owner)) if left else ()

    async def last_heard(self, platform: str) -> Mapping[str, str]:
        """`str(place)` → newest event id claimed of a message there, for finding what was missed while down."""
        return await self._db.read(lambda c: claims.last_heard(c, platform))

    # Conversations and their tree.

    async def last_place(self, platform: str) -> Place | None:
        """Where on a platform something was said last, by anyone."""
        return await self._db.read(lambda c: recent.last_place(c, platform))

    async def conversation(self, place: Place, *, inherit: Place | None = None) -> Conversation:
        """The conversation of a place, made on first sight; `inherit` copies the settings of another one."""
        found = await self._db.read(lambda c: tree.find(c, place))
        if found is not None:
            return found
        now = self._clock.now()
        return await self._db.write(lambda c: tree.ensure(c, place, now, inherit=inherit))

    async def change_settings(self, place: Place, changes: Mapping[str, JsonValue]) -> Conversation:
        """Merge; a None value removes the key."""
        now = self._clock.now()
        return await self._db.write(lambda c: tree.change_settings(c, place, changes, now))

    async def remember(self, place: Place, message: NewMessage) -> tuple[Conversation, Remembered]:
        """Append to the tip of the active branch, in one transaction; remembering the same `sent` id again
        returns what is there."""
        now = self._clock.now()
        return await self._db.write(lambda c: tree.remember(c, place, message, now))

    async def asked(self, place: Place, message: NewMessage, *, max_tokens: int) -> tuple[Remembered, Path]:
        """`remember` and `path` in one transaction: the question, and what is read for its answer."""
        now = self._clock.now()

        def both(connection: Connection) -> tuple[Remembered, Path]:
            current, question = tree.remember(connection, place, message, now)
            return question, tree.path(connection, current, max_tokens)

        return await self._db.write(both)

    async def path(self, place: Place, *, max_tokens: int, until: int | None = None, whole: bool = False) -> Path:
        """The end of the active branch, from its window start, no more than `max_tokens` and at least the tip.
        Costs the same however long the branch is. Messages whose tokens are unknown count one per four bytes.
        `until` ends it with an earlier message; `whole` goes on to before its window."""

        def newest(connection: Connection) -> Path | None:
            current = tree.find(connection, place)
            return None if current is None else tree.path(connection, current, max_tokens, until, whole=whole)

        found = await self._db.read(newest)
        return found or Path(await self.conversation(place), (), complete=True)

    async def pages(self, place: Place, *, size: int = 1000) -> AsyncIterator[Sequence[Remembered]]:
        """The whole active branch, oldest first, from a read-only connection, keyset paged."""
        ids = await self._db.read(lambda c: tree.ids_of(c, place))
        size = max(1, min(size, 1000))
        for first in range(0, len(ids), size):
            page = ids[first : first + size]
            messages = await self._db.read(partial(tree.messages_by_id, ids=page))
            if messages:
                yield messages

    async def tree(self, place: Place, *, after: int = 0, limit: int = 1000) -> tuple[Remembered, ...]:
        """Every message of the conversation in order of creation, one page."""
        return await self._db.read(lambda c: tree.page_of_tree(c, place, after, limit))

    async def count(self, place: Place) -> int:
        """User and assistant messages on the active branch that are in the window's reach (since the last clear)."""
        current = await self.conversation(place)
        return await self._db.read(lambda c: tree.count(c, current))

    async def reaches(self, place: Place, message: int) -> bool:
        """Whether a message is on the active branch, and was not cleared."""
        return await self._db.read(lambda c: tree.reaches(c, place, message))

    async def set_window_start(self, branch: int, start: int | None) -> None:
        await self._db.write(lambda c: tree.set_window_start(c, branch, start))

    async def set_tokens(self, counts: Mapping[int, int]) -> None:
        """Cache token counts by message id."""
        if counts:
            await self._db.write(lambda c: tree.set_tokens(c, counts))

    async def clear(self, place: Place) -> int:
        """Begin anew: a fresh branch with no messages; settings stay. Returns how many messages left the memory."""
        now = self._clock.now()
        return await self._db.write(lambda c: branches.clear(c, place, now))

    async def forget(self, place: Place, messages: Collection[int]) -> None:
        """Their text is gone; the tree stays connected."""
        if messages:
            await self._db.write(lambda c: tree.forget(c, place, messages))

    async def rewrite(self, place: Place, platform_id: str, text: str) -> Remembered | None:
        """A person edited a message: what is remembered of it changes. None if it is not known."""

        def change(connection: Connection) -> Remembered | None:
            current = tree.find(connection, place, lock=True)
            return None if current is None else tree.rewrite(connection, current, platform_id, text)

        return await self._db.write(change)

    async def message_of(self, place: Place, platform_id: str) -> Remembered | None:
        """The remembered message that this platform message is (part of)."""

        def known(connection: Connection) -> Remembered | None:
            current = tree.find(connection, place)
            return None if current is None else tree.message_of(connection, current.id, platform_id)

        return await self._db.read(known)

    async def set_status(self, message: int, status: MessageStatus) -> None:
        """A `failed` or `forgotten` message is no longer part of the window."""
        await self._db.write(lambda c: tree.set_status(c, message, status))

    async def message(self, id: int) -> Remembered | None:
        return await self._db.read(lambda c: tree.message_by_id(c, id))

    # Answers said anew. An answer is named by its place in the tree.

    async def variants(self, answer: int) -> tuple[Remembered, ...]:
        """All that was said in the place of this answer, oldest first; the one that stands there has its id."""
        return await self._db.read(lambda c: variants.group(c, answer))

    async def choose_variant(self, answer: int, variant: int) -> Remembered | None:
        """Let this one stand in the tree; it and what stood there exchange their ids."""
        return await self._db.write(lambda c: variants.choose(c, answer, variant))

    async def set_sent(self, answer: Remembered, sent: Sequence[SentId]) -> None:
        """The platform's messages that show the answer from now on."""
        await self._db.write(lambda c: variants.set_sent(c, answer, sent))

    async def sent_of(self, message: int) -> tuple[SentId, ...]:
        """The platform's messages that show it, in order."""
        return await self._db.read(lambda c: variants.sent_of(c, message))

    async def question_of(self, answer: Remembered) -> Remembered | None:
        return await self._db.read(lambda c: variants.question_of(c, answer))

    async def answer_to(self, question: Remembered) -> Remembered | None:
        return await self._db.read(lambda c: variants.answer_to(c, question))

    async def tell_scene(self, place: Place, root: int, bill: Playbill) -> None:
        """What is told of a scene beside its lines. When it ended is now, where that is not said."""
        now = self._clock.now()
        over = bool(bill.ended) and bill.ended_at is None
        told = replace(bill, ended_at=now) if over else bill
        await self._db.write(lambda c: playbills.put(c, place, root, told, now))

    async def forget_exchange(self, place: Place, question: Remembered, answer: Remembered) -> None:
        """A question, its answer with all variants, and what tools said in between."""

        def forget(connection: Connection) -> None:
            tree.forget(connection, place, variants.forget_between(connection, question, answer))

        await self._db.write(forget)

    # Drafts and answers.

    async def open_draft(
        self,
        conversation: int,
        route: Route,
        event_id: str,
        question: int | None,
        *,
        epoch: int,
        speaker: Speaker | None = None,
        taking: Taking | None = None,
        scene: int | None = None,
    ) -> Draft:
        begin = partial(
            drafts.begin,
            epoch=epoch,
            owner=self._owner,
            now=self._clock.now(),
            speaker=speaker,
            taking=taking,
            scene=scene,
        )
        return await self._db.write(lambda c: begin(c, conversation, route, event_id, question))

    async def save_draft(
        self, draft: int, *, text: str, sent: Sequence[SentId], finished: Reason | None = None
    ) -> None:
        """`finished` is given once the model has said everything."""
        await self._journal.save(drafts.Growth(draft, text, sent, finished))

    async def answered(
        self,
        draft: Draft,
        place: Place,
        messages: Sequence[NewMessage],
        calls: Sequence[ModelCall],
        *,
        user_id: str | None = None,
    ) -> tuple[Remembered, ...] | None:
        """One transaction: append the messages to the tip, write their sent ids and the ledger, mark the event done,
        remove the draft. None, and nothing is written, if another process took the draft over (its epoch moved)."""
        now = self._clock.now()
        return await self._db.write(
            lambda c: drafts.answered(c, draft, place, messages, calls, user_id=user_id, now=now)
        )

    async def abandon(self, draft: Draft) -> None:
        """Remove a draft that leaves nothing to remember and mark its event done."""
        await self._db.write(lambda c: drafts.abandon(c, draft))

    async def orphans(self, platform: str) -> tuple[Draft, ...]:
        """Drafts of dead processes, taken over: their epoch is one higher, `attempts` counts the take-overs."""
        found = await self._db.read(lambda c: drafts.of_others(c, platform, self._owner))
        dead = await self._dead({owner for owner, _ in found})
        left = tuple(draft for owner, draft in found if owner in dead)
        return await self._db.write(lambda c: drafts.take_over(c, left, self._owner)) if left else ()

    # Ledger.

    async def spend(self, place: Place, calls: Sequence[ModelCall], *, user_id: str | None = None) -> None:
        """Calls that were no answer: summaries, `ctx.ask`."""
        now = self._clock.now()
        await self._db.write(lambda c: ledger.write(c, place, calls, user_id=user_id, now=now))

    async def usage(self, place: Place | None = None, *, since: datetime | None = None) -> Sequence[ModelCall]:
        """Ledger lines summed by (provider, model, feature) and by whether their price is known; a channel's with those
        of its threads."""
        return await self._db.read(lambda c: ledger.total(c, place, since))

    async def tokens_used(self, since: datetime, platform: str, whose: of_places.Whose) -> int:
        return await self._db.read(lambda c: ledger.tokens_used(c, since, platform, whose))

    async def dollars_used(self, since: datetime, platform: str, whose: of_places.Whose) -> Decimal:
        """Of calls whose price is known."""
        return await self._db.read(lambda c: ledger.dollars_used(c, since, platform, whose))

    async def spent(
        self,
        platform: str,
        whose: of_places.Whose,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        by: ledger.By | None = None,
        days: Sequence[tuple[str, datetime]] = (),
    ) -> Sequence[ledger.Spent]:
        """Dearest first. `by` day needs the `days`: what each is called, and when it begins."""
        spent = partial(ledger.spent, since=since, until=until, by=by, days=days)
        return await self._db.read(lambda c: spent(c, platform, whose))

    # Plugin state, blobs, jobs.

    async def load_state(self, plugin: str, scope: str, key: str) -> tuple[JsonValue, int] | None:
        """Value and version."""
        return await self._db.read(lambda c: shelf.load_state(c, plugin, scope, key))

    async def load_states(self, plugin: str, scope: str, prefix: str) -> Mapping[str, JsonValue]:
        return await self._db.read(lambda c: shelf.load_states(c, plugin, scope, prefix))

    async def state_keys(self, plugin: str, scope: str, prefix: str) -> Sequence[str]:
        return await self._db.read(lambda c: shelf.state_keys(c, plugin, scope, prefix))

    async def save_state(
        self, plugin: str, scope: str, key: str, value: JsonValue, *, version: int | None = None
    ) -> int:
        """Returns the new version; a `version` that is no longer current raises StoreError."""
        now = self._clock.now()
        return await self._db.write(lambda c: shelf.save_state(c, plugin, scope, key, value, version=version, now=now))

    async def delete_state(self, plugin: str, scope: str, key: str) -> None:
        await self._db.write(lambda c: shelf.delete_state(c, plugin, scope, key))

    async def put_blob(self, content: bytes, media_type: str) -> str:
        """Its id; the same bytes have the same id."""
        now = self._clock.now()
        return await self._db.write(lambda c: shelf.put_blob(c, content, media_type, now))

    async def put_picture(self, content: bytes, media_type: str) -> str:
        """A blob that stays for as long as a message holds it in its `parts`, a day at least."""
        now = self._clock.now()
        return await self._db.write(lambda c: shelf.put_blob(c, content, media_type, now, kept=False))

    async def release_blob(self, id: str) -> None:
        now = self._clock.now()
        await self._db.write(lambda c: shelf.release_blob(c, id, now))

    async def get_blob(self, id: str) -> tuple[bytes, str] | None:
        return await self._db.read(lambda c: shelf.get_blob(c, id))

    async def save_job(
        self, plugin: str, name: str, route: Route, state: JsonValue, *, status: str, id: int | None = None
    ) -> int:
        now = self._clock.now()
        return await self._db.write(
            lambda c: shelf.save_job(c, plugin, name, route, state, status=status, id=id, owner=self._owner, now=now)
        )

    async def jobs(self, *, place: Place | None = None, status: str | None = None) -> Sequence[KeptJob]:
        """id, plugin, name, route, state, status."""
        return await self._db.read(lambda c: shelf.jobs(c, place, status))

    async def has_left_jobs(self, place: Place) -> bool:
        """Whether a job is paused here, or was running when its process ended."""
        found = await self._db.read(lambda c: shelf.held_jobs(c, place))
        dead = await self._dead({each.owner for each in found})
        return any(each.status == "paused" or each.owner in dead for each in found)

    async def take_left_jobs(self, platforms: Collection[str]) -> Sequence[KeptJob]:
        """Those that ran on these platforms when their process ended: they are `left` now, and this one's to tell of.
        What a process that lives runs is left alone."""
        found = await self._db.read(shelf.held_jobs)
        held = [each for each in found if each.status != "paused" and each.place.platform in platforms]
        dead = await self._dead({each.owner for each in held})
        left = [each for each in held if each.owner in dead]
        now = self._clock.now()
        return await self._db.write(lambda c: shelf.take_jobs(c, left, self._owner, now)) if left else ()

    async def learned(self, provider: str, model: str) -> Mapping[str, JsonValue]:
        """What was learned about a model: refused parameters, token calibration."""
        return await self._db.read(lambda c: shelf.learned(c, provider, model))

    async def learn(self, provider: str, model: str, facts: Mapping[str, JsonValue]) -> None:
        now = self._clock.now()
        await self._db.write(lambda c: shelf.learn(c, provider, model, facts, now))

    # Places and workspaces.

    async def settings_of(self, *places: Place) -> Mapping[Place, Mapping[str, JsonValue]]:
        """The settings of those conversations that exist; asking makes none."""
        return await self._db.read(lambda c: of_places.settings_of(c, places))

    async def threads_with(self, place: Place, messages: Sequence[str]) -> Sequence[Place]:
        """The threads of a channel that remember one of these messages of the platform."""
        return await self._db.read(lambda c: of_places.threads_with(c, place, messages))

    async def marks(self, kind: str) -> Mapping[str, JsonValue]:
        """What the core itself put down by `save_state("core", kind, …)`."""
        return await self._db.read(lambda c: of_places.marks(c, kind))

    async def heard_since(self, platform: str, workspace: str, since: datetime) -> bool:
        return await self._db.read(lambda c: leaving.heard_since(c, platform, workspace, since))

    async def drop_running(self, platform: str, workspace: str) -> None:
        """Nobody can see the end of what was begun there: its drafts and jobs go, its events are done."""
        await self._db.write(lambda c: leaving.drop_running(c, platform, workspace))

    async def forget_some(self, platform: str, workspace: str) -> bool:
        """One small step of forgetting all of a workspace; False once nothing is left."""
        return await self._db.write(lambda c: leaving.forget_some(c, platform, workspace))

    # Behind the scenes.

    async def _dead(self, owners: Collection[str]) -> Collection[str]:
        """Nobody is called the empty name: what bears it was written before owners were noted."""
        return [owner for owner in owners if not owner or await self._presence.is_dead(owner)]

    async def _keep_pruned(self) -> None:
        while True:
            await self._prune()
            await self._clock.sleep(PRUNED_EVERY)

    async def _prune(self) -> None:
        """Drop what was handled long ago, in the background and in small steps, so that nobody waits for it."""
        now = self._clock.now()
        await self._prune_with(claims.prune, now - KEPT_DONE, PRUNED_AT_ONCE)
        await self._prune_with(pictures.prune, now - KEPT_UNUSED, PICTURES_AT_ONCE)
        if self._db.file is not None:
            await asyncio.to_thread(compacting.drop_copies, self._db.file, now - KEPT_COPIES)
        if self._keep.days:
            await self._forget_old(self._keep.before(now))

    async def _forget_old(self, before: datetime) -> None:
        """What is older than it may be."""
        try:
            if await retention.forget(self._db, before):
                await compacting.empty_log(self._db)
        except StoreError as error:
            log.warning("What is older than it may be could not be forgotten: %s", error)
            return
        if not self._keep.summaries:
            await self._prune_with(retention.forget_summaries, before, PRUNED_AT_ONCE)

    async def _prune_with(self, prune: Prune, before: datetime, at_once: int) -> None:
        for _ in range(PRUNED_STEPS):
            try:
                pruned = await self._db.write(lambda c: prune(c, before, at_once))
            except StoreError as error:
                log.warning("What is no longer needed could not be dropped: %s", error)
                return
            if pruned < at_once:
                return
