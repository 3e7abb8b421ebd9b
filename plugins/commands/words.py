"""Bits of text that the commands share."""

from __future__ import annotations

import re

from pydantic import JsonValue

MARKUP = re.compile(r"([\\`*_~|#>\[\]])")


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def cut(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def code(text: str) -> str:
    return f"`{cut(text.replace('`', chr(39)), 60)}`"


def value_text(value: JsonValue) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else cut(str(value), 100)


def literally(text: str) -> str:
    """Shown letter by letter, whatever markup it has."""
    return MARKUP.sub(r"\\\1", text)
