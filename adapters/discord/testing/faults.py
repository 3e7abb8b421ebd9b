"""What goes wrong on purpose: errors, 429s, latency and lost connections, by script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(slots=True, eq=False)
class Fault:
    """Meets calls whose `METHOD /path` matches the pattern (`PATCH /channels/*/messages/*`), after `skip` others,
    `times` times.

    `do` runs first; then it waits `delay` seconds; then `status` is answered, or the connection is dropped. With
    `acted` the call is carried out before that: the bot cannot tell that it was.
    """

    pattern: str
    status: int | None = None
    code: int = 0
    drop: bool = False
    acted: bool = False
    delay: float = 0.0
    retry_after: float | None = None
    scope: str = "user"
    skip: int = 0
    times: int = 1
    do: Callable[[], Awaitable[None]] | None = None
    met: int = 0

    def meets(self, call: str) -> bool:
        """Counts the call as met when it is this fault's."""
        if self.met >= self.times or not fnmatchcase(call, self.pattern):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.met += 1
        return True


@dataclass(slots=True)
class Faults:
    """Faults in order of declaration; each call meets at most one. `latency` is added to every call."""

    latency: float = 0.0
    script: list[Fault] = field(default_factory=list)

    def next(self, call: str) -> Fault | None:
        return next((fault for fault in self.script if fault.meets(call)), None)
