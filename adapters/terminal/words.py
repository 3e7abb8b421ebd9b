"""The small lines around an answer: calls of tools and what came of them."""

from __future__ import annotations

import json

from adapters.terminal.safe import clean
from bot.api import ToolEnd, ToolStart


def tool_running(tool: ToolStart) -> str:
    return f"· {_call(tool)} …"


def tool_ended(tool: ToolStart | None, end: ToolEnd) -> str:
    call = _call(tool) if tool else _short(end.name, 40)
    return f"{'✗' if end.failed else '✓'} {call} → {_short(end.result, 60)}"


def _call(tool: ToolStart) -> str:
    try:
        arguments = json.loads(tool.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return f"{_short(tool.name, 40)}({_short(tool.arguments, 60)})"
    shown = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
    return f"{_short(tool.name, 40)}({_short(shown, 60)})"


def _short(text: str, limit: int) -> str:
    text = " ".join(clean(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
