"""The ledger: every call of a model, what it used and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.events import Place
from bot.store.cleaning import storable, storable_json, storable_or_none
from bot.store.tables import usage
from bot.turn import ModelCall, Usage


async def write(
    connection: AsyncConnection,
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
    await connection.execute(insert(usage), lines)


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    call: ModelCall


async def page(
    connection: AsyncConnection, place: Place | None, since: datetime | None, *, after: int, limit: int
) -> tuple[Line, ...]:
    statement = select(usage).where(usage.c.id > after).order_by(usage.c.id).limit(limit)
    if place is not None:
        statement = statement.where(usage.c.place == str(place))
    if since is not None:
        statement = statement.where(usage.c.at >= since)
    return tuple(Line(row.id, _call(row)) for row in await connection.execute(statement))


class Sum:
    """Adds up exactly what a database would round. Calls of unknown price stay apart: their cost is never 0."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str, bool], ModelCall] = {}

    def add(self, calls: Iterable[ModelCall]) -> None:
        for call in calls:
            key = (call.provider, call.model, call.feature, call.cost is None)
            before = self._sums.get(key)
            self._sums[key] = call if before is None else _added(before, call)

    @property
    def lines(self) -> tuple[ModelCall, ...]:
        return tuple(self._sums.values())


def _added(one: ModelCall, other: ModelCall) -> ModelCall:
    return replace(
        one,
        usage=one.usage + other.usage,
        cost=None if one.cost is None or other.cost is None else one.cost + other.cost,
        prices=one.prices if one.prices == other.prices else {},
        seconds=one.seconds + other.seconds,
        first_token=None,
    )


def _call(row: Row[*tuple[Any, ...]]) -> ModelCall:
    return ModelCall(
        provider=row.provider,
        model=row.model,
        usage=Usage(row.input, row.output, row.cached, row.reasoning, row.cache_writes, row.estimated),
        cost=row.cost,
        prices=row.prices,
        seconds=row.seconds,
        first_token=row.first_token,
        feature=row.feature,
    )
