"""What the bot lacks, in words: for the log at the start, and for a channel where it may not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import discord

from adapters.discord import DiscordSettings
from adapters.discord.manifest import NAMED_SERVERS, application_id, invitation, missing, page
from bot.api import say


def complaints(client: discord.Client, guilds: Iterable[discord.Guild]) -> Sequence[str]:
    """The same for the log of a bot that has just started. It has no servers at all only where there is one shard."""
    id = client.application_id or 0
    guilds = [guild for guild in guilds if not guild.unavailable and guild.me is not None]
    if not client.guilds:
        return [f"I am on no server yet; invite me: {invitation(id)}"] if client.shard_count == 1 else []
    lacking = ((guild.name, missing(guild.me.guild_permissions, essential=True)) for guild in guilds)
    return [
        f"on the server {name} I miss {needed}. Give my role what is missing, or invite me again: {invitation(id)}"
        for name, needed in islice(((name, needed) for name, needed in lacking if needed), NAMED_SERVERS)
    ]


def without_content(settings: DiscordSettings) -> str:
    """For the log, where Discord refused the intent."""
    return (
        "the Message Content Intent is switched off for this bot, so it hears mentions, replies, direct messages and "
        f"slash commands only. Switch it on under Privileged Gateway Intents at {page(application_id(settings))}"
    )


def blind(id: int | None) -> str:
    """For a channel, where somebody speaks to the bot about something that Discord does not show it."""
    return "-# " + say(
        "I can see that you mean me, but Discord shows me only messages that mention me. Whoever runs me can switch "
        "on the Message Content Intent at <{page}>; until then, mention me with all that I should know.",
        page=page(id),
    )
