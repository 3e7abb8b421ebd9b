"""The real openai client against the fake server: answers of both APIs, and every fault on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from pydantic import JsonValue, SecretStr

from bot.errors import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    NoQuota,
    RateLimited,
    UnknownModel,
    WrongKey,
)
from bot.events import Place, User
from bot.model import OpenAISettings, Retry, Timeouts, open_provider
from bot.model.registry import EMPTY, Registry
from bot.model.settings import Api
from bot.replies import Done, Notice, Piece, Text, ToolStart
from bot.testing.openai_server import (
    FakeAnswer,
    FakeError,
    FakeOpenAI,
    context_overflow,
    filtered,
    no_quota,
    rate_limited,
    refused,
    server_error,
    unknown_model,
    wrong_key,
)
from bot.turn import ModelChoice, Prompt, PromptMessage, ToolCall, Turn

KEY = "sk-secret-of-the-test"
BOTH: tuple[Api, ...] = ("responses", "chat")


@dataclass
class Patience:
    """A clock that never really sleeps, and remembers for how long it would have."""

    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def now(self) -> object:
        raise NotImplementedError


@dataclass
class Notebook:
    """What the registry asked to be kept."""

    facts: dict[tuple[str, str], dict[str, JsonValue]] = field(default_factory=dict)

    async def recall(self, provider: str, model: str) -> Mapping[str, JsonValue]:
        return self.facts.get((provider, model), {})

    async def remember(self, provider: str, model: str, facts: Mapping[str, JsonValue]) -> None:
        self.facts.setdefault((provider, model), {}).update(facts)


@dataclass
class Asker:
    user: User


@dataclass
class House:
    server: FakeOpenAI
    registry: Registry
    clock: Patience
    notebook: Notebook

    def turn(self, text: str = "hi", *, model: str = "gpt-4.1", **parameters: JsonValue) -> Turn:
        messages = (PromptMessage("system", "Be kind."), PromptMessage("user", text))
        return Turn(Place("test", "w", "c"), Prompt(messages), ModelChoice("openai", model, parameters))

    async def ask(self, turn: Turn | None = None) -> list[Piece]:
        return [piece async for piece in self.registry.stream(turn or self.turn())]


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(key=KEY) as server:
        yield server


def make_house(server: FakeOpenAI, api: Api, notebook: Notebook | None = None, **options: object) -> House:
    settings: dict[str, object] = {
        "api_key": SecretStr(KEY),
        "base_url": server.url,
        "api": api,
        "timeouts": Timeouts(connect=5, first_token=20, between=20),
        **options,
    }
    clock, notebook = Patience(), notebook or Notebook()
    provider = open_provider(OpenAISettings(**settings))  # type: ignore[arg-type] # built from a mapping
    registry = Registry(
        [provider],
        recall=notebook.recall,
        remember=notebook.remember,
        clock=clock,  # type: ignore[arg-type] # its wall clock is never asked
        retry=Retry(),
    )
    return House(server, registry, clock, notebook)


@pytest.fixture(params=BOTH)
async def house(request: pytest.FixtureRequest, server: FakeOpenAI) -> AsyncIterator[House]:
    house = make_house(server, request.param)
    async with house.registry:
        yield house


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


def done(pieces: list[Piece]) -> Done:
    ends = [piece for piece in pieces if isinstance(piece, Done)]
    assert ends == pieces[-1:]
    return ends[0]


async def until_error(house: House, turn: Turn) -> tuple[list[Piece], ModelError]:
    pieces: list[Piece] = []
    try:
        async for piece in house.registry.stream(turn):
            pieces.append(piece)
    except ModelError as error:
        return pieces, error
    raise AssertionError("no error was raised")


async def test_an_answer_is_the_text_with_its_usage_and_one_line_in_the_ledger(house: House) -> None:
    house.server.will(FakeAnswer("Zwei Wörter\u2028 und\x85 漢字 🎲.", cached_tokens=3, reasoning_tokens=2))
    turn = house.turn()
    pieces = await house.ask(turn)
    assert text(pieces) == "Zwei Wörter\u2028 und\x85 漢字 🎲."
    end = done(pieces)
    assert end.reason == "stop"
    assert end.model == "gpt-4.1"
    assert end.usage is not None
    assert not end.usage.estimated
    assert (end.usage.cached, end.usage.reasoning) == (3, 2)
    assert [call.usage for call in turn.calls] == [end.usage]
    assert turn.calls[0].first_token is not None
    assert turn.calls[0].cost is None, "nobody knows the price at an unknown address"


async def test_pieces_arrive_while_the_model_still_speaks(house: House) -> None:
    house.server.will(FakeAnswer("one two three", stall_after=2))
    turn = house.turn()
    async with aclosing(house.registry.stream(turn)) as pieces:
        assert await anext(pieces) == Text("one")
        assert await anext(pieces) == Text(" two")
    await house.server.wait_for_disconnect()
    assert [call.usage.estimated for call in turn.calls] == [True]
    assert turn.calls[0].usage.output == 2


async def test_cancelling_the_task_closes_the_connection(house: House) -> None:
    house.server.will(FakeAnswer("one two three", stall_after=1))
    turn, began = house.turn(), asyncio.Event()

    async def ask() -> None:
        async for _ in house.registry.stream(turn):
            began.set()

    task = asyncio.create_task(ask())
    await began.wait()
    task.cancel()
    await house.server.wait_for_disconnect()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(turn.calls) == 1


async def test_stopping_before_the_first_token_costs_nothing_and_frees_the_slot(server: FakeOpenAI) -> None:
    house = make_house(server, "chat", concurrency=1)
    async with house.registry:
        server.will(FakeAnswer("never", stall_after=0))
        turn = house.turn()
        task = asyncio.create_task(house.ask(turn))
        await server.wait_for_requests()
        task.cancel()
        await server.wait_for_disconnect()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert turn.calls == []
        assert text(await house.ask())


async def test_one_call_at_a_time_where_the_limit_is_one(server: FakeOpenAI) -> None:
    house = make_house(server, "chat", concurrency=1)
    async with house.registry:
        server.will(FakeAnswer("first", stall_after=1), "second")
        first = house.registry.stream(house.turn())
        assert await anext(first) == Text("first")
        second = asyncio.create_task(house.ask())
        await asyncio.sleep(0.05)
        assert len(server.seen) == 1
        await first.aclose()
        assert text(await second) == "second"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wrong_key(), WrongKey),
        (FakeError(403, "forbidden"), WrongKey),
        (no_quota(), NoQuota),
        (FakeError(402, None, "Insufficient Balance"), NoQuota),
        (unknown_model(), UnknownModel),
        (FakeError(404, None, "Not Found"), UnknownModel),
        (filtered(), ContentFiltered),
        (context_overflow(), ContextTooLong),
        (FakeError(400, None, "the request exceeds the available context size"), ContextTooLong),
        (FakeError(400, "invalid_value", "no", "temperature"), BadRequest),
    ],
    ids=lambda value: getattr(value, "code", None) or getattr(value, "__name__", ""),
)
async def test_errors_that_waiting_does_not_help_are_told_at_once(
    house: House, error: FakeError, kind: type[ModelError]
) -> None:
    house.server.will(error)
    turn = house.turn(temperature=0.5)
    pieces, told = await until_error(house, turn)
    assert type(told) is kind
    assert pieces == []
    assert len(house.server.seen) == 1
    assert house.clock.slept == []
    assert turn.calls == []
    assert KEY not in str(told)
    assert "\n" not in told.public


@pytest.mark.parametrize("error", [rate_limited(), server_error(), server_error(503), FakeError(409), FakeError(408)])
async def test_errors_that_pass_are_waited_out(house: House, error: FakeError) -> None:
    house.server.will(error, error, "now then")
    assert text(await house.ask()) == "now then"
    assert len(house.server.seen) == 3
    assert len(house.clock.slept) == 2
    assert house.clock.slept[1] > house.clock.slept[0] > 0


async def test_tries_are_bounded(house: House) -> None:
    house.server.answer = server_error()
    pieces, told = await until_error(house, house.turn())
    assert isinstance(told, ModelUnavailable)
    assert pieces == []
    assert len(house.server.seen) == Retry().attempts


async def test_retry_after_is_honoured(house: House) -> None:
    house.server.will(
        rate_limited(7),
        FakeError(429, headers={"retry-after-ms": "1500"}),
        FakeError(429, headers={"retry-after": "nan"}),
        "at last",
    )
    assert text(await house.ask()) == "at last"
    assert 7 <= house.clock.slept[0] < 7.5
    assert 1.5 <= house.clock.slept[1] < 2


async def test_too_long_a_wait_is_told_at_once(house: House) -> None:
    house.server.will(rate_limited(20), rate_limited(20))
    _, told = await until_error(house, house.turn())
    assert isinstance(told, RateLimited)
    assert told.retry_after == 20
    assert len(house.clock.slept) == 1, "twice 20 seconds are more than the 30 that anyone waits"


async def test_a_refused_connection_is_tried_again_and_told(house: House) -> None:
    async with FakeOpenAI() as gone:
        address = gone.url
    lost = make_house(house.server, "chat", base_url=address)
    async with lost.registry:
        _, told = await until_error(lost, lost.turn())
    assert isinstance(told, ModelUnavailable)
    assert len(lost.clock.slept) == Retry().attempts - 1


async def test_a_cut_stream_is_truncated(house: House) -> None:
    house.server.will(FakeAnswer("one two three", cut_after=2))
    turn = house.turn()
    pieces = await house.ask(turn)
    assert text(pieces) == "one two"
    assert done(pieces).reason == "truncated"
    assert turn.calls[0].usage.estimated


async def test_a_reset_in_the_middle_raises_and_is_not_repeated(house: House) -> None:
    house.server.will(FakeAnswer("one two three", reset_after=2))
    turn = house.turn()
    pieces, told = await until_error(house, turn)
    assert isinstance(told, ModelUnavailable)
    assert len(house.server.seen) == 1
    assert text(pieces) in ("one", "one two"), "a reset may swallow what was on its way"
    assert len(turn.calls) == 1


async def test_a_reset_before_the_first_text_is_repeated(house: House) -> None:
    house.server.will(FakeAnswer("lost", reset_after=0), "found")
    assert text(await house.ask()) == "found"


async def test_an_error_inside_the_stream_raises(house: House) -> None:
    house.server.will(FakeAnswer("one two three", error_after=2))
    pieces, told = await until_error(house, house.turn())
    assert isinstance(told, ModelUnavailable)
    assert text(pieces) == "one two"


async def test_a_corrupt_chunk_is_skipped(house: House) -> None:
    house.server.will(FakeAnswer("one two three", corrupt_after=1))
    pieces = await house.ask()
    assert text(pieces) == "one two three"
    assert done(pieces).reason == "stop"


@pytest.mark.parametrize("api", BOTH)
async def test_silence_before_the_first_token_is_a_timeout(server: FakeOpenAI, api: Api) -> None:
    house = make_house(server, api, timeouts=Timeouts(first_token=1.0, between=20))
    async with house.registry:
        server.will(FakeAnswer("never", stall_after=0, pings=3))
        pieces, told = await until_error(house, house.turn())
    assert isinstance(told, ModelTimeout)
    assert pieces == []
    assert len(server.seen) == 1, "people have waited long enough"
    await server.wait_for_disconnect()


@pytest.mark.parametrize("api", BOTH)
async def test_silence_in_the_middle_is_a_timeout(server: FakeOpenAI, api: Api) -> None:
    house = make_house(server, api, timeouts=Timeouts(first_token=20, between=0.4))
    async with house.registry:
        server.will(FakeAnswer("one two three", stall_after=2))
        turn = house.turn()
        pieces, told = await until_error(house, turn)
    assert isinstance(told, ModelTimeout)
    assert text(pieces) == "one two"
    assert len(turn.calls) == 1
    await server.wait_for_disconnect()


async def test_a_thinking_model_is_given_more_time(server: FakeOpenAI) -> None:
    house = make_house(server, "responses", timeouts=Timeouts(first_token=0.05, thinking=20))
    async with house.registry:
        server.will(FakeAnswer("thought through", first_token=0.1))
        assert text(await house.ask(house.turn(model="o3"))) == "thought through"


async def test_the_length_limit_is_told(house: House) -> None:
    house.server.will(FakeAnswer("one two", finish="length"))
    pieces = await house.ask()
    assert text(pieces) == "one two"
    assert done(pieces).reason == "length"
    assert not any(isinstance(piece, Notice) for piece in pieces)


async def test_an_empty_answer_at_the_length_limit_says_why(house: House) -> None:
    house.server.will(FakeAnswer("", finish="length", reasoning_tokens=50))
    pieces = await house.ask()
    assert pieces[0] == Notice(EMPTY)
    assert done(pieces).reason == "length"


async def test_the_filter_is_told(house: House) -> None:
    house.server.will(FakeAnswer("one", finish="content_filter"))
    assert done(await house.ask()).reason == "filtered"


async def test_a_refusal_is_text(house: House) -> None:
    house.server.will(FakeAnswer("I cannot help with that.", refusal=True))
    assert text(await house.ask()) == "I cannot help with that."


async def test_missing_usage_is_estimated(house: House) -> None:
    house.server.will(FakeAnswer("one two three", usage=False))
    usage = done(await house.ask()).usage
    assert usage is not None
    assert usage.estimated
    assert usage.output > 0
    assert usage.input > 0


async def test_azure_and_others_may_begin_with_an_empty_chunk(server: FakeOpenAI) -> None:
    house = make_house(server, "chat")
    async with house.registry:
        server.will(FakeAnswer("hello", empty_first=True))
        assert text(await house.ask()) == "hello"


async def test_tool_calls_come_whole(house: House) -> None:
    house.server.will(FakeAnswer("Let me see.", tool_calls=(("roll", '{"sides": 20}'), ("clock", ""))))
    pieces = await house.ask()
    calls = [piece for piece in pieces if isinstance(piece, ToolStart)]
    assert [(call.name, call.arguments) for call in calls] == [("roll", '{"sides": 20}'), ("clock", "{}")]
    assert all(call.id for call in calls)
    assert done(pieces).reason == "tools"


async def test_a_stream_that_is_cut_makes_no_tool_calls(house: House) -> None:
    house.server.will(FakeAnswer("Let me see.", tool_calls=(("roll", "{}"),), cut_after=1))
    pieces = await house.ask()
    assert not [piece for piece in pieces if isinstance(piece, ToolStart)]
    assert done(pieces).reason == "truncated"


async def test_tool_results_are_sent_back_as_each_api_wants_them(house: House) -> None:
    turn = house.turn()
    call = ToolCall("call_1", "roll", "{}")
    turn.prompt = Prompt(
        (
            *turn.prompt.messages,
            PromptMessage("assistant", "", tool_calls=(call,)),
            PromptMessage("tool", "", tool_call_id="call_1"),
        )
    )
    await house.ask(turn)
    body = house.server.seen[0].body
    if "messages" in body:
        messages = body["messages"]
        assert isinstance(messages, list)
        assert messages[2] == {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "roll", "arguments": "{}"}}],
        }
        assert messages[3] == {"role": "tool", "content": "", "tool_call_id": "call_1"}
    else:
        assert body["instructions"] == "Be kind."
        assert body["store"] is False
        assert body["input"] == [
            {"role": "user", "content": "hi"},
            {"type": "function_call", "call_id": "call_1", "name": "roll", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": ""},
        ]


async def test_text_that_cannot_be_encoded_is_mended(house: House) -> None:
    await house.ask(house.turn("a\ud800b\x00c"))
    assert house.server.seen[0].text == "a\ufffdb\ufffdc"


async def test_the_connection_is_used_again(house: House) -> None:
    for _ in range(3):
        await house.ask()
    assert len(house.server.connections) == 1


@pytest.mark.parametrize("error", [refused("temperature"), refused("temperature", value=True)])
async def test_a_refused_parameter_is_dropped_learned_and_told(house: House, error: FakeError) -> None:
    house.server.will(error, "fine", "again")
    turn = house.turn(temperature=1.0, top_p=0.5)
    assert text(await house.ask(turn)) == "fine"
    assert [seen.body.get("temperature") for seen in house.server.seen] == [1.0, None]
    assert house.server.seen[1].body["top_p"] == 0.5
    assert "temperature" in house.registry.refused(turn.model)["temperature"]
    await house.ask(house.turn(temperature=1.0))
    assert "temperature" not in house.server.seen[2].body
    assert len(turn.calls) == 1


async def test_what_was_learned_outlives_the_process(house: House) -> None:
    house.server.will(refused("temperature"), "fine")
    await house.ask(house.turn(temperature=1.0))
    next_life = make_house(house.server, "chat", house.notebook)
    async with next_life.registry:
        choice = house.turn(temperature=1.0).model
        await next_life.registry.recall(choice)
        assert "temperature" in next_life.registry.refused(choice)
        await next_life.ask(next_life.turn(temperature=1.0))
    assert "temperature" not in house.server.seen[-1].body


async def test_everything_may_be_refused_one_after_the_other(house: House) -> None:
    house.server.refuses = ("temperature", "top_p", "store", "stream_options", "verbosity", "text")
    turn = house.turn(temperature=1.0, top_p=0.5, verbosity="low")
    assert text(await house.ask(turn))
    assert set(house.registry.refused(turn.model)) >= {"temperature", "top_p", "verbosity"}


async def test_a_refusal_that_does_not_stop_is_an_error(house: House) -> None:
    house.server.answer = refused("model")
    _, told = await until_error(house, house.turn())
    assert isinstance(told, BadRequest)
    assert len(house.server.seen) == 1


@pytest.mark.parametrize(("old", "new"), [("max_tokens", "max_completion_tokens")])
async def test_the_other_name_of_the_token_limit_is_found(server: FakeOpenAI, old: str, new: str) -> None:
    house = make_house(server, "chat")
    async with house.registry:
        server.refuses = (old,)
        turn = house.turn(max_tokens=50)
        await house.ask(turn)
        assert server.seen[-1].body[new] == 50
        assert old not in server.seen[-1].body
        assert "max_tokens" not in house.registry.refused(turn.model), "it works, by another name"
        server.refuses = (old, new)
        await house.ask(turn)
        assert {old, new}.isdisjoint(server.seen[-1].body)
        assert "max_tokens" in house.registry.refused(turn.model)


async def test_servers_that_name_the_parameter_only_in_a_sentence(server: FakeOpenAI) -> None:
    house = make_house(server, "chat")
    async with house.registry:
        server.will(
            FakeError(400, None, "Unrecognized request argument supplied: verbosity"),
            FakeError(422, None, "Extra inputs are not permitted: seed"),
            FakeError(400, None, '"some-model" does not support tools'),
            "fine",
        )
        turn = house.turn(verbosity="low", seed=1)
        server.seen.clear()
        pieces, told = await until_error(house, turn)
        assert pieces == []
        assert isinstance(told, BadRequest), "no tools were sent, so they cannot have been refused"
        assert text(await house.ask(turn)) == "fine"
        assert {"verbosity", "seed"}.isdisjoint(server.seen[-1].body)


async def test_effort_none_is_sent_where_only_that_is_taken(server: FakeOpenAI) -> None:
    house = make_house(server, "chat")
    async with house.registry:
        server.will(
            FakeError(
                400,
                None,
                "Function tools with reasoning_effort are not supported for this model in /v1/chat/completions. "
                "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
                "reasoning_effort",
            ),
            "fine",
        )
        turn = house.turn(model="gpt-9", effort="low")
        assert text(await house.ask(turn)) == "fine"
        assert server.seen[-1].body["reasoning_effort"] == "none"
        assert "none" in house.registry.refused(turn.model)["effort"]


async def test_who_asks_is_hashed_and_only_told_to_openai(server: FakeOpenAI) -> None:
    for identify in (None, True):
        house = make_house(server, "responses", identify=identify)
        turn = house.turn()
        turn.context = Asker(User("user-4711", "Ann"))  # type: ignore[assignment] # all that is asked of it
        async with house.registry:
            await house.ask(turn)
    assert {"prompt_cache_key", "safety_identifier"}.isdisjoint(server.seen[0].body)
    key = server.seen[1].body["prompt_cache_key"]
    assert isinstance(key, str)
    assert len(key) == 32
    assert "test" not in key
    who = server.seen[1].body["safety_identifier"]
    assert isinstance(who, str)
    assert who != key
    assert "4711" not in str(server.seen[1].body)


async def test_published_prices_are_used_for_openai(house: House) -> None:
    priced = make_house(house.server, "responses")
    priced.registry.provider("openai").price_list = "openai"  # type: ignore[misc] # as if the address were OpenAI's
    async with priced.registry:
        turn = priced.turn(model="gpt-6-luna")
        end = done(await priced.ask(turn))
    assert end.cost is not None
    assert end.cost > Decimal(0)
    assert turn.calls[0].prices["input"] == "0.1"


async def test_models_are_listed_and_their_end_is_announced(house: House) -> None:
    house.server.models = {"gpt-4.1": "2020-01-01", "gpt-next": None}
    provider = house.registry.provider("openai")
    assert await house.registry.known("openai") == ("gpt-4.1", "gpt-next")
    assert (await provider.check("gpt-next")).ok
    ending = await provider.check("gpt-4.1")
    assert not ending.ok
    assert "2020-01-01" in ending.says
    unknown = await provider.check("gpt-0")
    assert not unknown.ok
    assert "gpt-0" in unknown.says


async def test_a_wrong_key_is_found_by_the_check(server: FakeOpenAI) -> None:
    house = make_house(server, "chat", api_key=SecretStr("sk-other"))
    async with house.registry:
        finding = await house.registry.provider("openai").check("gpt-4.1")
    assert not finding.ok
    assert "key" in finding.says
    assert "sk-other" not in finding.says


async def test_an_unknown_provider_is_named_with_those_there_are(house: House) -> None:
    turn = house.turn()
    turn.model = ModelChoice("opnai", "gpt")
    with pytest.raises(ModelError, match="openai") as caught:
        await house.ask(turn)
    assert "opnai" in caught.value.public


async def test_what_the_provider_counts_calibrates_the_estimate(house: House) -> None:
    await house.ask(house.turn("12345 " * 400))
    factor = house.notebook.facts["openai", "gpt-4.1"]["calibration"]
    assert isinstance(factor, float)
    assert 0.7 <= factor <= 1.5
