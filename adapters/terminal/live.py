"""The part of the screen that still changes: the fewest bytes that turn what was drawn into what is to be seen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from adapters.terminal.render import plain

# Terminals that know them show each update as a whole; the others ignore them.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class LiveRegion:
    """Rows at the bottom that are drawn over, until they are kept and scroll away with everything else.

    Between updates the cursor rests after the last live row, or on an empty line when there is none.
    """

    def __init__(self) -> None:
        self._drawn: list[str] = []
        self._width = 0

    def update(self, keep: Sequence[str], live: Sequence[str], width: int) -> str:
        """`keep` goes above for good, `live` below it for now."""
        rows = [*keep, *live]
        same = self._unchanged(rows) if width == self._width else 0
        text = self._go_to(same, width) if same < max(len(rows), len(self._drawn)) else ""
        if same < len(rows) or not rows:
            text += "\r\n".join(f"{row}\x1b[K" for row in rows[same:])
            text += "\x1b[J" if self._drawn else ""
        if rows and not live:
            text += "\r\n"
        self._drawn, self._width = list(live), width
        return f"{_BEGIN}{text}{_END}" if text else ""

    def _unchanged(self, rows: Sequence[str]) -> int:
        """How many rows from the top can stay; at least one is drawn again where the new ones are fewer."""
        same = 0
        while same < min(len(rows), len(self._drawn)) and rows[same] == self._drawn[same]:
            same += 1
        return max(0, same - 1) if same == len(rows) < len(self._drawn) else same

    def _go_to(self, row: int, width: int) -> str:
        if not self._drawn:
            return ""
        if row == len(self._drawn):
            return "\r\n"
        # A window made narrower since has broken the rows that were drawn into several.
        up = sum(max(1, -(-cell_len(plain(drawn)) // max(1, width))) for drawn in self._drawn[row:]) - 1
        return "\r" + (f"\x1b[{up}A" if up else "")
