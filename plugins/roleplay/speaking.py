"""One line of a scene: asked of a model, cleaned while it is said, and asked once more when nothing of it was left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from bot.api import (
    Button,
    Context,
    Controls,
    Done,
    LanguageModel,
    Line,
    ModelCall,
    ModelChoice,
    ModelError,
    Piece,
    Prompt,
    PromptMessage,
    Text,
    Turn,
    Usage,
)
from plugins.roleplay.cleaning import LineCleaner
from plugins.roleplay.scene import Role, Scene, SceneLine
from plugins.roleplay.views import PER_MESSAGE, view

# What has no more room than this for a prompt, in tokens, is a small model as a rule.
SMALL_ROOM = 4_000
LIVELY = 0.8
# A small model never comes to an end: its line is over with the sentence in which it becomes as long as this, in
# characters, and with its paragraph.
BRIEF = 80
BRIEF_TOKENS = 120
_SENTENCE_ENDS = re.compile(r"[.!?…。！？][\"”»'*)]*(?=\s)|(?<=\S)(?=\n)")

Beside: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Spoken:
    """`line` is None where nothing was left of what the model said, twice. `ends` says that the speaker wants the scene
    to end. `tokens` and `cost` are of both attempts; an unknown price counts as nothing."""

    line: Line | None
    ends: bool
    tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the next line may take at most. `cost` is None where the price is unknown."""

    tokens: int
    cost: float | None


class LineFilter:
    """Around the model of one line. It ends the model when the line is over. The `buttons` come with the first words;
    `begun` runs beside the line from then on, and `settled` waits for it."""

    def __init__(
        self,
        speaker: str,
        others: Sequence[str],
        buttons: Sequence[Button] = (),
        begun: Beside | None = None,
        *,
        brief: bool = False,
    ) -> None:
        self._cleaner = LineCleaner(speaker, others)
        self._buttons = tuple(buttons)
        self._begun = begun
        self._brief = brief
        self._said = ""
        self._beside: asyncio.Task[None] | None = None
        self._has_begun = False
        self.answered = False
        self.calls: Sequence[ModelCall] = ()

    @property
    def ends(self) -> bool:
        return self._cleaner.ended

    async def __call__(self, turn: Turn, model: LanguageModel) -> AsyncIterator[Piece]:
        self.calls = turn.calls
        pieces = model(turn)
        async with aclosing(pieces) as source:  # type: ignore[type-var]  # a model is a generator
            async for piece in source:
                if isinstance(piece, Done):
                    self.answered = True
                    for each in self._rest():
                        yield each
                    yield piece
                    return
                if not isinstance(piece, Text):
                    yield piece
                    continue
                shown, enough = self._enough(self._cleaner.feed(piece.text))
                if shown:
                    for each in self._with_buttons(shown):
                        yield each
                if enough:
                    self.answered = True
                    yield Done("stop")
                    return
                if self._cleaner.cut or self._cleaner.ended:
                    self.answered = True
                    for each in self._rest():
                        yield each
                    yield Done("stop")
                    return

    def _enough(self, text: str) -> tuple[str, bool]:
        """What of it still belongs to the line, and whether that is all."""
        before, self._said = len(self._said), self._said + text
        if not self._brief:
            return text, False
        for end in _SENTENCE_ENDS.finditer(self._said):
            is_paragraph = self._said[end.end() : end.end() + 1] == "\n"
            if end.end() >= before and (is_paragraph or end.end() >= BRIEF):
                return self._said[before : end.end()], True
        return text, False

    def _rest(self) -> list[Piece]:
        rest = self._cleaner.finish()
        return self._with_buttons(rest) if rest else []

    def _with_buttons(self, text: str) -> list[Piece]:
        if self._has_begun:
            return [Text(text)]
        self._has_begun = True
        if self._begun is not None:
            self._beside = asyncio.create_task(self._begun())
        return [Text(text), Controls(self._buttons)] if self._buttons else [Text(text)]

    async def settled(self) -> None:
        if self._beside is not None:
            await self._beside


def recited(text: str, buttons: Sequence[Button] = ()) -> LineFilter:
    """For a line that is known already: no model is asked."""
    return _Recited(text, buttons)


class _Recited(LineFilter):
    def __init__(self, text: str, buttons: Sequence[Button]) -> None:
        super().__init__("", ())
        self._text = text
        self._below = tuple(buttons)

    async def __call__(self, turn: Turn, model: LanguageModel) -> AsyncIterator[Piece]:
        yield Text(self._text)
        if self._below:
            yield Controls(self._below)
        yield Done("stop")


def choice_of(ctx: Context, role: Role) -> ModelChoice:
    """What the role asks for, and what answers in this place for the rest."""
    here = ctx.conversation.model
    if role.provider is None and role.model is None:
        return ModelChoice(here.provider, here.model, {**here.parameters, **role.parameters})
    provider = role.provider or here.provider
    model = role.model or (here.model if provider == here.provider else ctx.models.default(provider))
    return ModelChoice(provider, model, role.parameters)


def prompt_for(ctx: Context, scene: Scene, role: Role, lines: Sequence[SceneLine]) -> Prompt:
    room = ctx.conversation.room(choice_of(ctx, role)).prompt
    return view(scene, role, lines, room=room, count=ctx.models.count, small=room <= SMALL_ROOM)


def estimate(ctx: Context, role: Role, prompt: Prompt) -> Estimate:
    choice = choice_of(ctx, role)
    asked = sum(ctx.models.count(each.text) + PER_MESSAGE for each in prompt.messages)
    answer = ctx.conversation.room(choice).answer
    cost = ctx.models.cost(choice, Usage(asked, answer))
    return Estimate(asked + answer, None if cost is None else float(cost))


def is_too_dear(ctx: Context, scene: Scene, role: Role, prompt: Prompt) -> bool:
    """Whether more than is left of the budget may go with this line."""
    if not (scene.budget_tokens or scene.budget_cost):
        return False
    expected = estimate(ctx, role, prompt)
    return scene.spent(expected.tokens, expected.cost or 0.0).is_over_budget


async def speak(
    ctx: Context,
    scene: Scene,
    role: Role,
    prompt: Prompt,
    *,
    buttons: Sequence[Button] = (),
    instead_of: int | None = None,
    as_variant: bool = False,
    begun: Beside | None = None,
) -> Spoken:
    """Once more only where the budget allows it. Raises BotError when the model cannot be asked."""
    others = [each.name for each in scene.roles if each.id != role.id]
    choice = choice_of(ctx, role)
    small = ctx.conversation.room(choice).prompt <= SMALL_ROOM
    before, before_cost = 0, 0.0
    for attempt in (prompt, _nudged(prompt, role)):
        if before and is_too_dear(ctx, scene.spent(before, before_cost), role, attempt):
            break
        through = LineFilter(role.name, others, buttons, begun, brief=small)
        try:
            line = await ctx.say(
                role.speaker,
                attempt,
                model=_lively(choice) if small else choice,
                through=through,
                scene=scene.root,
                instead_of=instead_of,
                as_variant=as_variant,
            )
        except ModelError:
            if not through.answered:
                raise
            tokens, cost = paid(through.calls)
            before, before_cost = before + tokens, before_cost + cost
            continue
        finally:
            await through.settled()
        tokens, cost = paid(line.calls)
        return Spoken(line, through.ends, before + tokens, before_cost + cost)
    return Spoken(None, False, before, before_cost)


def _lively(choice: ModelChoice) -> ModelChoice:
    """At the low temperature that is good for answers, a small model says the same lines again and again, and without
    a limit it never ends: where nobody chose them, it gets others."""
    usual = {"temperature": LIVELY, "max_tokens": BRIEF_TOKENS}
    return ModelChoice(choice.provider, choice.model, {**usual, **choice.parameters})


def paid(calls: Sequence[ModelCall]) -> tuple[int, float]:
    tokens = sum(call.usage.input + call.usage.output for call in calls)
    costs = [call.cost for call in calls if call.cost is not None]
    return tokens, float(sum(costs, Decimal(0)))


def _nudged(prompt: Prompt, role: Role) -> Prompt:
    *before, last = prompt.messages
    nudge = f"[Write only what {role.name} says or does next, and nothing else.]"
    return Prompt((*before, PromptMessage(last.role, f"{last.text}\n\n{nudge}")))
