"""Messages whose fate is unknown because the answer to their post was lost: what they say, and finding them again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

import discord

READ_BACK = 100
# Where nothing is known of a channel, a lost message is looked for among those that are younger than this.
LONG_AGO = timedelta(minutes=2)


class Unsure:
    """Posts that may or may not have arrived. They are looked for after `after`, the newest message known before."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.after = 0
        self.failures = 0

    def trying(self, content: str, newest: int) -> None:
        """Until something else is heard, this one's fate is unknown."""
        if not self.texts:
            self.after = newest
        self.texts.add(content.strip())
        self.failures += 1


def newest(client: discord.Client, channel: int) -> int:
    known = getattr(client.get_channel(channel), "last_message_id", None)
    return known or discord.utils.time_snowflake(discord.utils.utcnow() - LONG_AGO)


async def find(
    client: discord.Client,
    channel: int,
    texts: Collection[str],
    after: int,
    is_mine: Callable[[Mapping[str, Any]], bool],
) -> dict[str, Any] | None:
    """The oldest message that shows one of these texts, None also where the channel may not be read."""
    try:
        found = await client.http.logs_from(channel, READ_BACK, after=after)
    except discord.Forbidden:
        return None
    for message in sorted(found, key=lambda message: int(message["id"])):
        if message["content"] in texts and is_mine(dict(message)):
            return dict(message)
    return None
