"""What people do in the Discord client with commands: pick options, get suggestions, press buttons."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.discord.testing import payloads
from adapters.discord.testing.webhooks import Interaction, Kind
from adapters.discord.testing.world import DIRECT, Account, Channel, Json, Message, World

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, NUMBER, ATTACHMENT = 1, 2, 3, 4, 5, 6, 10, 11


class NotOffered(LookupError):
    """Discord's own client would not have let anybody send this."""


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
        "locale": "en-US",
        "entitlements": [],
        "attachment_size_limit": 10 * 1024 * 1024,
        "authorizing_integration_owners": {"0": str(guild.id) if guild else "0"},
        "context": 1 if channel.kind == DIRECT else 0,
    }
    if guild is None:
        return body | {"user": payloads.user_json(interaction.user)}
    return body | {
        "guild_id": str(guild.id),
        "guild": payloads.interaction_guild_json(guild),
        "guild_locale": "en-US",
        "member": payloads.interaction_member_json(world, guild, interaction.user, channel),
    }


def new_interaction(world: World, kind: Kind, name: str, user: Account, channel: Channel) -> Interaction:
    return Interaction(world.new_id(), secrets.token_urlsafe(60), kind, name, user, channel)


def find_command(world: World, channel: Channel, name: str, kind: int = 1) -> tuple[Json, list[str]]:
    """The registered command and the words after its first."""
    first, *rest = [name] if kind != 1 else name.removeprefix("/").split()
    scopes = [None] + ([channel.guild.id] if channel.guild else [])
    offered = [command for scope in scopes for command in world.commands.get(scope, [])]
    for command in offered:
        if command["name"] == first and command["type"] == kind:
            return command, rest
    names = ", ".join(sorted(command["name"] for command in offered)) or "none"
    raise NotOffered(f"no command {name!r} here; registered: {names}")


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


def button_data(message: Message, label: str) -> Json:
    """The press of the button with this label or custom id."""
    for row in message.components:
        for component in row.get("components", []):
            if label in (component.get("label"), component.get("custom_id")) and component.get("custom_id"):
                if component.get("disabled"):
                    raise NotOffered(f"the button {label!r} is disabled")
                return {"custom_id": component["custom_id"], "component_type": component["type"]}
    raise NotOffered(f"no button {label!r} under {message.text!r}")
