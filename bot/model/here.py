"""The registry as one server sees it: with its own providers, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from pydantic import JsonValue

from bot.events import Place
from bot.model.choosing import chosen
from bot.model.moderation import Verdict
from bot.turn import ModelChoice, Usage


class Everywhere(Protocol):
    """What is asked of the registry here."""

    @property
    def providers(self) -> tuple[str, ...]: ...

    @property
    def parameter_names(self) -> tuple[str, ...]: ...

    def own(self, choice: ModelChoice, place: Place) -> ModelChoice: ...

    def offered(self, place: Place) -> tuple[str, ...]: ...

    def default(self, provider: str) -> str: ...

    async def known(self, provider: str) -> tuple[str, ...]: ...

    async def recall(self, choice: ModelChoice) -> None: ...

    def reasons(self, choice: ModelChoice) -> bool: ...

    def refused(self, choice: ModelChoice) -> Mapping[str, str]: ...

    def mode(self, name: str, choice: ModelChoice) -> Mapping[str, JsonValue]: ...

    def check_parameter(self, name: str, value: JsonValue) -> JsonValue: ...

    def count(self, text: str) -> int: ...

    def cost(self, choice: ModelChoice, usage: Usage) -> Decimal | None: ...

    async def moderate(self, text: str, place: Place | None = None) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class ModelsHere:
    """Names are those that everybody uses; behind them may be the server's own."""

    everywhere: Everywhere
    place: Place

    @property
    def providers(self) -> tuple[str, ...]:
        return self.everywhere.offered(self.place)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return self.everywhere.parameter_names

    def default(self, provider: str) -> str:
        return self.everywhere.default(provider)

    async def known(self, provider: str) -> tuple[str, ...]:
        return await self.everywhere.known(self._own(ModelChoice(provider, "")).provider)

    async def named(self, wanted: str, usual: str) -> ModelChoice:
        return ModelChoice(*await chosen(self, wanted, usual))

    async def recall(self, choice: ModelChoice) -> None:
        await self.everywhere.recall(self._own(choice))

    def reasons(self, choice: ModelChoice) -> bool:
        return self.everywhere.reasons(choice)

    def refused(self, choice: ModelChoice) -> Mapping[str, str]:
        return self.everywhere.refused(self._own(choice))

    def mode(self, name: str, choice: ModelChoice) -> Mapping[str, JsonValue]:
        return self.everywhere.mode(name, choice)

    def check_parameter(self, name: str, value: JsonValue) -> JsonValue:
        return self.everywhere.check_parameter(name, value)

    def count(self, text: str) -> int:
        return self.everywhere.count(text)

    def cost(self, choice: ModelChoice, usage: Usage) -> Decimal | None:
        return self.everywhere.cost(self._own(choice), usage)

    async def moderate(self, text: str) -> Verdict:
        return await self.everywhere.moderate(text, self.place)

    def _own(self, choice: ModelChoice) -> ModelChoice:
        return self.everywhere.own(choice, self.place)
