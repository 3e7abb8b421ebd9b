"""Lanes: when a call to the platform may be made, so that its limits are used fully and never run into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol, TypeAlias

Method: TypeAlias = Literal["post", "edit"]
Outcome: TypeAlias = Literal["landed", "failed", "unused"]


class Urgency(IntEnum):
    """Higher goes first. Only FINAL may touch what is kept in reserve."""

    INTERIM = 0
    FIRST = 1
    FINAL = 2


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One wish of a stream. `unseen_since` is the moment from which on people miss something (monotonic)."""

    method: Method
    urgency: Urgency
    unseen_since: float


class Lane(Protocol):
    """The budget that one stream draws on; streams of one channel share it."""

    def opened(self) -> None:
        """A stream lives: its last call is reserved for until `closed`."""
        ...

    def closed(self) -> None: ...

    async def admit(self, call: Call) -> None:
        """Wait until the call may be made. Cancelling withdraws the wish."""
        ...

    def told(self, call: Call, outcome: Outcome) -> None:
        """How an admitted call went, exactly once each. `unused`: it was not made after all."""
        ...


class OpenLane:
    """No limit at all: tests, and platforms that have none."""

    def opened(self) -> None:
        pass

    def closed(self) -> None:
        pass

    async def admit(self, call: Call) -> None:
        pass

    def told(self, call: Call, outcome: Outcome) -> None:
        pass
