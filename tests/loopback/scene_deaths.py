"""How and when bots die in scenes: before a commit, at a call, at some moment, and once more while they come back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.loopback.killing import Arrange, at_call, at_commit, at_moment
from tests.loopback.scene_killing import Open, Plot


@dataclass(frozen=True, slots=True)
class Death:
    """Where, when, and how often the bot dies: `again` is the commit at which it dies while it comes back."""

    opens: Open
    plot: Plot
    arrange: Arrange
    how: str
    commit: int | None = None
    again: int | None = None

    @property
    def name(self) -> str:
        return f"{self.opens.__name__}, {self.plot.name}, {self.how}"

    async def play(self, folder: Path) -> None:
        async with self.opens(folder, self.plot) as theatre:
            await theatre.has_been_here()
            try:
                await theatre.asks_and_dies(self.arrange(theatre), self.commit)
                if self.again is not None:
                    await theatre.dies_again(self.again)
                await theatre.comes_back()
            except BaseException:
                print(theatre.report())
                raise


def before_commits(opens: Open, plot: Plot, numbers: Iterable[int]) -> list[Death]:
    return [Death(opens, plot, at_commit, f"commit {number}", number) for number in numbers]


def at_calls(opens: Open, plot: Plot, calls: Iterable[str], skips: Iterable[int]) -> list[Death]:
    return [
        Death(opens, plot, at_call(call, skip, acted), f"{'after' if acted else 'before'} {call} {skip}")
        for call in calls
        for skip in skips
        for acted in (False, True)
    ]


def at_any_moment(opens: Open, plot: Plot, seeds: Iterable[int], until: float) -> list[Death]:
    moments = [random.Random(seed).uniform(0.0, until) for seed in seeds]
    return [Death(opens, plot, at_moment(moment), f"{moment:.3f} s") for moment in moments]


def while_coming_back(opens: Open, plot: Plot, dies: int, numbers: Iterable[int]) -> list[Death]:
    return [Death(opens, plot, at_commit, f"commit {dies}, then {number}", dies, number) for number in numbers]


async def all_survived(folder: Path, deaths: Sequence[Death], at_once: int = 4) -> None:
    """So many side by side: most of the time is spent waiting."""
    turns = asyncio.Semaphore(at_once)

    async def survived(number: int, death: Death) -> None:
        mine = folder / str(number)
        mine.mkdir()
        async with turns:
            await death.play(mine)

    results = await asyncio.gather(*(survived(*each) for each in enumerate(deaths)), return_exceptions=True)
    failed = {death.name: result for death, result in zip(deaths, results, strict=True) if result is not None}
    assert not failed, failed
