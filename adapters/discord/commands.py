"""The registry of commands as Discord's slash commands and message menus, and back."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.http import Route
from pydantic import JsonValue

from adapters.discord.forms import fields, file_argument, user_argument
from adapters.discord.markup import as_text
from bot.api import Command, CommandCall, Parameter

log = logging.getLogger(__name__)

SLASH, MESSAGE_MENU, SUBCOMMAND, GROUP = 1, 3, 1, 2
TYPES = {"str": 3, "int": 4, "bool": 5, "user": 6, "float": 10, "attachment": 11}
USER, ATTACHMENT = TYPES["user"], TYPES["attachment"]
# For servers and for people, to be used in servers, in direct messages with the bot and in those of other people.
EVERYWHERE: Mapping[str, Any] = {"integration_types": [0, 1], "contexts": [0, 1, 2]}
MAX_COMMANDS, MAX_MENUS, MAX_OPTIONS, MAX_CHOICES, MAX_TEXT, MAX_LENGTH, MAX_NAME = 100, 5, 25, 25, 100, 6000, 32
BIGGEST = 2**53
# Discord waits three seconds for suggestions.
PATIENCE = 2.0

Payload = dict[str, Any]  # JSON as Discord's API defines it


def payloads(commands: Iterable[Command]) -> list[Payload]:
    """What Discord is told: one entry per first word, menus behind them."""
    slash: dict[str, Payload] = {}
    menus: list[Payload] = []
    for command in commands:
        if command.target == "message":
            entry = {"type": MESSAGE_MENU, "name": menu_name(command), **EVERYWHERE}
            menus.append(entry | _localized("name", {code: name[:MAX_NAME] for code, name in command.names.items()}))
            continue
        first, _, second = command.name.partition(" ")
        described = {
            "description": _short(command.description),
            "options": _options(command),
            **_localized("description", {code: _short(text) for code, text in command.descriptions.items()}),
        }
        if not second:
            slash[first] = {"type": SLASH, "name": first, **EVERYWHERE, **described, **_word(command, 0)}
            continue
        group = slash.setdefault(
            first, {"type": SLASH, "name": first, "description": "", "options": [], **EVERYWHERE, **_word(command, 0)}
        )
        group["options"].append({"type": SUBCOMMAND, "name": second, **described, **_word(command, 1)})
        group["description"] = _short(", ".join(option["name"] for option in group["options"]))
    for kind, entries, most in (("slash commands", slash, MAX_COMMANDS), ("message menus", menus, MAX_MENUS)):
        if len(entries) > most:
            log.warning("Discord takes %d %s; %d are left out", most, kind, len(entries) - most)
    told = [*list(slash.values())[:MAX_COMMANDS], *menus[:MAX_MENUS]]
    _part(told)
    for entry in told:
        _part(entry.get("options", ()))
    return told


def menu_name(command: Command) -> str:
    return command.title[:MAX_NAME]


async def sync(client: discord.Client, commands: Iterable[Command]) -> bool:
    """Tell Discord what changed; True if anything had. Discord limits how often that may be done."""
    application = client.application_id
    assert application is not None, "known after login"
    wanted = payloads(commands)
    # Without asking for them, Discord does not tell the names in other languages.
    route = Route("GET", "/applications/{application_id}/commands", application_id=application)
    known: Any = await client.http.request(route, params={"with_localizations": "true"})
    if _normal(known) == _normal(wanted):
        return False
    untyped: Any = wanted
    try:
        await client.http.bulk_upsert_global_commands(application, untyped)
    except discord.HTTPException as error:
        if error.status != 400:
            raise
        # Better in servers alone than nowhere, where people may not install this application for themselves.
        log.warning("Discord does not take the commands for everywhere, so they are told for servers: %s", error)
        untyped = [entry | {"integration_types": [0]} for entry in wanted]
        await client.http.bulk_upsert_global_commands(application, untyped)
    log.info("told Discord of %d commands", len(wanted))
    return True


def called(data: Mapping[str, Any], commands: Sequence[Command]) -> tuple[str, Command | None, list[Payload]]:
    """An interaction's full command name, the command if it is still there, and the options picked."""
    if data.get("type", SLASH) == MESSAGE_MENU:
        found = next((each for each in commands if each.target and menu_name(each) == data["name"]), None)
        return (found.name if found else str(data["name"])), found, []
    words, options = [str(data["name"])], list(data.get("options", ()))
    while options and options[0]["type"] in (SUBCOMMAND, GROUP):
        words.append(options[0]["name"])
        options = list(options[0].get("options", ()))
    name = " ".join(words)
    return name, next((each for each in commands if each.name == name), None), options


def arguments(options: Iterable[Payload], resolved: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The options as a command call carries them."""
    return {str(option["name"]): _argument(option, resolved) for option in options if "value" in option}


async def suggest(interaction: discord.Interaction, command: Command | None, call: CommandCall) -> None:
    """Answer an autocompletion of an unfinished call. What fails or takes too long suggests nothing."""
    data: Any = interaction.data or {}
    _, _, options = called(data, [command] if command else [])
    focused = next((option for option in options if option.get("focused")), None)
    values: Sequence[str] = ()
    if command is not None and focused is not None:
        parameter = next((each for each in command.parameters if each.name == focused["name"]), None)
        if parameter is not None:
            values = await _suggestions(parameter, call, str(focused.get("value", "")))
    choices = [
        app_commands.Choice(name=value[:MAX_TEXT], value=value) for value in values if 0 < len(value) <= MAX_TEXT
    ]
    await interaction.response.autocomplete(choices[:MAX_CHOICES])


async def _suggestions(parameter: Parameter, call: CommandCall, typed: str) -> Sequence[str]:
    if parameter.choices:
        return [choice for choice in parameter.choices if typed.lower() in choice.lower()]
    if parameter.arg.complete is None:
        return ()
    try:
        return list(await asyncio.wait_for(parameter.arg.complete(call, typed), PATIENCE))
    except Exception:  # a plugin's suggestion that fails is no reason to disturb somebody who types
        log.debug("no suggestions for %s", parameter.name, exc_info=True)
        return ()


def _argument(option: Payload, resolved: Mapping[str, Any]) -> JsonValue:
    value = option["value"]
    if option["type"] == USER:
        return user_argument(str(value), resolved)
    if option["type"] == ATTACHMENT:
        return file_argument(str(value), resolved)
    return as_text(value) if isinstance(value, str) else value


def _options(command: Command) -> list[Payload]:
    asked_in_form = {parameter.name for parameter in fields(command)}
    options = [_option(each, each.required and each.name not in asked_in_form) for each in command.parameters]
    # Discord wants what is required first; values travel by name, so the order is only for the eye.
    return sorted(options, key=lambda option: not option["required"])[:MAX_OPTIONS]


def _option(parameter: Parameter, required: bool) -> Payload:
    arg = parameter.arg
    option: Payload = {
        "type": TYPES["str"] if parameter.choices else TYPES[parameter.kind],
        "name": parameter.name.lower(),
        "description": _short(parameter.description or arg.description or parameter.name),
        "required": required,
        **_localized("description", {code: _short(text) for code, text in parameter.descriptions.items()}),
    }
    if parameter.choices and len(parameter.choices) <= MAX_CHOICES:
        option["choices"] = [{"name": text[:MAX_TEXT], "value": text[:MAX_TEXT]} for text in parameter.choices]
    elif parameter.choices or (arg.complete is not None and parameter.kind == "str"):
        option["autocomplete"] = True
    if parameter.kind in ("int", "float") and not parameter.choices:
        whole = parameter.kind == "int"
        if arg.ge is not None:
            option["min_value"] = max(math.ceil(arg.ge) if whole else arg.ge, -BIGGEST)
        if arg.le is not None:
            option["max_value"] = min(math.floor(arg.le) if whole else arg.le, BIGGEST)
    if parameter.kind == "str" and not parameter.choices:
        if arg.min_length is not None:
            option["min_length"] = min(arg.min_length, MAX_LENGTH)
        if arg.max_length is not None:
            option["max_length"] = min(max(arg.max_length, 1), MAX_LENGTH)
    return option


def _word(command: Command, at: int) -> Payload:
    """One word of a command's name in other languages."""
    count = len(command.name.split())
    words = {code: name.split() for code, name in command.names.items()}
    return _localized("name", {code: each[at] for code, each in words.items() if len(each) == count})


def _localized(what: str, texts: Mapping[str, str]) -> Payload:
    """For the languages that Discord has, a bare one for all its countries."""
    found: dict[str, str] = {}
    for locale in (each.value for each in discord.Locale):
        text = texts.get(locale) or texts.get(locale.partition("-")[0])
        if text:
            found[locale] = text
    return {f"{what}_localizations": found} if found else {}


def _part(entries: Sequence[Payload]) -> None:
    """Names may not be the same in any language: what is taken already is called by its own name there."""
    taken = {(entry["type"], "", entry["name"]) for entry in entries}
    for entry in entries:
        names = entry.get("name_localizations", {})
        for locale, name in list(names.items()):
            keys = {(entry["type"], "", name), (entry["type"], locale, name)}
            if name != entry["name"] and keys & taken:
                del names[locale]
            taken.add((entry["type"], locale, name))


def _short(text: str) -> str:
    text = " ".join(text.split()) or "…"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1].rstrip() + "…"


def _normal(entries: Iterable[Mapping[str, Any]]) -> list[Payload]:
    """Only what we say about commands, with what Discord leaves out filled in. Their order means nothing."""
    return sorted(map(_normal_entry, entries), key=lambda entry: (entry["type"], entry["name"]))


def _normal_entry(entry: Mapping[str, Any]) -> Payload:
    return {
        "type": entry.get("type", SLASH),
        "name": entry["name"],
        "description": entry.get("description", ""),
        "names": dict(entry.get("name_localizations") or {}),
        "descriptions": dict(entry.get("description_localizations") or {}),
        "where": [sorted(entry.get(key) or ()) for key in EVERYWHERE],
        "required": bool(entry.get("required")),
        "autocomplete": bool(entry.get("autocomplete")),
        "choices": [(choice["name"], choice["value"]) for choice in entry.get("choices") or ()],
        "bounds": [entry.get(key) for key in ("min_value", "max_value", "min_length", "max_length")],
        "options": [_normal_entry(option) for option in entry.get("options") or ()],
    }
