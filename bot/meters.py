"""What plugins are told of tokens and money: what was used, by whom and for what, and what of the budgets is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from bot.store.ledger import By, Spent

__all__ = ["Budget", "By", "Meters", "Span", "Spenders", "Spent"]

# Of one person, of a channel with its threads, of a whole server.
Spenders: TypeAlias = Literal["person", "channel", "server"]
Span: TypeAlias = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be used in the day or month that runs, and how much of that is gone. Calls whose price is not known
    count to no budget in dollars."""

    whose: Spenders
    unit: Literal["tokens", "dollars"]
    span: Span
    most: Decimal
    used: Decimal


class Meters(Protocol):
    """What models used, in the time zone of the settings."""

    @property
    def time_zone(self) -> str: ...

    def begun(self, span: Span) -> datetime:
        """When the day or month began that runs."""
        ...

    async def spending(
        self,
        since: datetime | Span | None = None,
        until: datetime | None = None,
        *,
        by: By | None = None,
        whose: Spenders = "person",
    ) -> Sequence[Spent]:
        """What was used, dearest first; `by` day in the order of the days, of the last year at most. A person's is
        told of all places of the platform, and `whose` else of this channel or server."""
        ...

    async def budgets(self) -> Sequence[Budget]:
        """Those that this person's questions count to here."""
        ...
