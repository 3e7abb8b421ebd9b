"""`duologue check` for Discord: does the token work, what is switched off, and where it is switched on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import discord

from adapters.discord import DiscordSettings
from adapters.discord.adapter import point_at
from adapters.discord.errors import CALL_ERRORS, start_error
from adapters.discord.manifest import NAMED_SERVERS, invitation, missing, page
from bot.api import Finding

SERVERS_AT_ONCE = 200


async def check(settings: DiscordSettings) -> Sequence[Finding]:
    if settings.token is None:
        return [Finding(False, "discord token", f"is not set: put DISCORD_TOKEN into .env. It is at {page(None)}")]
    point_at(settings)
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    client = discord.Client(intents=discord.Intents.none())
    try:
        await client.login(settings.token.get_secret_value())
        return [finding async for finding in _findings(client, settings)]
    except discord.LoginFailure as error:
        says = str(start_error(error, settings)).strip(" -")
        return [Finding(False, "discord token", says)]
    except CALL_ERRORS as error:
        return [Finding(False, "discord", f"cannot be reached: {type(error).__name__} {error}".strip())]
    finally:
        await client.close()


async def _findings(client: discord.Client, settings: DiscordSettings) -> AsyncIterator[Finding]:
    application, user = client.application, client.user
    assert application is not None, "known after login"
    assert user is not None, "known after login"
    flags, where = application.flags, page(application.id)
    yield Finding(True, "discord token", f"belongs to {user.name}")
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        yield Finding(True, "discord message content", "the intent is switched on")
    else:
        says = (
            "the Message Content Intent is off, so I hear only mentions, replies, direct messages and slash commands. "
            f"Switch it on under Privileged Gateway Intents at {where}"
        )
        yield Finding(False, "discord message content", says)
    members = flags.gateway_guild_members or flags.gateway_guild_members_limited
    if settings.member_events and not members:
        says = f"discord.member_events needs the Server Members Intent; switch it on at {where}"
        yield Finding(False, "discord members", says)
    if application.approximate_guild_count == 0:
        says = f"I am on no server yet. Invite me: {invitation(application.id)}"
        yield Finding(False, "discord servers", says)
        return
    async for finding in _servers(client, application.id):
        yield finding


async def _servers(client: discord.Client, id: int) -> AsyncIterator[Finding]:
    """What the bot may do on each of its servers, before the channels' own rules."""
    servers = await client.http.get_guilds(SERVERS_AT_ONCE, with_counts=False)
    yield Finding(
        True, "discord servers", f"I am on {len(servers)}" + ("" if len(servers) < SERVERS_AT_ONCE else " or more")
    )
    named = 0
    for server in servers:
        held, subject = discord.Permissions(int(server["permissions"])), f"discord server {server['name']}"
        needed, wanted = missing(held, essential=True), missing(held, essential=False)
        named += bool(needed or wanted)
        if named > NAMED_SERVERS:
            return
        if needed:
            says = f"I miss {needed}. A moderator can give my role what is missing, or invite me again: "
            yield Finding(False, subject, says + invitation(id))
        if wanted:
            yield Finding(True, subject, f"I work there, but without {wanted}")
