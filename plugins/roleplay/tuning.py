"""What can be changed of a scene while it is performed: its length, order, pace, budget and branch."""

from __future__ import annotations

from typing import Annotated

from bot.api import Arg, Context, say
from plugins.roleplay.declared import roleplay
from plugins.roleplay.personas import literally
from plugins.roleplay.scene import MOST_TURNS, Order, Scene, given_more
from plugins.roleplay.stage import directed, scene_here, scene_job
from plugins.roleplay.telling import how_to_switch

LONGEST_BRANCH = 60
MOST_TOKENS, MOST_DOLLARS = 100_000_000, 1_000


@roleplay.command("more", immediate=True)
async def more(ctx: Context, lines: Annotated[int, Arg("How many lines more", ge=1, le=MOST_TURNS)] = 4) -> str:
    """Give the scene more lines."""
    await directed(ctx)
    scene = await ctx.change(scene_job, given_more(lines))
    return say("The scene has {turns} lines now.", turns=scene.turns if scene is not None else 0)


@roleplay.command("order", immediate=True)
async def order(ctx: Context, order: Annotated[Order, Arg("Who speaks next")]) -> str:
    """Change who speaks next."""
    await directed(ctx)
    await ctx.change(scene_job, lambda scene: scene.changed(order=order, next=""))
    match order:
        case "alternate":
            return say("From now on, whoever was silent the longest speaks next.")
        case "round-robin":
            return say("From now on, they speak one after the other.")
        case "mention":
            return say("From now on, whoever is named speaks next.")
        case "director":
            return say("From now on, a language model decides who speaks next.")
        case "manual":
            return say("From now on, you decide who speaks next: `/roleplay next Ada`.")


@roleplay.command("pace", immediate=True)
async def pace(ctx: Context, seconds: Annotated[float, Arg("Seconds between two lines", ge=0, le=600)]) -> str:
    """Change how long it is silent between two lines."""
    await directed(ctx)
    await ctx.change(scene_job, lambda scene: scene.changed(pace=seconds))
    return say("Between two lines there are {seconds:g} s from the next one on.", seconds=seconds)


@roleplay.command("budget", immediate=True)
async def budget(
    ctx: Context,
    dollars: Annotated[float | None, Arg("The most that it may cost; 0 = no limit", ge=0, le=MOST_DOLLARS)] = None,
    tokens: Annotated[int | None, Arg("The most tokens that it may take; 0 = no limit", ge=0, le=MOST_TOKENS)] = None,
) -> str:
    """Show what the scene took so far, or change what it may take."""
    if dollars is None and tokens is None:
        return _spent((await scene_here(ctx)).state)
    await directed(ctx)

    def change(scene: Scene) -> Scene | None:
        return scene.changed(
            budget_cost=scene.budget_cost if dollars is None else dollars,
            budget_tokens=scene.budget_tokens if tokens is None else tokens,
        )

    scene = await ctx.change(scene_job, change)
    return _spent(scene) if scene is not None else say("The scene is over.")


def _spent(scene: Scene) -> str:
    tokens = say("- tokens: {spent:,}, without a limit", spent=scene.tokens)
    if scene.budget_tokens:
        tokens = say("- tokens: {spent:,} of at most {most:,}", spent=scene.tokens, most=scene.budget_tokens)
    cost = say("- cost: ${spent:.4f}, without a limit", spent=scene.cost)
    if scene.budget_cost:
        cost = say("- cost: ${spent:.4f} of at most ${most:.2f}", spent=scene.cost, most=scene.budget_cost)
    return f"{tokens}\n{cost}"


@roleplay.command("branch", immediate=True)
async def branch(
    ctx: Context,
    name: Annotated[str, Arg("What the branch is called", min_length=1, max_length=LONGEST_BRANCH, rest=True)],
) -> str:
    """Let the scene go on in a branch; the old one stays as it is."""
    standing = await directed(ctx)
    if standing.running:
        return say("The scene is going on. Pause it first: `/roleplay pause`.")
    called = " ".join(name.split())
    path = await ctx.conversation.path(1)
    await ctx.conversation.branch(path[-1].id if path else None, called)
    told = say(
        "🌿 From here on the scene is the branch **{name}**; all that was said stays in the old one. "
        "`/roleplay rewind` goes back here, `/roleplay resume` goes on.",
        name=literally(called),
    )
    return told + how_to_switch(ctx)


@roleplay.command("show", private=True, immediate=True)
async def show(ctx: Context) -> str:
    """Show who is on stage, and how far the scene is."""
    standing = await scene_here(ctx)
    scene = standing.state
    played = [
        f"- **{literally(role.name)}**"
        + (f" — {role.description}" if role.description else "")
        + (f" ({say('played by {player}', player=role.player_name)})" if role.player else "")
        for role in scene.roles
    ]
    state = say("going on") if standing.running else say("paused")
    told = say("Line {turn} of {turns}, {state}", turn=scene.turn, turns=scene.turns, state=state)
    title = f"**{literally(scene.title)}**" if scene.title else ""
    lines = [title, scene.setting, *played, told]
    if not standing.running:
        lines.append("-# " + say("`/roleplay resume` goes on, `/roleplay step` lets one line be said."))
    return "\n".join(line for line in lines if line)
