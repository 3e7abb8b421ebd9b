"""Beginning a scene: who plays, what it may cost, and a last look before any model is asked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.api import (
    Arg,
    BotError,
    Button,
    ButtonPressed,
    Context,
    NotAllowed,
    Reply,
    Usage,
    UsageError,
    counted,
    phrase,
    say,
)
from plugins.roleplay.casting import cast_of, known_names
from plugins.roleplay.declared import plugin, roleplay
from plugins.roleplay.naming import QUOTED, QUOTES, may_be_one
from plugins.roleplay.personas import literally
from plugins.roleplay.scene import MOST_TURNS, Order, Plan, Role, Scene
from plugins.roleplay.speaking import choice_of, prompt_for
from plugins.roleplay.stage import begin, check_makes_way, scene_job, without_buttons

# What a line of a scene is in tokens, as a rule.
LINE_TOKENS = 90
LONGEST_TOPIC, LONGEST_OPENER = 1_000, 1_500
MOST_PHRASES, LONGEST_PHRASE = 10, 100
MOST_TOKENS, MOST_DOLLARS, MOST_MINUTES = 100_000_000, 1_000, 24 * 60
MOST_SUGGESTIONS = 25
UNKNOWN_PRICE = phrase(
    "Lines whose price is unknown count as nothing here. Say how many tokens it may take at most, too: `--tokens`."
)


async def _casts(ctx: Context, typed: str) -> Sequence[str]:
    return [name for name in await known_names(ctx) if typed.casefold() in name.casefold()][:MOST_SUGGESTIONS]


class Start(BaseModel):
    """What the form asks for, and what can be typed. What is left out is as the template has it."""

    model_config = ConfigDict(extra="forbid")

    cast: Annotated[
        str,
        Arg("A template, or two names with “and” between them", max_length=300, rest=True, complete=_casts),
        Field(title="Who plays"),
    ]
    topic: Annotated[str, Arg("What it is about", max_length=LONGEST_TOPIC), Field(title="Topic")] = ""
    turns: Annotated[
        int | None, Arg("How many lines; the template's, or 8", ge=1, le=MOST_TURNS), Field(title="Lines")
    ] = None
    pace: Annotated[float, Arg("Seconds between two lines", ge=0, le=600), Field(title="Pace")] = 2.0
    order: Annotated[Order, Arg("Who speaks next"), Field(title="Order")] = "alternate"
    budget: Annotated[
        float,
        Arg("The most that it may cost, in US dollars; 0 = no limit", ge=0, le=MOST_DOLLARS),
        Field(title="Budget"),
    ] = 0.0
    tokens: Annotated[
        int, Arg("The most tokens that it may take; 0 = no limit", ge=0, le=MOST_TOKENS), Field(title="Tokens")
    ] = 0
    minutes: Annotated[
        float, Arg("How long it may last, in minutes; 0 = no limit", ge=0, le=MOST_MINUTES), Field(title="Minutes")
    ] = 0.0
    phrases: Annotated[
        str,
        Arg("Words that end it when they are said, with | between", max_length=MOST_PHRASES * LONGEST_PHRASE),
        Field(title="Closing words"),
    ] = ""
    ends_itself: Annotated[
        bool, Arg("Whether it ends at a farewell, or when it goes round in circles"), Field(title="Ends by itself")
    ] = True
    opener: Annotated[
        str, Arg("The first line, such as “Cat: Good evening!”", max_length=LONGEST_OPENER), Field(title="First line")
    ] = ""
    votes: Annotated[
        int,
        Arg("After how many lines the audience votes each time; 0 = never", ge=0, le=MOST_TURNS),
        Field(title="Votes"),
    ] = 0


@roleplay.command("start", form=Start)
async def start(ctx: Context, form: Start) -> Reply:
    """Begin a scene between two characters, after a look at what it will cost."""
    standing = await ctx.job(scene_job)
    check_makes_way(ctx, standing)
    scene = await cast_of(ctx, form.cast)
    scene = scene.changed(
        setting=_about(scene, form.topic.strip()),
        turns=form.turns or scene.turns,
        pace=form.pace,
        order=form.order,
        budget_cost=form.budget,
        budget_tokens=form.tokens,
        minutes=form.minutes,
        phrases=_phrases(form.phrases),
        ends_itself=form.ends_itself,
        votes_every=form.votes,
        started_by=ctx.user.id,
    )
    if form.opener.strip():
        scene = _opened(scene, form.opener.strip())
    look = secrets.token_urlsafe(6)
    await ctx.save(Plan(scene=scene, look=look), key=ctx.user.id)
    text = told(ctx, scene)
    if not scene.template and len(scene.roles) > 2 and may_be_one(form.cast):
        text += "\n-# " + say(QUOTES, quoted=QUOTED)
    if standing is not None:
        text += "\n-# " + say("The scene that is paused here ends when this one begins.")
    if not ctx.capabilities.buttons:
        text += "\n-# " + say("`/roleplay resume` begins it.")
    return Reply(text, buttons=_look(ctx.user.id, look))


def _about(scene: Scene, topic: str) -> str:
    """A template's setting stays, whatever it is about; what a card says of a place gives way."""
    return "\n\n".join(part for part in (scene.setting, topic) if part) if scene.template else topic or scene.setting


def _phrases(typed: str) -> tuple[str, ...]:
    found = dict.fromkeys(" ".join(each.split()) for each in typed.split("|"))
    return tuple(each[:LONGEST_PHRASE] for each in found if each)[:MOST_PHRASES]


def _opened(scene: Scene, typed: str) -> Scene:
    """The line that somebody wants it to begin with, by whoever is named before it."""
    name, colon, text = typed.partition(":")
    role = scene.named(name) if colon and text.strip() else None
    if role is not None:
        return scene.changed(opener=text.strip(), opener_by=role.id)
    return scene.changed(opener=typed, opener_by=scene.opener_by or scene.roles[0].id)


@plugin.button("begin")
async def press_begin(ctx: Context, look: str) -> None:
    _check_asker(ctx)
    plan = await ctx.load(Plan, key=ctx.user.id)
    if plan is None or plan.look != look:
        await without_buttons(ctx)
        standing = await ctx.job(scene_job)
        if standing is not None and standing.state.look == look:
            return  # pressed twice
        raise UsageError(say("I no longer know what this was about. Please call `/roleplay start` again."))
    await _begin(ctx, plan)
    await without_buttons(ctx)


@plugin.button("cancel")
async def press_cancel(ctx: Context, look: str) -> str:
    _check_asker(ctx)
    plan = await ctx.load(Plan, key=ctx.user.id)
    if plan is not None and plan.look == look:
        await ctx.forget_state(Plan, key=ctx.user.id)
    await without_buttons(ctx)
    return say("Nothing was begun, and nothing was spent.")


async def begin_looked_at(ctx: Context) -> bool:
    """Begin what this person looked at here last. False where there is nothing."""
    plan = await ctx.load(Plan, key=ctx.user.id)
    if plan is None:
        return False
    await _begin(ctx, plan)
    return True


async def _begin(ctx: Context, plan: Plan) -> None:
    """Once, however often it is asked for: the bot may have died after it was begun."""
    standing = await ctx.job(scene_job)
    if standing is None or standing.state.look != plan.look:
        looked_at = ctx.event.message if isinstance(ctx.event, ButtonPressed) else ""
        try:
            await begin(ctx, plan.scene.changed(look=plan.look, looked_at=looked_at))
        except BotError:
            # Somebody was quicker, or the same person pressed twice.
            standing = await ctx.job(scene_job)
            if standing is None or standing.state.look != plan.look:
                check_makes_way(ctx, standing)
                raise
    await ctx.forget_state(Plan, key=ctx.user.id)


def _check_asker(ctx: Context) -> None:
    """Who looked at what it costs decides; moderators can look themselves."""
    if isinstance(ctx.event, ButtonPressed) and ctx.event.asker not in ("", ctx.user.id):
        raise NotAllowed(
            "not their look", public=phrase("Only whoever called `/roleplay start` can begin or cancel this scene.")
        )


def told(ctx: Context, scene: Scene) -> str:
    """What will be performed, and what that takes."""
    title = f"🎭 **{literally(scene.title or ' · '.join(role.name for role in scene.roles))}**"
    cast = [
        f"- **{literally(role.name)}**" + (f" — {role.description}" if role.description else "") for role in scene.roles
    ]
    lines = counted(scene.turns, "{count} line", "{count} lines")
    tokens, cost = expected(ctx, scene)
    price = (
        say("at an unknown price") if cost is None else say("about ${cost:.2f}", cost=max(cost, 0.01)) if cost else ""
    )
    spent = say("{lines}, about {tokens:,} tokens", lines=lines, tokens=tokens)
    small = ", ".join(part for part in (spent, price) if part)
    told = [title, scene.setting, *cast, f"-# {small}", *(f"-# {each}" for each in _ends(scene))]
    if cost is None and scene.budget_cost:
        # Never taken for nothing without a word.
        told.append(f"-# ⚠️ {say(UNKNOWN_PRICE)}")
    return "\n".join(each for each in told if each)


def _ends(scene: Scene) -> list[str]:
    """What somebody chose to be otherwise than usual."""
    found = []
    if scene.budget_cost:
        found.append(say("at most ${cost:.2f}", cost=scene.budget_cost))
    if scene.budget_tokens:
        found.append(say("at most {tokens:,} tokens", tokens=scene.budget_tokens))
    if scene.minutes:
        found.append(say("at most {minutes:g} min", minutes=scene.minutes))
    if scene.phrases:
        found.append(say("until somebody says {phrases}", phrases=", ".join(f"“{each}”" for each in scene.phrases)))
    if not scene.ends_itself:
        found.append(say("does not end by itself before"))
    if scene.votes_every:
        found.append(counted(scene.votes_every, "a vote after each line", "a vote every {count} lines"))
    return [", ".join(found)] if found else []


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


def _look(by: str, look: str) -> tuple[Button, ...]:
    return (
        Button("begin", say("▶ Begin"), (look,), look="primary", asker=by),
        Button("cancel", say("✖ Not now"), (look,), asker=by),
    )
