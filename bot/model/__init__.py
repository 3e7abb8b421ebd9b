"""Language models: what a provider is, and the values that configure one. Importing this imports no SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from bot.model.healing import Learned
from bot.model.settings import (
    Api,
    AzureSettings,
    LocalSettings,
    OpenAISettings,
    ProviderSettings,
    Retry,
    Timeouts,
)
from bot.platform import Finding
from bot.replies import Piece
from bot.turn import ModelChoice, Turn

__all__ = [
    "Api",
    "AzureSettings",
    "Learned",
    "LocalSettings",
    "OpenAISettings",
    "Provider",
    "ProviderSettings",
    "Retry",
    "Timeouts",
    "open_provider",
]


class Provider(Protocol):
    """One source of language models, for the life of the process. Building one does no I/O.

    `price_list` is what its prices are found under: a provider's name, a base URL, `free`, or None = unknown.
    """

    @property
    def name(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    @property
    def price_list(self) -> str | None: ...

    def stream(self, turn: Turn, learned: Learned) -> AsyncIterator[Piece]:
        """One call. Ends with exactly one Done or raises a ModelError; ParameterRefused before any piece means that
        the call may be made again without it. Closing the iterator closes the connection."""
        ...

    def unsupported(self, choice: ModelChoice) -> Mapping[str, str]:
        """Parameters that are set but known not to be taken, with the reason."""
        ...

    def context_window(self, model: str) -> int | None:
        """Tokens that fit into one request and its answer, where this is known."""
        ...

    def sees(self, model: str) -> bool | None:
        """Whether the model takes pictures; None = unknown, so that it is tried."""
        ...

    async def warm(self) -> None:
        """Do what is slow (imports, loading a model) before the first question. May be skipped."""
        ...

    async def known_models(self) -> tuple[str, ...]: ...

    async def check(self, model: str | None = None) -> Finding: ...

    async def aclose(self) -> None: ...


def open_provider(settings: ProviderSettings) -> Provider:
    """The provider for these settings. Nothing is loaded or connected yet."""
    match settings:
        case OpenAISettings():
            from bot.model.openai import openai_provider

            return openai_provider(settings)
        case AzureSettings():
            from bot.model.azure import azure_provider

            return azure_provider(settings)
        case LocalSettings():
            from bot.model.local import Local

            return Local(settings)
