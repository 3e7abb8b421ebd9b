"""What Slack sends: people, channels, messages and events as JSON, with the fields that the real one has."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from zlib import crc32

from adapters.slack.testing.translating import translated
from adapters.slack.testing.world import Account, AssistantThread, Channel, File, Json, Message, View, World

VERIFICATION_TOKEN = "deprecated-verification-token"


def user_json(account: Account) -> Json:
    return {
        "id": account.id,
        "team_id": account.team,
        "name": account.name.lower(),
        "deleted": False,
        "real_name": account.name,
        "tz": account.tz,
        "tz_label": account.tz,
        "tz_offset": 0,
        "profile": {
            "real_name": account.name,
            "real_name_normalized": account.name,
            "display_name": "" if account.is_bot else account.name,
            "display_name_normalized": "" if account.is_bot else account.name,
            "team": account.team,
            **({"bot_id": account.bot_id} if account.is_bot else {"first_name": account.name}),
        },
        "is_admin": account.is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": account.is_bot,
        "is_app_user": False,
        "updated": 1_700_000_000,
        "locale": account.locale,
    }


def channel_json(world: World, channel: Channel) -> Json:
    shared = {"id": channel.id, "created": 1_700_000_000, "is_archived": channel.archived, "updated": 1_700_000_000_000}
    if channel.kind == "im":
        user = next((each.id for each in channel.members if each is not world.bot), world.bot.id)
        return {**shared, "is_im": True, "is_org_shared": False, "user": user, "context_team_id": world.team}
    return {
        **shared,
        "name": channel.name,
        "name_normalized": channel.name,
        "creator": channel.creator,
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_im": False,
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "channel",
        "is_general": False,
        "is_shared": False,
        "is_ext_shared": any(each.team != world.team for each in channel.members),
        "is_org_shared": False,
        "is_member": world.bot in channel.members,
        "context_team_id": world.team,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def file_json(file: File) -> Json:
    shared: dict[str, list[str]] = {"channels": [], "groups": [], "ims": []}
    for message in file.shared:
        kept = shared[{"channel": "channels", "im": "ims"}.get(message.channel.kind, "groups")]
        kept += [] if message.channel.id in kept else [message.channel.id]
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    is_canvas = file.mode == "quip"
    if is_canvas:
        kind = "application/vnd.slack-docs"
    return {
        "id": file.id,
        "created": 1_700_000_000,
        "timestamp": 1_700_000_000,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": kind,
        "filetype": "quip" if is_canvas else file.name.rpartition(".")[2] or "text",
        "pretty_type": kind,
        "user": file.owner.id,
        "size": len(file.content or b""),
        "mode": file.mode,
        "is_external": file.mode == "external",
        "is_public": True,
        "url_private": file.url,
        "url_private_download": file.url,
        "permalink": file.url,
        "file_access": "visible",
        **shared,
    }


def withheld_json(file: File) -> Json:
    """A file from another workspace: what else there is to know, `files.info` tells."""
    return {"id": file.id, "created": 0, "timestamp": 0, "user": "", "mode": "file_access"} | {
        "file_access": "check_file_info"
    }


def bot_profile(account: Account) -> Json:
    return {
        "id": account.bot_id,
        "app_id": account.app_id,
        "name": account.name,
        "icons": {"image_36": "", "image_48": "", "image_72": ""},
        "deleted": False,
        "updated": 1_700_000_000,
        "team_id": account.team,
    }


def message_json(world: World, message: Message) -> Json:
    """A message as it is in history and in events."""
    author = message.author
    body: Json = {"type": "message", "ts": message.ts, "text": message.fallback or message.text, "team": author.team}
    if message.shown_as is not None:
        body |= {"subtype": "bot_message", "username": message.shown_as}
        if message.icon:
            body["icons"] = {"emoji" if message.icon.startswith(":") else "image_48": message.icon}
    else:
        body["user"] = author.id
    if author.is_bot:
        body |= {"bot_id": author.bot_id, "app_id": author.app_id, "bot_profile": bot_profile(author)}
    if message.subtype:
        body["subtype"] = message.subtype
    if author.team != world.team:
        body |= {"user_team": author.team, "source_team": author.team}
    optional = {
        "client_msg_id": message.client_msg_id,
        "blocks": blocks_of(message),
        "attachments": message.attachments,
        "edited": message.edited,
        "metadata": message.metadata,
    }
    body |= {name: value for name, value in optional.items() if value}
    if message.files:
        told = file_json if author.team == world.team else withheld_json
        body["files"] = [told(file) for file in message.files if not file.deleted]
    if message.reactions:
        body["reactions"] = [
            {"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()
        ]
    if world.translates and author is world.bot:
        body = translated(body)
    return body | _thread_json(world, message)


def shared_json(message: Message) -> Json:
    """A message inside another one, in which somebody passes it on."""
    author, ts = message.author, message.ts
    body: Json = {"ts": ts, "author_id": author.id, "author_name": author.name, "channel_id": message.channel.id}
    body |= {
        "is_msg_unfurl": True,
        "is_share": True,
        "text": message.text,
        "fallback": f"{author.name}: {message.text}",
    }
    return body | ({"files": [file_json(file) for file in message.files]} if message.files else {})


def blocks_of(message: Message) -> list[Json]:
    """A text without blocks is told as a block too; the blocks of a stream stand below what it said."""
    if message.blocks and message.stream is None:
        return message.blocks
    return [*rich_text(message.text), *message.blocks]


def _thread_json(world: World, message: Message) -> Json:
    if message.is_reply:
        root = message.channel.messages.get(message.thread_ts or "")
        return {"thread_ts": message.thread_ts, **({"parent_user_id": root.author.id} if root is not None else {})}
    replies = world.replies(message.channel, message.ts)
    if not replies:
        return {"thread_ts": message.ts} if message.thread_ts else {}
    users = list(dict.fromkeys(each.author.id for each in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": users[:5],
        "reply_users_count": len(users),
        "latest_reply": replies[-1].ts,
        "is_locked": False,
        "subscribed": False,
    }


def rich_text(text: str) -> list[Json]:
    """The block that Slack's own client makes of what somebody writes."""
    elements = [*_rich_elements(text)]
    if not elements:
        return []
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": f"{crc32(text.encode()):08x}"[:5], "elements": [section]}]


def _rich_elements(text: str) -> Iterator[Json]:
    for part in re.split(r"(<[@#!][^>]+>)", text):
        if part.startswith("<@"):
            yield {"type": "user", "user_id": part[2:-1]}
        elif part.startswith("<#"):
            yield {"type": "channel", "channel_id": part[2:-1].partition("|")[0]}
        elif part.startswith("<!"):
            yield {"type": "broadcast", "range": part[2:-1]}
        elif part:
            plain = part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            yield {"type": "text", "text": plain}


# Events


def envelope(world: World, event: Json) -> Json:
    """The `event_callback` around an event, with an id of its own."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": world.team,
        "context_team_id": world.team,
        "context_enterprise_id": None,
        "api_app_id": world.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": world.new_id("Ev"),
        "event_time": int(world.clock.wall()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": world.team,
                "user_id": world.bot.id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{world.new_id('X')}",
    }


def message_event(world: World, message: Message) -> Json:
    return message_json(world, message) | _where(message.channel, message.ts)


def mention_event(world: World, message: Message) -> Json:
    """The second event about a message that names the bot: same `ts`, another event id."""
    body = message_json(world, message)
    for name in ("subtype", "reply_count", "reply_users", "reply_users_count", "latest_reply"):
        body.pop(name, None)
    return body | {"type": "app_mention", "channel": message.channel.id, "event_ts": message.ts}


def changed_event(world: World, message: Message, before: Json) -> Json:
    ts = world.new_ts()
    return {
        "type": "message",
        "subtype": "message_changed",
        "message": message_json(world, message),
        "previous_message": before,
        "hidden": True,
        "ts": ts,
    } | _where(message.channel, ts)


def deleted_event(world: World, message: Message, before: Json) -> Json:
    ts = world.new_ts()
    return {
        "type": "message",
        "subtype": "message_deleted",
        "previous_message": before,
        "deleted_ts": message.ts,
        "hidden": True,
        "ts": ts,
    } | _where(message.channel, ts)


def _where(channel: Channel, event_ts: str) -> Json:
    return {"channel": channel.id, "event_ts": event_ts, "channel_type": channel.kind}


def assistant_event(world: World, thread: AssistantThread, kind: str) -> Json:
    return {
        "type": kind,
        "assistant_thread": {
            "user_id": thread.user.id,
            "context": thread.context,
            "channel_id": thread.channel.id,
            "thread_ts": thread.ts,
        },
        "event_ts": world.new_ts(),
    }


# Interactions


def actor_json(account: Account) -> Json:
    name = account.name.lower()
    return {"id": account.id, "username": name, "name": name, "team_id": account.team}


def interaction_json(world: World, kind: str, account: Account) -> Json:
    """What every interaction carries."""
    return {
        "type": kind,
        # Of a guest it is the workspace that they come from.
        "team": {"id": account.team, "domain": world.domain if account.team == world.team else "elsewhere"},
        "user": actor_json(account),
        "api_app_id": world.app_id,
        "token": VERIFICATION_TOKEN,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def view_json(world: World, view: View) -> Json:
    body = view.body
    return {
        "blocks": [],
        "private_metadata": "",
        "callback_id": "",
        "clear_on_close": False,
        "notify_on_close": False,
        "close": None,
        "submit": None,
        "external_id": "",
        **body,
        "id": view.id,
        "team_id": world.team,
        "state": body.get("state", {"values": {}}),
        "hash": view.hash,
        "previous_view_id": view.previous,
        "root_view_id": view.root,
        "app_id": world.app_id,
        "app_installed_team_id": world.team,
        "bot_id": world.bot.bot_id,
    }
