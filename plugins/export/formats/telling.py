"""Dates, times, figures and files in words, as all formats that are read by people tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from bot.api import counted, money, phrase, say
from plugins.export.transcript import Entry, Header, Part, Scene, Speaker, Status, Used

WEEKDAYS = (
    phrase("Monday"),
    phrase("Tuesday"),
    phrase("Wednesday"),
    phrase("Thursday"),
    phrase("Friday"),
    phrase("Saturday"),
    phrase("Sunday"),
)
MONTHS = (
    phrase("January"),
    phrase("February"),
    phrase("March"),
    phrase("April"),
    phrase("May"),
    phrase("June"),
    phrase("July"),
    phrase("August"),
    phrase("September"),
    phrase("October"),
    phrase("November"),
    phrase("December"),
)
HOW_IT_ENDED: dict[Status, str] = {
    "partial": phrase("This is as far as it went."),
    "interrupted": phrase("It was interrupted here."),
    "failed": phrase("It failed here."),
    "forgotten": phrase("This message was deleted."),
}


def weekday(at: date) -> str:
    return say(
        "{weekday}, {day} {month} {year}",
        weekday=say(WEEKDAYS[at.weekday()]),
        day=at.day,
        month=say(MONTHS[at.month - 1]),
        year=at.year,
    )


def spelled(at: date) -> str:
    return say("{day} {month} {year}", day=at.day, month=say(MONTHS[at.month - 1]), year=at.year)


def clock(at: datetime) -> str:
    return f"{at.hour:02}:{at.minute:02}"


def zone(at: datetime) -> str:
    return at.tzname() or "UTC"


def span(first: datetime, last: datetime) -> str:
    if first.date() == last.date():
        return spelled(first)
    if (first.year, first.month) == (last.year, last.month):
        month = say(MONTHS[first.month - 1])
        return say("{first}–{last} {month} {year}", first=first.day, last=last.day, month=month, year=first.year)
    return f"{spelled(first)} – {spelled(last)}"


def used(taken: Used) -> str:
    """What an answer took, in one line."""
    about = "≈ " if taken.estimated else ""
    told = [
        about + say("{input:,} tokens in, {output:,} out", input=taken.input, output=taken.output),
        say("{seconds:.1f} s", seconds=taken.seconds) if taken.seconds else "",
        say("price unknown") if taken.cost is None else about + money(taken.cost),
    ]
    return " · ".join(filter(None, told))


def ended(status: Status) -> str:
    sentence = HOW_IT_ENDED.get(status)
    return say(sentence) if sentence else ""


def moment(at: datetime) -> str:
    return f"{spelled(at)}, {clock(at)}"


def staged(scene: Scene) -> str:
    """When a scene began and how many lines it has, in one line."""
    told = [moment(scene.began)] if scene.began is not None else []
    told += [counted(scene.lines, "{count} line", "{count:,} lines")] if scene.lines else []
    return " · ".join(told)


def part(header: Header, one: Part) -> tuple[Speaker, str]:
    """Somebody in a scene, and who played them, in words."""
    player = header.speaker(one.player).name if one.player else ""
    return header.speaker(one.speaker), say("played by {name}", name=player) if player else ""


def curtain(scene: Scene, clean: Callable[[str], str] = str) -> str:
    """That and why a scene is over, and when; nothing where it is not known to be. `clean` is for the reason, which
    somebody else worded."""
    if not scene.ended and scene.ended_at is None:
        return ""
    told = say("The scene is over: {reason}.", reason=clean(scene.ended)) if scene.ended else say("The scene is over.")
    return f"{told} {moment(scene.ended_at)}" if scene.ended_at is not None else told


@dataclass(slots=True)
class Totals:
    """What a transcript held, counted while it passes by. What an answer cost counts where it is known."""

    spoke: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    tokens: int = 0
    cost: Decimal = Decimal()
    answers: int = 0
    unpriced: int = 0

    def add(self, entry: Entry) -> None:
        if entry.used is not None:
            self.tokens += entry.used.input + entry.used.output
            self.answers += 1
            if entry.used.cost is None:
                self.unpriced += 1
            else:
                self.cost += entry.used.cost
        if entry.variant_of is not None or entry.role in ("tool", "system") or "tool_calls" in entry.parts:
            return
        self.spoke[entry.speaker] += 1
        # The branches are told one after the other, so a later one may begin earlier.
        self.first = entry.at if self.first is None else min(self.first, entry.at)
        self.last = entry.at if self.last is None else max(self.last, entry.at)

    @property
    def messages(self) -> int:
        return self.spoke.total()

    def price(self) -> str:
        if not self.answers or self.unpriced == self.answers:
            return say("price unknown") if self.answers else ""
        if not self.unpriced:
            return money(self.cost)
        return counted(
            self.unpriced,
            "{cost} and one answer of unknown price",
            "{cost} and {count:,} answers of unknown price",
            cost=money(self.cost),
        )

    def told(self) -> str:
        """Dates and counts in one line."""
        return " · ".join(
            filter(
                None,
                (
                    span(self.first, self.last) if self.first and self.last else "",
                    counted(self.messages, "{count} message", "{count:,} messages"),
                    counted(self.tokens, "{count} token", "{count:,} tokens") if self.tokens else "",
                    self.price(),
                ),
            )
        )


def among(header: Header, totals: Totals) -> list[tuple[Speaker, int]]:
    """Who spoke, and how often; the order is the header's."""
    return [(one, totals.spoke[one.key]) for one in header.speakers if totals.spoke[one.key]]
