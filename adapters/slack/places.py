"""Slack's ids as places and back: a thread bears the id of the message that it hangs on."""

from __future__ import annotations

import re

from bot.api import Place

# Seconds and a counter: Slack's ids of messages, unique in a channel.
TS = re.compile(r"\d{10}\.\d{6}")


def place_of(team: str, channel: str, thread: str | None = None) -> Place:
    return Place("slack", team, channel, thread or None)


def is_direct(place: Place) -> bool:
    """A talk with one person alone."""
    return place.channel.startswith("D")


def is_ts(id: str) -> bool:
    return TS.fullmatch(id) is not None
