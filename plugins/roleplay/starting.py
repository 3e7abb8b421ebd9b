"""Beginning a scene: who plays, what it may cost, and a last look before any model is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.api import Arg, Button, ButtonPressed, Context, Reply, SentId, Usage, UsageError, counted, say
from plugins.roleplay.casting import cast_of, known_names
from plugins.roleplay.declared import plugin, roleplay
from plugins.roleplay.scene import MOST_ROLES, MOST_TURNS, Order, Role, Scene
from plugins.roleplay.speaking import choice_of, prompt_for
from plugins.roleplay.stage import begin

# What a line of a scene is in tokens, as a rule.
LINE_TOKENS = 90
LONGEST_TOPIC = 1_000
_BETWEEN = re.compile(r"\s*(?:,|&|\+|\bvs\.?\s|\bversus\b|\band\b|\bund\b|\bet\b|\by\b)\s*", re.IGNORECASE)


class Plan(BaseModel):
    """A scene that somebody looks at before it begins."""

    scene: Scene


class Start(BaseModel):
    """What the form asks for."""

    model_config = ConfigDict(extra="forbid")

    cast: Annotated[str, Field(max_length=300)]
    topic: Annotated[str, Field(max_length=LONGEST_TOPIC)] = ""
    turns: Annotated[int, Field(ge=1, le=MOST_TURNS)] = 8
    pace: Annotated[float, Field(ge=0, le=600)] = 2.0
    order: Order = "alternate"


async def _casts(ctx: Context, typed: str) -> Sequence[str]:
    return [name for name in await known_names(ctx) if typed.casefold() in name.casefold()]


@roleplay.command("start")
async def start(
    ctx: Context,
    cast: Annotated[
        str, Arg("A template, or two names with “and” between them", max_length=300, rest=True, complete=_casts)
    ],
    topic: Annotated[str, Arg("What it is about", max_length=LONGEST_TOPIC)] = "",
    turns: Annotated[int, Arg("How many lines", ge=1, le=MOST_TURNS)] = 8,
    pace: Annotated[float, Arg("Seconds between two lines", ge=0, le=600)] = 2.0,
    order: Annotated[Order, Arg("Who speaks next")] = "alternate",
    budget: Annotated[float, Arg("The most that it may cost, in US dollars; 0 = no limit", ge=0, le=1000)] = 0.0,
) -> Reply:
    """Begin a scene between two characters, after a look at what it will cost."""
    scene = await cast_of(ctx, [name for name in _BETWEEN.split(cast) if name.strip()], whole=cast)
    if len(scene.roles) > MOST_ROLES:
        raise UsageError(say("At most {most} can be on stage.", most=MOST_ROLES))
    scene = scene.changed(
        setting=_about(scene, topic.strip()),
        turns=turns,
        pace=pace,
        order=order,
        budget_cost=budget,
        started_by=ctx.user.id,
    )
    await ctx.save(Plan(scene=scene), key=ctx.user.id)
    return Reply(told(ctx, scene), buttons=_look(ctx.user.id))


def _about(scene: Scene, topic: str) -> str:
    """A template's setting stays, whatever it is about; what a card says of a place gives way."""
    return "\n\n".join(part for part in (scene.setting, topic) if part) if scene.template else topic or scene.setting


@plugin.button("begin")
async def press_begin(ctx: Context, by: str) -> None:
    plan = await ctx.load(Plan, key=by)
    if plan is None:
        raise UsageError(say("I no longer know what this was about. Please call `/roleplay start` again."))
    await begin(ctx, plan.scene)
    await ctx.forget_state(Plan, key=by)
    await _without_buttons(ctx)


@plugin.button("cancel")
async def press_cancel(ctx: Context, by: str) -> str:
    await ctx.forget_state(Plan, key=by)
    await _without_buttons(ctx)
    return say("Nothing was begun, and nothing was spent.")


def told(ctx: Context, scene: Scene) -> str:
    """What will be performed, and what that takes."""
    title = f"🎭 **{scene.title or ' · '.join(role.name for role in scene.roles)}**"
    cast = [f"- **{role.name}**" + (f" — {role.description}" if role.description else "") for role in scene.roles]
    lines = counted(scene.turns, "{count} line", "{count} lines")
    tokens, cost = expected(ctx, scene)
    price = (
        say("at an unknown price") if cost is None else say("about ${cost:.2f}", cost=max(cost, 0.01)) if cost else ""
    )
    spent = say("{lines}, about {tokens:,} tokens", lines=lines, tokens=tokens)
    return "\n".join([title, scene.setting, *cast, f"-# {', '.join(part for part in (spent, price) if part)}"]).strip()


def expected(ctx: Context, scene: Scene) -> tuple[int, float | None]:
    """Tokens, and US dollars; None where a price is unknown. Each line is sent with all before it."""
    asked_by: dict[str, int] = {role.id: _base(ctx, scene, role) for role in scene.roles}
    tokens, cost = 0, 0.0
    known = True
    for turn in range(scene.turns):
        role = scene.roles[turn % len(scene.roles)]
        room = ctx.conversation.room(choice_of(ctx, role))
        asked = min(asked_by[role.id] + turn * LINE_TOKENS, room.prompt)
        tokens += asked + LINE_TOKENS
        price = ctx.models.cost(choice_of(ctx, role), Usage(asked, LINE_TOKENS))
        known = known and price is not None
        cost += float(price or 0)
    return tokens, cost if known else None


def _base(ctx: Context, scene: Scene, role: Role) -> int:
    return sum(ctx.models.count(message.text) for message in prompt_for(ctx, scene, role, ()).messages)


def _look(by: str) -> tuple[Button, ...]:
    return (
        Button("begin", say("▶ Begin"), (by,), look="primary", asker=by),
        Button("cancel", say("✖ Not now"), (by,), asker=by),
    )


async def _without_buttons(ctx: Context) -> None:
    if isinstance(ctx.event, ButtonPressed):
        await ctx.edit(SentId(ctx.event.message), Reply())
