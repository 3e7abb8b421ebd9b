"""The ledger: every call of a model, what it used and what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, Row, Text, cast, func, insert, select
from sqlalchemy.engine import Connection

from bot.events import Place
from bot.store.cleaning import storable, storable_json, storable_or_none
from bot.store.places import within
from bot.store.tables import usage
from bot.turn import ModelCall, Usage


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
    lines = [
        {
            "place": str(place),
            "message_id": message,
            "user_id": storable_or_none(user_id),
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
            "at": now,
        }
        for call in calls
    ]
    connection.execute(_insert, lines)


_insert = insert(usage)


def total(connection: Connection, place: Place | None, since: datetime | None) -> tuple[ModelCall, ...]:
    """Of a place and, where it is a channel, of its threads. Calls of unknown price stay apart: their cost is never
    0."""
    chosen = []
    if place is not None:
        chosen.append(within(connection, usage.c.place, place))
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
_sums = select(
    *_line,
    _unknown.label("unknown"),
    func.sum(usage.c.input).label("input"),
    func.sum(usage.c.output).label("output"),
    func.sum(usage.c.cached).label("cached"),
    func.sum(usage.c.reasoning).label("reasoning"),
    func.sum(usage.c.cache_writes).label("cache_writes"),
    func.max(cast(usage.c.estimated, Integer)).label("estimated"),
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
