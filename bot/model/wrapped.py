"""A plain function as a provider: what plugins bring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from bot.model.deadlines import in_time
from bot.model.healing import Learned
from bot.model.settings import Timeouts
from bot.platform import Finding
from bot.replies import Piece
from bot.turn import LanguageModel, ModelChoice, Turn


class Wrapped:
    """Its prices are unknown unless the settings name them."""

    price_list = None
    concurrency = 64

    def __init__(self, name: str, model: LanguageModel, timeouts: Timeouts, *, sees: bool = False) -> None:
        self.name = name
        self._model = model
        self._sees = sees
        self._timeouts = timeouts

    def stream(self, turn: Turn, learned: Learned) -> AsyncIterator[Piece]:
        return in_time(lambda: self._model(turn), self._timeouts)

    def unsupported(self, choice: ModelChoice) -> Mapping[str, str]:
        return {}

    def context_window(self, model: str) -> int | None:
        return None

    def sees(self, model: str) -> bool | None:
        return self._sees

    async def warm(self) -> None:
        pass

    async def known_models(self) -> tuple[str, ...]:
        return ()

    async def check(self, model: str | None = None) -> Finding:
        return Finding(True, self.name, "comes from a plugin and was not asked")

    async def aclose(self) -> None:
        pass
