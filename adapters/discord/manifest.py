"""How Discord is told about this bot: its id, its page in the developer portal, what it may do, and its invitations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType

import discord

from adapters.discord import DiscordSettings
from bot.api import ConfigError

PORTAL = "https://discord.com/developers/applications"
# What the bot uses, as Discord's settings call it, and what it costs to go without.
PERMISSIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "view_channel": ("View Channels", "I neither hear nor answer anybody"),
        "send_messages": ("Send Messages", "I cannot answer"),
        "send_messages_in_threads": ("Send Messages in Threads", "I cannot answer in threads and forums"),
        "create_public_threads": ("Create Public Threads", "I cannot open a thread for a question"),
        "read_message_history": ("Read Message History", "I cannot reply to messages, nor find what I missed"),
        "attach_files": ("Attach Files", "I cannot send files"),
        "manage_webhooks": ("Manage Webhooks", "characters speak under my own name and picture"),
    }
)
ESSENTIAL = {"view_channel", "send_messages", "send_messages_in_threads", "read_message_history"}
NEEDED = discord.Permissions(**dict.fromkeys(PERMISSIONS, True))
# Of a bot on many servers no more than these are named when something is missing there.
NAMED_SERVERS = 10
MESSAGE_CONTENT, SERVER_MEMBERS = "Message Content Intent", "Server Members Intent"
NO_ID = (
    "This takes the id of your Discord application. Set DISCORD_TOKEN, whose first part it is, or "
    f"discord.application_id, which {PORTAL} → your application → General Information shows."
)
NO_TOKEN = (
    "DISCORD_TOKEN does not look like a bot's token, which has three parts with dots between them. The client secret "
    f"and the public key are something else. Copy it from {PORTAL} → your application → Bot → Reset Token."
)


def manifest(settings: DiscordSettings) -> str:
    """Raises ConfigError where the application's id is not to be had."""
    id = application_id(settings)
    if id is None:
        raise ConfigError([NO_ID if settings.token is None else NO_TOKEN])
    intents = [MESSAGE_CONTENT] + ([SERVER_MEMBERS] if settings.member_events else [])
    names = ", ".join(name for name, _ in PERMISSIONS.values())
    return "\n".join(
        [
            "Invite me to a server of yours:",
            f"  {invitation(id)}",
            f"  I ask for: {names}.",
            "",
            "Or add my commands to your own account, to use them on every server and in direct messages:",
            f"  {own_invitation(id)}",
            f'  This needs "User Install", which is switched on at {PORTAL}/{id}/installation',
            "",
            f"Switch on under Privileged Gateway Intents at {page(id)}",
            *(f"  {intent}" for intent in intents),
        ]
    )


def application_id(settings: DiscordSettings) -> int | None:
    """As it was set, or as the token begins with it; None where neither tells."""
    if settings.application_id is not None:
        return settings.application_id
    if settings.token is None:
        return None
    first, *rest = settings.token.get_secret_value().strip().split(".")
    try:
        decoded = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return int(decoded) if len(rest) == 2 and decoded.isdecimal() and len(decoded) <= 20 else None


def page(id: int | None) -> str:
    """Where the token and the intents are."""
    return f"{PORTAL}/{id}/bot" if id is not None else f"{PORTAL} → your application → Bot"


def invitation(id: int) -> str:
    return discord.utils.oauth_url(id, permissions=NEEDED, scopes=("bot", "applications.commands"))


def own_invitation(id: int) -> str:
    return f"{discord.utils.oauth_url(id, scopes=('applications.commands',))}&integration_type=1"


def missing(held: discord.Permissions, *, essential: bool) -> str:
    """Each permission that is not held, with what that costs; empty where all are."""
    lacking = [flag for flag in PERMISSIONS if (flag in ESSENTIAL) == essential and not getattr(held, flag)]
    return "; ".join(f"{PERMISSIONS[flag][0]} ({PERMISSIONS[flag][1]})" for flag in lacking)
