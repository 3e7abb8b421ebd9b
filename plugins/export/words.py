"""Sentences that chat and terminal share."""

from __future__ import annotations

from bot.api import Restored, counted, say

MOST_NAMES = 8


def told_of(restored: Restored) -> str:
    names = ", ".join(f"`{each.replace('`', chr(39))}`" for each in restored.branches[:MOST_NAMES])
    names += " …" if len(restored.branches) > MOST_NAMES else ""
    if not restored.is_new:
        return say("This file is here already, so nothing changed: {names}.", names=names)
    count = restored.messages
    told = counted(count, "{count} message is in: {names}.", "{count:,} messages are in: {names}.", names=names)
    if restored.active:
        return f"{told} {say('We go on from there.')}"
    return f"{told} {say('`/branch switch` goes on from there; what was said here stays as it is.')}"
