"""`duologue check` for Discord: does the token work, what is switched off, and where it is switched on."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from adapters.discord import DiscordSettings
from adapters.discord.adapter import point_at
from adapters.discord.errors import CALL_ERRORS, start_error
from bot.api import Finding

PORTAL = "https://discord.com/developers/applications/{id}/bot"
NEEDED = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    attach_files=True,
    embed_links=True,
)


async def check(settings: DiscordSettings) -> Sequence[Finding]:
    if settings.token is None:
        return [Finding(False, "discord token", "is not set: put DISCORD_TOKEN into .env")]
    point_at(settings)
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    client = discord.Client(intents=discord.Intents.none())
    try:
        await client.login(settings.token.get_secret_value())
        return _findings(client, settings)
    except discord.LoginFailure as error:
        return [Finding(False, "discord token", str(start_error(error)).strip(" -"))]
    except CALL_ERRORS as error:
        return [Finding(False, "discord", f"cannot be reached: {type(error).__name__} {error}".strip())]
    finally:
        await client.close()


def _findings(client: discord.Client, settings: DiscordSettings) -> Sequence[Finding]:
    application, user = client.application, client.user
    assert application is not None, "known after login"
    assert user is not None, "known after login"
    flags, portal = application.flags, PORTAL.format(id=application.id)
    findings = [Finding(True, "discord token", f"belongs to {user.name}")]
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        findings.append(Finding(True, "discord message content", "the intent is switched on"))
    else:
        says = (
            "the Message Content Intent is off, so I hear only mentions, replies, direct messages and slash commands. "
            f"Switch it on under Privileged Gateway Intents at {portal}"
        )
        findings.append(Finding(False, "discord message content", says))
    members = flags.gateway_guild_members or flags.gateway_guild_members_limited
    if settings.member_events and not members:
        says = f"discord.member_events needs the Server Members Intent; switch it on at {portal}"
        findings.append(Finding(False, "discord members", says))
    if application.approximate_guild_count == 0:
        invite = discord.utils.oauth_url(application.id, permissions=NEEDED, scopes=("bot", "applications.commands"))
        findings.append(Finding(False, "discord servers", f"I am on no server yet. Invite me: {invite}"))
    return findings
