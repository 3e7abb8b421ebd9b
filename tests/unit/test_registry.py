"""The registry around scripted models: what does not need a wire."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

import pytest
from pydantic import JsonValue

from bot.api import ModelError, Place
from bot.errors import ModelTimeout, ModelUnavailable, RateLimited, StoreUnavailable
from bot.model import Retry, Timeouts
from bot.model.healing import Learned, ParameterRefused
from bot.model.prices import Prices, UnitPrices
from bot.model.registry import Registry
from bot.model.retry import Pauses
from bot.model.scripted import Say, Scripted
from bot.replies import Done, Notice, Piece, Text
from bot.turn import ModelChoice, Prompt, PromptMessage, Turn, Usage


def a_turn(**parameters: JsonValue) -> Turn:
    prompt = Prompt((PromptMessage("user", "hi"),))
    return Turn(Place("t", "w", "c"), prompt, ModelChoice("scripted", "m", parameters), feature="summary")


async def everything(registry: Registry, turn: Turn) -> list[Piece]:
    return [piece async for piece in registry.stream(turn)]


async def test_the_ledger_names_what_was_asked_for_and_what_it_cost() -> None:
    model = Scripted([Say("four five", usage=Usage(input=1_000_000, output=500_000))])
    prices = Prices({"scripted/m": UnitPrices(Decimal(1), Decimal(2))})
    turn = a_turn()
    pieces = await everything(Registry([model], prices=prices), turn)
    (call,) = turn.calls
    assert (call.provider, call.model, call.feature, call.cost) == ("scripted", "m", "summary", Decimal(2))
    assert call.prices == {"input": "1", "output": "2", "source": "settings"}
    assert pieces[-1] == Done("stop", Usage(input=1_000_000, output=500_000), "m", cost=Decimal(2))


async def test_an_answer_that_breaks_off_is_in_the_ledger_and_raises() -> None:
    turn = a_turn()
    registry = Registry([Scripted([Say("half an", fail=ModelUnavailable("gone")), "never asked for"])])
    pieces: list[Piece] = []

    async def listen() -> None:
        async for piece in registry.stream(turn):
            pieces.append(piece)

    with pytest.raises(ModelUnavailable):
        await listen()
    assert pieces == [Text("half"), Text(" an")]
    assert [call.usage.estimated for call in turn.calls] == [True]


async def test_a_notice_counts_as_visible() -> None:
    model = Scripted([Say(notice="Wait…", fail=ModelUnavailable("gone")), "not again"])
    with pytest.raises(ModelUnavailable):
        await everything(Registry([model]), a_turn())
    assert len(model.turns) == 1


async def test_a_parameter_that_is_refused_in_the_middle_is_an_error() -> None:
    model = Scripted([Say("half", fail=ParameterRefused("seed", "seed", "no")), "not again"])
    with pytest.raises(ParameterRefused):
        await everything(Registry([model]), a_turn(seed=1))
    assert len(model.turns) == 1


async def test_the_turn_itself_keeps_its_parameters() -> None:
    model = Scripted([ParameterRefused("seed", "seed", "no"), "fine"])
    turn = a_turn(seed=1, top_p=0.5)
    await everything(Registry([model]), turn)
    assert turn.model.parameters == {"seed": 1, "top_p": 0.5}
    assert model.turns[1].model.parameters == {"top_p": 0.5}


async def test_a_store_that_fails_does_not_fail_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def recall(provider: str, model: str) -> Mapping[str, JsonValue]:
        raise StoreUnavailable("disk full")

    async def remember(provider: str, model: str, facts: Mapping[str, JsonValue]) -> None:
        raise StoreUnavailable("disk full")

    model = Scripted([ParameterRefused("seed", "seed", "no"), "fine"])
    registry = Registry([model], recall=recall, remember=remember)
    assert (await everything(registry, a_turn(seed=1)))[0] == Text("fine")
    assert "disk full" in caplog.text


async def test_a_model_without_an_end_is_truncated() -> None:
    async def endless(turn: Turn) -> AsyncIterator[Piece]:
        yield Text("so")

    registry = Registry()
    registry.add_model("scripted", endless)
    assert (await everything(registry, a_turn()))[-1] == Done("truncated", a_usage(registry, 1), "m")


def a_usage(registry: Registry, output: int) -> Usage:
    return Usage(input=3 + 3 + 1, output=output, estimated=True)


async def test_what_a_plugins_model_raises_becomes_a_model_error() -> None:
    async def broken(turn: Turn) -> AsyncIterator[Piece]:
        if turn.prompt.messages:
            raise KeyError("secret")
        yield Done("stop")

    registry = Registry()
    registry.add_model("scripted", broken)
    with pytest.raises(ModelError) as caught:
        await everything(registry, a_turn())
    assert "secret" not in caught.value.public


async def test_a_plugins_silent_model_is_a_timeout_and_is_closed() -> None:
    closed = asyncio.Event()

    async def silent(turn: Turn) -> AsyncIterator[Piece]:
        yield Notice("hm")
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()

    registry = Registry()
    registry.add_model("scripted", silent, timeouts=Timeouts(first_token=0.05))
    with pytest.raises(ModelTimeout):
        await everything(registry, a_turn())
    assert closed.is_set()


async def test_two_providers_of_one_name_are_refused() -> None:
    registry = Registry([Scripted()])
    with pytest.raises(ValueError, match="scripted"):
        registry.add(Scripted())


async def test_modes_and_reasoning_are_answered_without_asking_anyone() -> None:
    registry = Registry([Scripted()])
    assert registry.mode("creative", ModelChoice("scripted", "gpt-4.1")) == {"temperature": 1.2, "top_p": 0.95}
    assert "effort" in registry.mode("creative", ModelChoice("scripted", "o3"))
    assert registry.reasons(ModelChoice("scripted", "o3"))
    assert registry.providers == ("scripted",)
    assert registry.refused(ModelChoice("nobody", "m")) == {}
    assert registry.context_window(ModelChoice("nobody", "m")) is None


def test_pauses_grow_and_stay_within_the_patience() -> None:
    pauses = Pauses(Retry(attempts=100), random.Random(1))
    waits = []
    while (pause := pauses.after(ModelUnavailable())) is not None:
        waits.append(pause)
    assert waits[1] > waits[0]
    assert 20 < sum(waits) <= 30
    assert Pauses(Retry(), random.Random(1)).after(RateLimited(retry_after=31)) is None
    assert Pauses(Retry(), random.Random(1)).after(RateLimited(retry_after=-5)) is not None
    assert Pauses(Retry(), random.Random(1)).after(ModelTimeout()) is None


async def test_a_scripted_model_tells_when_its_answers_were_stopped() -> None:
    model = Scripted(["one two three", "all of it"])
    pieces = model.stream(a_turn(), Learned())
    await anext(pieces)
    await pieces.aclose()
    assert model.closed == 1
    assert [piece async for piece in model(a_turn())][-1] == Done("stop")
    assert model.closed == 1
    with pytest.raises(ModelUnavailable, match="no answer left"):
        _ = [piece async for piece in model(a_turn())]


def test_importing_the_models_imports_no_sdk() -> None:
    heavy = "openai", "genai_prices", "tiktoken", "xllamacpp", "httpx2"
    program = (
        "import sys, bot.model, bot.model.registry, bot.model.scripted, bot.model.openai, bot.model.azure, "
        "bot.model.local, bot.tools, bot.tokens\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
