"""The director's desk: what people do to a scene while it is performed, by command or by button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from bot.api import Arg, Context, Done, Speaker, Text, UsageError, say
from plugins.roleplay.declared import plugin, roleplay
from plugins.roleplay.performing import clear_panel, end
from plugins.roleplay.scene import (
    MOST_TURNS,
    NARRATOR,
    Scene,
    SceneLine,
    forced,
    given_more,
    joined,
    left,
    lines_of,
    swapped,
    whispered,
)
from plugins.roleplay.stage import directed, role_named, scene_here, scene_job

LONGEST_TEXT = 1_500


async def _roles(ctx: Context, typed: str) -> Sequence[str]:
    standing = await ctx.job(scene_job)
    names = [role.name for role in standing.state.roles] if standing is not None else []
    return [name for name in names if typed.casefold() in name.casefold()]


# Going on and stopping.


@roleplay.command("pause", immediate=True)
async def pause(ctx: Context) -> str | None:
    """Pause the scene after the line that is being said."""
    if not (await directed(ctx)).running:
        return say("The scene is paused already. `/roleplay resume` goes on.")
    await ctx.change(scene_job, lambda scene: scene.changed(hold=True), wake=True)
    return None


@roleplay.command("resume", immediate=True)
async def resume(ctx: Context) -> str | None:
    """Go on with a paused scene."""
    standing = await directed(ctx)
    if standing.running:
        return say("The scene is going on already.")
    await _go_on(ctx, standing.state)
    return None


@roleplay.command("step", immediate=True)
async def step(ctx: Context) -> str | None:
    """Let one line be said, and pause again."""
    standing = await directed(ctx)
    if standing.running:
        return say("The scene is going on. Pause it first: `/roleplay pause`.")
    await _go_on(ctx, standing.state, step=True)
    return None


@roleplay.command("next", immediate=True)
async def next_line(ctx: Context) -> str | None:
    """Do not wait any longer for the next line."""
    if not (await directed(ctx)).running:
        return say("The scene is paused. `/roleplay resume` goes on.")
    await ctx.change(scene_job, lambda scene: scene, wake=True)
    return None


@roleplay.command("stop", immediate=True)
async def stop(ctx: Context) -> None:
    """End the scene."""
    standing = await directed(ctx)
    await ctx.end(scene_job)
    await end(ctx, standing.state, "manual")


@roleplay.command("skip", immediate=True)
async def skip(ctx: Context) -> str | None:
    """Stop the line that is being said, or pass over whoever would speak next."""
    standing = await directed(ctx)
    if await ctx.interrupt():
        return None
    spoken = [line.role for line in await _lines(ctx, standing.state) if line.role]
    others = [role for role in standing.state.roles if not spoken or role.id == spoken[-1]]
    chosen = others[0] if others else standing.state.roles[0]
    await ctx.change(scene_job, forced(chosen.id), wake=True)
    return say("⏭ {name} speaks next.", name=chosen.name)


@roleplay.command("retry", immediate=True)
async def retry(ctx: Context) -> str | None:
    """Let the last line be said anew; the old one is kept beside it."""
    standing = await directed(ctx)
    if standing.running:
        return say("The scene is going on. Pause it first: `/roleplay pause`.")
    if not any(line.generated for line in await _lines(ctx, standing.state)):
        return say("No line was said yet.")
    await ctx.change(scene_job, lambda scene: scene.changed(redo=True))
    await _go_on(ctx, standing.state, step=True)
    return None


@roleplay.command("rewind", immediate=True)
async def rewind(ctx: Context, lines: Annotated[int, Arg("How many lines to take back", ge=1, le=100)] = 1) -> str:
    """Take back the last lines: the scene goes on from before them."""
    standing = await directed(ctx)
    if standing.running:
        return say("The scene is going on. Pause it first: `/roleplay pause`.")
    said = await _lines(ctx, standing.state)
    generated = [line for line in said if line.generated]
    if len(generated) < lines:
        return say("So many lines were not said yet: there are {count}.", count=len(generated))
    first = generated[-lines]
    before = [line for line in said if line.id < first.id]
    tip = before[-1].id if before else standing.state.root
    await ctx.conversation.move_tip(tip)
    kept = [line.id for line in before if line.generated]

    def change(scene: Scene) -> Scene | None:
        return scene.changed(turn=len(kept), last=kept[-1] if kept else None, over="")

    await ctx.change(scene_job, change)
    return say("⏪ Taken back: {count}. What comes next begins behind “{text}”.", count=lines, text=_short(before))


@roleplay.command("more", immediate=True)
async def more(ctx: Context, lines: Annotated[int, Arg("How many lines more", ge=1, le=MOST_TURNS)] = 4) -> str:
    """Give the scene more lines."""
    await directed(ctx)
    scene = await ctx.change(scene_job, given_more(lines))
    return say("The scene has {turns} lines now.", turns=scene.turns if scene is not None else 0)


# What happens.


@roleplay.command("narrate", immediate=True)
async def narrate(ctx: Context, text: Annotated[str, Arg("What happens", max_length=LONGEST_TEXT, rest=True)]) -> None:
    """Say what happens, as the narrator: everybody on stage sees it."""
    standing = await directed(ctx)
    speaker = Speaker(NARRATOR, say(NARRATOR))
    stream = ctx.stream(speaker)
    async with stream:
        await stream.write(Text(f"*{text.strip()}*"))
        await stream.write(Done("stop"))
    await ctx.conversation.append(
        "assistant", text.strip(), Speaker(NARRATOR, NARRATOR), sent=stream.sent, scene=standing.state.root
    )


@roleplay.command("whisper", private=True, immediate=True)
async def whisper(
    ctx: Context,
    role: Annotated[str, Arg("To whom", complete=_roles)],
    note: Annotated[str, Arg("What only they hear", max_length=LONGEST_TEXT, rest=True)],
) -> str:
    """Tell one character something that only they know, for their next line."""
    standing = await directed(ctx)
    found = role_named(standing.state, role)
    await ctx.change(scene_job, whispered(found.id, note.strip()))
    return say("🤫 {name} heard it.", name=found.name)


@roleplay.command("force", immediate=True)
async def force(ctx: Context, role: Annotated[str, Arg("Who speaks next", complete=_roles, rest=True)]) -> str | None:
    """Say who speaks next."""
    standing = await directed(ctx)
    found = role_named(standing.state, role)
    await ctx.change(scene_job, forced(found.id), wake=True)
    if not standing.running:
        await _go_on(ctx, standing.state, step=standing.state.order != "manual")
        return None
    return say("⏭ {name} speaks next.", name=found.name)


@roleplay.command("swap", immediate=True)
async def swap(ctx: Context) -> str:
    """Let the first two characters change roles."""
    await directed(ctx)
    scene = await ctx.change(scene_job, swapped)
    names = [role.name for role in scene.roles[:2]] if scene is not None else []
    return say("🔀 {first} plays what {second} was, and the other way round.", first=names[0], second=names[1])


# Co-actors.


@roleplay.command("join", immediate=True)
async def join(ctx: Context, role: Annotated[str, Arg("Whom you play", complete=_roles, rest=True)]) -> str:
    """Play a character yourself: what you write here are their lines."""
    standing = await scene_here(ctx)
    found = role_named(standing.state, role)
    if found.player and found.player != ctx.user.id:
        raise UsageError(say("{name} is played by {player} already.", name=found.name, player=found.player_name))
    await ctx.change(scene_job, joined(found.id, ctx.user.id, ctx.user.name))
    return say(
        "🎭 {player} plays {name} now. `/roleplay leave` gives the role back.", player=ctx.user.name, name=found.name
    )


@roleplay.command("leave", immediate=True)
async def leave(ctx: Context) -> str:
    """Give back the character that you play."""
    standing = await scene_here(ctx)
    played = [role.name for role in standing.state.roles if role.player == ctx.user.id]
    if not played:
        return say("You do not play anybody here.")
    await ctx.change(scene_job, left(ctx.user.id))
    if not standing.running and standing.state.waits_for == ctx.user.id:
        await ctx.resume(scene_job)
    return say("🎭 {name} is played by me again.", name=", ".join(played))


@roleplay.command("show", private=True, immediate=True)
async def show(ctx: Context) -> str:
    """Show who is on stage, and how far the scene is."""
    standing = await scene_here(ctx)
    scene = standing.state
    played = [
        f"- **{role.name}**"
        + (f" — {role.description}" if role.description else "")
        + (f" ({say('played by {player}', player=role.player_name)})" if role.player else "")
        for role in scene.roles
    ]
    state = say("going on") if standing.running else say("paused")
    told = say("Line {turn} of {turns}, {state}", turn=scene.turn, turns=scene.turns, state=state)
    return "\n".join([f"**{scene.title}**" if scene.title else "", scene.setting, *played, told]).strip()


# The same by buttons.


@plugin.button("pause")
async def press_pause(ctx: Context) -> str | None:
    return await pause(ctx)


@plugin.button("resume")
async def press_resume(ctx: Context) -> str | None:
    return await resume(ctx)


@plugin.button("step")
async def press_step(ctx: Context) -> str | None:
    return await step(ctx)


@plugin.button("skip")
async def press_skip(ctx: Context) -> str | None:
    return await skip(ctx)


@plugin.button("retry")
async def press_retry(ctx: Context) -> str | None:
    return await retry(ctx)


@plugin.button("stop")
async def press_stop(ctx: Context) -> None:
    await stop(ctx)


# Inside.


async def _go_on(ctx: Context, scene: Scene, *, step: bool = False) -> None:
    await clear_panel(ctx, scene)
    await ctx.change(scene_job, lambda now: now.changed(step=step, waits_for="", over="", panel=None))
    await ctx.resume(scene_job)


async def _lines(ctx: Context, scene: Scene) -> list[SceneLine]:
    return lines_of(scene, await ctx.conversation.path(200))


def _short(lines: Sequence[SceneLine]) -> str:
    text = lines[-1].text.replace("\n", " ") if lines else "…"
    return text if len(text) <= 60 else f"{text[:59]}…"
