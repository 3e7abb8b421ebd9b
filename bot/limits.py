"""How much people may ask: questions in a time, tokens a day, the slow mode of a place."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import structlog

from bot.clock import Clock
from bot.errors import LimitReached, StoreError
from bot.events import AnyEvent, Message, Place, User
from bot.platform import Capabilities
from bot.replies import Done, Notice, Piece
from bot.settings import LimitSettings
from bot.store import Store
from bot.store.places import Whose
from bot.turn import LanguageModel, ModelCall, Turn, reading
from bot.words import counted, phrase, say, speak_at

log = structlog.get_logger(__name__)

# Sums are read again after this, for another process may answer the same people.
READ_AGAIN = timedelta(seconds=60)
# The share of a budget from which on people are told that it comes to its end.
NEARLY = 0.8
MOST_KEPT = 10_000
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one person may; 0 is no limit."""

    per_minute: int
    per_hour: int
    tokens: int


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


@dataclass(slots=True)
class _Sum:
    """Tokens since the day began: what the ledger said when it was read, and what was added since."""

    day: datetime
    read: datetime
    tokens: int


@dataclass(frozen=True, slots=True)
class _Budget:
    """Tokens for a day, and the sentence for when they are used up."""

    whose: Whose
    most: int
    over: str
    nearly: str


@dataclass(frozen=True, slots=True)
class _Over:
    """What was used up until when; the sentence is made in the language of the place."""

    limit: Hashable
    until: datetime
    sentence: Callable[[], str]


class Limits:
    """Asked before every question to a model. Where nothing is limited, nothing is read and nothing is kept."""

    def __init__(
        self,
        store: Store,
        settings: LimitSettings,
        clock: Clock,
        time_zone: str,
        charge: Callable[[Place, str, int], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._zone_name = time_zone
        self._zone = ZoneInfo(time_zone)
        self._charge = charge
        self._asked: _Newest[tuple[str, str], _Asked] = _Newest(MOST_KEPT)
        self._spoke: _Newest[tuple[Place, str], _Spoke] = _Newest(MOST_KEPT)
        self._sums: _Newest[tuple[str, Whose], _Sum] = _Newest(MOST_KEPT)
        everybody = (settings.questions_per_minute, settings.questions_per_hour)
        of_roles = ((role.questions_per_minute, role.questions_per_hour) for role in settings.roles.values())
        self._most_times = max(most or 0 for some in (everybody, *of_roles) for most in some)
        # Who was told of which limit, and until when they know.
        self._told: _Newest[Hashable, datetime] = _Newest(MOST_KEPT)

    async def check(self, event: AnyEvent, capabilities: Capabilities) -> None:
        """Raises LimitReached with when to come back."""
        # In a direct message everybody is a moderator.
        moderates = event.user.leads and not capabilities.direct
        if capabilities.slow_mode and not moderates and (over := self._over_slow_mode(event, capabilities.slow_mode)):
            await self._refuse(event, over)
        if not self._settings.any or not event.user.id or (moderates and self._settings.moderators):
            return
        allowed = self._allowed(event.user)
        for budget in self._budgets(event, allowed):
            if await self._used(event.place.platform, budget.whose) >= budget.most:
                sentence = partial(self._used_up, budget)
                await self._refuse(event, _Over(budget, self._day() + timedelta(days=1), sentence))
        # At once: whoever asks in many places together is counted in each of them.
        if over := self._over_questions(event, allowed):
            await self._refuse(event, over)
        self._count_question(event)

    def counting(self, model: LanguageModel) -> LanguageModel:
        """The model, with what it used counted for whoever asked; a budget that comes to its end is told of below the
        answer."""

        async def asked(turn: Turn) -> AsyncIterator[Piece]:
            before = len(turn.calls)
            try:
                async with reading(model(turn)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Done) and self._settings.any and turn.feature == "answer":
                            for notice in await self._notices(turn, turn.calls[before:]):
                                yield notice
                        yield piece
            finally:
                self._spent(turn, turn.calls[before:])

        return asked

    # Questions in a time.

    def _over_slow_mode(self, event: AnyEvent, seconds: float) -> _Over | None:
        """The platform sees to its messages itself, but not to commands and buttons."""
        key = (event.place, event.user.id)
        before = self._spoke.get(key)
        if before is not None and before.event == event.id:
            return None
        wait = before.at + timedelta(seconds=seconds) - event.at if before is not None else timedelta()
        if wait > timedelta() and not isinstance(event, Message):
            return _Over((key, "slow"), event.at + wait, partial(_slow, wait))
        self._spoke.put(key, _Spoke(event.at, event.id))
        return None

    def _over_questions(self, event: AnyEvent, allowed: Allowed) -> _Over | None:
        asked = self._asked_by(event)
        if asked.last == event.id:
            return None
        now = self._clock.now()
        for most, window in ((allowed.per_minute, MINUTE), (allowed.per_hour, HOUR)):
            if most and len(asked.times) >= most and (free := asked.times[-most] + window) > now:
                limit = (event.place.platform, event.user.id, window)
                return _Over(limit, free, partial(_too_many, most, window, free - now))
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
            _most_generous((role.questions_per_minute for role in own), self._settings.questions_per_minute),
            _most_generous((role.questions_per_hour for role in own), self._settings.questions_per_hour),
            _most_generous((role.tokens_per_day for role in own), self._settings.tokens_per_day),
        )

    # Tokens a day.

    def _budgets(self, event: AnyEvent, allowed: Allowed) -> Sequence[_Budget]:
        settings, place = self._settings, event.place
        budgets = (
            _Budget(
                Whose(user=event.user.id),
                allowed.tokens,
                phrase("You have used up your tokens for today. Please come back {when}."),
                phrase("You have used {percent} % of your tokens for today."),
            ),
            _Budget(
                Whose(channel=place.parent or place),
                settings.place_tokens_per_day,
                phrase("The tokens for this channel are used up for today. Please come back {when}."),
                phrase("This channel has used {percent} % of its tokens for today."),
            ),
            _Budget(
                Whose(workspace=place.workspace),
                settings.server_tokens_per_day,
                phrase("The tokens for this server are used up for today. Please come back {when}."),
                phrase("This server has used {percent} % of its tokens for today."),
            ),
        )
        return [budget for budget in budgets if budget.most]

    async def _used(self, platform: str, whose: Whose) -> int:
        day, now = self._day(), self._clock.now()
        known = self._sums.get((platform, whose))
        if known is not None and known.day == day and now - known.read < READ_AGAIN:
            return known.tokens
        try:
            tokens = await self._store.tokens_used(day, platform, whose)
        except StoreError as error:
            log.warning("what was used today cannot be read", error=repr(error))
            return known.tokens if known is not None and known.day == day else 0
        self._sums.put((platform, whose), _Sum(day, now, tokens))
        return tokens

    async def _notices(self, turn: Turn, calls: Sequence[ModelCall]) -> Sequence[Notice]:
        """Once a day for each budget."""
        if turn.context is None or not turn.context.user.id:
            return ()
        event, platform, told = turn.context.event, turn.place.platform, []
        capabilities = turn.context.capabilities
        if self._settings.moderators and event.user.leads and not capabilities.direct:
            return ()
        for budget in self._budgets(event, self._allowed(event.user)):
            used = await self._used(platform, budget.whose) + _tokens(calls)
            tomorrow = self._day() + timedelta(days=1)
            if used >= NEARLY * budget.most and self._tell((platform, budget, "nearly"), tomorrow):
                told.append(Notice(say(budget.nearly, percent=min(100 * used // budget.most, 100))))
        return told

    def _spent(self, turn: Turn, calls: Sequence[ModelCall]) -> None:
        user = turn.context.user.id if turn.context is not None else ""
        tokens, place = _tokens(calls), turn.place
        if not tokens or not user:
            return
        self._charge(place, user, tokens)
        spenders = (Whose(user=user), Whose(channel=place.parent or place), Whose(workspace=place.workspace))
        for whose in spenders:
            if known := self._sums.get((place.platform, whose)):
                known.tokens += tokens

    # What people are told.

    async def _refuse(self, event: AnyEvent, over: _Over) -> NoReturn:
        again = not self._tell((event.place.platform, event.user.id, over.limit), over.until)
        # Nobody has looked into the conversation yet, so that whoever is within the limits does not wait for it.
        try:
            speak_at((await self._store.conversation(event.place)).settings, event.locale)
        except StoreError as error:
            log.warning("the language of a place cannot be read", error=repr(error))
        public = over.sentence()
        raise LimitReached(f"{event.user.id} must wait until {over.until}", public=public, told_before=again)

    def _tell(self, key: Hashable, until: datetime) -> bool:
        """Whether they do not know it yet."""
        known = self._told.get(key)
        if known is not None and known > self._clock.now():
            return False
        self._told.put(key, until)
        return True

    def _day(self) -> datetime:
        """When today began."""
        return self._clock.now().astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def _used_up(self, budget: _Budget) -> str:
        return say(budget.over, when=say("tomorrow at 00:00 {zone}", zone=self._zone_name))


class _Newest(Generic[Key, Value]):
    """A mapping that forgets what nobody asked for the longest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: Key, value: Value) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def setdefault(self, key: Key, make: Callable[[], Value]) -> Value:
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found


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


def _most_generous(given: Iterable[int | None], everybody: int) -> int:
    """0 is no limit, so it is the most generous of all."""
    own = [most for most in given if most is not None]
    if not own:
        return everybody
    return 0 if 0 in own else max(own)


def _tokens(calls: Sequence[ModelCall]) -> int:
    return sum(call.usage.input + call.usage.output for call in calls)
