"""The small line below an answer: what it took."""

from __future__ import annotations

from decimal import Decimal

from bot.replies import Done
from bot.words import counted, phrase, say

_ENDINGS = {
    "stopped": phrase("stopped"),
    "length": phrase("cut off"),
    "filtered": phrase("filtered"),
    "truncated": phrase("broken off"),
}


def footer(done: Done, *, ending: bool = True) -> list[str]:
    """`312 tokens`, `60 % cached`, `4.1 s`, `89 tok/s`, …: what is known of them. The speed leaves out the wait for the
    first one. What no model was asked for has no figures. `ending` tells one that is not as it should be."""
    parts = [say(_ENDINGS[done.reason])] if ending and done.reason in _ENDINGS else []
    used = done.usage
    if used is not None and not (used.input or used.output):
        return parts
    about = "~" if used is not None and used.estimated else ""
    if used is not None:
        parts.append(about + counted(used.output, "{count} token", "{count} tokens"))
        if used.cached and used.input:
            parts.append(say("{percent} % cached", percent=min(round(100 * used.cached / used.input), 100)))
    if done.seconds is not None:
        parts.append(say("{seconds:.1f} s", seconds=done.seconds))
        writing = done.seconds - (done.first_token or 0.0)
        if used is not None and used.output > 1 and writing > 0.01:
            speed = used.output / writing
            parts.append(about + (f"{speed:.0f} tok/s" if speed >= 10 else say("{speed:.1f} tok/s", speed=speed)))
    if done.first_token is not None:
        parts.append(say("first token {seconds:.1f} s", seconds=done.first_token))
    if done.cost is not None:
        parts.append(about + money(done.cost) if done.cost else money(done.cost))
    elif used is not None:
        parts.append(say("price unknown"))
    return parts


def money(dollars: Decimal) -> str:
    if dollars == 0:
        return say("free")
    if dollars < Decimal("0.0001"):
        return say("<$0.0001")
    return say("${amount:.4f}", amount=dollars) if dollars < 1 else say("${amount:,.2f}", amount=dollars)
