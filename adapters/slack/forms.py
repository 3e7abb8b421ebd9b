"""Forms: a command's parameters as a view of Slack, and what was filled in as its arguments."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any, TypeAlias

from pydantic import JsonValue

from adapters.slack.escaping import as_text
from adapters.slack.hearing import attachments
from bot.api import Command, CommandCall, Parameter, Target, UsageError, clip, say

log = logging.getLogger(__name__)

Json: TypeAlias = dict[str, Any]  # as Slack's API defines it

# What comes back with a view of ours.
CALLBACK = "duologue:form"
MAX_TITLE, MAX_LABEL, MAX_HINT, MAX_PLACEHOLDER, MAX_TYPED = 24, 150, 300, 150, 3000
MAX_OPTION, MAX_VALUE, MAX_OPTIONS, MAX_ERROR = 75, 150, 100, 300
# What the message that a form is about shows of itself above the fields.
MAX_QUOTED = 300
# Longer texts get a field of several lines, and so do those of any length. So many choices are seen at a glance.
ONE_LINE, AT_A_GLANCE = 200, 5
# Slack waits three seconds for suggestions.
PATIENCE = 2.0

_CULPRIT = re.compile(r"`(\w+)`")
_NUMBER = re.compile(r"[+-]?\d{1,16}([.,]\d{1,16})?")


def view(command: Command, metadata: str, values: Mapping[str, JsonValue], target: Target | None = None) -> Json:
    """In the language that is spoken now, with these values filled in."""
    title = say(command.title) if command.target is not None else f"/{command.name}"
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": metadata,
        "title": _plain(title, MAX_TITLE),
        "submit": _plain(say("Send"), MAX_TITLE),
        "close": _plain(say("Cancel"), MAX_TITLE),
        "blocks": [
            {"type": "context", "elements": [_plain(each, MAX_QUOTED)]} for each in _about(command, target) if each
        ]
        + [_field(parameter, command, values.get(parameter.name)) for parameter in command.parameters],
    }


def asks(command: Command, given: Mapping[str, JsonValue]) -> bool:
    """Whether a call needs the form: something is missing, or it has one and nothing was given at all."""
    missing = any(parameter.required and parameter.name not in given for parameter in command.parameters)
    return missing or (command.form is not None and bool(command.parameters) and not given)


def read(view: Mapping[str, Any], command: Command, before: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What somebody filled in. `before` is what the form was opened with: a file that was given before stays until
    there is another, and so does a text too long for its field that nobody touched."""
    state = view.get("state")
    filled = state.get("values") if isinstance(state, Mapping) else None
    values: dict[str, JsonValue] = {}
    for parameter in command.parameters:
        block = filled.get(parameter.name) if isinstance(filled, Mapping) else None
        element = block.get(parameter.name) if isinstance(block, Mapping) else None
        value = _value(element, parameter) if isinstance(element, Mapping) else None
        earlier = before.get(parameter.name)
        if value is None and parameter.kind == "attachment":
            value = earlier
        if isinstance(earlier, str) and len(earlier) > MAX_TYPED and value == earlier[:MAX_TYPED]:
            value = earlier
        if value is not None:
            values[parameter.name] = value
    return values


def problems(command: Command, values: Mapping[str, JsonValue]) -> dict[str, str]:
    """What is wrong, by field. Whatever else a check raises, the core meets again and tells."""
    found = {}
    for parameter in command.parameters:
        try:
            if parameter.name in values:
                parameter.bind(values[parameter.name])
        except UsageError as error:
            found[parameter.name] = _sentence(error)
    if found or not command.parameters:
        return found
    try:
        command.bind(values)
    except UsageError as error:
        names = [each[1] for each in _CULPRIT.finditer(str(error))]
        known = [each.name for each in command.parameters]
        return {next((name for name in names if name in known), known[0]): _sentence(error)}
    except Exception:
        log.debug("a check of /%s failed", command.name, exc_info=True)
    return {}


async def options(parameter: Parameter, call: CommandCall, typed: str) -> list[Json]:
    """What a field suggests for what was typed so far; what fails or takes too long suggests nothing."""
    typed = as_text(typed).strip()
    # Suggestions are no limits: what somebody typed can be taken as well.
    found = dict.fromkeys((typed, *await _suggestions(parameter, call, typed)))
    return [_option(each) for each in found if 0 < len(each) <= MAX_VALUE][:MAX_OPTIONS]


def readable(value: JsonValue) -> str:
    """A value as somebody would write it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case {"name": str(name)}:
            return name
    return str(value)


def _about(command: Command, target: Target | None) -> tuple[str, ...]:
    """What stands above the fields."""
    if target is None:
        return (say(command.description),)
    return (f"{target.author.name}: {target.text.strip()}" if target.text.strip() else "",)


def _field(parameter: Parameter, command: Command, given: JsonValue) -> Json:
    title = command.form.model_fields[parameter.name].title if command.form is not None else None
    hint = say(parameter.description) if parameter.description and parameter.description != title else ""
    shown = given if given is not None else _default(parameter)
    # What is not ticked means no, and a file that was given before need not be given again.
    optional = not parameter.required or parameter.kind == "bool"
    if parameter.kind == "attachment" and isinstance(shown, dict):
        optional, hint = True, say("Without a new one: {name}", name=shown.get("name"))
    field: Json = {
        "type": "input",
        "block_id": parameter.name,
        "label": _plain(say(title or parameter.name.replace("_", " ").capitalize()), MAX_LABEL),
        "optional": optional,
        "element": {"action_id": parameter.name, **_element(parameter, shown)},
    }
    return field | ({"hint": _plain(hint, MAX_HINT)} if hint else {})


def _element(parameter: Parameter, shown: JsonValue) -> Json:
    if parameter.choices and all(0 < len(choice) <= MAX_VALUE for choice in parameter.choices):
        return _choice(parameter, shown)
    match parameter.kind:
        case "bool":
            yes = _option("yes", say("Yes"))
            ticked = readable(shown).casefold() in ("yes", "true", "on", "1", "y")
            return {"type": "checkboxes", "options": [yes], **({"initial_options": [yes]} if ticked else {})}
        case "user":
            chosen = {"initial_user": shown["id"]} if isinstance(shown, dict) else {}
            return {"type": "users_select", **chosen}
        case "attachment":
            return {"type": "file_input", "max_files": 1}
        case "int" | "float":
            return _number(parameter, shown)
    if _suggests(parameter):
        text = readable(shown)
        chosen = {"initial_option": _option(text)} if 0 < len(text) <= MAX_VALUE else {}
        return {"type": "external_select", "min_query_length": 0, **chosen}
    return _text(parameter, readable(shown))


def _choice(parameter: Parameter, shown: JsonValue) -> Json:
    offered = [_option(choice) for choice in parameter.choices]
    picked = readable(shown).casefold()
    chosen = next((each for each in offered if str(each["value"]).casefold() == picked), None)
    first = {} if chosen is None else {"initial_option": chosen}
    # Of a circle nobody can take back their choice.
    circles = parameter.required and len(offered) <= AT_A_GLANCE
    return {"type": "radio_buttons" if circles else "static_select", "options": offered, **first}


def _number(parameter: Parameter, shown: JsonValue) -> Json:
    whole = parameter.kind == "int"
    element: Json = {"type": "number_input", "is_decimal_allowed": not whole}
    for key, limit in (("min_value", parameter.arg.ge), ("max_value", parameter.arg.le)):
        if limit is not None:
            element[key] = str(int(limit) if float(limit).is_integer() else limit)
    typed = readable(shown).strip()
    if _NUMBER.fullmatch(typed):
        element["initial_value"] = typed.replace(",", ".").removeprefix("+")
    return element | {"placeholder": _plain(parameter.allowed, MAX_PLACEHOLDER)}


def _text(parameter: Parameter, shown: str) -> Json:
    longest = max(1, min(parameter.arg.max_length or MAX_TYPED, MAX_TYPED))
    element: Json = {
        "type": "plain_text_input",
        "multiline": parameter.arg.rest or longest > ONE_LINE,
        "max_length": longest,
    }
    if parameter.required and parameter.arg.min_length:
        element["min_length"] = min(parameter.arg.min_length, longest)
    if shown:
        element["initial_value"] = shown[:longest]
    return element


def _value(element: Mapping[str, Any], parameter: Parameter) -> JsonValue:
    """None for a field that was left empty."""
    match element.get("type"):
        case "checkboxes":
            ticked = bool(element.get("selected_options"))
            return ticked if ticked or parameter.required or parameter.default is not None else None
        case "users_select":
            user = element.get("selected_user")
            return {"id": user, "name": user} if isinstance(user, str) and user else None
        case "file_input":
            files = [each for each in element.get("files") or () if isinstance(each, Mapping)]
            found = attachments({"files": files})
            return {**asdict(found[0])} if found else None
        case "static_select" | "radio_buttons" | "external_select":
            option = element.get("selected_option")
            return as_text(str(option.get("value", ""))) if isinstance(option, Mapping) else None
    typed = as_text(str(element.get("value") or ""))
    # Emptying a text that was filled in says that it shall be empty.
    was_filled_in = parameter.kind == "str" and not parameter.choices and bool(parameter.default)
    return typed if typed.strip() or was_filled_in else None


def _suggests(parameter: Parameter) -> bool:
    """Whether it is filled in by choosing; what may be longer than a choice is typed."""
    arg = parameter.arg
    return arg.complete is not None and not arg.rest and (arg.max_length or 0) <= MAX_VALUE


async def _suggestions(parameter: Parameter, call: CommandCall, typed: str) -> Sequence[str]:
    if parameter.arg.complete is None:
        return ()
    try:
        return list(await asyncio.wait_for(parameter.arg.complete(call, typed), PATIENCE))
    except Exception:  # a plugin's suggestion that fails is no reason to disturb somebody who types
        log.debug("no suggestions for %s", parameter.name, exc_info=True)
        return ()


def _default(parameter: Parameter) -> JsonValue:
    default = parameter.default
    if isinstance(default, Enum):
        return next((text for text in parameter.choices if parameter.bind(text) is default), None)
    if isinstance(default, str) and not parameter.choices:
        return say(default)
    return default if isinstance(default, str | int | float | bool) else None


def _sentence(error: UsageError) -> str:
    """Beside a field, where nothing is read as Markdown."""
    return clip(str(error).replace("`", ""), MAX_ERROR)


def _option(value: str, text: str = "") -> Json:
    return {"text": _plain(text or value, MAX_OPTION), "value": value}


def _plain(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": clip(" ".join(as_text(text).split()) or "…", limit)}
