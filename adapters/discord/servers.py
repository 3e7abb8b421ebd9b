"""The servers that the bot is on: which are new to it, where newcomers are greeted, what was said there last."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import discord

from adapters.discord.hearing import Hearing, permissions_in, place_of
from bot.api import Place, Route

KNOWN_IDS = 5000


class Ids:
    """The newest ids of something."""

    def __init__(self) -> None:
        self._ids: OrderedDict[int, None] = OrderedDict()

    def add(self, id: int) -> None:
        self._ids[id] = None
        if len(self._ids) > KNOWN_IDS:
            self._ids.popitem(last=False)

    def __contains__(self, id: int) -> bool:
        return id in self._ids


class Servers:
    """Discord lists a shard's servers when a session begins, and sends each of them soon after.

    One that comes without having been on the first list is a new one; one that is no longer on a later list, the bot
    was removed from. What comes back after an outage is neither.
    """

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._listed: set[int] = set()
        self._known: set[int] = set()
        self._told: set[int] = set()
        self._down: dict[int, float] = {}

    def listed_for(self, shard: int) -> Sequence[discord.Guild]:
        """Called when a session has begun, before any server was sent. Returns those that are gone."""
        guilds = [guild for guild in self._client.guilds if guild.shard_id == shard]
        self._told.discard(shard)
        if shard not in self._listed:
            self._listed.add(shard)
            self._known |= {guild.id for guild in guilds}
            return ()
        # What is on the list has been made anew, and is not there yet.
        gone = [guild for guild in guilds if not guild.unavailable]
        for guild in gone:
            self._client._connection._remove_guild(guild)  # discord.py keeps what it once knew
        return gone

    def told_for(self, shard: int) -> Sequence[discord.Guild]:
        """A shard's servers, once they have been sent."""
        self._told.add(shard)
        return [guild for guild in self._client.guilds if guild.shard_id == shard]

    def was_told(self, guild: discord.Guild) -> bool:
        """Whether it comes after its shard's servers had been told of."""
        return guild.shard_id in self._told

    def meets(self, guild: discord.Guild) -> bool:
        """Whether the bot has never been on this server before."""
        is_new = guild.id not in self._known
        self._known.add(guild.id)
        return is_new

    def forget(self, guild: discord.Guild) -> None:
        self._known.discard(guild.id)

    def goes_down(self, guild: discord.Guild) -> None:
        self._down.setdefault(guild.id, time.time())

    def were_down_since(self, guilds: Iterable[discord.Guild]) -> float | None:
        """Since when the first of them was away; None where one was not heard of before."""
        times = [self._down.pop(guild.id, None) for guild in guilds]
        known = [at for at in times if at is not None]
        return min(known) if known and len(known) == len(times) else None


def hall(guild: discord.Guild, *, writable: bool = False) -> Route:
    """Where newcomers are greeted; with `writable` it is where the bot may write, if there is such a channel."""
    channel = guild.system_channel
    if writable and not (channel is not None and _may_write(channel)):
        channel = next((each for each in guild.text_channels if _may_write(each)), channel)
    return Route(Place("discord", str(guild.id), str(channel.id if channel else guild.id)))


def latest(guilds: Iterable[discord.Guild], hearing: Hearing) -> Mapping[str, str]:
    """The newest message of each channel and active thread that the bot may read."""
    found: dict[str, str] = {}
    for guild in guilds:
        if guild.unavailable or guild.me is None:
            continue
        channels: list[discord.abc.GuildChannel | discord.Thread] = [*guild.channels, *guild.threads]
        for channel in channels:
            last = getattr(channel, "last_message_id", None)
            place = place_of(channel, channel.id, guild.id)
            # A forum's own "last message" is its newest post, which is a thread.
            if last is None or isinstance(channel, discord.ForumChannel) or not hearing.allows_in(place):
                continue
            allowed = permissions_in(channel, guild.me)
            if allowed.view_channel and allowed.read_message_history:
                found[str(place)] = str(last)
    return found


def _may_write(channel: discord.TextChannel) -> bool:
    allowed = channel.permissions_for(channel.guild.me)
    return allowed.view_channel and allowed.send_messages
