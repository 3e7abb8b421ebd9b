"""What jobs of plugins are: something that goes on in steps, also after a restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from bot.handler import Context

State = TypeVar("State", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Standing(Generic[State]):
    """A job as it stands."""

    id: int
    state: State
    running: bool


@dataclass(frozen=True, slots=True)
class Paused(Generic[State]):
    """What a step returns when the job is to wait until somebody resumes it."""

    state: State


@dataclass(frozen=True, slots=True)
class Job:
    """`step(ctx, state)` returns the next state, also as Paused, or None when the job is over. `pause(state)` says how
    many seconds to wait before the next step, counted from when the last line of this one stood, if it said one.
    `back(ctx, state)` is called when the bot is back after it was interrupted; it may return a new state."""

    name: str
    state: type[BaseModel]
    step: Callable[[Context, Any], Awaitable[Any]]
    pause: Callable[[Any], float] | None = None
    back: Callable[[Context, Any], Awaitable[Any]] | None = None
