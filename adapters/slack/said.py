"""What was said in an answer so far, beside the messages that show it."""

from __future__ import annotations

from adapters.slack.lengths import markdown_length
from bot.api import Button, Controls, Done, Notice, Piece, Text, clip, end_mark

_MAX_NOTES = 400
# Begins a line about an answer: Slack knows no small print, so it is quoted.
SMALL = "> "


class Said:
    def __init__(self, text: str) -> None:
        self.text = text
        # None: nobody told of any.
        self.buttons: tuple[Button, ...] | None = None
        self._notices: list[str] = []
        self._told_why = False
        self._ended: Done | None = None

    def add(self, piece: Piece) -> None:
        match piece:
            case Text(text):
                self.text += text
                self._told_why = self._told_why and not text
            case Notice(text):
                self._notices.append(text)
                self._told_why = True
            case Controls(buttons):
                self.buttons = buttons
            case Done():
                self._ended = piece

    def beside_text(self) -> list[Piece]:
        """All but the text, for another stream that goes on with it."""
        controls = [] if self.buttons is None else [Controls(self.buttons)]
        ended = [] if self._ended is None else [self._ended]
        return [*controls, *map(Notice, self._notices), *ended]

    def notes(self, error: BaseException | None) -> str:
        """What stands below the text in the end, as Markdown."""
        notes = list(self._notices)
        if not self._told_why:
            reason = self._ended.reason if self._ended is not None else None
            notes.append(end_mark(error, reason, buttons=bool(self.buttons)))
        lines = [line.strip() for note in notes for line in note.splitlines() if line.strip()]
        text = "\n\n" + "\n".join(f"{SMALL}{line}" for line in lines) if lines else ""
        return clip(text, _MAX_NOTES, markdown_length)
