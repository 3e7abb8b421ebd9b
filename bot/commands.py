"""A typed function becomes a command: a text parser, typed binding and a JSON schema from one signature."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, overload

from pydantic import BaseModel, JsonValue, ValidationError

from bot.arguments import Arg, Complete, Kind, Parameter, one_of, shown
from bot.errors import PluginError, UsageError
from bot.events import User
from bot.parsing import parse_line
from bot.signatures import parameters_of
from bot.words import say

__all__ = ["Arg", "Command", "Commands", "Complete", "Kind", "Parameter", "Tool", "command_from", "is_command_line"]

Fills: TypeAlias = Callable[[Any], Awaitable[Mapping[str, JsonValue]]]

# What every platform allows as a name.
WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
LINE = re.compile(r"(\S+)(?:\s+(\S+))?")
# Longer usage lines name the argument instead of listing what it may be.
SHORT_CHOICES = 40
# The narrowest of the platforms: what one form shows.
FORM_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `name` is the full name, at most two words (`system set`). `look` says that without arguments it
    only shows something, so that everybody may call it so; `overview` that this belongs on a page about the bot.

    With a `form`, the parameters are its fields and `bind` gives `{"form": the model}`; `fills(ctx)` tells what stands
    in it when it is opened, by field. `names` (in a menu, of
    the title) and `descriptions` are by language, for those that a catalog has.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    callback: Callable[..., Any]
    plugin: str
    private: bool = False
    immediate: bool = False
    who: Literal["anyone", "moderators"] = "anyone"
    look: bool = False
    overview: bool = False
    form: type[BaseModel] | None = None
    fills: Fills | None = None
    target: Literal["message"] | None = None
    refusal: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """`Ask about this` for `ask_about_this`: what stands in a menu."""
        return self.name.replace("_", " ").replace("-", " ").capitalize()

    @property
    def usage(self) -> str:
        """`/roll [sides]`, for error messages and help."""
        return " ".join([f"/{self.name}", *(_in_usage(parameter) for parameter in self.parameters)])

    def bind(self, arguments: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Typed keyword arguments for the callback. Raises UsageError that names what is wrong."""
        try:
            self._check_names(arguments)
            bound = {parameter.name: _bound(parameter, arguments) for parameter in self.parameters}
            if self.form is None:
                return bound
            # What was left out is the form's own to fill.
            return {"form": _filled(self.form, {name: bound[name] for name in arguments if bound[name] is not None})}
        except UsageError as error:
            raise UsageError(str(error), usage=self.usage) from None

    def parse(self, text: str, mentions: Sequence[User] = ()) -> dict[str, JsonValue]:
        """One typed line → arguments for `bind`. Raises UsageError."""
        try:
            return parse_line(self.parameters, text, mentions)
        except UsageError as error:
            raise UsageError(str(error), usage=self.usage) from None

    def json_schema(self) -> dict[str, JsonValue]:
        return {
            "type": "object",
            "properties": {parameter.name: parameter.schema for parameter in self.parameters},
            "required": [parameter.name for parameter in self.parameters],
            "additionalProperties": False,
        }

    def _check_names(self, arguments: Mapping[str, JsonValue]) -> None:
        names = [parameter.name for parameter in self.parameters]
        for name in arguments:
            if name not in names:
                unknown = shown(name)
                if not names:
                    raise UsageError(say("There is no argument {unknown}. It takes none.", unknown=unknown))
                raise UsageError(
                    say("There is no argument {unknown}. It takes {names}.", unknown=unknown, names=one_of(names))
                )


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; the same `bind` as a command's."""

    command: Command

    @property
    def name(self) -> str:
        """Letters, digits, `_` and `-`: a command's spaces become `_`."""
        return self.command.name.replace(" ", "_")


def command_from(
    function: Callable[..., Any],
    *,
    plugin: str,
    name: str | None = None,
    private: bool = False,
    immediate: bool = False,
    who: Literal["anyone", "moderators"] = "anyone",
    look: bool = False,
    overview: bool = False,
    form: type[BaseModel] | None = None,
    fills: Fills | None = None,
    target: Literal["message"] | None = None,
    refusal: str = "",
    whole_docstring: bool = False,
) -> Command:
    """Raises PluginError, naming plugin and function, for a function that cannot be a command."""
    called = getattr(function, "__name__", type(function).__name__)
    where = f"Plugin `{plugin}`, function `{called}`"
    if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
        raise PluginError(f"{where}: it is not async. Write `async def {called}(ctx: Context, …)`.")
    # `help_` keeps the built-in name free.
    name = called.rstrip("_").lower() if name is None else name
    check_name(name, where)
    text = inspect.cleandoc(function.__doc__ or "")
    if not text:
        raise PluginError(f"{where}: it has no docstring. Its first line tells people what the command does.")
    parameters = parameters_of(function, where, form)
    if target is not None and form is None and any(parameter.required for parameter in parameters):
        raise PluginError(f"{where}: opened on a {target}, it gets no arguments, so none may be required.")
    if target is not None and sum(parameter.required for parameter in parameters) > FORM_FIELDS:
        raise PluginError(f"{where}: its form can ask for {FORM_FIELDS} things, so no more may be required.")
    return Command(
        name=name,
        description=text if whole_docstring else text.splitlines()[0].strip(),
        parameters=parameters,
        callback=function,
        plugin=plugin,
        private=private,
        immediate=immediate,
        who=who,
        look=look,
        overview=overview,
        form=form,
        fills=fills,
        target=target,
        refusal=refusal,
    )


def check_name(name: str, where: str) -> None:
    words = name.split(" ")
    if not 1 <= len(words) <= 2 or not all(WORD.fullmatch(word) for word in words):
        raise PluginError(
            f"{where}: `{name}` cannot be the name of a command. "
            "It needs one or two words of lowercase letters, digits, - and _, each at most 32 long."
        )


class Commands(Sequence[Command]):
    """All commands of all plugins, by name. Raises PluginError where two cannot live side by side."""

    def __init__(self, commands: Iterable[Command] = ()) -> None:
        self._by_name: dict[str, Command] = {}
        for command in commands:
            if other := self._by_name.get(command.name):
                raise PluginError(f"{_both(other, command)} have a command `/{command.name}`. Leave one of them out.")
            self._by_name[command.name] = command
        self._all = tuple(self._by_name.values())
        self._groups: dict[str, list[Command]] = {}
        for command in self._all:
            first, space, _ = command.name.partition(" ")
            if space:
                self._groups.setdefault(first, []).append(command)
        for first, inside in self._groups.items():
            if alone := self._by_name.get(first):
                raise PluginError(
                    f"{_both(alone, inside[0])} clash: `/{first}` cannot be a command of its own "
                    f"beside `/{inside[0].name}`."
                )

    @overload
    def __getitem__(self, index: int) -> Command: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Command]: ...
    def __getitem__(self, index: int | slice) -> Command | Sequence[Command]:
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def find(self, name: str) -> Command | None:
        return self._by_name.get(" ".join(name.strip().removeprefix("/").lower().split()))

    def match(self, line: str) -> tuple[Command, str] | None:
        """The command that a typed line calls, the longest name first, and the untouched rest of the line."""
        words = LINE.match(line.lstrip().removeprefix("/"))
        if words is None:
            return None
        two = f"{words[1]} {words[2]}".lower() if words[2] else ""
        for name, end in ((two, words.end()), (words[1].lower(), words.end(1))):
            if command := self._by_name.get(name):
                return command, words.string[end:].lstrip()
        return None

    def nearest(self, name: str) -> str | None:
        """The name of the command that was probably meant."""
        typed = " ".join(name.removeprefix("/").lower().split()[:2])[:70]
        if not typed:
            return None
        for candidate in (typed, typed.partition(" ")[0]):
            known = [*self._by_name, *self._groups]
            begun = sorted(name for name in known if len(candidate) > 1 and name.startswith(candidate))
            if found := begun or difflib.get_close_matches(candidate, known, n=1, cutoff=0.6):
                return found[0]
        return None

    def unknown(self, line: str) -> str:
        """A friendly sentence for a line that `match` finds nothing in."""
        words = line.strip().removeprefix("/").split()
        if not words:
            return say("Type `/help` to see what I can do.")
        if inside := self._groups.get(words[0].lower()):
            endings = [command.name.partition(" ")[2] for command in inside]
            return say("`/{name}` needs one more word: {endings}.", name=words[0].lower(), endings=one_of(endings))
        # Without the sign before it, which is another one in some places.
        told = [say("Unknown command: {typed}.", typed=shown(words[0]))]
        if nearest := self.nearest(line):
            told.append(say("Did you mean `/{name}`?", name=nearest))
        elif len(words) > 1 and self.find("ask"):
            told.append(say("To ask me something, begin with `/ask`."))
        if self.find("help"):
            told.append(say("`/help` lists all of them."))
        return " ".join(told)


def is_command_line(text: str, prefix: str = "/") -> bool:
    """Whether somebody meant a command: `/help` and a lone `/`, but not a pasted path like `/usr/bin`."""
    if not text.startswith(prefix):
        return False
    words = text[len(prefix) :].split(maxsplit=1)
    return not words or (not text[len(prefix)].isspace() and bool(WORD.fullmatch(words[0].lower())))


def _in_usage(parameter: Parameter) -> str:
    choices = "|".join(parameter.choices)
    text = choices if choices and len(choices) <= SHORT_CHOICES else parameter.name
    text += "…" if parameter.arg.rest else ""
    return f"<{text}>" if parameter.required else f"[{text}]"


def _bound(parameter: Parameter, arguments: Mapping[str, JsonValue]) -> Any:
    value = arguments.get(parameter.name)
    if value is not None:
        return parameter.bind(value)
    if parameter.required:
        name, allowed = parameter.name, parameter.allowed
        if parameter.description:
            about = say(parameter.description).rstrip(".")
            raise UsageError(say("`{name}` is missing: {about} ({allowed}).", name=name, about=about, allowed=allowed))
        raise UsageError(say("`{name}` is missing. It must be {allowed}.", name=name, allowed=allowed))
    return parameter.default


def _filled(form: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    try:
        return form.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"`{field}`: {first['msg']}." if field else f"{first['msg']}.") from None


def _both(one: Command, other: Command) -> str:
    if one.plugin == other.plugin:
        return f"Two functions of plugin `{one.plugin}`"
    return f"The plugins `{one.plugin}` and `{other.plugin}`"
