"""What was said, as HTML that loads nothing and runs nothing: Markdown without raw HTML, with few kinds of links."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from plugins.export.formats.highlighting import highlighted

MOST_MARKDOWN = 40_000
"""Characters. What is longer is shown as it was typed: parsing may take time with the square of the length."""

CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What Markdown could mean something by. All else is paragraphs and line breaks, which need no parser.
_MARKED = re.compile(r"[\\`*_\[\]<>&|~#]|://|^[ \t]*(?:[-+=]|\d{1,9}[.)])|\t|^ {4}|[\x00-\x08\x0b-\x1f\x7f-\x9f]", re.M)
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
LINKED = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x20]", re.IGNORECASE)
_BARE = re.compile(r"(?<![\w@])https?://[^\s<>\"`“”«»]{1,2000}", re.IGNORECASE)
_BEFORE_END = ".,:;!?*_~'’…"
_TASK = re.compile(r"\[([ xX])\] ")
_ALIGNED = {"text-align:left": "", "text-align:center": "mid", "text-align:right": "far"}


class Said:
    """One for a whole export."""

    def __init__(self) -> None:
        self._markdown = _markdown()

    def html(self, text: str) -> str:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if not is_marked_up(text):
            return paragraphs(text)
        if len(text) > MOST_MARKDOWN:
            typed = escape(CONTROLS.sub("\ufffd", text), quote=False)
            return f'<div class="typed">{typed}</div>\n'
        return self.parsed(text)

    def parsed(self, text: str) -> str:
        rendered: str = self._markdown.render(CONTROLS.sub("\ufffd", text))
        return rendered


def is_marked_up(text: str) -> bool:
    return _MARKED.search(text) is not None


def paragraphs(text: str) -> str:
    """Text in which Markdown means nothing."""
    text = text.strip(" \n")
    if not text:
        return ""
    told = (each.strip(" ").split("\n") for each in _BLANK.split(escape(text, quote=False)))
    return "".join("<p>" + "<br>\n".join(line.strip(" ") for line in lines) + "</p>\n" for lines in told)


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 (the parser's name for it)
        return LINKED.match(url) is not None


def _markdown() -> MarkdownIt:
    made = _Markdown("commonmark", {"html": False, "breaks": True, "xhtmlOut": False, "maxNesting": 20})
    made.enable(["table", "strikethrough"])
    made.core.ruler.push("tame", _tame)
    made.add_render_rule("fence", _code)
    made.add_render_rule("code_block", _code)
    made.add_render_rule("table_open", _table_open)
    made.add_render_rule("table_close", _table_close)
    return made


def _tame(state: StateCore) -> None:
    """The last rule of the parser: nothing that is loaded, no heading above those of the page, and bare links."""
    tokens = state.tokens
    for at, token in enumerate(tokens):
        if token.type == "inline" and token.children:
            if at > 1 and tokens[at - 2].type == "list_item_open" and _tick(token.children[0]):
                tokens[at - 2].attrs["class"] = "task"
            token.children = [*_inline(state.md, token.children)]
        elif token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 3, 6)}"
        elif token.type in ("th_open", "td_open"):
            # The page allows no style but its own.
            token.attrs = {"class": kind} if (kind := _ALIGNED.get(str(token.attrs.get("style")))) else {}


def _tick(first: Token) -> bool:
    found = _TASK.match(first.content) if first.type == "text" else None
    if found:
        first.content = ("☐ " if found[1] == " " else "☑ ") + first.content[found.end() :]
    return found is not None


def _inline(markdown: MarkdownIt, children: Sequence[Token]) -> Iterator[Token]:
    linked = False
    for token in children:
        if token.type == "link_open":
            # One that leads nowhere is but its text.
            linked = LINKED.match(str(token.attrs.get("href", ""))) is not None
            if not linked:
                continue
            token.attrs["rel"] = "noopener noreferrer nofollow"
            if token.info == "auto":
                token.attrs["class"] = "bare"
            yield token
        elif token.type == "link_close":
            if linked:
                yield token
            linked = False
        elif token.type == "image":
            yield from _picture(token, linked=linked)
        elif token.type == "text" and not linked and "://" in token.content:
            yield from _with_links(markdown, token)
        else:
            yield token


def _picture(token: Token, *, linked: bool) -> Iterator[Token]:
    """A picture that somebody linked to is not loaded: its description is a link to it."""
    href = str(token.attrs.get("src", ""))
    told = Token("text", "", 0, content="🖼 " + (token.content or href))
    if linked or not LINKED.match(href):
        yield told
    else:
        yield from _link(href, told)


def _link(href: str, told: Token, kind: str = "") -> Iterator[Token]:
    attrs: dict[str, str | int | float] = {"href": href, "rel": "noopener noreferrer nofollow"}
    yield Token("link_open", "a", 1, attrs={**attrs, "class": kind} if kind else attrs)
    yield told
    yield Token("link_close", "a", -1)


def _with_links(markdown: MarkdownIt, token: Token) -> Iterator[Token]:
    text, end = token.content, 0
    for found in _BARE.finditer(text):
        address = _address(found[0])
        href = markdown.normalizeLink(address)
        if len(address) < len("http://x") or not markdown.validateLink(href):
            continue
        if found.start() > end:
            yield Token("text", "", 0, content=text[end : found.start()])
        yield from _link(href, Token("text", "", 0, content=address), "bare")
        end = found.start() + len(address)
    if end < len(text):
        yield Token("text", "", 0, content=text[end:])


def _address(found: str) -> str:
    """Without what ends the sentence around it."""
    while found:
        opened = "([{"[")]}".index(found[-1])] if found[-1] in ")]}" else ""
        if not (found[-1] in _BEFORE_END or (opened and found.count(found[-1]) > found.count(opened))):
            break
        found = found[:-1]
    return found


def _code(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
    language = tokens[at].info.split(maxsplit=1)[0] if tokens[at].info.strip() else ""
    label = f' data-language="{escape(language[:30])}"' if language else ""
    return f'<pre dir="ltr"{label}><code>{highlighted(tokens[at].content, language)}</code></pre>\n'


def _table_open(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return '<div class="wide"><table>\n'


def _table_close(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return "</table></div>\n"
