"""Buttons under messages, as Discord's components and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import discord

from adapters.discord.markup import as_text, length
from bot.api import Button, ButtonId, button_id, clip, parse_button_id

ROW, BUTTON = 1, 2
LOOKS = {"primary": 1, "plain": 2, "danger": 4}
IN_A_ROW, MAX_BUTTONS, MAX_LABEL, MAX_CUSTOM_ID = 5, 25, 80, 100
# What tells apart two buttons of one message that would do the same; an id never contains it.
AGAIN = "#"

Payload = dict[str, Any]  # JSON as Discord's API defines it


def components(buttons: Iterable[Button], asker: str) -> list[Payload]:
    """Rows of five; no buttons take away those that stand there. What Discord has no room for is left out."""
    made: list[Payload] = []
    used: set[str] = set()
    for button in buttons:
        id = _unused(button_id(button, asker), used)
        if id is None or len(made) == MAX_BUTTONS:
            continue
        used.add(id)
        made.append(
            {
                "type": BUTTON,
                "style": LOOKS[button.look],
                "label": clip(as_text(button.label).strip() or "…", MAX_LABEL, length),
                "custom_id": id,
                "disabled": not button.enabled,
            }
        )
    return [{"type": ROW, "components": made[at : at + IN_A_ROW]} for at in range(0, len(made), IN_A_ROW)]


class Rows(discord.ui.View):
    """What `components` made, for calls of discord.py that take nothing else. It is never called back: a press is told
    by its id alone, also to a process that knows nothing of the message."""

    def __init__(self, rows: list[Payload]) -> None:
        super().__init__(timeout=None)
        self._rows = rows
        self.stop()

    def to_components(self) -> list[dict[str, Any]]:
        return self._rows


def pressed(custom_id: str) -> ButtonId | None:
    """None for what is not a button of this bot."""
    return parse_button_id(custom_id.partition(AGAIN)[0])


def _unused(id: str, used: set[str]) -> str | None:
    """Discord takes an id once for each message."""
    for number in range(MAX_BUTTONS):
        tried = f"{id}{AGAIN}{number}" if number else id
        if len(tried) <= MAX_CUSTOM_ID and tried not in used:
            return tried
    return None
