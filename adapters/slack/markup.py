"""Markdown as Slack's own mrkdwn, line by line, so that a growing text changes only near its end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.slack.escaping import ZERO_WIDTH_SPACE, Mention, as_text, escape, quieted
from adapters.slack.inline import STRONG, render
from adapters.slack.tables import is_delimiter_row, is_row, table

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})(?P<info>[^`\n]*)$")
_LATE_END = re.compile(r"^(?P<text>(?:(?!`{3}).)*[^`])(?P<mark>`{3,})[ \t]*$")
_HEADING = re.compile(r"^ {0,3}#{1,6}(?:[ \t]+(?P<title>.*?))??(?:[ \t]+#+)?[ \t]*$")
_RULE = re.compile(r"^(?:\*{3,}|-{3,}|_{3,}|(?:\* ){2,}\*|(?:- ){2,}-|(?:_ ){2,}_)[ \t]*$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-{2,})[ \t]*$")
_ITEM = re.compile(r"^(?P<indent>[ \t]*)(?P<bullet>[-*+]|\d{1,9}[.)])(?:[ \t]+(?P<text>.*))?$")
_TASK = re.compile(r"^\[(?P<mark>[ xX])\][ \t]+(?=\S)")
_QUOTE = re.compile(r"^ {0,3}>[ \t]?")
_BULLETS = ("•", "◦", "▪")
_LINE = "─" * 12
# Nobody quotes a quote of a quote of a quote.
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class _Out:
    """A line of mrkdwn; one of a code block cannot stand in a quote."""

    text: str
    is_code: bool = False


@dataclass(slots=True)
class _Paragraph:
    """Lines that belong together, and what stands before the first of them."""

    lines: list[str] = field(default_factory=list)
    lead: str = ""
    in_list: bool = False


def to_mrkdwn(markdown: str, *, mention: Mention | None = None) -> str:
    """For `text` and mrkdwn objects. Nothing in it calls anybody but `mention`, put before it."""
    lines = as_text(markdown).split("\n")
    text = "\n".join(out.text for out in _Blocks(lines).render())
    return f"{mention.markup} {text}" if mention else text


class _Blocks:
    def __init__(self, lines: Sequence[str], depth: int = 0) -> None:
        self._lines = lines
        self._depth = depth
        self._at = 0
        self._open = _Paragraph()
        self._out: list[_Out] = []

    def render(self) -> list[_Out]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line.strip():
                self._close(keep_list=True)
                self._out.append(_Out(""))
                self._at += 1
            elif not (self._fence(line) or self._quote(line) or self._table(line) or self._indented(line)):
                self._text_line(line)
                self._at += 1
        self._close()
        return self._out

    def _fence(self, line: str) -> bool:
        found = _FENCE.match(line)
        if not found:
            return False
        self._close(keep_list=True)
        indent, mark = len(found["indent"]), found["mark"]
        body: list[str] = []
        self._at += 1
        while self._at < len(self._lines):
            inner = self._lines[self._at]
            self._at += 1
            closing = _FENCE.match(inner)
            if closing and closing["mark"].startswith(mark) and not closing["info"].strip():
                break
            if (late := _LATE_END.match(inner)) and late["mark"].startswith(mark):
                # No end in CommonMark, but where parts of a text are closed it counts as one.
                body.append(late["text"])
                break
            body.append(inner[min(indent, len(inner) - len(inner.lstrip(" \t"))) :])
        self._code(body)
        return True

    def _code(self, body: Sequence[str]) -> None:
        if any(line.strip() for line in body):
            inside = "\n".join(body).replace("``", f"`{ZERO_WIDTH_SPACE}`").replace("``", f"`{ZERO_WIDTH_SPACE}`")
            self._out.append(_Out(f"```\n{escape(quieted(inside))}\n```", is_code=True))

    def _quote(self, line: str) -> bool:
        if not _QUOTE.match(line) or self._depth >= _DEEPEST:
            return False
        self._close()
        inner: list[str] = []
        while self._at < len(self._lines) and (found := _QUOTE.match(self._lines[self._at])):
            inner.append(self._lines[self._at][found.end() :])
            self._at += 1
        # Slack knows no quote in a quote.
        sign = "┃ " if self._depth else "> "
        for out in _Blocks(inner, self._depth + 1).render():
            if out.is_code:
                self._out.append(out)
            else:
                self._out += [_Out(f"{sign}{text}".rstrip()) for text in out.text.split("\n")]
        return True

    def _table(self, line: str) -> bool:
        after = self._lines[self._at + 1] if self._at + 1 < len(self._lines) else ""
        if self._open.lines or not is_row(line) or not is_delimiter_row(after, line):
            return False
        self._close()
        start = self._at
        self._at += 2
        while self._at < len(self._lines) and is_row(self._lines[self._at]):
            self._at += 1
        self._code(table(self._lines[start : self._at]))
        return True

    def _indented(self, line: str) -> bool:
        """Four spaces make a code block, but not below a list."""
        is_free = not self._open.lines and not self._open.in_list and not self._before().strip()
        if not is_free or not line.startswith(("    ", "\t")):
            return False
        body: list[str] = []
        while self._at < len(self._lines):
            inner = self._lines[self._at]
            if inner.strip() and not inner.startswith(("    ", "\t")):
                break
            body.append(inner.removeprefix("\t") if inner.startswith("\t") else inner[4:])
            self._at += 1
        blank = 0
        while body and not body[-1].strip():
            body.pop()
            blank += 1
        self._code(body)
        self._out += [_Out("")] * blank
        return True

    def _before(self) -> str:
        return self._lines[self._at - 1] if self._at else ""

    def _text_line(self, line: str) -> None:
        lines = self._open.lines
        if len(lines) == 1 and not self._open.lead and _UNDERLINE.match(line):
            title = lines.pop()
            self._out.append(_Out(_heading(title)))
        elif _RULE.match(line):
            self._close()
            self._out.append(_Out(_LINE))
        elif found := _HEADING.match(line):
            self._close()
            self._out.append(_Out(_heading(found["title"] or "")))
        elif (found := _ITEM.match(line)) and (found["text"] or not lines):
            self._close()
            text = found["text"] or ""
            self._open = _Paragraph([_TASK.sub("", text)], _lead(found, text), in_list=True)
        else:
            if not lines and self._open.in_list and not line.startswith((" ", "\t")):
                self._open.in_list = False
            lines.append(line)

    def _close(self, *, keep_list: bool = False) -> None:
        """The paragraph that was open is complete."""
        paragraph, self._open = self._open, _Paragraph(in_list=keep_list and self._open.in_list)
        if not paragraph.lines:
            return
        said = render("\n".join(paragraph.lines))
        text = paragraph.lead + said if said else paragraph.lead.rstrip()
        # An entity at the beginning of a line would quote it.
        self._out.append(_Out(re.sub(r"^(?=[ \t]*&gt;)", ZERO_WIDTH_SPACE, text, flags=re.MULTILINE)))


def _heading(title: str) -> str:
    text = render(title.strip(), within=STRONG)
    return f"*{text}*" if text.strip() and not text.startswith(("*", " ")) else text


def _lead(item: re.Match[str], text: str) -> str:
    indent = item["indent"].expandtabs(4)
    if task := _TASK.match(text):
        return f"{indent}{'☐' if task['mark'] == ' ' else '☑'} "
    if item["bullet"][0].isdigit():
        return f"{indent}{item['bullet']} "
    return f"{indent}{_BULLETS[min(len(indent) // 2, 2)]} "
