"""One answer as rows: which are final, which may still change, and what stands below them."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.terminal.blocks import Chunk, cut, is_table, presentable
from adapters.terminal.render import Renderer, plain
from adapters.terminal.safe import Cleaner, clean
from adapters.terminal.words import tool_ended, tool_running
from bot.api import Done, Notice, Piece, Reply, Speaker, Text, ToolEnd, ToolStart, footer

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class AnswerView:
    """Takes pieces, gives frames. `began` is when the answer was opened, `colour` that of its speaker's name."""

    def __init__(self, renderer: Renderer, began: float, *, footer: bool, colour: str = "magenta") -> None:
        self._renderer = renderer
        self._began = began
        self._footer = footer
        self._colour = colour
        self._cleaner = Cleaner()
        self._open = Chunk("")
        self._kept_of_open: list[str] = []
        self._gap = True
        self._keep: list[str] = []
        self._interjections: list[str] = []
        self._tools: dict[str, ToolStart] = {}
        self._notices: list[str] = []
        self._done: Done | None = None
        self._characters = 0

    def introduce(self, speaker: Speaker | None, *, gap: bool = True) -> None:
        self._keep += [""] if gap else []
        self._gap = False
        if speaker is not None:
            self._keep += self._renderer.line(clean(speaker.name), f"bold {self._colour}")

    def take(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            match piece:
                case Text(text):
                    self._characters += len(text)
                    self._open = Chunk(self._open.source + self._cleaner.feed(text), self._open.joined)
                case ToolStart():
                    self._close_text()
                    self._tools[piece.id] = piece
                case ToolEnd():
                    self._close_text()
                    line = tool_ended(self._tools.pop(piece.id, None), piece)
                    self._keep += self._renderer.line(line, "red" if piece.failed else "dim", indent=2)
                    self._gap = True
                case Notice(text):
                    self._notices.append(clean(text).strip())
                case Done():
                    self._done = piece
        self._settle_blocks()

    def interject(self, rows: list[str]) -> None:
        """Rows of something else that was said meanwhile; they stand after the block that is being written."""
        self._interjections += rows

    def frame(self, now: float) -> tuple[list[str], list[str]]:
        """Rows to keep since the last frame, and the live rows below them, fewer than the screen has."""
        below = self._below(now)
        height = max(1, self._renderer.size[1] - 1 - len(below))
        rows = after_kept(self._rows(self._open, presentable(self._open.source)), self._kept_of_open)
        if not rows and not self._kept_of_open:
            self._keep, self._interjections = self._keep + self._interjections, []
        over = len(rows) - height
        if over > 0 and is_table(self._open.source):
            # The widths of its columns are known at the end only.
            rows = rows[over:]
        elif over > 0:
            self._keep += rows[:over]
            self._kept_of_open += rows[:over]
            rows = rows[over:]
        keep, self._keep = self._keep, []
        return keep, [*rows, *below]

    def last_rows(self, *, broken: bool) -> list[str]:
        self._open = Chunk(self._open.source + self._cleaner.finish(), self._open.joined)
        self._close_text()
        for tool in self._tools.values():
            self._keep += self._renderer.line(tool_running(tool), "dim", indent=2)
        for notice in self._notices:
            self._keep += self._renderer.line(notice, "yellow", indent=2)
        parts = footer(self._done) if self._done and self._footer else []
        if broken and (self._done is None or self._done.reason == "stop"):
            parts.insert(0, "broken off")
        if parts:
            self._keep += self._renderer.parts(parts, "dim")
        keep = [*self._keep, *self._interjections, ""]
        self._keep, self._interjections = [], []
        return keep

    def all_rows(self, *, broken: bool, speaker: Speaker | None) -> list[str]:
        """Of an answer that is shown at once when it is complete."""
        taken, self._keep = self._keep, []
        self.introduce(speaker)
        self._keep += taken
        return self.last_rows(broken=broken)

    def reply_rows(self, reply: Reply) -> list[str]:
        if not reply.text.strip():
            return []
        self.introduce(reply.speaker)
        self.take([Text(reply.text)])
        return self.last_rows(broken=False)

    def _below(self, now: float) -> list[str]:
        """Running tools, notices and the spinner."""
        rows = [
            row for tool in self._tools.values() for row in self._renderer.line(tool_running(tool), "dim", indent=2)
        ]
        rows += [row for notice in self._notices for row in self._renderer.line(notice, "yellow", indent=2)]
        seconds = max(0.0, now - self._began)
        parts = [f"{SPINNER[int(seconds * 10) % len(SPINNER)]} {seconds:.1f} s"]
        if self._characters:
            parts.append(f"~{max(1, self._characters // 4)} tokens")
        parts.append("Ctrl-C stops")
        return [*rows, *self._renderer.line(" · ".join(parts), "dim", indent=2)[:1]]

    def _close_text(self) -> None:
        if self._open.source:
            self._keep_chunk(self._open)
        self._open, self._kept_of_open = Chunk(""), []

    def _settle_blocks(self) -> None:
        parted = cut(self._renderer.parser, self._open)
        for chunk in parted.finished:
            self._keep_chunk(chunk)
        self._open = parted.rest

    def _keep_chunk(self, chunk: Chunk) -> None:
        rows = self._rows(chunk, chunk.source)
        kept = self._kept_of_open
        self._keep += after_kept(rows, kept)
        # What was open may have been the beginning of two parts: then more was kept than belongs to this one.
        self._kept_of_open = kept[len(rows) :]
        self._gap = self._gap or bool(rows)
        if not self._kept_of_open:
            self._keep, self._interjections = self._keep + self._interjections, []

    def _rows(self, chunk: Chunk, source: str) -> list[str]:
        rows = self._renderer.markdown(source)
        if rows and self._gap and not chunk.joined:
            rows.insert(0, "")
        return rows


def after_kept(rows: list[str], kept: list[str]) -> list[str]:
    """The rows that follow those already on the screen; counted by letters where the wrapping has changed since."""
    if not kept:
        return rows
    if [plain(row) for row in rows[: len(kept)]] == [plain(row) for row in kept]:
        return rows[len(kept) :]
    seen = sum(_letters(row) for row in kept)
    for index, row in enumerate(rows):
        if seen <= 0:
            return rows[index:]
        seen -= _letters(row)
    return []


def _letters(row: str) -> int:
    return sum(letter.isalnum() for letter in plain(row))
