"""The tool loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from decimal import Decimal
from typing import Annotated, Any

import pytest

from bot.api import Arg, Context, NotAllowed, Place, Plugin, Tool
from bot.model.scripted import Say, Scripted
from bot.replies import Done, Notice, Piece, Text, ToolEnd, ToolStart
from bot.tools import CAP_REACHED, LONGEST_RESULT, MOST_AT_ONCE, clamped, with_tools
from bot.turn import ModelChoice, Prompt, PromptMessage, ToolCall, Turn, Usage

plugin = Plugin("dice", "Dice")


@plugin.tool()
async def roll(ctx: Context, sides: Annotated[int, Arg(ge=2, le=100)] = 6) -> str:
    """Roll a die."""
    return ""


@plugin.tool()
async def clock(ctx: Context) -> str:
    """Tell the time."""
    return ""


async def run(tool: Tool, arguments: dict[str, Any]) -> str:
    return f"{tool.name} {arguments}"


def call(id: str, name: str = "roll", arguments: str = '{"sides": 20}') -> ToolStart:
    return ToolStart(id, name, arguments)


def a_turn() -> Turn:
    prompt = Prompt((PromptMessage("user", "roll"),))
    return Turn(Place("t", "w", "c"), prompt, ModelChoice("scripted", "m"), tools=tuple(plugin.tools))


async def everything(model: Callable[[Turn], AsyncIterator[Piece]], turn: Turn) -> list[Piece]:
    pieces = [piece async for piece in model(turn)]
    assert [piece for piece in pieces if isinstance(piece, Done)] == pieces[-1:]
    return pieces


def ends(pieces: list[Piece]) -> list[ToolEnd]:
    return [piece for piece in pieces if isinstance(piece, ToolEnd)]


async def test_the_model_gets_the_results_and_goes_on() -> None:
    model = Scripted([Say("Let me see.", calls=(call("a"), call("b", "clock", ""))), "You rolled 20."])
    turn = a_turn()
    pieces = await everything(with_tools(model, run), turn)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == "Let me see.\n\nYou rolled 20."
    assert {(end.id, end.result, end.failed) for end in ends(pieces)} == {
        ("a", "roll {'sides': 20}", False),
        ("b", "clock {}", False),
    }
    assert model.prompts[1].messages[1:] == (
        PromptMessage(
            "assistant",
            "Let me see.",
            tool_calls=(ToolCall("a", "roll", '{"sides": 20}'), ToolCall("b", "clock", "")),
        ),
        PromptMessage("tool", "roll {'sides': 20}", tool_call_id="a"),
        PromptMessage("tool", "clock {}", tool_call_id="b"),
    )
    assert turn.prompt == model.prompts[1]


async def test_a_model_without_calls_is_passed_through() -> None:
    pieces = await everything(with_tools(Scripted(["hello there"]), run), a_turn())
    assert pieces == [Text("hello"), Text(" there"), Done("stop")]


async def test_usage_and_cost_of_all_rounds_are_summed() -> None:
    async def model(turn: Turn) -> AsyncIterator[Piece]:
        if len(turn.prompt.messages) == 1:
            yield call("a")
            yield Done("tools", Usage(input=10, output=1), cost=Decimal("0.1"))
        else:
            yield Done("stop", Usage(input=20, output=2), cost=Decimal("0.2"))

    end = (await everything(with_tools(model, run), a_turn()))[-1]
    assert end == Done("stop", Usage(input=30, output=3), cost=Decimal("0.3"))


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (call("a", "fly", "{}"), "no tool `fly`"),
        (call("a", arguments="{broken"), "not valid JSON"),
        (call("a", arguments="[1]"), "must be a JSON object"),
        (call("a", arguments='{"sides": 1}'), "sides"),
        (call("a", arguments='{"side": 2}'), "side"),
        (call("a", arguments="[" * 50_000), "not valid JSON"),
        (call("a", arguments='"' + "x" * 200_000), "too long"),
    ],
)
async def test_mistakes_of_the_model_are_told_to_it_and_the_loop_goes_on(start: ToolStart, says: str) -> None:
    model = Scripted([Say(calls=(start,)), "Sorry."])
    pieces = await everything(with_tools(model, run), a_turn())
    (end,) = ends(pieces)
    assert end.failed
    assert says in end.result
    assert model.prompts[1].messages[-1].text == end.result
    assert pieces[-1] == Done("stop")


async def test_what_fails_inside_a_tool_is_for_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(tool: Tool, arguments: dict[str, Any]) -> str:
        if tool.name == "clock":
            raise NotAllowed("detail for the log")
        raise RuntimeError("password=1234")

    model = Scripted([Say(calls=(call("a"), call("b", "clock", "{}"))), "Sorry."])
    with caplog.at_level(logging.ERROR):
        pieces = await everything(with_tools(model, broken), a_turn())
    results = {end.id: end for end in ends(pieces)}
    assert results["a"].failed
    assert "1234" not in results["a"].result
    assert "password=1234" in caplog.text
    assert results["b"].result == NotAllowed().public


async def test_calls_run_side_by_side_and_are_told_as_they_finish() -> None:
    both, first = asyncio.Barrier(2), asyncio.Event()

    async def meet(tool: Tool, arguments: dict[str, Any]) -> str:
        await both.wait()
        if tool.name == "roll":
            await first.wait()
        else:
            first.set()
        return tool.name

    model = Scripted([Say(calls=(call("a"), call("b", "clock", "{}"))), "Done."])
    pieces = await everything(with_tools(model, meet), a_turn())
    assert [end.id for end in ends(pieces)] == ["b", "a"]
    assert [message.text for message in model.prompts[1].messages[-2:]] == ["roll", "clock"]


async def test_after_the_last_round_it_is_asked_once_without_tools() -> None:
    model = Scripted(lambda prompt: Say("more", calls=(call("a"),)))
    tools: list[int] = []

    async def watched(turn: Turn) -> AsyncIterator[Piece]:
        tools.append(len(turn.tools))
        async for piece in model(turn):
            yield piece

    pieces = await everything(with_tools(watched, run, max_rounds=3), a_turn())
    assert tools == [2, 2, 2, 0]
    assert [piece for piece in pieces if isinstance(piece, Notice)] == [Notice(CAP_REACHED)]
    assert pieces[-1] == Done("stop")
    assert len(ends(pieces)) == 3


async def test_a_tool_that_takes_too_long_is_given_up() -> None:
    async def forever(tool: Tool, arguments: dict[str, Any]) -> str:
        await asyncio.Event().wait()
        return ""

    model = Scripted([Say(calls=(call("a"),)), "I could not."])
    pieces = await everything(with_tools(model, forever, max_seconds=0.05), a_turn())
    assert "too long" in ends(pieces)[0].result
    assert Notice(CAP_REACHED) in pieces
    assert pieces[-1] == Done("stop")


async def test_closing_it_stops_the_running_tools() -> None:
    running, stopped = asyncio.Event(), asyncio.Event()

    async def forever(tool: Tool, arguments: dict[str, Any]) -> str:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    async def ask() -> None:
        model = with_tools(Scripted([Say(calls=(call("a"),))]), forever)
        async with aclosing(model(a_turn())) as pieces:
            async for _ in pieces:
                pass

    task = asyncio.create_task(ask())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


async def test_too_many_calls_at_once_are_not_all_made() -> None:
    model = Scripted([Say(calls=tuple(call(str(number)) for number in range(MOST_AT_ONCE + 2))), "Done."])
    pieces = await everything(with_tools(model, run), a_turn())
    assert sum(end.failed for end in ends(pieces)) == 2
    assert len(model.prompts[1].messages) == 1 + 1 + MOST_AT_ONCE + 2


async def test_a_broken_or_truncated_model_ends_the_loop() -> None:
    async def silent(turn: Turn) -> AsyncIterator[Piece]:
        yield Text("half")

    assert (await everything(with_tools(silent, run), a_turn()))[-1].reason == "truncated"  # type: ignore[union-attr] # it is a Done
    model = Scripted([Say("half", fail=ValueError("broken"))])
    with pytest.raises(ValueError, match="broken"):
        await everything(with_tools(model, run), a_turn())


def test_long_results_lose_their_middle() -> None:
    text = "a" * LONGEST_RESULT + "MIDDLE" + "b" * LONGEST_RESULT
    short = clamped(text)
    assert len(short) < LONGEST_RESULT + 60
    assert short.startswith("aaa")
    assert short.endswith("bbb")
    assert "left out" in short
    assert "MIDDLE" not in short
    assert clamped("short") == "short"
