"""What the bot lacks, in words: for the log at the start, and for a channel where it may not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import discord

from adapters.discord import DiscordSettings
from adapters.discord.hearing import permissions_in
from adapters.discord.manifest import NAMED_SERVERS, PERMISSIONS, application_id, invitation, missing, page
from adapters.discord.markup import plain_name
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


def elsewhere(channel: object, server: discord.Guild | None) -> str:
    """Above an error that is told in a direct message: what it is about, and what the bot may not do there. The channel
    may be gone."""
    if server is None:
        return ""
    name = _shown(server.name)
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return f"-# {say('This is about the server {server}.', server=name)}\n"
    told = say("This is about #{channel} on the server {server}.", channel=_shown(channel.name), server=name)
    if server.me is not None and (lacking := _lacking(channel, permissions_in(channel, server.me))):
        names = ", ".join(f"“{PERMISSIONS[flag][0]}”" for flag in lacking)
        told += " " + say("There I miss the permission {names}.", names=names)
    return f"-# {told}\n"


def _lacking(channel: object, held: discord.Permissions) -> Sequence[str]:
    """Of what it takes to answer there. Whoever does not see a channel has no other permission in it."""
    send = "send_messages_in_threads" if isinstance(channel, discord.Thread) else "send_messages"
    lacking = [flag for flag in ("view_channel", send, "read_message_history") if not getattr(held, flag)]
    return lacking[:1] if "view_channel" in lacking else lacking


def _shown(name: str) -> str:
    return discord.utils.escape_markdown(plain_name(name))
