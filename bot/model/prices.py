"""What a call costs: published prices by way of genai-prices, or one's own; an unknown price stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import JsonValue

from bot.turn import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """US dollars per million tokens. What is None costs as much as `input`."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_writes: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal:
        plain = max(usage.input - usage.cached - usage.cache_writes, 0)
        cached = self.input if self.cached is None else self.cached
        writes = self.input if self.cache_writes is None else self.cache_writes
        total = plain * self.input + usage.cached * cached + usage.cache_writes * writes + usage.output * self.output
        return total / MILLION

    def listed(self) -> dict[str, JsonValue]:
        prices = {
            "input": self.input,
            "output": self.output,
            "cached": self.cached,
            "cache_writes": self.cache_writes,
        }
        return {name: str(price) for name, price in prices.items() if price is not None}


class Prices:
    """`own` prices win over published ones; their keys are `provider/model` or `provider/*`."""

    def __init__(self, own: Mapping[str, UnitPrices] | None = None) -> None:
        self._own = dict(own or {})

    def of(
        self, provider: str, model: str, usage: Usage, *, price_list: str | None
    ) -> tuple[Decimal | None, Mapping[str, JsonValue]]:
        """The cost in US dollars, None if unknown, and the unit prices it was made of."""
        own = self._own.get(f"{provider}/{model}") or self._own.get(f"{provider}/*")
        if own is not None:
            return own.cost(usage), {**own.listed(), "source": "settings"}
        if price_list == "free":
            return Decimal(0), {"source": "free"}
        found = _published(model, usage, price_list) if price_list else None
        if found is None:
            return None, {}
        return found.total_price, _listed(found)

    def context_window(self, model: str, price_list: str | None) -> int | None:
        found = _published(model, Usage(input=1, output=1), price_list) if price_list else None
        return found.model.context_window if found is not None else None


def _published(model: str, usage: Usage, price_list: str) -> PriceCalculation | None:
    # Imported late: its data is 4 MB of Python that a start without any question does not need.
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    priced = PricedUsage(
        input_tokens=usage.input,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_writes,
        output_tokens=usage.output,
    )
    try:
        if "://" in price_list:
            return calc_price(priced, model, provider_api_url=price_list)
        return calc_price(priced, model, provider_id=price_list)
    except (LookupError, ValueError):
        # ValueError: counts that contradict each other, such as more cached than read.
        return None


def _listed(found: PriceCalculation) -> dict[str, JsonValue]:
    price = found.model_price
    units = {
        "input": price.input_mtok,
        "output": price.output_mtok,
        "cached": price.cache_read_mtok,
        "cache_writes": price.cache_write_mtok,
    }
    listed: dict[str, JsonValue] = {}
    for name, unit in units.items():
        if unit is None:
            continue
        listed[name] = str(unit) if isinstance(unit, Decimal) else str(unit.base)
        if not isinstance(unit, Decimal):
            listed["tiered"] = True
    return {**listed, "source": "genai-prices"}
