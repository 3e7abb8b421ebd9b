"""Tables, which mrkdwn does not know, as aligned lines for a code block."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from adapters.slack.escaping import quieted
from adapters.slack.inline import plain

_CELL_END = re.compile(r"(?<!\\)\|")
_DELIMITER = re.compile(r"^[ \t]*:?-+:?[ \t]*$")
# A table is not padded to more than so many times its own length.
_MOST_PADDING = 2


def is_row(line: str) -> bool:
    return "|" in line and bool(line.strip(" \t|"))


def is_delimiter_row(line: str, header: str) -> bool:
    cells = _cells(line)
    return (
        "-" in line
        and "|" in line
        and all(_DELIMITER.match(cell) for cell in cells)
        and len(cells) == len(_cells(header))
    )


def table(lines: Sequence[str]) -> list[str]:
    """The lines of a Markdown table, the second of which is its delimiter row."""
    sides = [_side(cell) for cell in _cells(lines[1])]
    rows = [_row(line, len(sides)) for line in (lines[0], *lines[2:])]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(sides))]
    rule = "─┼─".join("─" * width for width in widths)
    padded = [" │ ".join(_pad(*cell) for cell in zip(row, widths, sides, strict=True)).rstrip() for row in rows]
    if sum(map(len, (*padded, rule))) > _MOST_PADDING * sum(map(len, lines)):
        return [" │ ".join(row).rstrip() for row in rows]
    return [padded[0], rule, *padded[1:]]


def _cells(line: str) -> list[str]:
    line = line.strip()
    line = line.removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    return [cell.strip() for cell in _CELL_END.split(line)]


def _row(line: str, columns: int) -> list[str]:
    cells = [plain(re.sub(r"<br\s*/?>", " ", cell.replace("\\|", "|"))) for cell in _cells(line)]
    cells = [quieted(cell).replace("\n", " ") for cell in cells]
    # What is too much stays readable behind the last column.
    if len(cells) > columns:
        cells[columns - 1 :] = [" ".join(cells[columns - 1 :])]
    return cells + [""] * (columns - len(cells))


def _side(cell: str) -> str:
    cell = cell.strip()
    if cell.endswith(":"):
        return "middle" if cell.startswith(":") else "right"
    return "left"


def _pad(text: str, width: int, side: str) -> str:
    room = width - _width(text)
    left = {"left": 0, "middle": room // 2, "right": room}[side]
    return " " * left + text + " " * (room - left)


def _width(text: str) -> int:
    """In a code block, wide scripts take two columns and accents none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) or char == "\u200b" else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
