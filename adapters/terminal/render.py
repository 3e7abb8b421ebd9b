"""Markdown and small lines as rows of a terminal, drawn by rich."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, HorizontalRule, Markdown, MarkdownElement
from rich.segment import Segment, Segments
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

_THEME = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.code": "cyan",
        "markdown.block_quote": "dim",
        "markdown.item.bullet": "cyan",
        "markdown.item.number": "cyan",
        "markdown.hr": "dim",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
        "markdown.small": "dim",
    }
)
# How chat programs write a line in small letters.
_SMALL = "-# "
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class _Code(CodeBlock):
    """Code in the terminal's own colours, set in by two columns, nothing around it that would be copied along."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip("\n")
        yield Syntax(
            code, self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 2), background_color="default"
        )


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}


class _Line(HorizontalRule):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("─" * min(24, options.max_width), style="dim")


class _ChatMarkdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": _Code,
        "code_block": _Code,
        "heading_open": _Heading,
        "hr": _Line,
    }
    inlines = Markdown.inlines | {"small"}


class Renderer:
    """Rows are texts with colour codes, without newline, never as wide as the screen."""

    def __init__(self, size: Callable[[], tuple[int, int]], code_theme: str) -> None:
        self._size = size
        self._code_theme = code_theme
        self._console = Console(
            file=StringIO(), force_terminal=True, legacy_windows=False, theme=_THEME, highlight=False, emoji=False
        )
        # Tags are shown as they are: dropped, they would be words of the answer that nobody sees.
        self.parser = MarkdownIt().enable(["strikethrough", "table"]).disable(["html_block", "html_inline"])
        self.parser.block.ruler.before("paragraph", "outdent", _ends_an_item, {"alt": ["paragraph"]})

    @property
    def size(self) -> tuple[int, int]:
        return self._size()

    def markdown(self, source: str) -> list[str]:
        document = _ChatMarkdown("", code_theme=self._code_theme, hyperlinks=False)
        document.parsed = _for_chat(self.parser.parse(source))
        return self._rows(document)

    def line(self, text: str, style: str, *, indent: int = 0) -> list[str]:
        pad = " " * indent
        inner = max(8, self._width() - indent)
        wrapped = Text(text, style=style).wrap(self._console, inner)
        return [pad + row for part in wrapped for row in self._rows(part)]

    def parts(self, parts: Sequence[str], style: str, *, indent: int = 2) -> list[str]:
        """Joined with dots, broken between parts rather than inside them."""
        rows: list[str] = []
        for part in parts:
            joined = f"{rows[-1]} · {part}" if rows else part
            if rows and cell_len(joined) <= self._width() - indent:
                rows[-1] = joined
            else:
                rows.append(part)
        return [row for text in rows for row in self.line(text, style, indent=indent)]

    def _rows(self, renderable: RenderableType) -> list[str]:
        options = self._console.options.update(width=self._width(), height=None)
        lines = [_without_tail(line) for line in self._console.render_lines(renderable, options, pad=False)]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        segments = [segment for line in lines for segment in [*line, Segment.line()]]
        with self._console.capture() as drawn:
            self._console.print(Segments(segments), soft_wrap=True, end="")
        return drawn.get().split("\n")[:-1]

    def _width(self) -> int:
        """One less than the screen: a full last column makes terminals differ about where the cursor is."""
        return max(10, self.size[0] - 1)


def plain(row: str) -> str:
    return _ESCAPE.sub("", row)


def _without_tail(line: list[Segment]) -> list[Segment]:
    """Without the spaces that rich fills rows with: they would be copied, and wrap when the window gets narrower."""
    line = list(line)
    while line and not line[-1].text.rstrip(" ") and (line[-1].style is None or line[-1].style.bgcolor is None):
        line.pop()
    if line and (line[-1].style is None or not line[-1].style.underline):
        text, style, control = line[-1]
        line[-1] = Segment(text.rstrip(" "), style, control)
    return line


def _ends_an_item(state: StateBlock, line: int, _end: int, silent: bool) -> bool:
    """What begins left of an item's text is no part of it: in chat each line break is meant."""
    return silent and 0 <= state.sCount[line] < state.blkIndent


def _for_chat(tokens: list[Token]) -> list[Token]:
    """Line breaks stay line breaks, and an address is readable wherever its words link to."""
    for token in tokens:
        if token.children is not None and token.type == "inline":
            token.children = _small_lines(_spelt_links(token.children))
            for child in token.children:
                if child.type == "softbreak":
                    child.type = "hardbreak"
    return tokens


def _small_lines(children: Sequence[Token]) -> list[Token]:
    result: list[Token] = []
    at_start, small = True, False
    for child in children:
        breaks = child.type in ("softbreak", "hardbreak")
        if breaks and small:
            result.append(Token("small_close", "small", -1))
            small = False
        if at_start and child.type == "text" and child.content.startswith(_SMALL):
            result.append(Token("small_open", "small", 1))
            child.content, small = child.content.removeprefix(_SMALL), True
        result.append(child)
        at_start = breaks
    return [*result, Token("small_close", "small", -1)] if small else result


def _spelt_links(children: Sequence[Token]) -> list[Token]:
    result: list[Token] = []
    address, words = "", ""
    for child in children:
        if child.type == "link_open":
            address, words = str(child.attrs.get("href", "")), ""
        elif child.type == "link_close":
            if address not in (words, f"mailto:{words}"):
                result.append(Token("text", "", 0, content=f" ({address})"))
        elif child.type == "image":
            source = str(child.attrs.get("src", ""))
            result.append(Token("text", "", 0, content=f"[{child.content}] ({source})" if child.content else source))
        else:
            words += child.content
            result.append(child)
    return result
