"""How fresh and how complete live answers are on Slack: the real SDK against the fake Slack, beside the usual rule and
the SDK's own helper for streams.

python -m benchmarks.slack_answers [--quick] [--only NAME]
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from adapters.slack.testing import FakeSlack
from benchmarks.answering import Answered, Script, coded, missing, prose, wrong_side
from benchmarks.figures import Figure, load, table
from benchmarks.measures import Freshness
from benchmarks.slack_answering import (
    LATENCY,
    PIECES,
    Rule,
    backwards,
    by_edits,
    by_streams,
    crowded,
    crowded_helper,
    doubled,
    gaps,
    helper,
    in_a_minute,
    lost,
    naive,
)

EDITS = 50
FINAL = "last token → last text, worst"


@dataclass(slots=True)
class Measured:
    """What came of some answers on one Slack. `refused` are calls that were one too many, `broken` those that Slack
    would not take as they were; `open` are messages that stream for ever."""

    answers: Sequence[Answered]
    refused: int
    broken: int
    edits: int
    open: int
    fresh: Sequence[Freshness] = field(init=False)

    def __post_init__(self) -> None:
        self.fresh = [answer.fresh() for answer in self.answers if not missing(answer)]

    @property
    def missing(self) -> int:
        return sum(map(missing, self.answers))

    @property
    def final(self) -> float:
        """The far future where something is missing for good."""
        whole = len(self.fresh) == len(self.answers)
        return max(each.final for each in self.fresh) if whole else float("inf")

    @property
    def backwards(self) -> int:
        return sum(map(backwards, self.answers))

    @property
    def gap(self) -> float:
        return median([gap for answer in self.answers for gap in gaps(answer)] or [float("inf")])


async def run(rule: Rule, *scripts: Script, one_after_another: bool = False, stops_refused: int = 0) -> Measured:
    """All of them in one channel of a new Slack."""
    async with FakeSlack(latency=LATENCY) as fake:
        told_to = fake.fails("chat.stopStream", status=429, retry_after=1, times=stops_refused)
        async with rule(fake) as ask:
            answers: list[Answered] = []
            if one_after_another:
                for script in scripts:
                    answers.append(await ask(fake.general, script))
            else:
                answers += await asyncio.gather(*(ask(fake.general, script) for script in scripts))
        wrong = [call for call in fake.calls if call.error and call.error != "ratelimited"]
        return Measured(
            answers,
            refused=len(fake.refused) - told_to.met,
            broken=len(wrong),
            edits=in_a_minute([call.at for call in fake.called("chat.update")]),
            open=len(fake.streaming),
        )


async def fast(quick: bool) -> Sequence[Figure]:
    """2,000 tokens at 100 a second; three of them follow each other, so that they take a minute."""
    scripts = [prose(20, 100, seed) for seed in range(1 if quick else 3)]
    ours = await run(by_edits, *scripts, one_after_another=True)
    usual = await run(naive, *scripts, one_after_another=True)
    name = f"2,000 tokens at 100/s by edits, {len(scripts)} in a row"
    return [
        Figure(f"{name}: 429", ours.refused, "", 0, f"usual rule {usual.refused}"),
        Figure(f"{name}: {FINAL}", ours.final, "s", 0.5, beside(ours.final, usual.final)),
        Figure(f"{name}: edits in any minute", ours.edits, "", EDITS, f"usual rule {usual.edits}"),
        Figure(f"{name}: text went backwards", ours.backwards, "", 0, f"usual rule {usual.backwards}"),
        Figure(f"{name}: letters missing", ours.missing, "", 0, f"usual rule {usual.missing}"),
    ]


async def three(quick: bool) -> Sequence[Figure]:
    scripts = [prose(10 if quick else 30, 50, seed) for seed in range(3)]
    ours, usual = await run(by_edits, *scripts), await run(naive, *scripts)
    name = f"3 answers of {10 if quick else 30} s at once by edits"
    return [
        Figure(f"{name}: 429", ours.refused, "", 0, f"usual rule {usual.refused}"),
        Figure(f"{name}: {FINAL}", ours.final, "s", 0.5, beside(ours.final, usual.final)),
        Figure(f"{name}: visible gap, median", ours.gap, "s", 2.5, beside(ours.gap, usual.gap)),
        Figure(f"{name}: text went backwards", ours.backwards, "", 0, f"usual rule {usual.backwards}"),
    ]


async def slow(quick: bool) -> Sequence[Figure]:
    script = prose(8 if quick else 30, 10, 1)
    ours, theirs = await run(by_streams, script), await run(helper, script)
    name = "native stream at 10 tokens/s"
    mine, other = ours.fresh[0], theirs.fresh[0]
    return [
        Figure(f"{name}: first token → first text", mine.first, "s", 0.5, beside(mine.first, other.first, "SDK")),
        Figure(f"{name}: longest gap", mine.freeze, "s", 1.5, beside(mine.freeze, other.freeze, "SDK")),
        Figure(f"{name}: {FINAL}", mine.final, "s", 0.5, beside(mine.final, other.final, "SDK")),
        Figure(f"{name}: text went backwards", ours.backwards, "", 0, f"SDK {theirs.backwards}"),
    ]


async def together(quick: bool) -> Sequence[Figure]:
    async with FakeSlack(latency=LATENCY) as fake:
        ours = await crowded(fake)
        refused = len(fake.refused)
    async with FakeSlack(latency=LATENCY) as fake:
        theirs = await crowded_helper(fake)
        other = len(fake.refused)
    name = f"{PIECES} appends and {PIECES} cards at once"
    return [
        Figure(f"{name}: lost", lost(ours), "", 0, f"SDK {lost(theirs)}"),
        Figure(f"{name}: doubled", doubled(ours), "", 0, f"SDK {doubled(theirs)}"),
        Figure(f"{name}: 429", refused, "", 0, f"SDK {other}"),
    ]


async def long(quick: bool) -> Sequence[Figure]:
    """Code blocks, whose fences arrive in pieces."""
    script = coded(7_500, 500)
    figures = []
    for how, rule, other, who in (("streams", by_streams, helper, "SDK"), ("edits", by_edits, naive, "usual rule")):
        ours, theirs = await run(rule, script), await run(other, script)
        size = len(script.text)
        name = f"{size:,} characters with code blocks, by {how}"
        # A stream only grows: its last block is open until the text has closed it.
        states, others = (
            [look for answer in each.answers for look in (answer.messages if how == "streams" else answer.states)]
            for each in (ours, theirs)
        )
        figures += [
            Figure(f"{name}: letters missing", ours.missing, "", 0, f"{who} {theirs.missing:,}"),
            Figure(
                f"{name}: broken fences in {len(states)} texts shown",
                _broken(states),
                "",
                0,
                f"{who} {_broken(others)}",
            ),
            Figure(f"{name}: calls over a limit", ours.broken + ours.refused, "", 0, _calls(who, theirs)),
            Figure(f"{name}: {FINAL}", ours.final, "s", None, beside(ours.final, theirs.final, who)),
        ]
    return figures


async def refused_stop(quick: bool) -> Sequence[Figure]:
    script = prose(3, 50, 3)
    ours, theirs = await run(by_streams, script, stops_refused=2), await run(helper, script, stops_refused=2)
    name = "429 on the stop of a stream"
    return [
        Figure(f"{name}: messages left streaming", ours.open, "", 0, f"SDK {theirs.open}"),
        Figure(f"{name}: letters missing", ours.missing, "", 0, f"SDK {theirs.missing}"),
    ]


def beside(ours: float, theirs: float, who: str = "usual rule") -> str:
    if theirs == float("inf"):
        return f"{who}: never"
    return f"{who} {theirs:.2f} s" + (f", ours {ours / theirs:.0%} of it" if theirs > 0.005 else "")


def _calls(who: str, measured: Measured) -> str:
    return f"{who} {measured.broken + measured.refused}"


def _broken(texts: Sequence[str]) -> int:
    return sum(wrong_side(text) > 0 for text in texts)


PARTS: Mapping[str, Callable[[bool], Awaitable[Sequence[Figure]]]] = {
    "fast": fast,
    "three": three,
    "slow": slow,
    "together": together,
    "long": long,
    "stop": refused_stop,
}


async def main(quick: bool = False, only: str = "") -> None:
    figures: list[Figure] = []
    for name, part in PARTS.items():
        if only in name:
            figures += await part(quick)
            print(f"… {name}: {load()}", flush=True)
    missed = [figure.name for figure in figures if not figure.is_met]
    print(f"\n{table(figures)}\n\nMissed: {', '.join(missed) or 'none'}. {load()}\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter answers")
    parser.add_argument("--only", default="", choices=["", *PARTS])
    options = parser.parse_args()
    asyncio.run(main(options.quick, options.only))
