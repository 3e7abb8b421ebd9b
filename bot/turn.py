"""One answer while it lives: the prompt, the model that is asked, what it used."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import JsonValue

from bot.events import Place
from bot.pictures import Picture

if TYPE_CHECKING:
    from bot.commands import Tool
    from bot.plugin import Context
    from bot.replies import Piece, Speaker

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is JSON text, not yet trusted."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """`name` is the display name of who said it, and `images` what they show, for messages of people."""

    role: Role
    text: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    images: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent, stable part first: system, pinned, summary, messages, and the volatile tail last."""

    messages: tuple[PromptMessage, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call. `cached` and `cache_writes` are part of `input`, `reasoning` part of `output`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    cache_writes: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
            self.cache_writes + other.cache_writes,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """`provider` is a name in the registry. `parameters` use OpenAI's names (temperature, top_p, effort, …)."""

    provider: str
    model: str
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One line of the ledger. `cost` in US dollars, None = unknown price; `prices` the unit prices it was made of."""

    provider: str
    model: str
    usage: Usage
    cost: Decimal | None
    prices: Mapping[str, JsonValue]
    seconds: float
    first_token: float | None
    feature: str = "answer"


@dataclass(slots=True)
class Turn:
    """The one mutable thing, alive for one answer. Filters may change prompt, model, tools and speaker before
    they call on. `feature` is what it is for, as meters tell it: `answer`, `tools` once it has results of tools,
    `scene`, `summary`, `ask`."""

    place: Place
    prompt: Prompt
    model: ModelChoice
    context: Context | None = None
    tools: Sequence[Tool] = ()
    speaker: Speaker | None = None
    calls: list[ModelCall] = field(default_factory=list)
    feature: str = "answer"

    @property
    def usage(self) -> Usage:
        return sum((call.usage for call in self.calls), Usage())


@asynccontextmanager
async def reading(pieces: AsyncIterator[Piece]) -> AsyncGenerator[AsyncIterator[Piece], None]:
    """Whoever stops reading in the middle closes the model's connection at once."""
    try:
        yield pieces
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


LanguageModel: TypeAlias = Callable[[Turn], "AsyncIterator[Piece]"]
