"""What stands below an answer that did not end as it should."""

from __future__ import annotations

import asyncio

from bot.errors import BotError
from bot.replies import Reason
from bot.words import phrase, say

_MARKS: dict[Reason, str] = {
    "length": phrase("⚠️ cut off — say “go on” to continue"),
    "filtered": phrase("⚠️ the provider's filter ended this answer"),
    "truncated": phrase("⚠️ the connection broke off — say “go on” to continue"),
    "stopped": phrase("⏹ stopped"),
    "failed": phrase("⚠️ something went wrong — say “go on” to continue"),
}
# Where buttons below the answer tell how to go on.
_MARKS_ABOVE_BUTTONS: dict[Reason, str] = {
    **_MARKS,
    "length": phrase("⚠️ cut off"),
    "truncated": phrase("⚠️ the connection broke off"),
    "failed": phrase("⚠️ something went wrong"),
}
# The bot itself is being stopped: its next start takes the answer up.
_PUT_DOWN = phrase("⏸ interrupted — I go on as soon as I am back")


def end_mark(error: BaseException | None, reason: Reason | None, *, buttons: bool = False) -> str:
    """What stands below an answer that did not end as it should; empty when it did."""
    if isinstance(error, asyncio.CancelledError):
        return say(_PUT_DOWN)
    if isinstance(error, BotError):
        return f"⚠️ {say(error.public)}"
    marks = _MARKS_ABOVE_BUTTONS if buttons else _MARKS
    if error is not None:
        return say(marks["failed"])
    return say(marks[reason]) if reason in marks else ""
