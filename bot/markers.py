"""Markdown that is still being written: which fence is open, and how to close what has not been closed yet."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^([ \t>]*)(`{3,}|~{3,})([^`\n]*)$")
_INLINE_FENCE = re.compile(r"`{3,}")
_TRAILING_FENCE = re.compile(r"(`{3,})[ \t]*$")
_HALF_FENCE = re.compile(r"^[ \t>]*(?:`{1,2}|~{1,2}|`{3,}[^`\n]{0,80}|~{3,}[^`\n]{0,80})$")
_HALF_BLOCK = re.compile(r"^[ \t]*[#>*+\-_=|~]+[ \t]*$")
_BULLET = re.compile(r"[ \t>]*(?:[*+\-][ \t]+|#{1,6}[ \t]+)?")
_HALF_LINK = re.compile(r"\[([^\[\]\n]*)\]\([^()\s]*$")
_RUN = re.compile(r"\\.|`+|\*+|_+|~~|\|\|", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code block: what closes it, and what opens it again in another message."""

    mark: str
    info: str = ""
    quote: str = ""

    @property
    def opening(self) -> str:
        return f"{self.quote}{self.mark}{self.info}\n"

    @property
    def closing(self) -> str:
        return f"{self.quote}{self.mark}"


def after_line(fence: Fence | None, line: str) -> Fence | None:
    """The open fence after a complete line (given without its newline)."""
    found = _FENCE.match(line)
    if fence is None:
        if found:
            return Fence(found[2], found[3].strip(), found[1].lstrip())
        runs = list(_INLINE_FENCE.finditer(line))
        # A block that opens behind other words on its line is no fence in CommonMark, but chats show it as one.
        return Fence("```", line[runs[-1].end() :].strip()) if len(runs) % 2 else None
    if found and not found[3].strip() and found[2].startswith(fence.mark):
        return None
    closing = _TRAILING_FENCE.search(line)
    if closing and closing[1].startswith(fence.mark) and len(_INLINE_FENCE.findall(line)) % 2:
        return None
    return fence


def is_fence_line(line: str) -> bool:
    return _FENCE.match(line) is not None


def open_fence(text: str, fence: Fence | None = None) -> Fence | None:
    """What is open at the end of `text`; its last line counts as complete."""
    for line in text.split("\n"):
        if fence is not None or "`" in line or "~" in line:
            fence = after_line(fence, line)
    return fence


def close_markers(text: str, fence: Fence | None = None) -> str:
    """A half-written text as it can be shown: what is open is closed, a half-arrived marker is left out.

    `fence` is the block that is open before the text begins.
    """
    head, newline, line = text.rpartition("\n")
    opened_at = 0
    position = 0
    before = fence
    for earlier in head.split("\n") if newline else ():
        after = after_line(before, earlier) if before or "`" in earlier or "~" in earlier else before
        if after is not None and before is None:
            opened_at = position + len(earlier) + 1
        before = after
        position += len(earlier) + 1
    if before is not None:
        return _close_block(text, head + newline, line, before, opened_at)
    if _HALF_FENCE.match(line) or _HALF_BLOCK.match(line):
        text = head
    runs = list(_INLINE_FENCE.finditer(line)) if text is not head else []
    if len(runs) % 2:
        text = text[: len(text) - len(line) + runs[-1].start()]
    start = max(text.rfind("\n\n") + 2, _last_block_end(text)) if "\n" in text else 0
    return text[:start] + _close_inline(text[start:])


def _close_block(text: str, head: str, line: str, fence: Fence, opened_at: int) -> str:
    kept = line.rstrip("`~") if line.strip("`~ \t>") or line.strip(" \t>") else ""
    body = head + (kept if kept.strip(" \t>") else "")
    if not body[opened_at:].strip():
        # Nothing is in the block yet: an empty one would be shown as its own marks.
        return body[:opened_at].rstrip("\n").rpartition("\n")[0] if opened_at else ""
    return body.rstrip("\n") + "\n" + fence.closing


def _last_block_end(text: str) -> int:
    """Behind the newest closed fence: its backticks are no inline marks."""
    at = max(text.rfind("```"), text.rfind("~~~"))
    newline = text.find("\n", at) if at >= 0 else -1
    return newline + 1


@dataclass(slots=True)
class _Open:
    mark: str
    at: int


def _close_inline(text: str) -> str:
    stack: list[_Open] = []
    position = 0
    while found := _RUN.search(text, position):
        run, start, position = found[0], found.start(), found.end()
        if run[0] == "\\":
            continue
        if run[0] == "`":
            end = _code_end(text, run, position)
            if end < 0:
                return _finish(text, [*stack, _Open(run, start)])
            position = end
        elif not _is_bullet(text, start, position):
            if position == len(text) and not _closes_exactly(stack, run, text[start - 1 : start]):
                text = text[:start]
                break
            _take(stack, run, start, text)
    half = _HALF_LINK.search(text)
    if half:
        text = text[: half.start()] + half[1]
        stack = [mark for mark in stack if mark.at < half.start()]
    return _finish(text, stack)


def _code_end(text: str, run: str, position: int) -> int:
    while (position := text.find(run, position)) >= 0:
        end = position + len(run)
        while end < len(text) and text[end] == "`":
            end += 1
        if end - position == len(run):
            return end
        position = end
    return -1


def _is_bullet(text: str, start: int, end: int) -> bool:
    line = text.rfind("\n", 0, start) + 1
    bullet = _BULLET.match(text, line)
    return bullet is not None and bullet.end() >= end


def _marks(run: str) -> tuple[str, ...]:
    if run[0] in "*_":
        return ((run[0] * 2,) if len(run) >= 2 else ()) + ((run[0],) if len(run) % 2 else ())
    return (run,)


def _closes_exactly(stack: list[_Open], run: str, before: str) -> bool:
    """Whether a run at the very end, where more of it may follow, closes what is open."""
    marks = set(_marks(run))
    tops = {entry.mark for entry in stack[-len(marks) :]}
    return bool(before.strip()) and marks == tops


def _take(stack: list[_Open], run: str, start: int, text: str) -> None:
    end = start + len(run)
    before, after = text[start - 1 : start] or " ", text[end : end + 1] or " "
    inside_word = before.isalnum() and after.isalnum() and (run[0] == "_" or (before + after).isascii())
    for mark in _marks(run):
        held = next((i for i in range(len(stack) - 1, -1, -1) if stack[i].mark == mark), None)
        if held is not None and not before.isspace() and not (inside_word and run[0] == "_"):
            del stack[held:]
        elif not after.isspace() and not inside_word:
            stack.append(_Open(mark, start))


def _finish(text: str, stack: list[_Open]) -> str:
    while stack and not text[stack[-1].at :].strip(stack[-1].mark[0] + " \t\n"):
        text = text[: stack.pop().at]
    if not stack:
        return text
    return text.rstrip() + "".join(entry.mark for entry in reversed(stack))
