"""Slack's rate limits: a tier per method for the whole workspace, and one message a second per channel."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["status", "body"]

PER_MINUTE: Mapping[str, int] = {"t1": 1, "t2": 20, "t3": 50, "t4": 100}
POSTS_A_MINUTE = 300  # of the workspace; Slack does not publish it
HISTORY = frozenset({"conversations.history", "conversations.replies"})


class Window:
    """So many in *any* stretch of `seconds`: the strictest reading of a limit."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._taken: deque[float] = deque()

    def wait(self, now: float) -> float:
        """How long until one more may be taken."""
        while self._taken and self._taken[0] <= now - self._seconds:
            self._taken.popleft()
        return 0.0 if len(self._taken) < self._size else self._taken[0] + self._seconds - now

    def take(self, now: float) -> None:
        self._taken.append(now)


class Drip:
    """One a second, after a burst of `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = float(size)
        self._at = 0.0

    def wait(self, now: float) -> float:
        self._left = min(self._size, self._left + (now - self._at))
        self._at = now
        return 0.0 if self._left >= 1 else 1 - self._left

    def take(self, now: float) -> None:
        self._left -= 1


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that was answered with "too many". `channel` is set when it was the channel's limit."""

    at: float
    method: str
    retry_after: int
    channel: str = ""


class Limits:
    """`style` says how a refusal looks: HTTP 429, or 200 with `ok: false`. `burst` is how many messages a channel takes
    at once. `of` replaces the calls a minute of methods by name. `distributed` is an app that is sold outside of
    Slack's marketplace, which may read one page of history a minute. `enforced = False` lets everything pass."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        style: Style = "status",
        burst: int = 3,
        of: Mapping[str, int] | None = None,
        distributed: bool = False,
    ) -> None:
        self.style = style
        self.enforced = True
        self.refused: list[Refused] = []
        self.distributed = distributed
        self._clock = clock
        self._burst = burst
        self._of = dict(of or {})
        self._windows: dict[str, Window] = {}
        self._channels: dict[str, Drip] = {}

    def per_minute(self, method: str, tier: str) -> int | None:
        """None where no tier is known."""
        if method in self._of:
            return self._of[method]
        if self.distributed and method in HISTORY:
            return 1
        return POSTS_A_MINUTE if method == "chat.postMessage" else PER_MINUTE.get(tier)

    def take(self, method: str, tier: str, channel: str = "") -> Refused | None:
        """What one call met; `channel` is where it would post. A refused call does not count."""
        now = self._clock()
        size = self.per_minute(method, tier)
        asked: list[tuple[Window | Drip, str]] = []
        if size is not None:
            asked.append((self._windows.setdefault(method, Window(size, 60.0)), ""))
        if channel:
            asked.append((self._channels.setdefault(channel, Drip(self._burst)), channel))
        if self.enforced:
            for window, where in asked:
                if (wait := window.wait(now)) > 0:
                    return self.refuse(method, wait, where)
        for window, _ in asked:
            window.wait(now)
            window.take(now)
        return None

    def refuse(self, method: str, retry_after: float, channel: str = "") -> Refused:
        """Count a refusal. Slack tells whole seconds."""
        refused = Refused(self._clock(), method, max(1, math.ceil(retry_after)), channel)
        self.refused.append(refused)
        return refused
