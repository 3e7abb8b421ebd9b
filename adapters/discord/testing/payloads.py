"""The fake Discord's world as the JSON that Discord sends."""

from __future__ import annotations

import hashlib
import re
import time
from datetime import UTC, datetime

from adapters.discord.testing.world import (
    ALL_PERMISSIONS,
    DIRECT,
    DISCORD_EPOCH_MS,
    FORUM,
    GROUP,
    TEXT,
    THREAD,
    Account,
    Channel,
    Emoji,
    Guild,
    Json,
    Message,
    Webhook,
    World,
)

REPLY, SLASH_COMMAND = 19, 20
JOINED_AT = "2024-01-01T00:00:00+00:00"


def timestamp(id: int) -> str:
    milliseconds = (id >> 22) + DISCORD_EPOCH_MS
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def now() -> str:
    return datetime.now(UTC).isoformat()


def user_json(account: Account) -> Json:
    return {
        "id": str(account.id),
        "username": account.name,
        "global_name": None if account.is_bot else account.name,
        "discriminator": "0",
        "avatar": None,
        "bot": account.is_bot,
        "public_flags": 0,
    }


def member_json(guild: Guild, account: Account, *, with_user: bool = True) -> Json:
    member: Json = {
        "roles": [str(role) for role in sorted(guild.members.get(account.id, ()))],
        "joined_at": JOINED_AT,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "nick": None,
        "avatar": None,
        "pending": False,
        "premium_since": None,
    }
    if with_user:
        member["user"] = user_json(account)
    return member


def channel_json(channel: Channel) -> Json:
    last = None if channel.last_message_id is None else str(channel.last_message_id)
    data: Json = {"id": str(channel.id), "type": channel.kind, "last_message_id": last}
    if channel.kind in (DIRECT, GROUP):
        data["recipients"] = [user_json(account) for account in channel.people]
        if channel.kind == GROUP:
            assert channel.owner is not None
            data |= {"name": channel.name, "owner_id": str(channel.owner.id), "icon": None}
        return data
    assert channel.guild is not None
    data |= {"guild_id": str(channel.guild.id), "name": channel.name, "flags": 0}
    data["rate_limit_per_user"] = channel.slow_mode
    if channel.kind == THREAD:
        assert channel.parent is not None
        assert channel.owner is not None
        data |= {
            "parent_id": str(channel.parent.id),
            "owner_id": str(channel.owner.id),
            "message_count": len(channel.messages),
            "member_count": 2,
            "total_message_sent": len(channel.messages),
            "thread_metadata": {
                "archived": channel.archived,
                "locked": channel.locked,
                "auto_archive_duration": 1440,
                "archive_timestamp": timestamp(channel.id),
                "create_timestamp": timestamp(channel.id),
            },
        }
        return data
    return data | {
        "position": 0,
        "nsfw": channel.for_adults,
        "topic": None,
        "parent_id": None,
        "permission_overwrites": [
            {
                "id": str(target),
                "type": 0 if target in channel.guild.roles else 1,
                "allow": str(allow),
                "deny": str(deny),
            }
            for target, (allow, deny) in channel.overwrites.items()
        ],
    }


def guild_json(world: World, guild: Guild, *, all_members: bool) -> Json:
    channels = [channel for channel in world.channels.values() if channel.guild is guild and not channel.gone]
    members = [world.accounts[id] for id in guild.members] if all_members else [world.bot]
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "splash": None,
        "description": None,
        "features": ["COMMUNITY"] if guild.locale else [],
        "emojis": [],
        "stickers": [],
        "owner_id": str(guild.owner.id),
        "region": "",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "application_id": None,
        "system_channel_id": str(guild.greets_in.id) if guild.greets_in is not None else None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "vanity_url_code": None,
        "banner": None,
        "premium_tier": 0,
        "preferred_locale": guild.locale or "en-US",
        "stage_instances": [],
        "guild_scheduled_events": [],
        "voice_states": [],
        "presences": [],
        "soundboard_sounds": [],
        "joined_at": JOINED_AT,
        "large": False,
        "unavailable": False,
        "member_count": len(guild.members),
        "roles": [role_json(guild, id) for id in guild.roles],
        "members": [member_json(guild, account) for account in members],
        "channels": [channel_json(channel) for channel in channels if channel.kind in (TEXT, FORUM)],
        "threads": [channel_json(channel) for channel in channels if channel.kind == THREAD and not channel.archived],
    }


def role_json(guild: Guild, id: int) -> Json:
    role = guild.roles[id]
    return {
        "id": str(role.id),
        "name": role.name,
        "permissions": str(role.permissions),
        "position": list(guild.roles).index(id),
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }


def application_json(world: World, flags: int) -> Json:
    return {
        "id": str(world.bot.id),
        "name": world.bot.name,
        "icon": None,
        "description": "",
        "summary": "",
        "verify_key": "0" * 64,
        "flags": flags,
        "bot_public": True,
        "approximate_guild_count": len(world.guilds),
        "bot_require_code_grant": False,
        "owner": user_json(next(account for account in world.accounts.values() if not account.is_bot)),
        "team": None,
    }


def message_json(world: World, message: Message, *, deep: bool = True) -> Json:
    """As REST answers it; `deep` also carries the message it replies to."""
    author = user_json(message.author)
    if message.webhook is not None:
        author |= {"id": str(message.webhook), "username": message.name, "global_name": None, "bot": True}
        author["avatar"] = None if message.avatar is None else "0" * 32
    data: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": message.kind,
        "content": message.text,
        "author": author,
        "timestamp": timestamp(message.id),
        "edited_timestamp": message.edited,
        "tts": False,
        "mention_everyone": "@everyone" in message.pinged,
        "mentions": _mentioned(world, message),
        "mention_roles": re.findall(r"<@&(\d+)>", message.text),
        "attachments": [signed(world, each) for each in message.attachments],
        "embeds": message.embeds,
        "components": message.components,
        "reactions": [],
        "pinned": False,
        "flags": message.flags,
    }
    if message.nonce is not None:
        data["nonce"] = message.nonce
    if message.webhook is not None:
        data["webhook_id"] = str(message.webhook)
        webhook = world.webhooks.get(message.webhook)
        if message.author is world.bot and (webhook is None or webhook.own):
            data["application_id"] = str(world.bot.id)
    if message.interaction is not None:
        data |= {"type": SLASH_COMMAND, "interaction_metadata": message.interaction, "webhook_id": str(world.bot.id)}
        data["application_id"] = str(world.bot.id)
    if message.reply_to is not None:
        data["type"] = REPLY
        data["message_reference"] = _reference(message)
        if deep:
            quoted = message.channel.messages.get(message.reply_to)
            alive = quoted is not None and not quoted.deleted
            data["referenced_message"] = message_json(world, quoted, deep=False) if quoted and alive else None
    return data


def signed(world: World, attachment: Json) -> Json:
    """A file's address is good for a day, and a new one comes with every answer."""
    until = f"{int(time.time() + world.signed_for):x}"
    query = f"?ex={until}&is={int(time.time()):x}&hm={hashlib.sha256(until.encode()).hexdigest()}"
    return attachment | {name: attachment[name] + query for name in ("url", "proxy_url")}


def emoji_json(world: World, emoji: Emoji) -> Json:
    return {
        "id": str(emoji.id),
        "name": emoji.name,
        "roles": [],
        "user": user_json(world.bot),
        "require_colons": True,
        "managed": False,
        "animated": emoji.animated,
        "available": True,
    }


def message_event(world: World, message: Message, *, content: bool) -> Json:
    """As the gateway tells it; without the message content intent most texts are empty."""
    data = message_json(world, message)
    guild = message.channel.guild
    if guild is not None:
        data["guild_id"] = str(guild.id)
        if message.author.id in guild.members and message.webhook is None:
            data["member"] = member_json(guild, message.author, with_user=False)
        for mentioned in data["mentions"]:
            account = world.accounts[int(mentioned["id"])]
            mentioned["member"] = member_json(guild, account, with_user=False)
    if not content and guild is not None:
        hide_content(world, data)
    return data


def hide_content(world: World, data: Json) -> None:
    """What the bot neither wrote nor is mentioned in, where it may not read everything."""
    for shown in filter(None, (data, data.get("referenced_message"))):
        known = {shown["author"]["id"], *(mentioned["id"] for mentioned in shown["mentions"])}
        if str(world.bot.id) not in known:
            shown |= {"content": "", "attachments": [], "embeds": [], "components": []}


def interaction_guild_json(guild: Guild) -> Json:
    return {"id": str(guild.id), "locale": "en-US", "features": []}


def interaction_member_json(world: World, guild: Guild, account: Account, channel: Channel) -> Json:
    return member_json(guild, account) | {"permissions": str(world.permissions(account, channel) & ALL_PERMISSIONS)}


def webhook_json(world: World, webhook: Webhook) -> Json:
    guild = webhook.channel.guild
    return {
        "id": str(webhook.id),
        "type": 1,
        "name": webhook.name,
        "avatar": webhook.avatar,
        "channel_id": str(webhook.channel.id),
        "guild_id": str(guild.id) if guild else None,
        "application_id": str(world.bot.id) if webhook.own else None,
        "token": webhook.token,
        "user": user_json(world.bot if webhook.own else next(iter(world.guilds.values())).owner),
    }


def _mentioned(world: World, message: Message) -> list[Json]:
    ids = dict.fromkeys(int(id) for id in re.findall(r"<@!?(\d+)>", message.text))
    if message.reply_to is not None and not message.author.is_bot:
        quoted = message.channel.messages.get(message.reply_to)
        pings = (message.states[0].allowed_mentions or {}).get("replied_user", True)
        if quoted is not None and quoted.webhook is None and pings:
            ids[quoted.author.id] = None
    return [user_json(world.accounts[id]) for id in ids if id in world.accounts]


def _reference(message: Message) -> Json:
    guild = message.channel.guild
    reference = {"type": 0, "message_id": str(message.reply_to), "channel_id": str(message.channel.id)}
    return reference | ({"guild_id": str(guild.id)} if guild else {})
