"""Parameters people may set: their bounds, the modes made of them, and what each API calls them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from pydantic import JsonValue

from bot.errors import UsageError
from bot.model.healing import Learned
from bot.words import phrase, say

Wire: TypeAlias = Literal["responses", "chat"]
Parameters: TypeAlias = Mapping[str, JsonValue]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
VERBOSITIES = ("low", "medium", "high")
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "stop")
MOST_TOKENS = 1_000_000

MODES: Mapping[str, Parameters] = {
    "creative": {"temperature": 1.2, "top_p": 0.95},
    "balanced": {"temperature": 0.7, "top_p": 0.85},
    "precise": {"temperature": 0.3, "top_p": 0.5},
}
REASONING_MODES: Mapping[str, Parameters] = {
    "creative": {"effort": "medium", "verbosity": "high"},
    "balanced": {"effort": "low", "verbosity": "medium"},
    "precise": {"effort": "high", "verbosity": "low"},
}

_ALWAYS_REASONS = re.compile(
    r"o\d|gpt-5(-(mini|nano))?$|gpt-5-(?!chat)|gpt-.*-pro\b|gpt-5\.\d+-chat|gpt-6-astra|gpt-6\.1-sol"
)
_MAY_REASON = re.compile(r"gpt-5\.[1-6]|gpt-6-sol|gpt-6-luna|gpt-6\.1-terra")
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")

_THINKING_ROOM: Mapping[str, int] = {
    "minimal": 1_024,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
"""Tokens added to `max_tokens`, which people mean as the length of the answer, while a model also thinks in it."""


def validated(name: str, value: JsonValue) -> JsonValue:
    """The value of a parameter as it will be sent; texts such as `0.9` are understood. Raises UsageError."""
    check = _CHECKS.get(name)
    if check is None:
        raise UsageError(
            say("There is no parameter `{name}`. There are: {names}.", name=name, names=", ".join(_CHECKS))
        )
    return check(name, value)


def parameter_names() -> tuple[str, ...]:
    return tuple(_CHECKS)


def mode_parameters(mode: str, *, reasons: bool) -> Parameters:
    """What a mode means. Raises UsageError for an unknown one."""
    modes = REASONING_MODES if reasons else MODES
    if mode not in modes:
        raise UsageError(say("There is no mode `{name}`. There are: {names}.", name=mode, names=", ".join(modes)))
    return modes[mode]


def always_reasons(model: str) -> bool:
    return _ALWAYS_REASONS.match(_plain(model)) is not None


def may_reason(model: str) -> bool:
    """Whether it thinks only when an effort other than `none` is asked for."""
    return not always_reasons(model) and _MAY_REASON.match(_plain(model)) is not None


def reasons(model: str, parameters: Parameters) -> bool:
    """Whether this call would think first, and so refuse sampling parameters."""
    if always_reasons(model):
        return True
    effort = parameters.get("effort")
    return isinstance(effort, str) and effort != "none"


def unsupported(api: Wire, model: str, parameters: Parameters) -> dict[str, str]:
    """Set parameters that are known not to be taken, with the reason in plain words."""
    problems: dict[str, str] = {}
    for name, value in parameters.items():
        if value is None:
            continue
        if name in SAMPLING and reasons(model, parameters):
            problems[name] = phrase("this model does not take it while it is reasoning")
        elif api == "responses" and name in ("presence_penalty", "frequency_penalty", "stop", "seed"):
            problems[name] = phrase("OpenAI's Responses API has no such parameter")
        elif name == "effort" and value == "none" and always_reasons(model):
            problems[name] = phrase("this model always reasons")
    return problems


def to_wire(
    api: Wire, model: str, parameters: Parameters, learned: Learned, *, names: Parameters
) -> dict[str, JsonValue]:
    """The request's fields for these parameters. `names` are this server's own names of parameters."""
    taken = learned.applied(parameters)
    if may_reason(model) and "effort" not in taken and "effort" not in learned.refused:
        taken["effort"] = "none"
    dropped = unsupported(api, model, taken)
    taken = {name: value for name, value in taken.items() if value is not None and name not in dropped}
    limit = taken.get("max_tokens")
    if isinstance(limit, int) and reasons(model, taken):
        effort = taken.get("effort")
        taken["max_tokens"] = limit + _THINKING_ROOM.get(effort if isinstance(effort, str) else "medium", 8_192)
    if api == "responses":
        return _responses_fields(taken)
    renamed = {"effort": "reasoning_effort", **names, **learned.names}
    return {str(renamed.get(name, name)): value for name, value in taken.items()}


def _responses_fields(taken: dict[str, JsonValue]) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {name: taken[name] for name in ("temperature", "top_p") if name in taken}
    if "max_tokens" in taken:
        fields["max_output_tokens"] = taken["max_tokens"]
    if "effort" in taken:
        fields["reasoning"] = {"effort": taken["effort"]}
    if "verbosity" in taken:
        fields["text"] = {"verbosity": taken["verbosity"]}
    return fields


def _plain(model: str) -> str:
    """`openai/gpt-6-luna-2026-05-01` → `gpt-6-luna`; a fine-tuned model reasons as its base does."""
    name = model.lower().rsplit("/", 1)[-1]
    if name.startswith("ft:"):
        name = name.split(":")[1]
    return _DATED.sub("", name)


def _number(low: float, high: float) -> Callable[[str, JsonValue], JsonValue]:
    def check(name: str, value: JsonValue) -> JsonValue:
        try:
            # Half of the world writes 0,5.
            given = value.replace(",", ".") if isinstance(value, str) else value
            number = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else math.nan
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise UsageError(
                say(
                    "`{name}` is a number from {low:g} to {high:g}, not {value}.",
                    name=name,
                    low=low,
                    high=high,
                    value=_shown(value),
                )
            )
        return number

    return check


def _whole(low: int, high: int) -> Callable[[str, JsonValue], JsonValue]:
    def check(name: str, value: JsonValue) -> JsonValue:
        text = str(value).strip().replace("_", "") if not isinstance(value, bool) else ""
        if not re.fullmatch(r"-?\d{1,20}", text, re.ASCII) or not low <= int(text) <= high:
            raise UsageError(
                say(
                    "`{name}` is a whole number from {low:,} to {high:,}, not {value}.",
                    name=name,
                    low=low,
                    high=high,
                    value=_shown(value),
                )
            )
        return int(text)

    return check


def _one_of(*choices: str) -> Callable[[str, JsonValue], JsonValue]:
    def check(name: str, value: JsonValue) -> JsonValue:
        text = value.strip().lower() if isinstance(value, str) else ""
        if text not in choices:
            raise UsageError(
                say(
                    "`{name}` is one of {names}, not {value}.", name=name, names=", ".join(choices), value=_shown(value)
                )
            )
        return text

    return check


def _stops(name: str, value: JsonValue) -> JsonValue:
    stops: JsonValue = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not 1 <= len(stops) <= 4:
        raise UsageError(say("`{name}` takes one to four texts.", name=name))
    if not all(isinstance(stop, str) and 1 <= len(stop) <= 200 for stop in stops):
        raise UsageError(say("Each text in `{name}` has between 1 and 200 characters.", name=name))
    return stops


def _shown(value: JsonValue) -> str:
    text = str(value).replace("`", "'")
    return f"`{text[:40]}`" if text else say("nothing")


_CHECKS: Mapping[str, Callable[[str, JsonValue], JsonValue]] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "max_tokens": _whole(1, MOST_TOKENS),
    "effort": _one_of(*EFFORTS),
    "verbosity": _one_of(*VERBOSITIES),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "stop": _stops,
    "seed": _whole(-(2**63), 2**63 - 1),
}
