"""The small lines around an answer: footer, tool calls, how it ended."""

from __future__ import annotations

import json
from decimal import Decimal

from adapters.terminal.safe import clean
from bot.api import Done, ToolEnd, ToolStart, counted, phrase, say

ENDINGS = {
    "stopped": phrase("stopped"),
    "length": phrase("cut off"),
    "filtered": phrase("filtered"),
    "truncated": phrase("broken off"),
}


def footer(done: Done) -> list[str]:
    """`312 tokens`, `4.1 s`, `89 tok/s`, …: what is known of them. The speed leaves out the wait for the first one.
    What no model was asked for has no figures."""
    parts = [say(ENDINGS[done.reason])] if done.reason in ENDINGS else []
    if done.usage is not None and not (done.usage.input or done.usage.output):
        return parts
    if done.usage is not None:
        about = "~" if done.usage.estimated else ""
        parts.append(about + counted(done.usage.output, "{count} token", "{count} tokens"))
    if done.seconds is not None:
        parts.append(say("{seconds:.1f} s", seconds=done.seconds))
        writing = done.seconds - (done.first_token or 0.0)
        if done.usage is not None and done.usage.output > 1 and writing > 0.01:
            speed = done.usage.output / writing
            parts.append(about + (f"{speed:.0f} tok/s" if speed >= 10 else say("{speed:.1f} tok/s", speed=speed)))
    if done.first_token is not None:
        parts.append(say("first token {seconds:.1f} s", seconds=done.first_token))
    if done.cost is not None:
        parts.append(money(done.cost))
    return parts


def money(dollars: Decimal) -> str:
    if dollars == 0:
        return say("free")
    if dollars < Decimal("0.0001"):
        return say("<$0.0001")
    return say("${amount:.4f}", amount=dollars) if dollars < 1 else say("${amount:,.2f}", amount=dollars)


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
