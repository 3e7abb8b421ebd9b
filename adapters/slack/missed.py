"""What may have been said while nobody listened: Slack tells nothing by itself, so its channels are asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from adapters.slack.calls import Calls
from adapters.slack.places import place_of
from adapters.slack.workspace import Workspace
from bot.api import DeliveryError

log = logging.getLogger(__name__)

# Each costs a call of the fifty that may be made in a minute.
MOST_CHANNELS = 30
# In the order in which people miss an answer most.
KINDS = ("im", "mpim", "private_channel,public_channel")


async def newest(calls: Calls, workspace: Workspace) -> Mapping[str, str]:
    """The id of the newest message at the top of each channel that the bot is in, by place, as far as Slack tells."""
    found: dict[str, str] = {}
    for kind in KINDS:
        for channel in await _channels(calls, kind):
            if len(found) == MOST_CHANNELS:
                return found
            try:
                answer = await calls.in_turn("conversations.history", channel=channel, limit=1)
            except DeliveryError as error:
                log.info("the newest message of %s is unknown: %s", channel, error)
                continue
            for message in answer.get("messages", ()):
                found[str(place_of(workspace.team, channel))] = str(message["ts"])
    return found


async def _channels(calls: Calls, kind: str) -> list[str]:
    """Those of late first, where Slack says when something was last changed."""
    try:
        answer = await calls.in_turn("users.conversations", types=kind, exclude_archived=True, limit=200)
    except DeliveryError as error:
        log.info("the channels of kind %s are unknown: %s", kind, error)
        return []
    channels = sorted(answer.get("channels", ()), key=lambda channel: -int(channel.get("updated", 0)))
    return [str(channel["id"]) for channel in channels]
