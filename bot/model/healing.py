"""Parameters that a model refused: what was learned from it, and how the next call differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from bot.errors import BadRequest
from bot.words import say

CANONICAL: Mapping[str, str] = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "reasoning_effort": "effort",
    "reasoning.effort": "effort",
    "reasoning": "effort",
    "text.verbosity": "verbosity",
    "text": "verbosity",
    "verbosity": "verbosity",
    "temperature": "temperature",
    "top_p": "top_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "stop": "stop",
    "seed": "seed",
    "tools": "tools",
    "stream_options": "stream_options",
    "store": "store",
    "safety_identifier": "safety_identifier",
    "prompt_cache_key": "prompt_cache_key",
}
"""Name on the wire → Duologue's own."""

OTHER_NAME: Mapping[str, str] = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class ParameterRefused(BadRequest):
    """A 400 about one parameter. `parameter` is Duologue's name of it, `wire` the one that was sent, `instead` the
    only value that the provider would take, where it said so."""

    def __init__(self, parameter: str, wire: str, says: str, *, instead: JsonValue = None) -> None:
        self.parameter = parameter
        self.wire = wire
        self.says = says[:300]
        self.instead = instead
        super().__init__(
            f"{wire}: {self.says}",
            public=say(
                "The language model does not accept `{parameter}`. Try `/params reset` or another model.",
                parameter=parameter,
            ),
        )


@dataclass(frozen=True, slots=True)
class Learned:
    """About one model of one provider. `refused`: parameter → what the provider said; `names`: parameter → the name
    it goes by; `fixed`: parameter → the only value taken."""

    refused: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_facts(cls, facts: Mapping[str, JsonValue]) -> Learned:
        """What a store kept; anything malformed is forgotten."""
        return cls(_texts(facts.get("refused")), _texts(facts.get("names")), dict(_mapping(facts.get("fixed"))))

    def to_facts(self) -> dict[str, JsonValue]:
        return {"refused": dict(self.refused), "names": dict(self.names), "fixed": dict(self.fixed)}

    def after(self, refusal: ParameterRefused) -> Learned | None:
        """What is known now; None when nothing is left to try about this parameter."""
        parameter = refusal.parameter
        if refusal.instead is not None and parameter not in self.fixed:
            return replace(self, fixed={**self.fixed, parameter: refusal.instead})
        if refusal.wire in OTHER_NAME and parameter not in self.names:
            return replace(self, names={**self.names, parameter: OTHER_NAME[refusal.wire]})
        if parameter in self.refused:
            return None
        return replace(self, refused={**self.refused, parameter: refusal.says})

    def applied(self, parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The parameters without those that were refused and with those that are fixed."""
        kept = {name: value for name, value in parameters.items() if name not in self.refused}
        return kept | {name: value for name, value in self.fixed.items() if name not in self.refused}


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _texts(value: JsonValue) -> dict[str, str]:
    return {key: text for key, text in _mapping(value).items() if isinstance(text, str)}
