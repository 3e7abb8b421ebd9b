"""How fresh live answers are on Discord: the real discord.py client against the fake Discord, beside the usual rule.

python -m benchmarks.discord_answers [--quick] [--only NAME]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import chain

from adapters.discord.testing import FakeDiscord
from adapters.discord.testing.limits import WindowKind
from benchmarks.answering import (
    LATENCY,
    Answered,
    Ask,
    Script,
    coded,
    duologue,
    missing,
    naive,
    prose,
    with_a_face,
    wrong_side,
)
from benchmarks.figures import Figure, load, table
from benchmarks.measures import Freshness, mean, spread

Rule = Callable[[FakeDiscord], AbstractAsyncContextManager[Ask]]

FIRST, STALE, FREEZE = "first text, worst", "staleness, mean", "longest freeze"
FINAL, LATE, WORST = "last token → last text, median", "the same, 95 % within", "the same, worst"
MEASURES: Mapping[str, Callable[[Sequence[Freshness]], float]] = {
    FIRST: lambda answers: max(each.first for each in answers),
    STALE: lambda answers: mean([each.stale for each in answers]),
    FREEZE: lambda answers: max(each.freeze for each in answers),
    FINAL: lambda answers: spread([each.final for each in answers])[0],
    LATE: lambda answers: spread([each.final for each in answers])[1],
    WORST: lambda answers: spread([each.final for each in answers])[2],
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """`runs` follow each other, each on a new Discord; in one run all scripts are asked for, `apart` seconds after each
    other and over the channels in turn. The usual rule is measured on the first run only."""

    name: str
    window: WindowKind
    runs: Sequence[Sequence[Script]]
    targets: Mapping[str, float | None]
    channels: int = 1
    apart: float = 0.0
    beside_naive: bool = True
    rule: Rule = duologue


@dataclass(slots=True)
class Measured:
    answers: list[Freshness] = field(default_factory=list)
    refused: int = 0
    lost: int = 0
    cpu: float = 0.0


async def run(rule: Rule, scenario: Scenario, scripts: Sequence[Script]) -> tuple[Measured, list[Answered]]:
    """What is not exact is not measured, only counted."""
    async with FakeDiscord(window=scenario.window, latency=LATENCY) as fake:
        places = [fake.channel(f"room-{number}") for number in range(scenario.channels)]
        async with rule(fake) as ask:
            cpu = time.process_time()

            async def one(number: int, script: Script) -> Answered:
                await asyncio.sleep(number * scenario.apart)
                return await ask(places[number % len(places)], script)

            answers = await asyncio.gather(*(one(*each) for each in enumerate(scripts)))
            cpu = time.process_time() - cpu
        whole = [answer for answer in answers if not missing(answer)]
        fresh = [answer.fresh() for answer in whole]
        return Measured(fresh, len(fake.refused), len(answers) - len(whole), cpu), answers


async def measure(scenario: Scenario) -> Sequence[Figure]:
    ours = Measured()
    for scripts in scenario.runs:
        measured, _ = await run(scenario.rule, scenario, scripts)
        ours.answers += measured.answers
        ours.refused += measured.refused
        ours.lost += measured.lost
        ours.cpu += measured.cpu
    usual = (await run(naive, scenario, scenario.runs[0]))[0] if scenario.beside_naive else None
    figures = []
    for what, target in scenario.targets.items():
        value = MEASURES[what](ours.answers)
        told = f"usual rule {MEASURES[what](usual.answers):.2f}" if usual is not None else ""
        figures.append(Figure(f"{scenario.name}: {what}", value, "s", target, told))
    told = f"usual rule {usual.refused}" if usual is not None else ""
    cpu = 1000 * ours.cpu / max(len(ours.answers), 1)
    figures.append(Figure(f"{scenario.name}: 429", ours.refused, "", 0, told))
    figures.append(
        Figure(f"{scenario.name}: not exact", ours.lost, "", 0, f"CPU {cpu:.0f} ms an answer, Discord's included")
    )
    return figures


def scenarios(quick: bool) -> Sequence[Scenario]:
    found = list(chain(_alone(quick), *(_three(quick, window) for window in ("sliding", "fixed"))))
    short = [prose(8, 50, number) for number in range(20)]
    # Four answers share what a channel takes: one edit a second.
    fair = {FIRST: 0.3, FREEZE: 3 * 4.0, STALE: None, FINAL: None, WORST: None}
    for window in ("sliding", "fixed"):
        found.append(Scenario(f"20 answers in 5 channels, {window}", window, [short], fair, channels=5))
    many = 60 if quick else 200
    found.append(
        Scenario(
            f"{many} channels at once",
            "sliding",
            [[prose(5, 30, number) for number in range(many)]],
            {FIRST: None, FINAL: 2.2, LATE: 3.4},
            channels=many,
            beside_naive=False,
        )
    )
    found.append(
        Scenario(
            "20 channels, 0.25 s apart",
            "sliding",
            [short],
            {FIRST: 0.15, STALE: 0.55, FREEZE: 1.05, FINAL: 0.15},
            channels=20,
            apart=0.25,
            beside_naive=False,
        )
    )
    return found


def _alone(quick: bool) -> Sequence[Scenario]:
    found = []
    for seconds, stale in ((8, 0.5),) if quick else ((8, 0.5), (30, 0.55)):
        runs = [[prose(seconds, 50, seed)] for seed in range(1 if quick else 3)]
        targets = {FIRST: 0.15, STALE: stale, FREEZE: 1.05, FINAL: 0.12, WORST: None}
        found.append(Scenario(f"1 answer, {seconds} s, sliding", "sliding", runs, targets))
        fixed = {FIRST: 0.15, STALE: 0.75, FREEZE: 1.4, FINAL: 0.12, WORST: None}
        found.append(Scenario(f"1 answer, {seconds} s, fixed", "fixed", runs[:1], fixed))
    # Its first text waits for the webhook to be made.
    name, faces = "1 answer with a face, 8 s, sliding", [[prose(8, 50, seed)] for seed in range(1 if quick else 3)]
    shown = {FIRST: None, STALE: 0.5, FREEZE: 1.05, FINAL: 0.12, WORST: None}
    found.append(Scenario(name, "sliding", faces, shown, beside_naive=False, rule=with_a_face))
    return found


def _three(quick: bool, window: WindowKind) -> Sequence[Scenario]:
    lot = random.Random(7)
    lengths = [[8.0, 8.0, 8.0], *([lot.uniform(5, 15) for _ in range(3)] for _ in range(0 if quick else 2))]
    runs = [[prose(seconds, 50, number) for number, seconds in enumerate(each)] for each in lengths]
    sliding = {FIRST: 0.3, STALE: 1.45, FREEZE: 3.6, FINAL: 0.12, WORST: None}
    fixed = {FIRST: 0.3, STALE: 2.1, FREEZE: 5.1, FINAL: 0.12, WORST: 1.8}
    targets = sliding if window == "sliding" else fixed
    return [
        Scenario(f"3 answers, 1 channel, {window}", window, runs, targets),
        Scenario(f"3 answers, 1 channel, 0.37 s apart, {window}", window, runs, targets, apart=0.37),
    ]


async def code_blocks(tokens: int, runs: int) -> Sequence[Figure]:
    """Every character arrives, and no message ever shows a word on the wrong side of a fence."""
    scenario = Scenario("code", "sliding", (), {})
    scripts = [coded(tokens, 100, seed) for seed in range(runs)]
    each = [await run(duologue, scenario, [script]) for script in scripts]
    usual, theirs = await run(naive, scenario, scripts[:1])
    states = [state for _, answers in each for answer in answers for state in answer.states]
    bad, worse = _broken(states), _broken([state for answer in theirs for state in answer.states])
    final, _, worst = spread([answer.final for measured, _ in each for answer in measured.answers])
    told = f"usual rule {usual.answers[0].final:.2f}" if usual.answers else ""
    lost, refused = sum(measured.lost for measured, _ in each), sum(measured.refused for measured, _ in each)
    name = f"{tokens:,} tokens at 100/s with code blocks"
    return [
        Figure(f"{name}: answers with a character missing", lost, "", 0, f"usual rule {usual.lost}"),
        Figure(f"{name}: broken fences in {len(states)} states shown", bad, "", 0, f"usual rule {worse}"),
        Figure(f"{name}: {FINAL}", final, "s", 0.15, told),
        Figure(f"{name}: {WORST}", worst, "s", None, f"of {runs} runs"),
        Figure(f"{name}: 429", refused, "", 0, f"usual rule {usual.refused}"),
    ]


def _broken(states: Sequence[str]) -> int:
    return sum(wrong_side(state) > 0 for state in states)


async def main(quick: bool = False, only: str = "") -> None:
    figures: list[Figure] = []
    for scenario in scenarios(quick):
        if only in scenario.name:
            found = await measure(scenario)
            figures += found
            print(table(found).split("\n", 2)[2], flush=True)
    if only in "code":
        found = await code_blocks(500 if quick else 1500, 1 if quick else 3)
        figures += found
        print(table(found).split("\n", 2)[2], flush=True)
    missed = [figure.name for figure in figures if not figure.is_met]
    print(f"\n{table(figures)}\n\nMissed: {', '.join(missed) or 'none'}. {load()}\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run of each, and no long answers")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    args = parser.parse_args()
    asyncio.run(main(args.quick, args.only))
