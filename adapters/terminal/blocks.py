"""Growing Markdown cut into what is finished for good and what may still change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LISTS = ("bullet_list_open", "ordered_list_open")
# A last line of nothing but marks: what it will be is not known before its next letter.
_UNDECIDED = re.compile(r"(?:\A|(?<=\n))[ \t>]*(?:[#*+\-=_~`|>]+|\d+[.)])[ \t]*\Z")
_HALF_LINK = re.compile(r"!?\[([^\[\]\n]*)(?:\](?:\([^()\n]*)?)?\Z")
# The lines of a table at the end, and those of them that do not make it one yet.
_ROWS = re.compile(r"(?:\A|(?<=\n))(?:[ \t]*\|[^\n]*(?:\n|\Z))+\Z")
_NO_TABLE_YET = re.compile(r"[^\n]*(?:\n[ \t|:-]*)?\Z")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A finished part. `joined`: no empty line before it, as between the items of a list."""

    source: str
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    finished: tuple[Chunk, ...]
    rest: Chunk


def cut(parser: MarkdownIt, open_part: Chunk) -> Cut:
    """All blocks but the last, and all items of a list but the last, cannot change any more.

    Only whole lines decide: `#` may be a heading or a word.
    """
    whole = open_part.source[: open_part.source.rfind("\n") + 1]
    starts = _starts(parser.parse(whole)) if whole else []
    if len(starts) < 2:
        return Cut((), open_part)
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", open_part.source)
    begins = [0, *(line for line, _ in starts[1:])]
    joins = [open_part.joined, *(joined for _, joined in starts[1:])]
    ends = [*begins[1:], len(lines)]
    chunks = [Chunk("".join(lines[a:b]), joined) for a, b, joined in zip(begins, ends, joins, strict=True)]
    return Cut(tuple(chunks[:-1]), chunks[-1])


def _starts(tokens: list[Token]) -> list[tuple[int, bool]]:
    """The first line of each block and list item, and whether it joins the one before."""
    starts: list[tuple[int, bool]] = []
    in_list = first_item = False
    for token in tokens:
        if token.level == 0 and token.nesting >= 0 and token.map:
            in_list = first_item = token.type in _LISTS
            if not in_list:
                starts.append((token.map[0], False))
        elif in_list and token.level == 1 and token.type == "list_item_open" and token.map:
            starts.append((token.map[0], not first_item))
            first_item = False
    return starts


def presentable(source: str) -> str:
    """An open part as it can be shown now: marks that are not decided yet stay hidden, open ones are closed."""
    fence = _open_fence(source)
    if fence:
        last = source[source.rfind("\n") + 1 :]
        return source[: len(source) - len(last)] if last and not last.strip(f" {fence}") else source
    source = _UNDECIDED.sub("", source)
    rows = _ROWS.search(source)
    if rows and _NO_TABLE_YET.match(rows[0]):
        return source[: rows.start()]
    source = _HALF_LINK.sub(r"\1", source)
    closers = _closers(source[source.rfind("\n\n") + 1 :])
    return source.rstrip() + closers if closers else source


def is_table(source: str) -> bool:
    return source.lstrip().startswith("|")


def _open_fence(source: str) -> str:
    """The mark of a fence that is still open, or nothing."""
    fence = ""
    for line in source.split("\n")[:-1]:
        mark = re.match(r"[ \t>]*(?:[-*+]|\d+[.)])?[ \t]*(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and line.strip() == mark[1]:
            fence = ""
    return fence[:1]


def _closers(paragraph: str) -> str:
    """What closes the emphasis and code that the end of this paragraph leaves open."""
    open_marks: list[str] = []
    for match in re.finditer(r"\\.|`+|\*+|~~|_+", paragraph):
        mark = match[0]
        if mark.startswith("\\"):
            continue
        if open_marks and open_marks[-1].startswith("`"):
            if mark == open_marks[-1]:
                open_marks.pop()
            continue
        before = paragraph[match.start() - 1 : match.start()]
        after = paragraph[match.end() : match.end() + 1]
        if open_marks and open_marks[-1] == mark and before.strip():
            open_marks.pop()
        elif after.strip() and (mark.startswith("`") or not before.isalnum()):
            open_marks.append(mark)
    return "".join(reversed(open_marks))
