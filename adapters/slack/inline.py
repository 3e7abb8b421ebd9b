"""Markdown inside a paragraph: what is bold, a link or code, as Slack's mrkdwn says it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from adapters.slack.escaping import GRAVE, ZERO_WIDTH_SPACE, escape, quieted

STRONG, EM, STRIKE = "*", "_", "~"
# Behind these a sign opens something in Slack, and before those it closes; beside anything else it is only a sign.
_OPENS_AFTER = frozenset(" \t\n([{\"'-–—/:;,.!?“‘«„")
_CLOSES_BEFORE = frozenset(" \t\n)]}\"'-–—/:;,.!?”’»“…")
_SCHEMES = ("http://", "https://", "mailto:", "tel:")
_TOKEN = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|(?P<auto><(?:https?://|mailto:)[^\s<>]*>|<[\w.+-]+@[\w-]+(?:\.[\w-]+)+>)"
    r"|(?P<url>https?://[^\s<>`*|\"\])]+)"
    r"|(?P<entity>&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|\w{1,31});)"
    r"|(?P<link>!?\[)"
    r"|(?P<run>\*+|_+|~~+)"
)
_TARGET = re.compile(
    r"\(\s*(?:<(?P<angled>[^<>\n]*)>|(?P<bare>(?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*))"
    r"(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)"
)
_LITERAL_SIGNS = re.compile(r"[*_~`]+")
# Nobody nests deeper, and no end is looked for without limit.
_MAX_LABEL, _MAX_BRACKETS, _MAX_OPEN = 1000, 8, 32


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text that is shown in one way. `url` is where it leads, `code` keeps it as it is."""

    text: str
    marks: frozenset[str] = frozenset()
    url: str = ""
    code: bool = False


@dataclass(slots=True)
class _Run:
    """Signs that may open or close; `at` is where they stand among the spans."""

    sign: str
    count: int
    at: int
    opens: bool
    closes: bool

    def may_pair(self, closer: _Run) -> bool:
        if self.sign != closer.sign or not self.opens or not self.count:
            return False
        if self.sign == "~":
            return True
        both = self.closes or closer.opens
        return not (both and (self.count + closer.count) % 3 == 0 and (self.count % 3 or closer.count % 3))


def render(markdown: str, *, within: str = "") -> str:
    """A paragraph as mrkdwn. `within` are marks that stand around all of it already."""
    spans = [replace(span, marks=span.marks - set(within)) for span in parse(markdown)]
    return _join(_merged(spans))


def plain(markdown: str) -> str:
    """What people would read of it, without any form: for where Slack shows none."""
    return "".join(_labelled(span) for span in parse(markdown))


def parse(markdown: str) -> list[Span]:
    spans, runs = _tokens(markdown)
    _pair(spans, runs)
    return [span for span in spans if span.text or span.url]


def _tokens(text: str) -> tuple[list[Span], list[_Run]]:
    spans: list[Span] = []
    runs: list[_Run] = []
    position = 0
    while found := _TOKEN.search(text, position):
        spans.append(Span(text[position : found.start()]))
        position = found.end()
        if found["escaped"]:
            spans.append(Span(found["escaped"]))
        elif found["ticks"]:
            span, position = _code(text, found["ticks"], position)
            spans.append(span)
        elif found["auto"]:
            address = found["auto"][1:-1]
            spans.append(Span(address, url=address if address.startswith(_SCHEMES) else ""))
        elif found["url"]:
            address = found["url"].rstrip(".,;:!?'_~")
            position = found.start() + len(address)
            spans.append(Span(address, url=address))
        elif found["entity"]:
            spans.append(Span(html.unescape(found["entity"])))
        elif found["link"]:
            linked, position = _link(text, found["link"], position)
            spans += linked
        else:
            runs.append(_run(text, found, len(spans)))
            spans.append(Span(found["run"]))
    spans.append(Span(text[position:]))
    return spans, runs


def _code(text: str, ticks: str, position: int) -> tuple[Span, int]:
    end = position
    while (end := text.find(ticks, end)) >= 0:
        after = end + len(ticks)
        while after < len(text) and text[after] == "`":
            after += 1
        if after - end == len(ticks):
            body = text[position:end].replace("\n", " ")
            if len(body) > 2 and body[0] == body[-1] == " " and body.strip():
                body = body[1:-1]
            return Span(body, code=True), after
        end = after
    return Span(ticks), position


def _link(text: str, opening: str, position: int) -> tuple[list[Span], int]:
    """The spans of a link, or its bracket alone where it is none."""
    end = _label_end(text, position)
    target = _TARGET.match(text, end + 1) if end >= 0 else None
    if target is None:
        return [Span(opening)], position
    label = plain(text[position:end]).replace("\n", " ").strip()
    address = html.unescape(target["angled"] if target["angled"] is not None else target["bare"])
    address = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", address)
    if address.casefold().startswith(_SCHEMES):
        return [Span(label or address, url=address)], target.end()
    return [Span(f"{label} ({address})" if address else label)], target.end()


def _label_end(text: str, position: int) -> int:
    depth = 0
    for at in range(position, min(len(text), position + _MAX_LABEL)):
        char = text[at]
        if text[at - 1] == "\\":
            continue
        if char == "[":
            depth += 1
            if depth > _MAX_BRACKETS:
                return -1
        elif char == "]":
            if not depth:
                return at
            depth -= 1
    return -1


def _run(text: str, found: re.Match[str], at: int) -> _Run:
    """Signs that touch a word on their right open, on their left close, as CommonMark has it. `2*3*4` is neither."""
    run = found["run"]
    before = text[found.start() - 1 : found.start()] or " "
    after = text[found.end() : found.end() + 1] or " "
    left = not after.isspace() and (not _is_sign(after) or before.isspace() or _is_sign(before))
    right = not before.isspace() and (not _is_sign(before) or after.isspace() or _is_sign(after))
    if run[0] == "_":
        left, right = left and (not right or _is_sign(before)), right and (not left or _is_sign(after))
    elif before.isalnum() and after.isalnum() and len(run) == 1 and (before + after).isascii():
        left = right = False
    return _Run(run[0], len(run), at, left, right)


def _is_sign(char: str) -> bool:
    return not char.isalnum() and not char.isspace()


def _pair(spans: list[Span], runs: list[_Run]) -> None:
    """Take away the signs that belong together, and mark what is between them."""
    openers: list[_Run] = []
    # Of each mark: how many begin (or end, below zero) with a span.
    begins = {mark: [0] * (len(spans) + 1) for mark in (STRONG, EM, STRIKE)}
    for closer in runs:
        while closer.closes and closer.count:
            latest = range(len(openers) - 1, max(len(openers) - _MAX_OPEN, 0) - 1, -1)
            index = next((i for i in latest if openers[i].may_pair(closer)), None)
            if index is None:
                break
            opener = openers[index]
            width = 2 if min(opener.count, closer.count) >= 2 else 1
            if closer.sign == "~" and width == 1:
                break
            mark = STRIKE if closer.sign == "~" else STRONG if width == 2 else EM
            begins[mark][opener.at + 1] += 1
            begins[mark][closer.at] -= 1
            opener.count -= width
            closer.count -= width
            del openers[index + 1 :]
            if not opener.count:
                openers.pop()
        if closer.opens and closer.count:
            openers.append(closer)
    for run in runs:
        spans[run.at] = replace(spans[run.at], text=run.sign * run.count)
    _mark(spans, begins)


def _mark(spans: list[Span], begins: dict[str, list[int]]) -> None:
    depth = dict.fromkeys(begins, 0)
    for at, span in enumerate(spans):
        for mark, changes in begins.items():
            depth[mark] += changes[at]
        marks = frozenset(mark for mark, count in depth.items() if count)
        if marks:
            # Slack's marks end with a line.
            spans[at] = replace(span, marks=marks, text=span.text if span.code else span.text.replace("\n", " "))


def _merged(spans: list[Span]) -> list[Span]:
    """Plain text that is shown alike, in one."""
    merged: list[Span] = []
    for span in spans:
        last = merged[-1] if merged else None
        if last and last.marks == span.marks and not (last.code or last.url or span.code or span.url):
            merged[-1] = replace(last, text=last.text + span.text)
        else:
            merged.append(span)
    return merged


def _join(spans: list[Span]) -> str:
    """Spans as mrkdwn: marks touch no white space inside, and nothing outside that would make them mere signs."""
    out: list[str] = []
    stack: list[str] = []
    closed = False
    pieces = list(_pieces(spans))
    for index, (span, body) in enumerate(pieces):
        blank = not span.code and not span.url and not body.strip()
        wanted = (_kept(stack, pieces, index) if blank else span.marks) or frozenset()
        while stack and not wanted.issuperset(stack):
            out.append(stack.pop())
            closed = True
        last = out[-1][-1:] if out else ""
        opening = sorted(wanted - set(stack), key=lambda mark: (-_reach(mark, pieces, index), mark))
        glued = closed and body[:1] not in _CLOSES_BEFORE
        if glued or (opening and not stack and last and last not in _OPENS_AFTER):
            out.append(ZERO_WIDTH_SPACE)
        out += [*opening, body]
        stack += opening
        closed = span.code
    return "".join([*out, *reversed(stack)])


def _pieces(spans: list[Span]) -> Iterator[tuple[Span, str]]:
    """Spans with what they are in mrkdwn, white space at their ends apart."""
    last = ""
    for span in spans:
        if span.code or span.url:
            body = _code_markup(span.text, last) if span.code else _link_markup(span)
            yield span, body
            last = body[-1:]
            continue
        head = span.text[: len(span.text) - len(span.text.lstrip())]
        core = span.text.strip()
        tail = span.text[len(head) + len(core) :]
        for text in (head, core, tail):
            if text:
                body = _quiet_signs(text, last)
                yield span, body
                last = body[-1:]


def _kept(stack: list[str], pieces: list[tuple[Span, str]], index: int) -> frozenset[str]:
    """White space keeps the marks that go on behind it, but not on the next line."""
    if "\n" in pieces[index][1]:
        return frozenset()
    following = next((s for s, body in islice(pieces, index + 1, None) if s.code or s.url or body.strip()), None)
    return frozenset(stack) & following.marks if following else frozenset()


def _reach(mark: str, pieces: list[tuple[Span, str]], index: int) -> int:
    """For how many pieces a mark holds: what holds longest is opened first."""
    end = index
    while end < len(pieces) and (mark in pieces[end][0].marks or pieces[end][1].isspace()):
        end += 1
    return end


def _code_markup(text: str, last: str) -> str:
    safe = escape(quieted(text.replace("`", GRAVE))) or " "
    return f"{ZERO_WIDTH_SPACE if last.isalnum() else ''}`{safe}`"


def _link_markup(span: Span) -> str:
    address = span.url.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    address = escape(address)
    if span.text == span.url:
        return f"<{address}>"
    return f"<{address}|{escape(quieted(span.text.replace('|', '¦')))}>"


def _quiet_signs(text: str, last: str) -> str:
    """Signs that mean nothing in the Markdown mean nothing in Slack either."""

    def quiet(found: re.Match[str]) -> str:
        before = text[found.start() - 1] if found.start() else last
        after = text[found.end() : found.end() + 1]
        if (before and before not in _OPENS_AFTER) or not after.strip():
            return found[0]
        return f"{ZERO_WIDTH_SPACE}{found[0]}{ZERO_WIDTH_SPACE}"

    return escape(quieted(_LITERAL_SIGNS.sub(quiet, text)))


def _labelled(span: Span) -> str:
    return f"{span.text} ({span.url})" if span.url and span.text != span.url else span.text
