"""What goes wrong on purpose: errors, 429s, latency and lost connections, by script or by chance."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(slots=True, eq=False)
class Fault:
    """Meets calls whose method matches the pattern (`chat.*`), after `skip` others, `times` times.

    `do` runs first; then it waits `delay` seconds; then `status` or `ok: false` with `error` is answered, or a `text`
    as of something on the way that is not Slack, or the connection is dropped. With `acted` the call is carried out
    before that: the bot cannot tell that it was.
    """

    pattern: str
    status: int | None = None
    error: str = ""
    text: str = ""
    drop: bool = False
    acted: bool = False
    delay: float = 0.0
    retry_after: float | None = None
    skip: int = 0
    times: int = 1
    do: Callable[[], Awaitable[None]] | None = None
    met: int = 0

    def meets(self, method: str) -> bool:
        """Counts the call as met when it is this fault's."""
        if self.met >= self.times or not fnmatchcase(method, self.pattern):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.met += 1
        return True


@dataclass(slots=True, eq=False)
class Chance:
    """Meets this share of the calls that match, each by lot: a 429 says to wait for up to `longest` seconds, and of
    other errors half are answered after the call was carried out."""

    status: int
    share: float
    lot: random.Random
    pattern: str = "*"
    longest: int = 2
    met: int = 0
    waits: list[float] = field(default_factory=list)

    def fault(self, method: str) -> Fault | None:
        if not fnmatchcase(method, self.pattern) or self.lot.random() >= self.share:
            return None
        self.met += 1
        if self.status == 429:
            self.waits.append(self.lot.randint(1, self.longest))
            return Fault(method, 429, retry_after=self.waits[-1])
        return Fault(method, self.status, acted=self.lot.random() < 0.5)


@dataclass(slots=True)
class Faults:
    """Faults in order of declaration, then those by chance; each call meets at most one. `latency` is added to every
    call."""

    latency: float = 0.0
    script: list[Fault] = field(default_factory=list)
    chances: list[Chance] = field(default_factory=list)

    def next(self, method: str) -> Fault | None:
        scripted = next((fault for fault in self.script if fault.meets(method)), None)
        by_chance = (chance.fault(method) for chance in self.chances)
        return scripted or next((fault for fault in by_chance if fault is not None), None)
