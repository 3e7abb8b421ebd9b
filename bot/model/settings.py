"""What each provider needs to know, as plain values; reading them from the environment is done elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr

DEFAULT_MODELS = MappingProxyType({"openai": "gpt-6-luna", "azure": "gpt-6-luna", "local": "smollm2-135m"})
Api: TypeAlias = Literal["responses", "chat", "auto"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. `first_token` is the wait for the first text, `between` the longest silence after it.

    `thinking` takes the place of `first_token` while a reasoning model says nothing yet.
    """

    connect: float = 10.0
    first_token: float = 60.0
    between: float = 30.0
    thinking: float = 300.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Of calls that failed before the first text. `patience` bounds the sum of all pauses, in seconds."""

    attempts: int = 4
    first_pause: float = 0.5
    longest_pause: float = 8.0
    patience: float = 30.0


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """OpenAI, or any server that speaks its API at `base_url`.

    `api="auto"` is the Responses API at OpenAI itself and Chat Completions everywhere else. `identify` sends a
    hash of the user and of the place (abuse reports, prompt cache); None = at OpenAI itself only. `sees` overrules
    what a model's name tells about pictures.
    """

    name: str = "openai"
    api_key: SecretStr | None = None
    base_url: str | None = None
    api: Api = "auto"
    organization: str | None = None
    project: str | None = None
    identify: bool | None = None
    sees: bool | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    concurrency: int = 256

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI itself and not a compatible server."""
        host = urlsplit(self.base_url).hostname or "" if self.base_url else "api.openai.com"
        return host == "openai.com" or host.endswith(".openai.com")


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """Azure OpenAI: the v1 API when no `api_version` is given, the classic one otherwise.

    Model names are deployment names. `ad_token_source` gives a fresh Entra token before every call.
    """

    endpoint: str
    name: str = "azure"
    api_key: SecretStr | None = None
    ad_token: SecretStr | None = None
    ad_token_source: Callable[[], Awaitable[str]] | None = None
    api_version: str | None = None
    api: Api = "auto"
    sees: bool | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    concurrency: int = 256


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The embedded model. `path` names another GGUF file; `context` is what one conversation may use, in tokens."""

    name: str = "local"
    path: str | None = None
    model: str = "smollm2-135m"
    context: int = 4096
    slots: int = 2
    max_tokens: int = 400
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(first_token=120.0, between=60.0))

    @property
    def concurrency(self) -> int:
        return self.slots


ProviderSettings: TypeAlias = OpenAISettings | AzureSettings | LocalSettings


def default_model(provider: str) -> str:
    """The model that answers where nobody has named one; empty for providers that must be told."""
    return DEFAULT_MODELS.get(provider, "")
