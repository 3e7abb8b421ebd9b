"""Markdown-aware measuring and splitting: parts within a limit, fences closed and reopened, no character lost."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bot.markers import Fence, after_line, close_markers, is_fence_line, open_fence
from bot.rejoin import Rejoin, join_resumed

__all__ = [
    "Measure",
    "Page",
    "Pager",
    "Rejoin",
    "clip",
    "close_markers",
    "join_resumed",
    "same_text",
    "split",
    "utf16_length",
]

Measure: TypeAlias = Callable[[str], int]

# How far a decision about a cut may look beyond the limit. It is always looked at or always missing (at the end of
# the text), so that the cuts do not depend on the pieces in which a text arrives.
_LOOKAHEAD = 96
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]*_]*\s+|[。！？]")


@dataclass(frozen=True, slots=True)
class Page:
    """One part. `body` is a piece of the original text, `opening` and `closing` are all that was added to it."""

    body: str
    opening: str = ""
    closing: str = ""

    @property
    def text(self) -> str:
        return self.opening + self.body + self.closing

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to show but white space and the end of a block that is closed already."""
        return not (self.body.strip("`~> \t\r\n") if self.opening else self.body.strip())

    @property
    def visible(self) -> str:
        """What can be seen of it; empty for a blank one."""
        return "" if self.is_blank or not self.text.strip() else self.text


def utf16_length(text: str) -> int:
    """What platforms count that count UTF-16 units."""
    return len(text) + sum(char > "\uffff" for char in text)


def split(text: str, limit: int, measure: Measure = len) -> tuple[str, ...]:
    """`text` in parts of at most `limit`, cut at paragraph, line, sentence or word, fences closed and reopened.

    White space at a cut stays at the end of the part before it as far as it fits. A part that would be blank is
    left out. An unclosed fence is closed at the end.
    """
    pager = Pager(limit, measure)
    pager.feed(text)
    return tuple(page.text for page in pager.finish() if not page.is_blank)


def clip(text: str, limit: int, measure: Measure = len) -> str:
    """At most `limit`, with an ellipsis where something was cut."""
    if measure(text) <= limit:
        return text
    if limit <= 0:
        return ""
    return text[: whole_clusters(text, fitting(text, limit - 1, measure))].rstrip() + "…"


def same_text(sent: str, returned: str) -> bool:
    """Whether a platform kept what was sent: it may strip white space at the ends and of lines."""
    return sent == returned or _stripped(sent) == _stripped(returned)


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))


class Pager:
    """Splits a text that is still arriving. What is sealed never changes, however the text was chopped."""

    def __init__(self, limit: int, measure: Measure = len) -> None:
        if limit < 1:
            raise ValueError("a page holds at least one character")
        self._limit = limit
        self._measure = measure
        self._sealed: list[Page] = []
        self._tail = ""
        self._fence: Fence | None = None

    @property
    def sealed(self) -> tuple[Page, ...]:
        return tuple(self._sealed)

    @property
    def count(self) -> int:
        """Sealed pages so far."""
        return len(self._sealed)

    def page(self, index: int) -> Page:
        return self._sealed[index]

    def feed(self, text: str) -> None:
        self._tail += text
        start = 0
        while len(self._tail) - start >= self._limit + _LOOKAHEAD:
            start += self._seal(self._tail[start : start + self._limit + _LOOKAHEAD])
        if start:
            self._tail = self._tail[start:]

    def live(self) -> str:
        """The open page as it can be shown now: markers closed, within the limit, perhaps empty."""
        body = self._tail
        if not body.strip():
            return ""
        opening = self._opening()
        body = body[: fitting(body, self._limit - self._measure(opening), self._measure)]
        while body:
            shown = opening + close_markers(body, self._fence)
            excess = self._measure(shown) - self._limit
            if excess <= 0:
                return shown if shown != opening and shown.strip() else ""
            body = body[: whole_clusters(body, max(len(body) - excess, 0))]
        return ""

    def finish(self) -> tuple[Page, ...]:
        """All pages, the last one included; `feed` must not be called again."""
        start = 0
        while start < len(self._tail):
            window = self._tail[start : start + self._limit + _LOOKAHEAD]
            rest = self._rest(window) if start + len(window) == len(self._tail) else None
            if rest is not None:
                self._sealed.append(rest)
                break
            start += self._seal(window)
        self._tail = ""
        return tuple(self._sealed)

    def _rest(self, body: str) -> Page | None:
        """The last page, if all of `body` fits on it."""
        closing = _closing(open_fence(body, self._fence), body)
        page = Page(body, self._opening(), closing)
        if self._measure(page.text) <= self._limit:
            return page
        page = Page(body, self._opening())
        return page if closing and self._measure(page.text) <= self._limit and self._room(self._fence) < 8 else None

    def _opening(self) -> str:
        if self._fence is None or self._room(self._fence) < 8:
            return ""
        return self._fence.opening

    def _room(self, fence: Fence | None) -> int:
        """What is left for words on a page that begins inside this fence and ends inside another like it."""
        return self._limit - (self._measure(fence.opening + "\n" + fence.closing) if fence else 0)

    def _seal(self, window: str) -> int:
        opening = self._opening()
        room = self._limit - self._measure(opening)
        cut, fence = _best_cut(window, room, self._fence, self._measure)
        body = window[:cut]
        closing = _closing(fence, body)
        if self._measure(opening + body + closing) > self._limit:
            closing = ""
        self._sealed.append(Page(body, opening, closing))
        self._fence = fence
        return cut


def _closing(fence: Fence | None, body: str) -> str:
    if fence is None:
        return ""
    return fence.closing if body.endswith("\n") or not body else "\n" + fence.closing


def fitting(text: str, room: int, measure: Measure) -> int:
    """How many characters of `text` fit."""
    if measure is len:
        return max(0, min(room, len(text)))
    low, high = 0, min(len(text), max(room, 0))
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(slots=True)
class _Cuts:
    """The latest cut of each kind, with the fence that is open there."""

    paragraph: tuple[int, Fence | None] | None = None
    line: tuple[int, Fence | None] | None = None
    code_gap: tuple[int, Fence | None] | None = None
    code_line: tuple[int, Fence | None] | None = None


def _best_cut(window: str, room: int, fence: Fence | None, measure: Measure) -> tuple[int, Fence | None]:
    """Where a page that begins with `window` ends, and which fence is open there. At least one character."""
    cuts = _Cuts()
    position = 0
    end_of_fit = 0
    before = fence
    # The same for every line inside the same fence, and measuring may be slow.
    reaches: dict[Fence | None, int] = {}
    while position < len(window):
        newline = window.find("\n", position)
        line_end = len(window) if newline < 0 else newline
        after = after_line(before, window[position:line_end])
        if after not in reaches:
            reaches[after] = _fits_until(window, room, after, measure)
        reach = reaches[after]
        next_line = line_end + 1
        if newline < 0 or reach < next_line:
            # The page ends inside this line, or with it.
            end_of_fit = max(_fits_until(window, room, before, measure), 1)
            if line_end <= reach and newline >= 0:
                # The newline needs no room where a closing fence would have brought its own.
                _note(cuts, window, position, next_line if after else line_end, before, after)
            break
        _note(cuts, window, position, next_line, before, after)
        before = after
        position = next_line
        end_of_fit = reach
    return _choose(cuts, window, position, end_of_fit, before)


def _fits_until(window: str, room: int, fence: Fence | None, measure: Measure) -> int:
    return fitting(window, room - (measure("\n" + fence.closing) if fence else 0), measure)


def _note(cuts: _Cuts, window: str, start: int, cut: int, before: Fence | None, after: Fence | None) -> None:
    """Remember the end of a line as a place to cut, unless an empty code block would be left on either side."""
    blank = not window[start:cut].strip()
    following = window[cut : cut + _LOOKAHEAD].lstrip("\n").partition("\n")[0]
    if after is None:
        if blank:
            cuts.paragraph = (cut, None)
        cuts.line = (cut, None)
    elif before is not None and not (is_fence_line(following) and after_line(after, following) is None):
        if blank:
            cuts.code_gap = (cut, after)
        cuts.code_line = (cut, after)


def _choose(cuts: _Cuts, window: str, line: int, end: int, fence: Fence | None) -> tuple[int, Fence | None]:
    # A page must not be blank, or the next one would take over a message that had shown something.
    words = len(window) - len(window.lstrip())
    for wanted, least in ((cuts.paragraph, 0.5), (cuts.line, 0.5), (cuts.code_gap, 0.6), (cuts.code_line, 0.4)):
        if wanted is not None and wanted[0] >= least * end and wanted[0] > words:
            return wanted
    if fence is None and is_fence_line(window[line:].partition("\n")[0]):
        # Never through the line that opens a block.
        end = line if line > words else end
    if line >= end:
        return max(line, 1), fence
    if fence is None:
        sentence = max((m.end() for m in _SENTENCE_END.finditer(window, line) if m.end() <= end), default=0)
        if sentence >= 0.5 * end:
            return sentence, fence
    space = _last_space(window, line, end)
    if space > line and space > words:
        return space, fence
    earlier = max((c for c in (cuts.paragraph, cuts.line, cuts.code_line) if c), key=lambda c: c[0], default=None)
    if earlier is not None and earlier[0] > words:
        return earlier
    return whole_clusters(window, end) or end, fence


def _last_space(window: str, start: int, end: int) -> int:
    """Behind the last white space that ends at or before `end`, or at `end` if a word ends there."""
    if end < len(window) and window[end].isspace() and window[start:end].strip():
        return end
    at = end
    while at > start and not window[at - 1].isspace():
        at -= 1
    return at


def whole_clusters(text: str, cut: int) -> int:
    """The cut moved back so that no letter loses its accent and no emoji is torn, unless that goes on for ever."""
    at = cut
    while 0 < at < len(text) and _joined(text, at) and cut - at < 32:
        at -= 1
    return at if at > 0 and not (at < len(text) and _joined(text, at)) else cut


def _joined(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if after in "\u200d\ufe0e\ufe0f" or before == "\u200d" or unicodedata.category(after) in ("Mn", "Me", "Mc"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return True
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return True
    if _is_flag(before) and _is_flag(after):
        run = at
        while run > 0 and _is_flag(text[run - 1]):
            run -= 1
        return (at - run) % 2 == 1
    return before == "\r" and after == "\n"


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
