"""How many tokens and dollars may be used in a day or month: by one person, in a channel, in a server."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Generic, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import structlog

from bot.clock import Clock
from bot.errors import StoreError
from bot.events import Place, User
from bot.meters import Budget, Span, Spenders
from bot.settings import LimitSettings
from bot.store import Store
from bot.store.places import Whose
from bot.turn import ModelCall, ModelChoice, Turn, Usage
from bot.words import phrase, say

log = structlog.get_logger(__name__)

# Sums are read again after this, for another process may answer the same people.
READ_AGAIN = {"day": timedelta(seconds=60), "month": timedelta(minutes=5)}
# The share of a budget from which on people are told that it comes to its end.
NEARLY = Decimal("0.8")
MOST_KEPT = 10_000
MOST_DAYS = 366
# What a call is taken for while it runs: a token of the prompt for so many characters, and an answer of so many tokens
# until it is known what the model's answers use. Of the most that one used so much is expected of the next.
CHARACTERS, ANSWER, EXPECTED = 4, 500, 0.9
# Who waits for what others are being answered may try again soon.
MOMENT = timedelta(seconds=30)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Cost: TypeAlias = Callable[[ModelChoice, Usage, Place], Decimal | None]

OVER = {
    ("person", "tokens", "day"): phrase("You have used up your tokens for today. Please come back {when}."),
    ("channel", "tokens", "day"): phrase("The tokens for this channel are used up for today. Please come back {when}."),
    ("server", "tokens", "day"): phrase("The tokens for this server are used up for today. Please come back {when}."),
    ("person", "dollars", "day"): phrase("You have used up your budget for today. Please come back {when}."),
    ("channel", "dollars", "day"): phrase("The budget of this channel is used up for today. Please come back {when}."),
    ("server", "dollars", "day"): phrase("The budget of this server is used up for today. Please come back {when}."),
    ("person", "dollars", "month"): phrase("You have used up your budget for this month. Please come back {when}."),
    ("channel", "dollars", "month"): phrase(
        "The budget of this channel is used up for this month. Please come back {when}."
    ),
    ("server", "dollars", "month"): phrase(
        "The budget of this server is used up for this month. Please come back {when}."
    ),
}
NEARLY_OVER = {
    ("person", "tokens", "day"): phrase("You have used {percent} % of your tokens for today."),
    ("channel", "tokens", "day"): phrase("This channel has used {percent} % of its tokens for today."),
    ("server", "tokens", "day"): phrase("This server has used {percent} % of its tokens for today."),
    ("person", "dollars", "day"): phrase("You have used {percent} % of your budget for today."),
    ("channel", "dollars", "day"): phrase("This channel has used {percent} % of its budget for today."),
    ("server", "dollars", "day"): phrase("This server has used {percent} % of its budget for today."),
    ("person", "dollars", "month"): phrase("You have used {percent} % of your budget for this month."),
    ("channel", "dollars", "month"): phrase("This channel has used {percent} % of its budget for this month."),
    ("server", "dollars", "month"): phrase("This server has used {percent} % of its budget for this month."),
}


@dataclass(frozen=True, slots=True)
class Over:
    """What was used up until when; the sentence is made in the language of the place."""

    limit: Hashable
    until: datetime
    sentence: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Spender:
    """Who asks, and where; without a user it is the bot itself. One who is `free` fills the budgets of channel and
    server, but is not stopped by any."""

    place: Place
    user: User | None
    free: bool = False

    @property
    def all(self) -> tuple[Whose, ...]:
        own = (Whose(user=self.user.id),) if self.user is not None else ()
        return *own, Whose(channel=self.place.parent or self.place), Whose(workspace=self.place.workspace)


@dataclass(frozen=True, slots=True)
class _Limit:
    whose: Whose
    budget: Budget

    @property
    def kind(self) -> tuple[str, str, str]:
        return self.budget.whose, self.budget.unit, self.budget.span


@dataclass(slots=True)
class _Sum:
    """What was used since a day or month began: what the ledger said when it was read, and what was added since."""

    begun: datetime
    read: datetime
    amount: Decimal


@dataclass(slots=True)
class _Asking:
    """A call that runs: what it is taken for until it is known what it used."""

    turn: Turn
    before: int
    spenders: tuple[tuple[str, Whose], ...]
    tokens: int
    dollars: Decimal

    def amount(self, unit: str) -> Decimal:
        if calls := self.turn.calls[self.before :]:
            return used_of(calls, unit)
        return Decimal(self.tokens) if unit == "tokens" else self.dollars


class Budgets:
    def __init__(self, store: Store, settings: LimitSettings, clock: Clock, time_zone: str, cost: Cost) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self.zone = ZoneInfo(time_zone)
        self._cost = cost
        self._sums: Newest[tuple[str, Whose, str, Span], _Sum] = Newest(MOST_KEPT)
        self._asking: dict[int, _Asking] = {}
        # Who was told which share of which budget, and until when they know.
        self._told = Told(clock)
        self._unpriced: set[tuple[str, str]] = set()
        self._outputs: Newest[tuple[str, str], int] = Newest(MOST_KEPT)

    async def over(self, spender: Spender) -> Over | None:
        """The first budget that has nothing left. Calls that run count as what they will probably use."""
        if spender.free:
            return None
        limits = self._limits(spender)
        for limit in limits:
            await self._read(spender.place, limit)
        # Nobody comes between one look and the next, nor between these and what is asked then.
        return next((over for limit in limits if (over := self._over(spender.place, limit)) is not None), None)

    @contextmanager
    def asking(self, spender: Spender, turn: Turn) -> Iterator[None]:
        """While a call runs. Afterwards it is known what it used."""
        tokens = sum(len(message.text) for message in turn.prompt.messages) // CHARACTERS
        most = turn.model.parameters.get("max_tokens")
        usual = max(self._outputs.get((turn.model.provider, turn.model.model)) or 0, ANSWER)
        answer = min(most, usual) if isinstance(most, int) else usual
        dollars = self._cost(turn.model, Usage(tokens, answer), turn.place) or Decimal(0)
        spenders = tuple((turn.place.platform, whose) for whose in spender.all)
        asking = _Asking(turn, len(turn.calls), spenders, tokens + answer, dollars)
        self._asking[id(asking)] = asking
        try:
            yield
        finally:
            del self._asking[id(asking)]
            self._add(asking)
            self._expect(asking)

    async def nearly(self, spender: Spender) -> Sequence[str]:
        """What to tell, once for each budget that comes to its end."""
        told = []
        for limit in () if spender.free else self._limits(spender):
            await self._read(spender.place, limit)
            used, most = self._used(spender.place.platform, limit), limit.budget.most
            known = (spender.place.platform, limit.whose, limit.kind)
            if used >= NEARLY * most and self._told.is_news(known, self.ends(limit.budget.span)):
                told.append(say(NEARLY_OVER[limit.kind], percent=min(int(100 * used / most), 100)))
        return told

    async def now(self, spender: Spender) -> Sequence[Budget]:
        shown = []
        for limit in self._limits(spender):
            await self._read(spender.place, limit)
            used, budget = self._used(spender.place.platform, limit), limit.budget
            shown.append(Budget(budget.whose, budget.unit, budget.span, budget.most, used))
        return shown

    async def hold(self, place: Place, user: User) -> None:
        """Somebody is forgotten: the ledger will not know any more what they used, so it is not asked again before the
        day or month ends."""
        for limit in self._limits(Spender(place, user)):
            if limit.whose.user is not None:
                await self._read(place, limit)
                known = self._sums.get((place.platform, limit.whose, limit.budget.unit, limit.budget.span))
                if known is not None:
                    known.read = self.ends(limit.budget.span)

    def begun(self, span: Span) -> datetime:
        today = self._clock.now().astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return today if span == "day" else today.replace(day=1)

    def ends(self, span: Span) -> datetime:
        begun = self.begun(span)
        return begun + timedelta(days=1) if span == "day" else (begun + timedelta(days=32)).replace(day=1)

    def days(self, since: datetime | None, until: datetime | None) -> Sequence[tuple[str, datetime]]:
        """The days in between and when each begins; a day is not always 24 hours long."""
        last = (until or self._clock.now()).astimezone(self.zone).date()
        first = last - timedelta(days=MOST_DAYS - 1)
        if since is not None:
            first = max(first, since.astimezone(self.zone).date())
        named = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return [(day.isoformat(), datetime.combine(day, time.min, self.zone)) for day in named]

    # Inside.

    def _limits(self, spender: Spender) -> Sequence[_Limit]:
        settings, place, user = self._settings, spender.place, spender.user
        channel, server = Whose(channel=place.parent or place), Whose(workspace=place.workspace)
        every: list[tuple[Spenders, Whose, int | Decimal, Decimal, Decimal]] = [
            (
                "channel",
                channel,
                settings.place_tokens_per_day,
                settings.place_dollars_per_day,
                settings.place_dollars_per_month,
            ),
            (
                "server",
                server,
                settings.server_tokens_per_day,
                settings.server_dollars_per_day,
                settings.server_dollars_per_month,
            ),
        ]
        if user is not None:
            roles = [settings.roles[role] for role in user.roles if role in settings.roles]
            tokens = most_generous((role.tokens_per_day for role in roles), settings.tokens_per_day)
            daily = most_generous((role.dollars_per_day for role in roles), settings.dollars_per_day)
            monthly = most_generous((role.dollars_per_month for role in roles), settings.dollars_per_month)
            every.insert(0, ("person", Whose(user=user.id), tokens, daily, monthly))
        zero, limits = Decimal(0), []
        for name, whose, tokens_a_day, a_day, a_month in every:
            for budget in (
                Budget(name, "tokens", "day", Decimal(tokens_a_day), zero),
                Budget(name, "dollars", "day", a_day, zero),
                Budget(name, "dollars", "month", a_month, zero),
            ):
                if budget.most:
                    limits.append(_Limit(whose, budget))
        return limits

    async def _read(self, place: Place, limit: _Limit) -> None:
        """Know what was used, unless it was read just now."""
        budget, platform, now = limit.budget, place.platform, self._clock.now()
        key, begun = (platform, limit.whose, budget.unit, budget.span), self.begun(budget.span)
        known = self._sums.get(key)
        if known is not None and known.begun == begun and now - known.read < READ_AGAIN[budget.span]:
            return
        try:
            if budget.unit == "tokens":
                amount = Decimal(await self._store.tokens_used(begun, platform, limit.whose))
            else:
                amount = await self._store.dollars_used(begun, platform, limit.whose)
        except StoreError as error:
            log.warning("what was used cannot be read", error=repr(error))
            return
        self._sums.put(key, _Sum(begun, now, amount))

    def _used(self, platform: str, limit: _Limit, *, running: bool = True) -> Decimal:
        budget = limit.budget
        known = self._sums.get((platform, limit.whose, budget.unit, budget.span))
        used = known.amount if known is not None and known.begun == self.begun(budget.span) else Decimal(0)
        who = (platform, limit.whose)
        asking = (each.amount(budget.unit) for each in self._asking.values() if who in each.spenders)
        return used + sum(asking, Decimal(0)) if running else used

    def _over(self, place: Place, limit: _Limit) -> Over | None:
        if self._used(place.platform, limit) < limit.budget.most:
            return None
        if self._used(place.platform, limit, running=False) < limit.budget.most:
            return Over((limit.whose, limit.kind, "running"), self._clock.now() + MOMENT, _soon)
        sentence = partial(self._used_up, limit)
        return Over((limit.whose, limit.kind), self.ends(limit.budget.span), sentence)

    def _used_up(self, limit: _Limit) -> str:
        when = say("tomorrow at 00:00 {zone}", zone=self.zone.key)
        if limit.budget.span == "month":
            when = say("on the first of next month at 00:00 {zone}", zone=self.zone.key)
        return say(OVER[limit.kind], when=when)

    def _add(self, asked: _Asking) -> None:
        calls = asked.turn.calls[asked.before :]
        for platform, whose in asked.spenders:
            for unit in ("tokens", "dollars"):
                amount = used_of(calls, unit)
                for span in ("day", "month"):
                    if known := self._sums.get((platform, whose, unit, span)):
                        known.amount += amount
        for call in calls:
            if call.cost is None and self._settings.dollars and (call.provider, call.model) not in self._unpriced:
                self._unpriced.add((call.provider, call.model))
                log.warning(
                    "the price of a model is not known, so no budget in dollars can stop it",
                    provider=call.provider,
                    model=call.model,
                    to_stop_it="set its price, or a budget of tokens",
                )

    def _expect(self, asked: _Asking) -> None:
        model = asked.turn.model
        used = sum(call.usage.output for call in asked.turn.calls[asked.before :])
        known = int(EXPECTED * (self._outputs.get((model.provider, model.model)) or 0))
        self._outputs.put((model.provider, model.model), max(used, known))


class Told:
    """Who was told of what; forgets what nobody asked for the longest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: Newest[Hashable, datetime] = Newest(MOST_KEPT)

    def is_news(self, key: Hashable, until: datetime) -> bool:
        """Whether they do not know it yet; from now on they do."""
        known = self._until.get(key)
        if known is not None and known > self._clock.now():
            return False
        self._until.put(key, until)
        return True


class Newest(Generic[Key, Value]):
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


Number = TypeVar("Number", int, Decimal)


def most_generous(given: Iterable[Number | None], everybody: Number) -> Number:
    """0 is no limit, so it is the most generous of all."""
    own = [most for most in given if most is not None]
    if not own:
        return everybody
    return min(own) if 0 in own else max(own)


def used_of(calls: Sequence[ModelCall], unit: str) -> Decimal:
    """What has no known price counts as nothing, which is told elsewhere."""
    if unit == "tokens":
        return Decimal(sum(call.usage.input + call.usage.output for call in calls))
    return sum((call.cost for call in calls if call.cost is not None), Decimal(0))


def _soon() -> str:
    return say("What I am answering just now may use up the rest of the budget. Please try again in a moment.")
