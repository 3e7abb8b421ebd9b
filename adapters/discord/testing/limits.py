"""Discord's rate limits: a budget per route and major id, one for the whole bot, and the headers that tell of them."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

WindowKind: TypeAlias = Literal["sliding", "fixed"]


@dataclass(frozen=True, slots=True)
class Limit:
    """`requests` per `seconds`. Routes of one `bucket` tell the same hash, and still count apart."""

    bucket: str
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one request met: `retry_after` is set when it was refused."""

    remaining: int
    reset_after: float
    retry_after: float | None = None


class Window(Protocol):
    def take(self, now: float) -> Verdict: ...


class SlidingWindow:
    """A leaky bucket: a token comes back every `seconds / requests`; Reset-After is the time until all are back."""

    def __init__(self, limit: Limit) -> None:
        self._size = limit.requests
        self._each = limit.seconds / limit.requests
        self._tokens = float(limit.requests)
        self._at = 0.0

    def take(self, now: float) -> Verdict:
        self._tokens = min(self._size, self._tokens + (now - self._at) / self._each)
        self._at = now
        if self._tokens < 1:
            return Verdict(0, (self._size - self._tokens) * self._each, (1 - self._tokens) * self._each)
        self._tokens -= 1
        return Verdict(int(self._tokens), (self._size - self._tokens) * self._each)


class FixedWindow:
    """So many per window; the window opens with the first request and everything comes back when it ends."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._ends = 0.0
        self._used = 0

    def take(self, now: float) -> Verdict:
        if now >= self._ends:
            self._ends, self._used = now + self._limit.seconds, 0
        left = self._ends - now
        if self._used >= self._limit.requests:
            return Verdict(0, left, left)
        self._used += 1
        return Verdict(self._limit.requests - self._used, left)


class AnyWindow:
    """So many in *any* stretch of `seconds`: the strictest reading of a limit, used for the whole bot."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._taken: deque[float] = deque()

    def take(self, now: float) -> Verdict:
        while self._taken and self._taken[0] <= now - self._limit.seconds:
            self._taken.popleft()
        if len(self._taken) >= self._limit.requests:
            wait = self._taken[0] + self._limit.seconds - now
            return Verdict(0, wait, wait)
        self._taken.append(now)
        return Verdict(self._limit.requests - len(self._taken), self._limit.seconds)


@dataclass(frozen=True, slots=True)
class Refused:
    """A 429 that was answered. `scope` as in `X-RateLimit-Scope`: `user`, `shared` or `global`."""

    at: float
    method: str
    path: str
    scope: str
    retry_after: float


class Limits:
    """`kind` picks the window of message routes; `enforced = False` lets everything pass with full headers."""

    def __init__(self, kind: WindowKind, per_second: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.kind = kind
        self.enforced = True
        self.refused: list[Refused] = []
        self._clock = clock
        self._windows: dict[tuple[str, str, str], Window] = {}
        self._whole = AnyWindow(Limit("global", per_second, 1.0))

    def whole_bot(self) -> Verdict:
        return self._whole.take(self._clock())

    def take(self, method: str, limit: Limit, major: str) -> tuple[Verdict, Mapping[str, str]]:
        """The verdict on one request and the headers to answer with."""
        key = (method, limit.bucket, major)
        if key not in self._windows:
            self._windows[key] = SlidingWindow(limit) if self.kind == "sliding" else FixedWindow(limit)
        verdict = self._windows[key].take(self._clock())
        if not self.enforced:
            verdict = Verdict(limit.requests, limit.seconds)
        return verdict, {
            "X-RateLimit-Limit": str(limit.requests),
            "X-RateLimit-Remaining": str(verdict.remaining),
            "X-RateLimit-Reset": f"{time.time() + verdict.reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{verdict.reset_after:.3f}",
            "X-RateLimit-Bucket": hashlib.md5(limit.bucket.encode(), usedforsecurity=False).hexdigest(),
        }

    def refuse(self, method: str, path: str, scope: str, retry_after: float) -> Mapping[str, str]:
        """Count a 429; its headers."""
        self.refused.append(Refused(self._clock(), method, path, scope, retry_after))
        headers = {
            "Via": "1.1 google",
            "Retry-After": str(math.ceil(retry_after)),
            "X-RateLimit-Scope": scope,
        }
        return headers | ({"X-RateLimit-Global": "true"} if scope == "global" else {})
