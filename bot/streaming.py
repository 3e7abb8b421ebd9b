"""Live answers by editing: post once, edit at a pace in a task of its own, page at the limit, finish at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, runtime_checkable

from bot.clock import Clock
from bot.lanes import Call, Lane, Method, OpenLane, Outcome, Urgency
from bot.replies import Piece, Resume, SentId

__all__ = ["Call", "EditedStream", "Lane", "Method", "OpenLane", "Outcome", "Shown", "Surface", "Urgency", "Watchable"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the platform keeps it: `text` is what it returned, compared with what was sent."""

    sent: SentId
    text: str


class Surface(Protocol):
    """The two calls a live answer needs, for one target. Both return as soon as the platform has answered.

    Raise TargetGone (the message or its channel no longer exists), DeliveryRefused (no permission), any other
    DeliveryError for what may pass (5xx, connection lost). `text` has at most `max_chars`.
    """

    async def post(self, text: str) -> Shown: ...

    async def edit(self, sent: SentId, text: str) -> Shown: ...


@runtime_checkable
class Watchable(Protocol):
    """A stream that tells when `sent` has grown: `changed` is set then, whoever watches clears it."""

    @property
    def changed(self) -> asyncio.Event: ...


class EditedStream:
    """A ReplyStream over a Surface. `on_change` is called after every post, with `sent` already grown.

    `ready` is awaited before the first call to the platform. `measure` counts as the platform counts.
    """

    def __init__(
        self,
        surface: Surface,
        lane: Lane,
        *,
        max_chars: int,
        clock: Clock,
        ready: Awaitable[None] | None = None,
        resume: Resume | None = None,
        on_change: Callable[[], None] | None = None,
        measure: Callable[[str], int] = len,
    ) -> None:
        raise NotImplementedError

    @property
    def sent(self) -> tuple[SentId, ...]:
        """The messages of this answer that exist, in order."""
        raise NotImplementedError

    @property
    def shown(self) -> tuple[str, ...]:
        """What each of them shows, as the platform returned it."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """All that was said, marks and notices not included."""
        raise NotImplementedError

    @property
    def changed(self) -> asyncio.Event:
        """Set whenever `sent` grew."""
        raise NotImplementedError

    @property
    def first_shown(self) -> asyncio.Event:
        """Set when the first text is on the platform: typing ends here."""
        raise NotImplementedError

    async def write(self, piece: Piece) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> EditedStream:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError
