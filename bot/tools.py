"""The tool loop around any model: it asks for tools, gets their results, and goes on until it has its answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeAlias

from bot.commands import Tool
from bot.errors import BotError, UsageError
from bot.replies import Done, Notice, Piece, Text, ToolEnd, ToolStart
from bot.turn import LanguageModel, Prompt, PromptMessage, ToolCall, Turn, Usage
from bot.words import phrase, say

log = logging.getLogger(__name__)

Run: TypeAlias = Callable[[Tool, dict[str, Any]], Awaitable[str]]
Forbids: TypeAlias = Callable[[Turn], Awaitable[str | None]]

LONGEST_RESULT = 8_000
LONGEST_ARGUMENTS = 100_000
MOST_AT_ONCE = 16
CAP_REACHED = phrase("I stopped looking things up here and answered with what I had.")


def with_tools(
    model: LanguageModel,
    run: Run,
    *,
    max_rounds: int = 8,
    max_seconds: float = 120.0,
    forbids: Forbids | None = None,
) -> Callable[[Turn], AsyncGenerator[Piece, None]]:
    """A model that answers with the help of the turn's tools. `run` gets a tool and its bound arguments.

    After `max_rounds` rounds of tools, or `max_seconds`, it is asked a last time, without tools. `forbids` is looked at
    before each round but the first; what it says ends the answer, and people read it.
    """

    async def ask(turn: Turn) -> AsyncGenerator[Piece, None]:
        clock = asyncio.get_running_loop().time
        ends = clock() + max_seconds
        answer, feature = _Answer(), turn.feature
        for number in range(max_rounds + 1):
            if turn.tools and (number == max_rounds or clock() >= ends):
                yield Notice(say(CAP_REACHED))
                turn.tools = ()
            answer.starts = []
            # What is asked with the results of tools is told apart on the meters.
            turn.feature = "tools" if number else feature
            async with aclosing(_asked(model, turn, answer)) as pieces:
                async for piece in pieces:
                    yield piece
            if answer.done.reason != "tools" or not answer.starts or not turn.tools:
                break
            results: dict[str, str] = {}
            async with aclosing(_ran(run, turn.tools, answer.starts, max(ends - clock(), 0.0))) as finished:
                async for end in finished:
                    results[end.id] = end.result
                    yield end
            if forbids is not None and (why := await forbids(turn)):
                yield Notice(why)
                break
            turn.prompt = Prompt((*turn.prompt.messages, *answer.exchange(results)))
        yield answer.end()

    return ask


@dataclass(slots=True)
class _Answer:
    """All rounds together; `starts` and `text` are of the current one."""

    done: Done = field(default_factory=lambda: Done("truncated"))
    starts: list[ToolStart] = field(default_factory=list)
    text: str = ""
    usage: Usage | None = None
    cost: Decimal | None = Decimal(0)
    glue: bool = False

    def end_round(self, done: Done) -> None:
        self.done = done
        if done.usage is not None:
            self.usage = done.usage if self.usage is None else self.usage + done.usage
        self.cost = None if self.cost is None or done.cost is None else self.cost + done.cost

    def exchange(self, results: dict[str, str]) -> list[PromptMessage]:
        """What the model said and got, as it must be told again."""
        calls = tuple(ToolCall(start.id, start.name, start.arguments) for start in self.starts)
        answers = [PromptMessage("tool", results[call.id], tool_call_id=call.id) for call in calls]
        return [PromptMessage("assistant", self.text, tool_calls=calls), *answers]

    def end(self) -> Done:
        """A model that still wants tools when there are none has said all it could."""
        reason = "stop" if self.done.reason == "tools" else self.done.reason
        return replace(self.done, reason=reason, usage=self.usage, cost=self.cost)


async def _asked(model: LanguageModel, turn: Turn, answer: _Answer) -> AsyncGenerator[Piece, None]:
    """One round without its Done. Text after a tool begins a new paragraph."""
    answer.text = ""
    source = model(turn)
    try:
        async for piece in source:
            if isinstance(piece, Done):
                answer.end_round(piece)
                break
            if isinstance(piece, Text):
                if answer.glue and piece.text and not answer.text and not piece.text[0].isspace():
                    yield Text("\n\n")
                answer.text += piece.text
            if isinstance(piece, ToolStart):
                answer.starts.append(piece)
            yield piece
        else:
            answer.end_round(Done("truncated"))
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
    answer.glue = answer.glue or bool(answer.text)


async def _ran(
    run: Run, tools: Sequence[Tool], starts: Sequence[ToolStart], seconds: float
) -> AsyncGenerator[ToolEnd, None]:
    """All calls side by side, each told as soon as it is finished."""
    named = {tool.name: tool for tool in tools}
    tasks = [asyncio.create_task(_call(run, named, start, seconds)) for start in starts[:MOST_AT_ONCE]]
    try:
        for finished in asyncio.as_completed(tasks):
            yield await finished
        for start in starts[MOST_AT_ONCE:]:
            yield _failed(start, f"Not done: at most {MOST_AT_ONCE} calls at once.")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _call(run: Run, named: dict[str, Tool], start: ToolStart, seconds: float) -> ToolEnd:
    tool = named.get(start.name)
    if tool is None:
        return _failed(start, f"There is no tool `{start.name[:60]}`. There are: {', '.join(sorted(named))}.")
    try:
        bound = tool.command.bind(_arguments(start.arguments))
        async with asyncio.timeout(seconds):
            result = await run(tool, bound)
    except UsageError as error:
        return _failed(start, str(error))
    except BotError as error:
        return _failed(start, error.public)
    except TimeoutError:
        return _failed(start, "The tool took too long.")
    except Exception:
        # What went wrong inside is for the log, neither for the model nor for people.
        log.exception("the tool %s failed", start.name)
        return _failed(start, "The tool failed. Do not call it again for this question.")
    return ToolEnd(start.id, start.name, clamped(result))


def _arguments(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_ARGUMENTS:
        raise UsageError("The arguments are too long.")
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise UsageError("The arguments are not valid JSON.") from None
    if not isinstance(arguments, dict):
        raise UsageError("The arguments must be a JSON object.")
    return arguments


def _failed(start: ToolStart, says: str) -> ToolEnd:
    return ToolEnd(start.id, start.name, clamped(says), failed=True)


def clamped(text: str, longest: int = LONGEST_RESULT) -> str:
    """The beginning and the end of a result that is too long."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def tool_messages(prompt: Prompt) -> tuple[PromptMessage, ...]:
    """Calls of tools and their results."""
    return tuple(message for message in prompt.messages if message.tool_calls or message.tool_call_id)


def added_by_tools(prompt: Prompt, known: Sequence[PromptMessage]) -> list[PromptMessage]:
    """Those that were not `known` when it was asked; a prompt that was too long may have lost some of these since."""
    old, new = list(known), []
    for message in tool_messages(prompt):
        if message in old:
            old.remove(message)
        else:
            new.append(message)
    return new
