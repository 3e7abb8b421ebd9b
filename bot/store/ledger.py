"""The ledger: every call of a model, what it used and what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Integer, Row, Text, case, cast, func, insert, literal, literal_column, select
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store.cleaning import storable, storable_json, storable_or_none
from bot.store.places import Whose, used_by, within
from bot.store.tables import message, usage
from bot.turn import ModelCall, Usage

By: TypeAlias = Literal["user", "model", "feature", "day", "channel"]
# In the place of a place; none is called so.
ELSEWHERE = "elsewhere"
# Names of people are looked for among so many of the newest messages.
NAMES_AMONG = 20_000


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls used together. `key` is what they have in common: the id of a person, a `provider:model`, a feature,
    the day (`2026-11-21`) or the place of a channel; `name` is a person's, where it is known.

    `cost` is that of the calls whose price is known, None where no price is. `unpriced` are the models of the others,
    which are never counted as free.
    """

    key: str
    calls: int
    usage: Usage
    cost: Decimal | None
    unpriced: tuple[str, ...] = ()
    name: str = ""

    def __add__(self, other: Spent) -> Spent:
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return replace(
            self,
            calls=self.calls + other.calls,
            usage=self.usage + other.usage,
            cost=sum(costs[1:], costs[0]) if costs else None,
            unpriced=tuple(sorted({*self.unpriced, *other.unpriced})),
        )


def write(
    connection: Connection,
    place: Place,
    calls: Sequence[ModelCall],
    *,
    user_id: str | None,
    now: datetime,
    message: int | None = None,
) -> None:
    if not calls:
        return
    whose = {"place": str(place), "message_id": message, "user_id": storable_or_none(user_id), "at": now}
    connection.execute(_insert, [{**whose, **_values(call)} for call in calls])


def restore(connection: Connection, message: int, call: ModelCall, at: datetime) -> None:
    """What a file says that an answer took. It is told with the answer, but was not spent here: no meter counts it."""
    elsewhere = {"place": ELSEWHERE, "message_id": message, "user_id": None, "at": at}
    connection.execute(_insert, {**elsewhere, **_values(call)})


def _values(call: ModelCall) -> dict[str, Any]:
    return {
        "feature": storable(call.feature),
        "provider": storable(call.provider),
        "model": storable(call.model),
        "input": call.usage.input,
        "output": call.usage.output,
        "cached": call.usage.cached,
        "reasoning": call.usage.reasoning,
        "cache_writes": call.usage.cache_writes,
        "estimated": call.usage.estimated,
        "cost": call.cost,
        "prices": storable_json(dict(call.prices)),
        "seconds": call.seconds,
        "first_token": call.first_token,
    }


_insert = insert(usage)


def total(connection: Connection, place: Place | None, since: datetime | None) -> tuple[ModelCall, ...]:
    """Of a place and, where it is a channel, of its threads. Calls of unknown price stay apart: their cost is never
    0."""
    chosen = [within(connection, usage.c.place, place) if place is not None else usage.c.place != ELSEWHERE]
    if since is not None:
        chosen.append(usage.c.at >= since)
    sums = _sums.where(*chosen).group_by(*_line, _unknown).order_by(func.min(usage.c.id))
    rows = connection.execute(sums).all()
    # A database would round money: it only counts equal costs, and Python adds them up digit for digit.
    costs: dict[tuple[str, str, str], Decimal] = {}
    equal = select(*_line, usage.c.cost, func.count()).where(usage.c.cost.is_not(None), *chosen)
    for *line, cost, count in connection.execute(equal.group_by(*_line, usage.c.cost)):
        costs[*line] = costs.get((*line,), Decimal(0)) + cost * count
    return tuple(_call(row, costs) for row in rows)


_line = (usage.c.provider, usage.c.model, usage.c.feature)
_unknown = usage.c.cost.is_(None)
_prices = cast(usage.c.prices, Text)
_counts = (
    func.sum(usage.c.input).label("input"),
    func.sum(usage.c.output).label("output"),
    func.sum(usage.c.cached).label("cached"),
    func.sum(usage.c.reasoning).label("reasoning"),
    func.sum(usage.c.cache_writes).label("cache_writes"),
    func.max(cast(usage.c.estimated, Integer)).label("estimated"),
)
_sums = select(
    *_line,
    _unknown.label("unknown"),
    *_counts,
    func.sum(usage.c.seconds).label("seconds"),
    func.min(_prices).label("prices"),
    func.max(_prices).label("other_prices"),
)


def _call(row: Row[*tuple[Any, ...]], costs: Mapping[tuple[str, str, str], Decimal]) -> ModelCall:
    return ModelCall(
        provider=row.provider,
        model=row.model,
        usage=Usage(row.input, row.output, row.cached, row.reasoning, row.cache_writes, bool(row.estimated)),
        cost=None if row.unknown else costs[row.provider, row.model, row.feature],
        prices=json.loads(row.prices) if row.prices == row.other_prices else {},
        seconds=row.seconds,
        first_token=None,
        feature=row.feature,
    )


def tokens_used(connection: Connection, since: datetime, platform: str, whose: Whose) -> int:
    chosen = (usage.c.at >= since, *used_by(connection, platform, whose))
    total = select(func.coalesce(func.sum(usage.c.input + usage.c.output), 0)).where(*chosen)
    return int(connection.execute(total).scalar_one())


def dollars_used(connection: Connection, since: datetime, platform: str, whose: Whose) -> Decimal:
    """Of calls whose price is known."""
    chosen = (usage.c.at >= since, usage.c.cost.is_not(None), *used_by(connection, platform, whose))
    equal = select(usage.c.cost, func.count()).where(*chosen).group_by(usage.c.cost)
    return sum((cost * count for cost, count in connection.execute(equal)), Decimal(0))


def spent(
    connection: Connection,
    platform: str,
    whose: Whose,
    *,
    since: datetime | None,
    until: datetime | None,
    by: By | None,
    days: Sequence[tuple[str, datetime]] = (),
) -> tuple[Spent, ...]:
    """What was used, dearest first; days in their order, each of which begins at a moment of `days`."""
    chosen = list(used_by(connection, platform, whose))
    chosen += [usage.c.at >= since] if since is not None else []
    chosen += [usage.c.at < until] if until is not None else []
    key = _key(by, days).label("key")
    line = (key, usage.c.provider, usage.c.model, _unknown.label("unknown"))
    sums = select(*line, func.count().label("calls"), *_counts).where(*chosen)
    found: dict[str, Spent] = {}
    for row in connection.execute(sums.group_by(_grouped, usage.c.provider, usage.c.model, _unknown)):
        name = _named(by, row.key, days)
        counted = Usage(row.input, row.output, row.cached, row.reasoning, row.cache_writes, bool(row.estimated))
        unpriced = (f"{row.provider}:{row.model}",) if row.unknown else ()
        new = Spent(name, row.calls, counted, None if row.unknown else Decimal(0), unpriced)
        found[name] = found[name] + new if name in found else new
    equal = select(key, usage.c.cost, func.count()).where(usage.c.cost.is_not(None), *chosen)
    for of, cost, count in connection.execute(equal.group_by(_grouped, usage.c.cost)):
        name = _named(by, of, days)
        found[name] = replace(found[name], cost=(found[name].cost or Decimal(0)) + cost * count)
    if by == "user":
        names = _names(connection, tuple(filter(None, found)))
        return _dearest(replace(one, name=names.get(one.key, "")) for one in found.values())
    return tuple(sorted(found.values(), key=lambda one: one.key)) if by == "day" else _dearest(found.values())


# By its name: PostgreSQL would not know an expression with parameters again.
_grouped: ColumnElement[Any] = literal_column("key")


def _key(by: By | None, days: Sequence[tuple[str, datetime]]) -> ColumnElement[Any]:
    columns: dict[str, ColumnElement[Any]] = {
        "user": func.coalesce(usage.c.user_id, ""),
        "model": usage.c.provider + ":" + usage.c.model,
        "feature": usage.c.feature,
        "channel": usage.c.place,
    }
    if by == "day" and days:
        # A database knows no time zones, so it is told when each day begins.
        begun = [(usage.c.at >= begins, number) for number, (_, begins) in reversed(list(enumerate(days)))]
        return case(*begun, else_=-1)
    return columns.get(by or "", literal(""))


def _named(by: By | None, key: Any, days: Sequence[tuple[str, datetime]]) -> str:
    if by == "day":
        return days[key][0] if isinstance(key, int) and key >= 0 else ""
    if by == "channel":
        place = Place.parse(key)
        return str(place.parent or place)
    return str(key)


def _dearest(lines: Iterable[Spent]) -> tuple[Spent, ...]:
    return tuple(sorted(lines, key=lambda one: (-(one.cost or 0), -one.usage.input - one.usage.output, one.key)))


def _names(connection: Connection, ids: Sequence[str]) -> Mapping[str, str]:
    """As they were called last."""
    newest = select(func.coalesce(func.max(message.c.id), 0) - NAMES_AMONG).scalar_subquery()
    rows = connection.execute(
        select(message.c.author_id, func.max(message.c.id))
        .where(message.c.id > newest, message.c.author_id.in_(ids), message.c.author.is_not(None))
        .group_by(message.c.author_id)
    ).all()
    named = select(message.c.author_id, message.c.author).where(message.c.id.in_([id for _, id in rows]))
    return {row.author_id: row.author for row in connection.execute(named)}
