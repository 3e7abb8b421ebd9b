"""A model that says what it is told: for tests and demonstrations, without a network or a key."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from bot.clock import Clock, SystemClock
from bot.errors import ModelUnavailable
from bot.model.healing import Learned
from bot.platform import Finding
from bot.replies import Done, Notice, Piece, Reason, Text, ToolStart
from bot.turn import ModelChoice, Prompt, Turn, Usage


@dataclass(frozen=True, slots=True)
class Say:
    """One answer. `fail` is raised after the text; `calls` are tool calls after it; with `hang` nothing ever ends."""

    text: str = ""
    reason: Reason = "stop"
    fail: Exception | None = None
    calls: tuple[ToolStart, ...] = ()
    notice: str | None = None
    usage: Usage | None = None
    hang: bool = False


Answer: TypeAlias = str | Say | Exception
Script: TypeAlias = Sequence[Answer] | Callable[[Prompt], Answer]


class Scripted:
    """Says the answers in order, one per call, or what a function makes of the prompt.

    `pace` is tokens a second, None = all at once. `turns` are the turns it was asked with (`prompts` their prompts
    at that moment), `closed` counts answers that were stopped before their end. It is a LanguageModel, called with a
    turn, and a Provider, given to a registry.
    """

    price_list = "free"
    concurrency = 1_000

    def __init__(
        self,
        script: Script = (),
        *,
        name: str = "scripted",
        pace: float | None = None,
        first_token: float = 0.0,
        clock: Clock | None = None,
        sees: bool | None = True,
    ) -> None:
        self.name = name
        self._sees = sees
        self.pace = pace
        self.first_token = first_token
        self.turns: list[Turn] = []
        self.prompts: list[Prompt] = []
        self.learned: list[Learned] = []
        self.closed = 0
        self._script: Callable[[Prompt], Answer] | None = script if callable(script) else None
        self._answers: list[Answer] = [] if callable(script) else list(script)
        self._clock = clock or SystemClock()

    def will_say(self, *answers: Answer) -> None:
        """More answers after those that are left."""
        self._answers.extend(answers)

    def __call__(self, turn: Turn) -> AsyncIterator[Piece]:
        return self.stream(turn, Learned())

    async def stream(self, turn: Turn, learned: Learned) -> AsyncGenerator[Piece, None]:
        self.turns.append(turn)
        self.prompts.append(turn.prompt)
        self.learned.append(learned)
        answer = self._next(turn.prompt)
        if isinstance(answer, Exception):
            raise answer
        say = Say(answer) if isinstance(answer, str) else answer
        ended = False
        try:
            async with aclosing(self._pieces(say)) as pieces:
                async for piece in pieces:
                    ended = isinstance(piece, Done)
                    yield piece
        except BaseException:
            ended = ended or say.fail is not None
            raise
        finally:
            if not ended:
                self.closed += 1

    async def _pieces(self, say: Say) -> AsyncGenerator[Piece, None]:
        await self._clock.sleep(self.first_token)
        if say.notice is not None:
            yield Notice(say.notice)
        for token in tokens(say.text):
            yield Text(token)
            await self._clock.sleep(1 / self.pace if self.pace else 0)
        if say.hang:
            await asyncio.Event().wait()
        if say.fail is not None:
            raise say.fail
        for call in say.calls:
            yield call
        yield Done("tools" if say.calls and say.reason == "stop" else say.reason, say.usage)

    def _next(self, prompt: Prompt) -> Answer:
        if self._script is not None:
            return self._script(prompt)
        if not self._answers:
            return ModelUnavailable("the script has no answer left")
        return self._answers.pop(0)

    def unsupported(self, choice: ModelChoice) -> Mapping[str, str]:
        return {}

    def context_window(self, model: str) -> int | None:
        return None

    def sees(self, model: str) -> bool | None:
        return self._sees

    async def warm(self) -> None:
        pass

    async def known_models(self) -> tuple[str, ...]:
        return ("scripted",)

    async def check(self, model: str | None = None) -> Finding:
        return Finding(True, self.name, "says what it is told; no language model is asked")

    async def aclose(self) -> None:
        pass


def tokens(text: str) -> Iterable[str]:
    """Words with the space before them, as models stream them; joined they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)
