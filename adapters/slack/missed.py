"""What may have been said while nobody listened: Slack tells nothing by itself, so its channels are asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.slack.calls import Calls
from adapters.slack.places import is_direct, place_of
from adapters.slack.threads import Threads
from adapters.slack.workspace import Workspace
from bot.api import DeliveryError

log = logging.getLogger(__name__)

# Each costs a call of the fifty that may be made in a minute; so does each thread later on.
MOST_CHANNELS, MOST_THREADS = 30, 30
# Threads that go on below one of so many messages of a channel are told along with them.
LATELY = 15
# In the order in which people miss an answer most.
KINDS = ("im", "mpim", "private_channel,public_channel")


async def newest(calls: Calls, workspace: Workspace, threads: Threads) -> Mapping[str, str]:
    """The id of the newest message by place, as far as Slack tells: at the top of each channel that the bot is in, and
    in those threads of late in which it takes part."""
    found: dict[str, str] = {}
    replies: dict[str, str] = {}
    for kind in KINDS:
        left = MOST_CHANNELS - len(found)
        for channel in (await _channels(calls, kind))[:left] if left else ():
            top = place_of(workspace.team, channel)
            told = await _lately(calls, channel)
            found |= {str(top): str(message["ts"]) for message in told[:1]}
            for message in told:
                thread = replace(top, thread=str(message["ts"]))
                if message.get("latest_reply") and (is_direct(top) or await threads.takes_part(thread)):
                    replies[str(thread)] = str(message["latest_reply"])
    latest = sorted(replies, key=lambda place: replies[place], reverse=True)[:MOST_THREADS]
    return {**found, **{place: replies[place] for place in latest}}


async def _lately(calls: Calls, channel: str) -> list[Mapping[str, Any]]:
    """The newest first."""
    try:
        answer = await calls.in_turn("conversations.history", channel=channel, limit=LATELY)
    except DeliveryError as error:
        log.info("the newest message of %s is unknown: %s", channel, error)
        return []
    return [message for message in answer.get("messages") or () if message.get("ts")]


async def _channels(calls: Calls, kind: str) -> list[str]:
    """Those of late first, where Slack says when something was last changed."""
    try:
        answer = await calls.in_turn("users.conversations", types=kind, exclude_archived=True, limit=200)
    except DeliveryError as error:
        log.info("the channels of kind %s are unknown: %s", kind, error)
        return []
    channels = sorted(answer.get("channels", ()), key=lambda channel: -int(channel.get("updated", 0)))
    return [str(channel["id"]) for channel in channels]
