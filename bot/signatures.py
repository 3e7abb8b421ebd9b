"""Reads what a command takes from the signature of its function, and says clearly what it cannot read."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from bot.arguments import Arg, Kind, Parameter, choice_of
from bot.errors import PluginError, UsageError
from bot.events import Attachment, User

KINDS: dict[Any, Kind] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    User: "user",
    Attachment: "attachment",
}
SUPPORTED = "str, int, float, bool, Literal, Enum, User, Attachment, each also `| None` or in Annotated[…, Arg(…)]"
# The narrowest of the platforms: 25 options with 25 choices each, names of 32 characters.
MOST = 25
PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def parameters_of(function: Callable[..., Any], where: str, form: type[BaseModel] | None) -> tuple[Parameter, ...]:
    """`where` names plugin and function in the PluginError for a signature that cannot become a command."""
    hints = hints_of(function, where)
    takes = list(inspect.signature(function).parameters.values())
    check_context(takes, hints, where)
    if form is not None:
        return _form_parameters(takes[1:], hints, form, where)
    return _checked([_parameter(taken, hints, f"{where}: `{taken.name}`") for taken in takes[1:]], where)


def hints_of(function: Callable[..., Any], where: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except Exception as error:  # an annotation is code and may raise anything
        raise PluginError(
            f"{where}: its annotations cannot be read ({error}). Import the types it names outside TYPE_CHECKING."
        ) from error


def check_context(takes: Sequence[inspect.Parameter], hints: dict[str, Any], where: str) -> None:
    first = takes[0] if takes else None
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise PluginError(f"{where}: it takes no context. Its first parameter must be `ctx: Context`.")
    annotation = hints.get(first.name)
    named = getattr(annotation, "__name__", None)
    if named != "Context" and (annotation is not None or first.name != "ctx"):
        raise PluginError(f"{where}: its first parameter is `{first.name}`, but it must be `ctx: Context`.")


def _form_parameters(
    takes: Sequence[inspect.Parameter], hints: dict[str, Any], form: type[BaseModel], where: str
) -> tuple[Parameter, ...]:
    """A form's fields are arguments too, for surfaces that cannot show a form."""
    if len(takes) != 1 or takes[0].name != "form" or hints.get("form") is not form:
        raise PluginError(f"{where}: a command with a form must be `(ctx: Context, form: {form.__name__})`.")
    found = []
    for name, field in form.model_fields.items():
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=False)
        taken = inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if default is PydanticUndefined else default,
        )
        arg = next((item for item in field.metadata if isinstance(item, Arg)), None) or _limits(field.metadata)
        arg = replace(arg, description=arg.description or field.description or field.title or "")
        annotation: Any = Annotated[field.annotation, arg]
        found.append(_parameter(taken, {name: annotation}, f"{where}: `{form.__name__}.{name}`"))
    return _checked(sorted(found, key=lambda parameter: not parameter.required), where)


def _limits(metadata: Sequence[object]) -> Arg:
    """What `Field(max_length=…, ge=…)` says, so that people learn of it before they have written too much."""
    names = ("ge", "le", "min_length", "max_length")
    return Arg(
        **{name: value for item in metadata for name in names if (value := getattr(item, name, None)) is not None}
    )


def _parameter(taken: inspect.Parameter, hints: dict[str, Any], where: str) -> Parameter:
    if taken.kind not in (taken.POSITIONAL_OR_KEYWORD, taken.KEYWORD_ONLY):
        raise PluginError(f"{where} cannot be an argument of a command: write each argument by its name.")
    if not PARAMETER_NAME.fullmatch(taken.name):
        raise PluginError(f"{where} must have a name of lowercase letters, digits and _, at most 32.")
    if taken.name not in hints:
        raise PluginError(f"{where} has no type. Supported are {SUPPORTED}.")
    annotation, arg, may_be_none = _unwrapped(hints[taken.name], where)
    kind, choices, enum = _kind(annotation, where)
    has_default = taken.default is not inspect.Parameter.empty
    parameter = Parameter(
        name=taken.name,
        kind=kind,
        description=arg.description,
        required=not has_default and not may_be_none,
        default=taken.default if has_default else None,
        choices=choices,
        arg=arg,
        enum=enum,
    )
    _check_arg(parameter, where)
    _check_default(parameter, where)
    return parameter


def _unwrapped(annotation: Any, where: str) -> tuple[Any, Arg, bool]:
    """The bare type, its Arg, and whether None is allowed, in whatever order Annotated and Optional are nested."""
    arg, may_be_none = Arg(), False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *notes = get_args(annotation)
            args = [note for note in notes if isinstance(note, Arg)]
            if any(note is Arg for note in notes):
                raise PluginError(f'{where} has `Arg` without brackets. Write `Arg("What it is")`.')
            arg = args[0] if args else arg
        elif origin in (Union, types.UnionType) and type(None) in get_args(annotation):
            left = [part for part in get_args(annotation) if part is not type(None)]
            if len(left) != 1:
                raise _unsupported(annotation, where)
            annotation, may_be_none = left[0], True
        else:
            return annotation, arg, may_be_none


def _kind(annotation: Any, where: str) -> tuple[Kind, tuple[str, ...], type[Enum] | None]:
    if annotation in KINDS:
        return KINDS[annotation], (), None
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
        if all(isinstance(value, str) for value in values):
            return "str", _choices(values, where), None
        if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            return "int", _choices([str(value) for value in values], where), None
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "str", _choices([choice_of(member) for member in annotation], where), annotation
    raise _unsupported(annotation, where)


def _choices(texts: Sequence[str], where: str) -> tuple[str, ...]:
    if not 1 <= len(texts) <= MOST:
        raise PluginError(f"{where} has {len(texts)} choices; it needs 1 to {MOST}. Use Arg(complete=…) for more.")
    if len({text.strip().casefold() for text in texts}) < len(texts) or any(text != text.strip() for text in texts):
        raise PluginError(f"{where} has choices that differ only in case or spaces, or that begin or end with a space.")
    if any(not 1 <= len(text) <= 100 for text in texts):
        raise PluginError(f"{where} has a choice that is empty or longer than 100 characters.")
    return tuple(texts)


def _unsupported(annotation: Any, where: str) -> PluginError:
    named = getattr(annotation, "__name__", None) if isinstance(annotation, type) else None
    return PluginError(f"{where} has the type {named or annotation}, which no command can take. Use {SUPPORTED}.")


def _check_arg(parameter: Parameter, where: str) -> None:
    arg = parameter.arg
    if parameter.kind not in ("int", "float") and (arg.ge is not None or arg.le is not None):
        raise PluginError(f"{where} is no number, so `ge` and `le` mean nothing.")
    if parameter.kind != "str" and (arg.min_length is not None or arg.max_length is not None or arg.rest):
        raise PluginError(f"{where} is no text, so `min_length`, `max_length` and `rest` mean nothing.")
    if parameter.choices and (arg.rest or arg.complete or arg.max_length is not None or arg.min_length is not None):
        raise PluginError(f"{where} has fixed choices, so `rest`, `complete` and lengths mean nothing.")
    for low, high in ((arg.ge, arg.le), (arg.min_length, arg.max_length)):
        if low is not None and high is not None and low > high:
            raise PluginError(f"{where} allows nothing: {low} is more than {high}.")
    if arg.complete is not None and not inspect.iscoroutinefunction(arg.complete):
        raise PluginError(f"{where}: `complete` must be `async def complete(ctx, typed)`.")


def _check_default(parameter: Parameter, where: str) -> None:
    default = parameter.default
    if default is None or parameter.kind in ("user", "attachment"):
        return
    if isinstance(default, Enum):
        if not isinstance(default, parameter.enum or ()):
            raise PluginError(f"{where} has the default {default!r}, which is no {parameter.enum or parameter.kind}.")
        return
    try:
        parameter.bind(default)
    except UsageError as error:
        raise PluginError(f"{where} has a default that it does not allow. {error}") from error


def _checked(parameters: Sequence[Parameter], where: str) -> tuple[Parameter, ...]:
    if len(parameters) > MOST:
        raise PluginError(f"{where}: it takes {len(parameters)} arguments; platforms allow {MOST}.")
    for before, after in pairwise(parameters):
        if before.arg.rest and after.required and after.kind != "attachment":
            # Files are never part of the line, and what has a default can be given by name.
            raise PluginError(f"{where}: `{before.name}` takes the rest of the line, so nothing required may follow.")
        if after.required and not before.required:
            raise PluginError(f"{where}: `{after.name}` is required, so it must stand before `{before.name}`.")
    return tuple(parameters)
