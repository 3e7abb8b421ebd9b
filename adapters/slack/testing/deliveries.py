"""How the app is told: what is sent to it, by socket or by HTTP, what it answered, and what is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from adapters.slack.testing.clock import Clock
from adapters.slack.testing.world import Json

DeliveryKind: TypeAlias = Literal["events_api", "interactive", "slash_commands"]

ACK_WITHIN = 3.0
RETRY_AFTER = (0.0, 60.0, 300.0)  # at once, after a minute, after five more


@dataclass(slots=True, eq=False)
class Attempt:
    """One time that it was sent. `answer` is what came with the acknowledgement; `failed` why there was none."""

    number: int
    reason: str  # of being sent again
    at: float
    by: str = ""  # the id of the link or the URL
    status: int = 0  # of HTTP
    acked_at: float | None = None
    answer: Any = None
    failed: str = ""
    failed_at: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def latency(self) -> float | None:
        """From sending to the acknowledgement."""
        return None if self.acked_at is None else self.acked_at - self.at

    def acknowledge(self, now: float, answer: Any) -> None:
        self.acked_at, self.answer = now, answer
        self.over.set()

    def fail(self, now: float, why: str) -> None:
        if not self.failed:
            self.failed, self.failed_at = why, now
        self.over.set()


@dataclass(slots=True, eq=False)
class Delivery:
    """One event, interaction or command on its way to the app."""

    kind: DeliveryKind
    payload: Json
    then: Callable[[Any], Awaitable[None]] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    given_up: bool = False

    @property
    def name(self) -> str:
        """`message`, `block_actions`, `/command` …"""
        if self.kind == "events_api":
            return str(self.payload["event"]["type"])
        return str(self.payload.get("command") or self.payload["type"])

    @property
    def event_id(self) -> str:
        return str(self.payload.get("event_id", ""))

    @property
    def acked(self) -> bool:
        return any(attempt.acked_at is not None for attempt in self.attempts)

    @property
    def latency(self) -> float | None:
        return next((each.latency for each in self.attempts if each.latency is not None), None)

    @property
    def answer(self) -> Any:
        """What came with the acknowledgement."""
        return next((each.answer for each in self.attempts if each.acked_at is not None), None)


class Way(Protocol):
    """Sends one attempt, and settles it sooner or later: acknowledged or failed."""

    async def carry(self, delivery: Delivery, attempt: Attempt) -> None: ...


class Outbox:
    """Sends, waits three seconds for the acknowledgement, and sends events again, at most three times."""

    def __init__(self, clock: Clock, way: Callable[[DeliveryKind], Way], changed: Callable[[], None]) -> None:
        self.deliveries: list[Delivery] = []
        self.retries = True
        self._clock = clock
        self._way = way
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()

    def send(
        self, kind: DeliveryKind, payload: Json, *, then: Callable[[Any], Awaitable[None]] | None = None
    ) -> Delivery:
        delivery = Delivery(kind, payload, then)
        self.deliveries.append(delivery)
        self._start(self._see_through(delivery))
        return delivery

    async def send_again(self, delivery: Delivery, reason: str = "timeout") -> Attempt:
        """As after an acknowledgement that got lost; returns when this attempt is settled."""
        attempt = await self._try(delivery, max(1, len(delivery.attempts)), reason)
        self._changed()
        return attempt

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _see_through(self, delivery: Delivery) -> None:
        reason, moment = "", self._clock.now()
        for number, pause in enumerate((0.0, *RETRY_AFTER)):
            await self._clock.sleep_until(moment + pause)
            if delivery.acked:
                return
            attempt = await self._try(delivery, number, reason)
            self._changed()
            if attempt.acked_at is not None:
                return
            reason, moment = attempt.failed, attempt.failed_at
            if delivery.kind != "events_api" or not self.retries or reason == "no_retry":
                break
        delivery.given_up = True
        self._changed()

    async def _try(self, delivery: Delivery, number: int, reason: str) -> Attempt:
        attempt = Attempt(number, reason, self._clock.now())
        delivery.attempts.append(attempt)
        carrying = asyncio.ensure_future(self._way(delivery.kind).carry(delivery, attempt))
        try:
            if not await self._clock.until(attempt.over, attempt.at + ACK_WITHIN):
                attempt.fail(attempt.at + ACK_WITHIN, "timeout")
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
        if attempt.acked_at is not None and delivery.then is not None:
            await delivery.then(attempt.answer)
        return attempt

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
