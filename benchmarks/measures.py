"""How fresh a live answer was: from when each character was said and what was shown when."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median


@dataclass(frozen=True, slots=True)
class Said:
    """The text a model said, as `(moment, length so far)` after each token."""

    moments: tuple[tuple[float, int], ...]

    @property
    def began(self) -> float:
        return self.moments[0][0]

    @property
    def ended(self) -> float:
        return self.moments[-1][0]

    @property
    def length(self) -> int:
        return self.moments[-1][1]

    def age_at(self, moment: float, length: int) -> float:
        """How old the newest of the first `length` characters is at this moment."""
        at = bisect.bisect_left(self.moments, length, key=lambda entry: entry[1])
        return moment - self.moments[min(at, len(self.moments) - 1)][0]


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds. `first`: first token → first text · `stale`: mean age of the newest visible character while the model
    speaks · `freeze`: the longest time without a visible change · `final`: last token → complete text."""

    first: float
    stale: float
    freeze: float
    final: float


def freshness(said: Said, shown: Sequence[tuple[float, int]]) -> Freshness:
    """`shown`: `(moment, visible characters)` of every change, in order."""
    steps: list[tuple[float, int]] = []
    for moment, length in sorted(shown):
        if not steps or length > steps[-1][1]:
            steps.append((moment, length))
    if not steps or steps[-1][1] < said.length:
        raise ValueError(f"{steps[-1][1] if steps else 0} of {said.length} characters were shown")
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(steps)]
    area = time = 0.0
    for (moment, length), following in zip(steps, [*steps[1:], (said.ended, 0)], strict=True):
        until = min(following[0], said.ended)
        if until > moment:
            area += (until - moment) * (said.age_at(moment, length) + said.age_at(until, length)) / 2
            time += until - moment
    return Freshness(
        first=steps[0][0] - said.began,
        stale=area / time if time else 0.0,
        freeze=max(gaps, default=0.0),
        final=max(steps[-1][0] - said.ended, 0.0),
    )


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, 95th percentile, worst."""
    ordered = sorted(values)
    return median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], ordered[-1]


def mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
