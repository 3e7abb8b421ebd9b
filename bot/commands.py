"""A typed function becomes a command: a text parser, typed binding and a JSON schema from one signature."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, JsonValue

from bot.events import User

Complete: TypeAlias = Callable[[Any, str], Awaitable[Sequence[str]]]
Kind: TypeAlias = Literal["str", "int", "float", "bool", "user", "attachment"]


@dataclass(frozen=True, slots=True)
class Arg:
    """Put into `Annotated[...]`. `rest` takes the whole tail of the line. `ge`/`le` bound numbers,
    `min_length`/`max_length` texts. `complete(ctx, typed)` suggests values."""

    description: str = ""
    ge: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    rest: bool = False
    complete: Complete | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument as platforms need to know it. `choices` are the texts that a Literal or Enum allows."""

    name: str
    kind: Kind
    description: str
    required: bool
    default: Any
    choices: tuple[str, ...]
    arg: Arg
    enum: type[Enum] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `name` is the full name, at most two words (`system set`)."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    callback: Callable[..., Any]
    plugin: str
    private: bool = False
    immediate: bool = False
    who: Literal["anyone", "moderators"] = "anyone"
    form: type[BaseModel] | None = None
    target: Literal["message"] | None = None

    @property
    def usage(self) -> str:
        """`/roll [sides]`, for error messages and help."""
        raise NotImplementedError

    def bind(self, arguments: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Typed keyword arguments for the callback. Raises UsageError that names what is wrong."""
        raise NotImplementedError

    def parse(self, text: str, mentions: Sequence[User] = ()) -> dict[str, JsonValue]:
        """One typed line → arguments for `bind`. Raises UsageError."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, JsonValue]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; the same `bind` as a command's."""

    command: Command

    @property
    def name(self) -> str:
        """Letters, digits, `_` and `-`: a command's spaces become `_`."""
        return self.command.name.replace(" ", "_")
