"""Figures beside their targets, as a Markdown table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured. With `target` None it is only told, for comparison."""

    name: str
    value: float
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.target is None or self.value <= self.target

    def row(self) -> str:
        told = f"{self.value:,.{0 if self.value >= 100 or self.value == int(self.value) else 2}f} {self.unit}".rstrip()
        if self.target is None:
            return f"| {self.name} | {told} | | | {self.note} |"
        ratio = f"{self.value / self.target:.0%}" if self.target else "–"
        met = "met" if self.is_met else "**missed**"
        return f"| {self.name} | {told} | ≤ {self.target:g} {self.unit}".rstrip() + f" | {met}, {ratio} | {self.note} |"


def table(figures: Sequence[Figure]) -> str:
    head = ["| figure | measured | target | of the target | note |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(figure.row() for figure in figures)])


def load() -> str:
    """How busy the machine is: figures of a busy one are worth less."""
    one, five, _ = os.getloadavg()
    return f"Load of the machine: {one:.1f} over the last minute, {five:.1f} over five, on {os.cpu_count()} cores."
