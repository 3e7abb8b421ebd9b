"""A persona's line while it is being written: its own name taken off, cut where it begins to speak for others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import regex

END = "[[END]]"
# A line in quotes is shown only once it is known whether all of it is; longer ones keep them.
LONGEST_QUOTED = 240
QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "»": "«"}
# The longest begin of a line that may still turn out to be a name.
LONGEST_BEGIN = 160
# Whom models write for besides: what comes after it is no line of the scene.
NOBODY = ("the user", "user", "assistant", "system", "narrator")
# How what a speaker is told beside the scene begins. Some models say it aloud, and it may be for one pair of eyes.
DIRECTIONS = (
    *("a note for", "an example of how", "what happened before", "the scene begins", "continue the scene as"),
    *("write only what", "you are repeating yourself", "something just happened"),
)


class LineCleaner:
    """Give it what the model says, show what it gives back. What was given back is never taken back.

    `cut` says that somebody else's line began: what comes after it is dropped, and the model can be stopped.
    `ended` says that the persona wants the scene to end.
    """

    def __init__(self, speaker: str, others: Sequence[str]) -> None:
        self._names = _aliases(speaker, others)
        self._own = self._names[speaker]
        self._held = ""
        self._at_line_start = True
        self._said: list[str] = []
        self._quote = ""
        self.cut = False
        self.ended = False

    @cached_property
    def _begin(self) -> regex.Pattern[str]:
        """How a line begins that somebody says. Not made before the model was asked."""
        aliases = {*NOBODY, *(alias for aliases in self._names.values() for alias in aliases)}
        every = "|".join(map(regex.escape, sorted(aliases, key=len, reverse=True)))
        told = "|".join(map(regex.escape, DIRECTIONS))
        mark = r"(?:[#>]{1,6}[ \t]*)?[*_\[\"“„«]{0,3}"
        blank = r"[ \t\u200b\u2060\ufeff]*"
        aside = r"(?:[ \t]*[*_]{0,3}\([^()\n]{0,40}\)[*_]{0,3})?"
        after = r"[*_\]\"”“»]{0,3}"
        return regex.compile(
            rf"{blank}{mark}(?P<name>{every}){after}{aside}[ \t]*[:：]{after}[ \t]*"
            rf"|[ \t]*[*_]{{0,3}}\[[ \t]*(?:{told}|(?:{every}) (?:alone knows|remembers)\b)",
            # So that “Weiß” is known again, whose lower case is “weiss” where names are compared.
            regex.IGNORECASE | regex.FULLCASE,
        )

    @property
    def text(self) -> str:
        """All that was given back so far."""
        return "".join(self._said)

    def feed(self, text: str) -> str:
        self._held += text
        return self._given(self._released(complete=False), complete=False)

    def finish(self) -> str:
        """The rest."""
        return self._given(self._released(complete=True), complete=True)

    def _released(self, *, complete: bool) -> str:
        """What of the held text is certain now."""
        certain = ""
        while self._held and not (self.cut or self.ended):
            if self._at_line_start:
                if not self._judged(complete=complete):
                    break
                continue
            line, newline, rest = self._held.partition("\n")
            end = self._end_in(line)
            if end is not None:
                certain += line[:end]
                self.ended, self._held = True, ""
            elif newline:
                certain += line + newline
                self._held, self._at_line_start = rest, True
            else:
                keep = 0 if complete else _begun(line, END)
                certain += line[: len(line) - keep]
                self._held = line[len(line) - keep :]
                if keep or complete:
                    break
        if self.cut or self.ended:
            self._held = ""
        return certain

    def _judged(self, *, complete: bool) -> bool:
        """Whether it is known how the line begins; then it may go on, or everything ends here."""
        found = self._begin.match(self._held, partial=not complete)
        if found is not None and found.partial and len(self._held) < LONGEST_BEGIN:
            return False
        if found is None or found.partial:
            self._at_line_start = False
        elif (found["name"] or "").casefold() in self._own:
            if found.end() == len(self._held) and not complete:
                return False  # more of what belongs to the name may follow
            # Once more: some write their name twice.
            self._held = self._held[found.end() :]
        else:
            self.cut = True
        return True

    def _end_in(self, line: str) -> int | None:
        at = line.upper().find(END)
        return None if at < 0 else at

    def _given(self, certain: str, *, complete: bool) -> str:
        """Without blanks at both ends, and without quotes around the whole."""
        over = complete or self.cut or self.ended
        self._quote += certain
        if not self._said:
            self._quote = self._quote.lstrip()
            if not over and self._may_be_quoted():
                return ""
            if over and self._is_quoted(self._quote.rstrip()):
                self._quote = self._quote.strip()[1:-1]
        kept = self._quote if over else self._quote[: len(self._quote.rstrip())]
        text, self._quote = (kept.rstrip(), "") if over else (kept, self._quote[len(kept) :])
        if text:
            self._said.append(text)
        return text

    def _may_be_quoted(self) -> bool:
        text = self._quote.rstrip()
        if not text:
            return True
        closer = QUOTES.get(text[0])
        if closer is None or len(text) > LONGEST_QUOTED:
            return False
        at = text.find(closer, 1)
        return at in (-1, len(text) - 1)

    def _is_quoted(self, text: str) -> bool:
        closer = QUOTES.get(text[:1])
        return closer is not None and len(text) > 1 and text.find(closer, 1) == len(text) - 1


def _aliases(speaker: str, others: Sequence[str]) -> dict[str, set[str]]:
    """What each is called at the beginning of a line: the whole name, and its first word if only one has it."""
    cast = [speaker, *others]
    firsts = [name.split()[0].casefold() for name in cast if name.split()]
    found: dict[str, set[str]] = {}
    for name in cast:
        first = name.split()[0] if name.split() else ""
        called = [name, first] if len(first) > 2 and firsts.count(first.casefold()) == 1 else [name]
        # As it is written, too: not all letters are found again by what they become without case.
        found[name] = {*called, *(each.casefold() for each in called)}
    return found


def _begun(line: str, token: str) -> int:
    """How many characters at the end of the line may be the beginning of the token."""
    upper = line.upper()
    lengths = range(min(len(token) - 1, len(line)), 0, -1)
    return next((length for length in lengths if upper.endswith(token[:length])), 0)
