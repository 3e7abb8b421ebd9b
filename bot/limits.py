"""How much people may ask: questions in a time, budgets, the slow mode of a place."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

import structlog

from bot.budgets import MOST_KEPT, Budgets, Cost, Newest, Over, Spender, Told, most_generous, used_of
from bot.clock import Clock
from bot.errors import LimitReached, StoreError
from bot.events import AnyEvent, Message, Place, User
from bot.meters import Budget, By, Span, Spenders, Spent
from bot.platform import Capabilities
from bot.replies import Done, Notice, Piece
from bot.settings import LimitSettings
from bot.store import Store
from bot.store.places import Whose
from bot.turn import LanguageModel, ModelCall, Turn, reading
from bot.words import counted, say, speak_at

log = structlog.get_logger(__name__)

# What people see of a model's work; only there they can be told of budgets.
SHOWN = ("answer", "tools", "scene")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one person may; 0 is no limit."""

    per_minute: int
    per_hour: int


@dataclass(slots=True)
class _Asked:
    """When one person asked, the last times that matter. `last` is the event that was counted last: it may ask a model
    often."""

    times: deque[datetime] = field(default_factory=deque)
    last: str = ""


@dataclass(frozen=True, slots=True)
class _Spoke:
    """Somebody's last question in one place."""

    at: datetime
    event: str


class Limits:
    """Asked before every question to a model. Where nothing is limited, nothing is read and nothing is kept."""

    def __init__(
        self,
        store: Store,
        settings: LimitSettings,
        clock: Clock,
        time_zone: str,
        charge: Callable[[Place, str, int], None],
        cost: Cost,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._charge = charge
        self.budgets = Budgets(store, settings, clock, time_zone, cost)
        self._asked: Newest[tuple[str, str], _Asked] = Newest(MOST_KEPT)
        self._spoke: Newest[tuple[Place, str], _Spoke] = Newest(MOST_KEPT)
        everybody = (settings.questions_per_minute, settings.questions_per_hour)
        of_roles = ((role.questions_per_minute, role.questions_per_hour) for role in settings.roles.values())
        self._most_times = max(most or 0 for some in (everybody, *of_roles) for most in some)
        # Who was told of which limit, and until when they know.
        self._told = Told(clock)

    async def check(self, event: AnyEvent, capabilities: Capabilities) -> None:
        """Raises LimitReached with when to come back."""
        moderates = event.user.leads and not capabilities.direct
        if capabilities.slow_mode and not moderates and (over := self._over_slow_mode(event, capabilities.slow_mode)):
            await self._refuse(event, over)
        if not self._settings.any or not event.user.id or self.is_free(event.user, capabilities):
            return
        allowed = self._allowed(event.user)
        if over := await self.budgets.over(Spender(event.place, event.user)):
            await self._refuse(event, over)
        # At once: whoever asks in many places together is counted in each of them.
        if over := self._over_questions(event, allowed):
            await self._refuse(event, over)
        self._count_question(event)

    def counting(self, model: LanguageModel) -> LanguageModel:
        """The model, with what it used counted for whoever asked. Budgets are looked at once more just before, when
        nobody else can come between: raises LimitReached. One that comes to its end is told of below the answer."""

        async def asked(turn: Turn) -> AsyncIterator[Piece]:
            spender = self._spender(turn)
            before = len(turn.calls)
            if self._settings.any and (over := await self.budgets.over(spender)):
                raise LimitReached(f"a budget of {turn.place} is used up until {over.until}", public=over.sentence())
            try:
                with self.budgets.asking(spender, turn):
                    async with reading(model(turn)) as pieces:
                        async for piece in pieces:
                            if isinstance(piece, Done) and self._settings.any and turn.feature in SHOWN:
                                for told in await self.budgets.nearly(spender):
                                    yield Notice(told)
                            yield piece
            finally:
                self._charged(turn, turn.calls[before:])

        return asked

    async def forbids(self, turn: Turn) -> str | None:
        """Between two calls of one answer: what people are told when a budget has nothing left for the next."""
        over = await self.budgets.over(self._spender(turn)) if self._settings.any else None
        return say("I stopped looking things up here, for a budget has nothing left.") if over is not None else None

    def _spender(self, turn: Turn) -> Spender:
        """Summaries are nobody's own."""
        user = turn.context.user if turn.context is not None and turn.context.user.id else None
        if turn.context is None or user is None:
            return Spender(turn.place, None)
        return Spender(turn.place, user, self.is_free(user, turn.context.capabilities))

    def is_free(self, user: User, capabilities: Capabilities) -> bool:
        """Whether nothing limits them. In a direct message everybody is a moderator."""
        return self._settings.moderators and user.leads and not capabilities.direct

    def _charged(self, turn: Turn, calls: Sequence[ModelCall]) -> None:
        user = turn.context.user.id if turn.context is not None else ""
        tokens = int(used_of(calls, "tokens"))
        if tokens and user:
            self._charge(turn.place, user, tokens)

    # Questions in a time.

    def _over_slow_mode(self, event: AnyEvent, seconds: float) -> Over | None:
        """The platform sees to its messages itself, but not to commands and buttons."""
        key = (event.place, event.user.id)
        before = self._spoke.get(key)
        if before is not None and before.event == event.id:
            return None
        wait = before.at + timedelta(seconds=seconds) - event.at if before is not None else timedelta()
        if wait > timedelta() and not isinstance(event, Message):
            return Over((key, "slow"), event.at + wait, partial(_slow, wait))
        self._spoke.put(key, _Spoke(event.at, event.id))
        return None

    def _over_questions(self, event: AnyEvent, allowed: Allowed) -> Over | None:
        asked = self._asked_by(event)
        if asked.last == event.id:
            return None
        now = self._clock.now()
        for most, window in ((allowed.per_minute, MINUTE), (allowed.per_hour, HOUR)):
            if most and len(asked.times) >= most and (free := asked.times[-most] + window) > now:
                limit = (event.place.platform, event.user.id, window)
                return Over(limit, free, partial(_too_many, most, window, free - now))
        return None

    def _count_question(self, event: AnyEvent) -> None:
        asked = self._asked_by(event)
        if asked.last != event.id:
            asked.last = event.id
            asked.times.append(self._clock.now())
            # By the largest limit there is: what their roles allow here must not hide it from other servers.
            while len(asked.times) > self._most_times:
                asked.times.popleft()

    def _asked_by(self, event: AnyEvent) -> _Asked:
        return self._asked.setdefault((event.place.platform, event.user.id), _Asked)

    def _allowed(self, user: User) -> Allowed:
        own = [self._settings.roles[role] for role in user.roles if role in self._settings.roles]
        return Allowed(
            most_generous((role.questions_per_minute for role in own), self._settings.questions_per_minute),
            most_generous((role.questions_per_hour for role in own), self._settings.questions_per_hour),
        )

    # What people are told.

    async def _refuse(self, event: AnyEvent, over: Over) -> NoReturn:
        again = not self._told.is_news((event.place.platform, event.user.id, over.limit), over.until)
        # Nobody has looked into the conversation yet, so that whoever is within the limits does not wait for it.
        try:
            speak_at((await self._store.conversation(event.place)).settings, event.locale)
        except StoreError as error:
            log.warning("the language of a place cannot be read", error=repr(error))
        public = over.sentence()
        raise LimitReached(f"{event.user.id} must wait until {over.until}", public=public, told_before=again)


@dataclass(frozen=True, slots=True)
class MetersHere:
    """The meters as somebody sees them in a place."""

    store: Store
    limits: Limits
    place: Place
    user: User

    @property
    def time_zone(self) -> str:
        return self.limits.budgets.zone.key

    def begun(self, span: Span) -> datetime:
        return self.limits.budgets.begun(span)

    async def spending(
        self,
        since: datetime | Span | None = None,
        until: datetime | None = None,
        *,
        by: By | None = None,
        whose: Spenders = "person",
    ) -> Sequence[Spent]:
        begins = since if isinstance(since, datetime) else self.begun(since) if since is not None else None
        of = {
            "person": Whose(user=self.user.id),
            "channel": Whose(channel=self.place.parent or self.place),
            "server": Whose(workspace=self.place.workspace),
        }[whose]
        days = self.limits.budgets.days(begins, until) if by == "day" else ()
        return await self.store.spent(self.place.platform, of, since=begins, until=until, by=by, days=days)

    async def budgets(self) -> Sequence[Budget]:
        return await self.limits.budgets.now(Spender(self.place, self.user))


def _slow(wait: timedelta) -> str:
    return say("This channel is in slow mode: please ask again {when}.", when=in_time(wait))


def _too_many(most: int, window: timedelta, wait: timedelta) -> str:
    return counted(
        most,
        "You may ask me {count} question per {window}. Please come back {when}.",
        "You may ask me {count} questions per {window}. Please come back {when}.",
        window=say("minute") if window is MINUTE else say("hour"),
        when=in_time(wait),
    )


def in_time(wait: timedelta) -> str:
    """`in 12 minutes`, rounded up."""
    seconds = max(-(-wait // timedelta(seconds=1)), 1)
    if seconds < 90:
        return counted(seconds, "in a second", "in {count} seconds")
    minutes = -(-seconds // 60)
    if minutes < 90:
        return counted(minutes, "in a minute", "in {count} minutes")
    return counted(-(-minutes // 60), "in an hour", "in {count} hours")
