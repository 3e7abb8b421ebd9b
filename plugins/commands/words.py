"""Bits of text that the commands share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from pydantic import JsonValue

from bot.api import say

MOST_SUGGESTIONS = 25
MARKUP = re.compile(r"([\\`*_~|#>\[\]])")


def cut(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def code(text: str) -> str:
    return f"`{cut(text.replace('`', chr(39)), 60)}`"


def value_text(value: JsonValue) -> str:
    if isinstance(value, float):
        return say("{value:g}", value=value)
    if isinstance(value, int) and not isinstance(value, bool):
        return say("{value:,}", value=value)
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 100)


def literally(text: str) -> str:
    """Shown letter by letter, whatever markup it has."""
    return MARKUP.sub(r"\\\1", text)


def suggestions(names: Iterable[str], typed: str) -> list[str]:
    """Those that begin with what was typed, then those that have it inside."""
    typed = typed.strip().removeprefix("/").lower()
    found = [name for name in names if typed in name.lower()]
    return sorted(found, key=lambda name: not name.lower().startswith(typed))[:MOST_SUGGESTIONS]
