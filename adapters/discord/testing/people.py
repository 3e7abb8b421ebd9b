"""What people do in the Discord client with commands: find them, pick options, get suggestions."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.discord.testing import payloads
from adapters.discord.testing.components import NotOffered
from adapters.discord.testing.webhooks import Interaction, Kind
from adapters.discord.testing.world import Account, Channel, Json, World

IN_GUILD, WITH_BOT, AMONG_PEOPLE = 0, 1, 2
SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, NUMBER, ATTACHMENT = 1, 2, 3, 4, 5, 6, 10, 11


@dataclass(slots=True)
class Picked:
    """Options as the client sends them, and what they refer to."""

    options: list[Json] = field(default_factory=list)
    resolved: Json = field(default_factory=dict)


def interaction_json(world: World, interaction: Interaction, data: Json) -> Json:
    guild, channel = interaction.channel.guild, interaction.channel
    body: Json = {
        "id": str(interaction.id),
        "application_id": str(world.bot.id),
        "type": interaction.kind,
        "token": interaction.token,
        "version": 1,
        "data": data,
        "channel_id": str(channel.id),
        "channel": payloads.channel_json(channel) | {"permissions": str(world.permissions(interaction.user, channel))},
        "app_permissions": str(world.permissions(world.bot, channel)),
        "locale": interaction.user.locale,
        "entitlements": [],
        "attachment_size_limit": 10 * 1024 * 1024,
        "authorizing_integration_owners": owners_json(world, interaction),
        "context": context_of(channel),
    }
    if guild is None:
        return body | {"user": payloads.user_json(interaction.user)}
    return body | {
        "guild_id": str(guild.id),
        "guild": payloads.interaction_guild_json(guild),
        "guild_locale": "en-US",
        "member": payloads.interaction_member_json(world, guild, interaction.user, channel),
    }


def context_of(channel: Channel) -> int:
    """In a server, in a direct message with the bot, or among other people."""
    if channel.guild is not None:
        return IN_GUILD
    return AMONG_PEOPLE if channel.without_bot else WITH_BOT


def owners_json(world: World, interaction: Interaction) -> Json:
    """Whoever installed the application so that it can be used here: the server, or the person for themselves."""
    if world.is_guest_in(interaction.channel):
        return {"1": str(interaction.user.id)}
    guild = interaction.channel.guild
    return {"0": str(guild.id) if guild else "0"}


def new_interaction(world: World, kind: Kind, name: str, user: Account, channel: Channel) -> Interaction:
    return Interaction(world.new_id(), secrets.token_urlsafe(60), kind, name, user, channel)


def find_command(
    world: World, channel: Channel, name: str, kind: int = 1, locale: str = "en-US"
) -> tuple[Json, list[str]]:
    """The registered command and the words after its first, by its own name or the one that `locale` has for it."""
    first, *rest = [name] if kind != 1 else name.removeprefix("/").split()
    scopes = [None] + ([channel.guild.id] if channel.guild else [])
    offered = [
        command
        for scope in scopes
        for command in world.commands.get(scope, [])
        if _is_offered(command, channel, guest=world.is_guest_in(channel))
    ]
    for command in offered:
        if first in (command["name"], localized(command, locale)) and command["type"] == kind:
            return command, rest
    names = ", ".join(sorted(command["name"] for command in offered)) or "none"
    raise NotOffered(f"no command {name!r} here; registered: {names}")


def localized(entry: Json, locale: str, what: str = "name") -> str:
    return str((entry.get(f"{what}_localizations") or {}).get(locale, entry[what]))


def _is_offered(command: Json, channel: Channel, *, guest: bool) -> bool:
    contexts = command.get("contexts")
    return (1 if guest else 0) in command.get("integration_types", [0]) and (
        contexts is None or context_of(channel) in contexts
    )


def fill(
    world: World, command: Json, words: list[str], values: Mapping[str, Any], focused: str | None = None
) -> Picked:
    """The options of a command as picked; raises NotOffered for what the client would refuse."""
    picked = Picked()
    if words:
        inner = next((each for each in command.get("options", []) if each["name"] == words[0]), None)
        if inner is None:
            raise NotOffered(f"{command['name']} has no {words[0]!r}")
        below = fill(world, inner, words[1:], values, focused)
        picked.options.append({"name": inner["name"], "type": inner["type"], "options": below.options})
        picked.resolved = below.resolved
        return picked
    offered = {option["name"]: option for option in command.get("options", [])}
    for name in values:
        if name not in offered:
            raise NotOffered(f"{command['name']} has no option {name!r}, only {', '.join(offered) or 'none'}")
    for name, option in offered.items():
        if name not in values:
            if option.get("required") and focused is None:
                raise NotOffered(f"{command['name']} needs {name!r}")
            continue
        entry: Json = {"name": name, "type": option["type"]}
        entry["value"] = _value(world, option, values[name], picked.resolved, strict=focused is None)
        if name == focused:
            entry["focused"] = True
        picked.options.append(entry)
    return picked


def _value(world: World, option: Json, value: Any, resolved: Json, *, strict: bool) -> Any:
    kind, name = option["type"], option["name"]
    if kind == USER:
        if not isinstance(value, Account):
            raise NotOffered(f"{name} takes a person")
        resolved.setdefault("users", {})[str(value.id)] = payloads.user_json(value)
        return str(value.id)
    if kind == ATTACHMENT:
        resolved.setdefault("attachments", {})[str(value["id"])] = value
        return str(value["id"])
    if not strict:
        return value
    fits = {STRING: (str,), INTEGER: (int,), BOOLEAN: (bool,), NUMBER: (int, float)}[kind]
    if not isinstance(value, fits) or (kind != BOOLEAN and isinstance(value, bool)):
        raise NotOffered(f"{name} does not take {value!r}")
    choices = [choice["value"] for choice in option.get("choices", [])]
    if choices and value not in choices:
        raise NotOffered(f"{name} is one of {choices}")
    size = len(value) if isinstance(value, str) else value
    least, most = ("min_length", "max_length") if kind == STRING else ("min_value", "max_value")
    if (least in option and size < option[least]) or (most in option and size > option[most]):
        raise NotOffered(f"{name} is out of range: {value!r}")
    return value
