"""What a live answer needs of Slack's own streams: three calls, and where they may draw from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bot.api import Button, Lane, ReplyStream, SentId

CardState: TypeAlias = Literal["in_progress", "complete", "error"]


@dataclass(frozen=True, slots=True)
class Card:
    """A line about a tool that works, beside the text of a stream. A later one of the same id takes its place."""

    id: str
    title: str
    state: CardState


class Streams(Protocol):
    """The three calls, for one place. `text` can be sent as it is: nothing in it needs to be escaped any more.

    Throttled, NotStreaming, NoStreams, NotTaken, TargetGone and DeliveryRefused say that nothing was done; after any
    other DeliveryError it may have been. A start after a failed one has the same text and cards and is the same start
    tried again: find out whether it is there already before another one is made. Tell the budgets of a 429.
    """

    async def start(self, text: str, cards: Sequence[Card]) -> SentId: ...

    async def append(self, sent: SentId, text: str, cards: Sequence[Card]) -> None: ...

    async def stop(self, sent: SentId, text: str, cards: Sequence[Card], buttons: Sequence[Button]) -> None: ...


class Edited(ReplyStream, Protocol):
    """A live answer by posts and edits."""

    @property
    def shown(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class StreamLanes:
    """Of one answer: `growing` for starts (posts) and appends (edits), `stopping` for stops and `edited` for updates
    (edits)."""

    growing: Lane
    stopping: Lane
    edited: Lane

    def opened(self) -> None:
        for lane in (self.growing, self.stopping, self.edited):
            lane.opened()

    def closed(self) -> None:
        for lane in (self.growing, self.stopping, self.edited):
            lane.closed()
