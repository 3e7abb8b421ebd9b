"""Forms: a command's fields as Discord's modal, what was filled in, and giving it back when it could not be used."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote, unquote

from discord import ui
from pydantic import JsonValue

from adapters.discord.markup import as_text, length, plain_name
from bot.api import Button, Clock, Command, File, Parameter, PluginError, Reply, Target, button_id, clip, say, tr

PREFIX = "f1"
# The button under a form that was not taken; no plugin can have an action of this name.
REOPEN = "+form"
MAX_FIELDS, MAX_TITLE, MAX_LABEL, MAX_HINT, MAX_TYPED = 5, 45, 45, 100, 4000
TEXT_INPUT, SELECT, USER_SELECT, LABEL, UPLOAD = 4, 3, 5, 18, 19
LINE, PARAGRAPH = 1, 2
# Longer texts get a field of several lines, and so do those of any length.
ONE_LINE = 200
# What is kept of forms and of messages that somebody may still come back to: how many, and for how many seconds.
MOST_KEPT, KEPT_FOR = 200, 3600.0
# What was written is shown below an error, or attached to it.
MAX_SHOWN = 1200

Value = TypeVar("Value")
Payload = dict[str, Any]  # JSON as Discord's API defines it


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody has filled in so far. `target` is the id of the message that the command was opened on."""

    command: str
    values: Mapping[str, JsonValue]
    target: str = ""


@dataclass(frozen=True, slots=True)
class FormId:
    """What a modal carries, so that also a process that did not open it understands what comes back."""

    command: str
    target: str = ""
    key: str = ""

    def __str__(self) -> str:
        return "/".join([PREFIX, *(quote(part, safe=" ") for part in (self.command, self.target, self.key))])

    @classmethod
    def parse(cls, text: str) -> FormId | None:
        prefix, *parts = text.split("/")
        return cls(*map(unquote, parts)) if prefix == PREFIX and len(parts) == 3 else None


class Kept(Generic[Value]):
    """The newest few, for a while."""

    def __init__(self, clock: Clock, most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._most = most
        self._kept: dict[str, tuple[float, Value]] = {}

    def put(self, key: str, value: Value) -> None:
        self._kept.pop(key, None)
        self._kept[key] = (self._clock.monotonic() + KEPT_FOR, value)
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def get(self, key: str) -> Value | None:
        until, value = self._kept.get(key, (0.0, None))
        return value if until > self._clock.monotonic() else None


class Forms:
    """Remembers for a while what people filled in and what their menus were opened on."""

    def __init__(self, clock: Clock) -> None:
        self._drafts: Kept[Draft] = Kept(clock)
        self._targets: Kept[Target] = Kept(clock)

    def keep(self, draft: Draft) -> str:
        key = secrets.token_urlsafe(6)
        self._drafts.put(key, draft)
        return key

    def draft(self, key: str) -> Draft | None:
        return self._drafts.get(key)

    def keep_target(self, target: Target) -> None:
        self._targets.put(target.id, target)

    def target(self, id: str) -> Target | None:
        return self._targets.get(id)

    def given_back(self, reply: Reply, data: Mapping[str, JsonValue], locale: str = "") -> Reply:
        """What went wrong with a form, for its asker alone: with what they wrote, and the way back to it. Anything
        that is no form's is as it was."""
        draft = draft_of(data)
        if draft is None:
            return reply
        typed = "\n".join(f"{name}: {_readable(value)}" for name, value in draft.values.items())
        text, files = reply.text, reply.files
        quoted = "\n".join(f"> {line}" for line in typed.splitlines())
        if len(quoted) > MAX_SHOWN:
            text += "\n\n" + tr(locale, "What you wrote is attached.")
            files = (*files, File("what-you-wrote.txt", typed.encode(), "text/plain; charset=utf-8"))
        elif typed:
            text += "\n\n" + tr(locale, "You wrote:") + "\n" + quoted
        return replace(
            reply, text=text, files=files, buttons=(*reply.buttons, self._way_back(draft, locale)), private=True
        )

    def _way_back(self, draft: Draft, locale: str) -> Button:
        label = tr(locale, "Open the form again")
        button = Button(REOPEN, label, (self.keep(draft), draft.command, draft.target), look="primary")
        try:
            button_id(button, "9" * 20)
        except PluginError:  # the names are too long: what was kept must do
            button = replace(button, args=button.args[:1])
        return button


def draft_data(draft: Draft) -> dict[str, JsonValue]:
    """What a route carries, so that nothing is lost with the process."""
    return {"form": {"command": draft.command, "values": dict(draft.values), "target": draft.target}}


def draft_of(data: Mapping[str, JsonValue]) -> Draft | None:
    match data.get("form"):
        case {"command": str(command), "values": dict(values), "target": str(target)}:
            return Draft(command, values, target)
    return None


class Modal(ui.Modal):
    """A form as Discord shows it. What comes back is told by its id, so discord.py need not remember it."""

    def __init__(self, command: Command, id: FormId, values: Mapping[str, JsonValue]) -> None:
        super().__init__(title=_clipped(_title(command), MAX_TITLE), custom_id=str(id))
        self._fields = [_field(parameter, command, values) for parameter in fields(command)]
        self.stop()

    def to_components(self) -> list[dict[str, Any]]:
        return self._fields


def _title(command: Command) -> str:
    return say(command.title if command.target is not None else command.description or command.name)


def fields(command: Command) -> tuple[Parameter, ...]:
    """What a form asks for: the first five, required ones first. The others can be given as options only."""
    return command.parameters[:MAX_FIELDS] if command.form is not None else ()


def opens_form(command: Command, given: Mapping[str, JsonValue]) -> bool:
    """Whether a call needs the form: something is missing, or nothing was given at all."""
    missing = any(parameter.required and parameter.name not in given for parameter in command.parameters)
    return command.form is not None and bool(command.parameters) and (missing or not given)


def read(data: Mapping[str, Any], command: Command | None, before: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The values of a submitted form, and of what the call gave `before` it."""
    asked = {parameter.name: parameter for parameter in fields(command)} if command is not None else {}
    # A file cannot be put into a form again, so the one that was given before stays until there is another.
    values = {name: value for name, value in before.items() if name not in asked or asked[name].kind == "attachment"}
    resolved = data.get("resolved") or {}
    for component in _filled(data.get("components") or ()):
        name = str(component.get("custom_id"))
        value = _value(component, asked.get(name), resolved)
        if value is not None:
            values[name] = value
    return values


def user_argument(id: str, resolved: Mapping[str, Any]) -> JsonValue:
    user = resolved.get("users", {}).get(id, {})
    member = resolved.get("members", {}).get(id, {})
    name = member.get("nick") or user.get("global_name") or user.get("username") or id
    return {"id": id, "name": plain_name(str(name))}


def file_argument(id: str, resolved: Mapping[str, Any]) -> JsonValue:
    file = resolved.get("attachments", {}).get(id, {})
    return {
        "name": as_text(str(file.get("filename", "file"))),
        "media_type": str(file.get("content_type") or "application/octet-stream"),
        "size": int(file.get("size", 0)),
        "url": str(file.get("url", "")),
    }


def _field(parameter: Parameter, command: Command, values: Mapping[str, JsonValue]) -> Payload:
    shown = values.get(parameter.name, _default(parameter))
    title = command.form.model_fields[parameter.name].title if command.form is not None else None
    field: Payload = {
        "type": LABEL,
        "label": _clipped(say(title or parameter.name.replace("_", " ").capitalize()), MAX_LABEL),
        "component": {"custom_id": parameter.name, "required": parameter.required, **_input(parameter, shown)},
    }
    if parameter.description and parameter.description != title:
        field["description"] = _clipped(say(parameter.description), MAX_HINT)
    if parameter.kind == "attachment" and isinstance(shown, dict):
        field["component"]["required"] = False
        field["description"] = _clipped(say("Without a new one: {name}", name=shown.get("name")), MAX_HINT)
    return field


def _input(parameter: Parameter, shown: JsonValue) -> Payload:
    choices = ("yes", "no") if parameter.kind == "bool" else parameter.choices
    if choices:
        picked = _readable(shown).casefold()
        options = [
            {"label": choice[:MAX_HINT], "value": choice[:MAX_HINT], "default": choice.casefold() == picked}
            for choice in choices
        ]
        return {"type": SELECT, "options": options, "min_values": int(parameter.required)}
    if parameter.kind == "attachment":
        return {"type": UPLOAD, "min_values": int(parameter.required and shown is None)}
    if parameter.kind == "user":
        chosen = {"default_values": [{"id": shown["id"], "type": "user"}]} if isinstance(shown, dict) else {}
        return {"type": USER_SELECT, "min_values": int(parameter.required), **chosen}
    return _text_input(parameter, _readable(shown))


def _text_input(parameter: Parameter, shown: str) -> Payload:
    longest = min(parameter.arg.max_length or MAX_TYPED, MAX_TYPED) if parameter.kind == "str" else 40
    shortest = min(parameter.arg.min_length or 0, longest) if parameter.kind == "str" else 0
    entry: Payload = {
        "type": TEXT_INPUT,
        "style": PARAGRAPH if longest > ONE_LINE else LINE,
        "max_length": max(longest, 1),
    }
    if shown:
        entry["value"] = shown[: max(longest, 1)]
    if shortest and parameter.required:
        entry["min_length"] = shortest
    if parameter.kind != "str":
        entry["placeholder"] = _clipped(parameter.allowed, MAX_HINT)
    return entry


def _filled(components: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What was filled in, in labels and in the rows of older clients."""
    for component in components:
        if component.get("type") == LABEL:
            yield component.get("component") or {}
        else:
            yield from component.get("components") or ()


def _value(component: Mapping[str, Any], parameter: Parameter | None, resolved: Mapping[str, Any]) -> JsonValue:
    """None for a field that was left empty."""
    if component.get("type") == TEXT_INPUT:
        typed = as_text(str(component.get("value") or ""))
        # Emptying a text that was filled in says that it shall be empty.
        was_filled_in = parameter is not None and parameter.kind == "str" and bool(parameter.default)
        return typed if typed or was_filled_in else None
    picked: Sequence[Any] = component.get("values") or ()
    if not picked:
        return None
    if component.get("type") == USER_SELECT:
        return user_argument(str(picked[0]), resolved)
    return file_argument(str(picked[0]), resolved) if component.get("type") == UPLOAD else str(picked[0])


def _default(parameter: Parameter) -> JsonValue:
    default = parameter.default
    if isinstance(default, Enum):
        return next((text for text in parameter.choices if parameter.bind(text) is default), None)
    if isinstance(default, str) and not parameter.choices:
        return say(default)
    return default if isinstance(default, str | int | float | bool) else None


def _readable(value: JsonValue) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case {"name": str(name)}:
            return name
    return str(value)


def _clipped(text: str, limit: int) -> str:
    return clip(" ".join(as_text(text).split()) or "…", limit, length)
