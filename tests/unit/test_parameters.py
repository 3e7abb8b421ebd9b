"""Parameters: what people may set, what modes mean, and what each API is sent."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from bot.errors import UsageError
from bot.model.healing import Learned, ParameterRefused
from bot.model.parameters import (
    MODES,
    REASONING_MODES,
    Wire,
    always_reasons,
    may_reason,
    mode_parameters,
    parameter_names,
    reasons,
    to_wire,
    unsupported,
    validated,
)


@pytest.mark.parametrize(
    ("name", "given", "sent"),
    [
        ("temperature", "0.9", 0.9),
        ("temperature", 2, 2.0),
        ("top_p", 0, 0.0),
        ("max_tokens", "1_000", 1000),
        ("effort", " HIGH ", "high"),
        ("verbosity", "low", "low"),
        ("presence_penalty", -2, -2.0),
        ("frequency_penalty", "2", 2.0),
        ("stop", "END", ["END"]),
        ("stop", ["a", "b", "c", "d"], ["a", "b", "c", "d"]),
        ("seed", "-5", -5),
    ],
)
def test_good_values_are_understood(name: str, given: JsonValue, sent: JsonValue) -> None:
    value = validated(name, given)
    assert value == sent
    assert type(value) is type(sent)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("temperature", 2.1),
        ("temperature", "warm"),
        ("temperature", "nan"),
        ("temperature", True),
        ("temperature", None),
        ("top_p", -0.1),
        ("max_tokens", 0),
        ("max_tokens", "1.5"),
        ("max_tokens", "9" * 500),
        ("max_tokens", "٣"),
        ("effort", "enormous"),
        ("verbosity", 3),
        ("presence_penalty", "inf"),
        ("frequency_penalty", -2.5),
        ("stop", []),
        ("stop", ["a"] * 5),
        ("stop", [""]),
        ("stop", [1]),
        ("seed", "x"),
    ],
)
def test_bad_values_are_refused_with_a_sentence_that_names_them(name: str, given: JsonValue) -> None:
    with pytest.raises(UsageError) as caught:
        validated(name, given)
    assert f"`{name}`" in caught.value.public or "`stop`" in caught.value.public
    assert len(caught.value.public) < 200


def test_an_unknown_parameter_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        validated("temprature", 1)
    assert all(name in caught.value.public for name in parameter_names())


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.4-pro", "gpt-6-astra", "gpt-6.1-sol"])
def test_some_models_always_reason(model: str) -> None:
    assert always_reasons(model)
    assert always_reasons(f"openai/{model}-2026-01-31")
    assert reasons(model, {})
    assert not may_reason(model)


@pytest.mark.parametrize("model", ["gpt-5.1", "gpt-5.4-mini", "gpt-6-luna", "gpt-6.1-terra", "ft:gpt-6-luna:acme::x"])
def test_some_models_reason_only_when_asked(model: str) -> None:
    assert may_reason(model)
    assert not reasons(model, {})
    assert not reasons(model, {"effort": "none"})
    assert reasons(model, {"effort": "low"})


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "llama3", "mistral-pro", "orca", "", "o"]
)
def test_other_models_are_not_thought_to_reason(model: str) -> None:
    assert not always_reasons(model)
    assert not may_reason(model)


def test_modes_mean_sampling_or_effort() -> None:
    assert mode_parameters("creative", reasons=False) == {"temperature": 1.2, "top_p": 0.95}
    assert mode_parameters("precise", reasons=False) == {"temperature": 0.3, "top_p": 0.5}
    assert mode_parameters("balanced", reasons=False) == {"temperature": 0.7, "top_p": 0.85}
    assert set(MODES) == set(REASONING_MODES)
    for mode in MODES:
        assert set(mode_parameters(mode, reasons=True)) == {"effort", "verbosity"}
        for name, value in {**MODES[mode], **REASONING_MODES[mode]}.items():
            assert validated(name, value) == value
    with pytest.raises(UsageError, match="creative"):
        mode_parameters("wild", reasons=False)


def sent(api: Wire, model: str, learned: Learned | None = None, **parameters: JsonValue) -> dict[str, JsonValue]:
    return to_wire(api, model, parameters, learned or Learned(), names={})


def test_each_api_has_its_own_names() -> None:
    assert sent("responses", "gpt-4.1", temperature=1, max_tokens=9, verbosity="low") == {
        "temperature": 1,
        "max_output_tokens": 9,
        "text": {"verbosity": "low"},
    }
    assert (
        sent("chat", "m", max_tokens=9, effort="low", stop=["x"], seed=1, verbosity="low")["reasoning_effort"] == "low"
    )
    assert sent("chat", "m", max_tokens=9) == {"max_tokens": 9}
    assert to_wire("chat", "m", {"max_tokens": 9}, Learned(), names={"max_tokens": "max_completion_tokens"}) == {
        "max_completion_tokens": 9
    }
    assert sent("chat", "m", temperature=None) == {}


def test_models_that_need_not_reason_answer_at_once() -> None:
    assert sent("responses", "gpt-6-luna", temperature=0.7) == {"temperature": 0.7, "reasoning": {"effort": "none"}}
    assert sent("responses", "gpt-6-luna", effort="low", temperature=0.7) == {"reasoning": {"effort": "low"}}
    assert sent("responses", "gpt-6-luna", Learned(refused={"effort": "no"})) == {}


def test_what_reasoning_refuses_is_neither_sent_nor_hidden() -> None:
    assert sent("chat", "o3", temperature=1, top_p=0.5, stop=["x"], presence_penalty=1) == {}
    told = unsupported("chat", "o3", {"temperature": 1, "effort": "none", "seed": 1})
    assert set(told) == {"temperature", "effort"}
    assert set(unsupported("responses", "gpt-4.1", {"stop": ["x"], "seed": 1, "top_p": 1})) == {"stop", "seed"}


def test_the_token_limit_leaves_room_for_thinking() -> None:
    limit = sent("responses", "o3", max_tokens=100)["max_output_tokens"]
    assert isinstance(limit, int)
    assert limit > 1_000
    assert sent("responses", "gpt-6-luna", max_tokens=100)["max_output_tokens"] == 100


def test_what_was_learned_changes_the_next_call() -> None:
    learned = Learned(refused={"seed": "no"}, names={"max_tokens": "max_completion_tokens"}, fixed={"effort": "none"})
    assert sent("chat", "m", learned, seed=1, max_tokens=9, effort="high") == {
        "max_completion_tokens": 9,
        "reasoning_effort": "none",
    }
    assert Learned.from_facts(learned.to_facts()) == learned
    assert Learned.from_facts({"refused": 3, "names": {"a": 1}, "fixed": None, "calibration": 1.0}) == Learned()


def test_a_refused_parameter_is_renamed_then_dropped_then_given_up() -> None:
    refusal = ParameterRefused("max_tokens", "max_tokens", "no")
    renamed = Learned().after(refusal)
    assert renamed is not None
    assert renamed.names == {"max_tokens": "max_completion_tokens"}
    dropped = renamed.after(ParameterRefused("max_tokens", "max_completion_tokens", "no"))
    assert dropped is not None
    assert dropped.refused == {"max_tokens": "no"}
    assert dropped.after(refusal) is None
