"""Bits of text that the commands share."""

from __future__ import annotations

import re

from bot.api import Remembered, clip, say

LONGEST_WHO = 32
MARKUP = re.compile(r"([\\`*_~|#>\[\]])")


def cut(text: str, longest: int) -> str:
    return clip(" ".join(text.split()), longest)


def literally(text: str) -> str:
    """Shown letter by letter, whatever markup it has."""
    return MARKUP.sub(r"\\\1", text)


def who(row: Remembered) -> str:
    said_by = (row.author or say("Someone")) if row.role == "user" else (row.speaker or say("Me"))
    return cut(said_by, LONGEST_WHO)


def quoted(row: Remembered | None, longest: int = 60) -> str:
    """The beginning of what was said, with its author."""
    if row is None or not row.text.strip():
        return say("something forgotten")
    return say("{who}: “{text}”", who=literally(who(row)), text=literally(cut(row.text, longest)))
