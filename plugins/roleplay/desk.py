"""The director's desk: what people do to a scene while it is performed, by command or by button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from bot.api import Arg, ButtonPressed, Context, UsageError, phrase, say
from plugins.roleplay.curtain import clear_panel, end
from plugins.roleplay.declared import plugin, roleplay
from plugins.roleplay.order import passed_over
from plugins.roleplay.personas import literally
from plugins.roleplay.scene import (
    LOOKS_AT,
    Performed,
    Scene,
    SceneLine,
    forced,
    joined,
    left,
    lines_of,
    swapped,
    taken_back,
    whispered,
)
from plugins.roleplay.stage import (
    check_directs,
    close,
    directed,
    go_on_stage,
    learn_beside,
    role_named,
    scene_here,
    scene_job,
    without_buttons,
)
from plugins.roleplay.starting import begin_looked_at
from plugins.roleplay.telling import narrate, reacting

GOES_ON = phrase("The scene is going on. Pause it first: `/roleplay pause`.")
LONGEST_TEXT = 1_500
# Of the lines that are taken back so many are shown.
MOST_SHOWN = 10


async def roles(ctx: Context, typed: str) -> Sequence[str]:
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
    """Go on with a paused scene, or begin the one that you just looked at."""
    if await ctx.job(scene_job) is None and (await begin_looked_at(ctx) or await _woken(ctx)):
        return None
    standing = await directed(ctx)
    if standing.running:
        return None if await _goes_on_at_once(ctx) else say("The scene is going on already.")
    await go_on(ctx, standing.state)
    return None


@roleplay.command("step", immediate=True)
async def step(ctx: Context) -> str | None:
    """Let one line be said, and pause again."""
    standing = await directed(ctx)
    if standing.running:
        return None if await _goes_on_at_once(ctx, step=True) else say(GOES_ON)
    await go_on(ctx, standing.state, step=True)
    return None


@roleplay.command("next", immediate=True)
async def next_line(
    ctx: Context, role: Annotated[str, Arg("Who speaks next, if not whose turn it is", complete=roles, rest=True)] = ""
) -> str | None:
    """Do not wait any longer for the next line, or say whose it is."""
    standing = await directed(ctx)
    if not role.strip():
        if not standing.running:
            return say("The scene is paused. `/roleplay resume` goes on.")
        await ctx.change(scene_job, lambda scene: scene, wake=True)
        return None
    found = role_named(standing.state, role)
    await ctx.change(scene_job, forced(found.id), wake=True)
    if not standing.running:
        await go_on(ctx, standing.state, step=standing.state.order != "manual")
        return None
    return say("⏭ {name} speaks next.", name=found.name)


@roleplay.command("stop", immediate=True)
async def stop(ctx: Context) -> None:
    """End the scene."""
    standing = await directed(ctx)
    await close(ctx)
    await end(ctx, standing.state, "manual")
    await learn_beside(ctx, standing.state)


@roleplay.command("skip", immediate=True)
async def skip(ctx: Context) -> str | None:
    """Stop the line that is being said, or pass over whoever would speak next."""
    standing = await directed(ctx)
    before = standing.state
    chosen = passed_over(before, await _lines(ctx, before))
    if standing.running and await ctx.interrupt():
        # What was said of the line is the line. Where nothing was, its speaker is passed over.
        await ctx.change(scene_job, _unless_said(before, chosen.id), wake=True)
        return None
    await ctx.change(scene_job, forced(chosen.id), wake=True)
    if before.waits_for:
        await go_on(ctx, before)
    return say("⏭ {name} speaks next.", name=chosen.name)


def _unless_said(before: Scene, id: str) -> Callable[[Scene], Scene | None]:
    def change(now: Scene) -> Scene | None:
        return now if now.last != before.last else now.changed(next=id, errors=before.errors)

    return change


@roleplay.command("retry", immediate=True)
async def retry(ctx: Context) -> str | None:
    """Let the last line be said anew; the old one is kept beside it."""
    standing = await directed(ctx)
    if standing.running:
        return None if await _goes_on_at_once(ctx, step=True, redo=True) else say(GOES_ON)
    if not any(line.generated for line in await _lines(ctx, standing.state)):
        return say("No line was said yet.")
    await go_on(ctx, standing.state, step=True, redo=True)
    return None


@roleplay.command("rewind", immediate=True)
async def rewind(ctx: Context, lines: Annotated[int, Arg("How many lines to take back", ge=1, le=100)] = 1) -> str:
    """Take back the last lines: the scene goes on from before them."""
    standing = await directed(ctx)
    if standing.running:
        return say(GOES_ON)
    said = await _lines(ctx, standing.state)
    generated = [line for line in said if line.generated]
    if len(generated) < lines:
        return say("So many lines were not said yet: there are {count}.", count=len(generated))
    first = generated[-lines]
    before = [line for line in said if line.id < first.id]
    tip = before[-1].id if before else standing.state.root or 0
    kept = [line.id for line in before if line.generated and not line.cut]
    counted = sum(not line.cut for line in generated[-lines:])
    # In this order: what is still there is counted again, should the bot die in between.
    await ctx.change(scene_job, taken_back(counted, tip, kept[-1] if kept else None))
    await ctx.conversation.move_tip(tip)
    told = say("⏪ Taken back: {count}. What comes next goes on after “{text}”.", count=lines, text=_short(before))
    gone = [line for line in said if line.id >= first.id]
    shown = [f"- {literally(line.name)}: “{_short([line])}”" for line in gone[:MOST_SHOWN]]
    if len(gone) > MOST_SHOWN:
        shown.append(say("- and {count} more", count=len(gone) - MOST_SHOWN))
    return "\n".join([told, say("These messages no longer count:"), *shown])


# What happens.


@roleplay.command("narrate", immediate=True)
async def tell(ctx: Context, text: Annotated[str, Arg("What happens", max_length=LONGEST_TEXT, rest=True)]) -> None:
    """Say what happens, as the narrator: everybody on stage sees it."""
    standing = await directed(ctx)
    await narrate(ctx, standing.state, _something(text), ctx.user.id)


@roleplay.command("event", immediate=True)
async def event(ctx: Context, text: Annotated[str, Arg("What happens", max_length=LONGEST_TEXT, rest=True)]) -> None:
    """Let something happen that everybody on stage must react to."""
    standing = await directed(ctx)
    happens = _something(text)
    await narrate(ctx, standing.state, happens, ctx.user.id)
    await ctx.change(scene_job, reacting(happens))


@roleplay.command("whisper", private=True, immediate=True)
async def whisper(
    ctx: Context,
    role: Annotated[str, Arg("To whom", complete=roles)],
    note: Annotated[str, Arg("What only they hear", max_length=LONGEST_TEXT, rest=True)],
) -> str:
    """Tell one character something that only they know, for their next line."""
    standing = await directed(ctx)
    found = role_named(standing.state, role)
    await ctx.change(scene_job, whispered(found.id, note.strip()))
    return say("🤫 {name} heard it.", name=found.name)


@roleplay.command("swap", immediate=True)
async def swap(ctx: Context) -> str:
    """Let the first two characters change roles."""
    await directed(ctx)
    scene = await ctx.change(scene_job, swapped)
    names = [role.name for role in scene.roles[:2]] if scene is not None else []
    return say("🔀 {first} plays what {second} was, and the other way round.", first=names[0], second=names[1])


# Co-actors.


@roleplay.command("join", immediate=True)
async def join(ctx: Context, role: Annotated[str, Arg("Whom you play", complete=roles, rest=True)]) -> str:
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


async def go_on(ctx: Context, scene: Scene, *, step: bool = False, redo: bool = False) -> None:
    await ctx.change(scene_job, lambda now: now.changed(step=step, redo=redo, hold=False, waits_for="", over=""))
    await ctx.resume(scene_job)
    await without_buttons(ctx)
    if not (isinstance(ctx.event, ButtonPressed) and scene.panel and scene.panel[0] == ctx.event.message):
        await clear_panel(ctx, scene)
    # Else the next line would do it once more.
    await ctx.change(scene_job, lambda now: now.changed(panel=None) if now.panel == scene.panel else now)


async def _goes_on_at_once(ctx: Context, *, step: bool = False, redo: bool = False) -> bool:
    """Whoever presses a button below a scene that waits may be quicker than the step that has just shown it."""
    if not isinstance(ctx.event, ButtonPressed) or not await ctx.resume(scene_job):
        return False
    await ctx.change(scene_job, lambda now: now.changed(step=step, redo=redo, hold=False, waits_for="", over=""))
    await without_buttons(ctx)
    return True


async def _woken(ctx: Context) -> bool:
    """A scene that ended only because nobody came, or nothing came from the model, is not lost."""
    performed = await ctx.load(Performed)
    if performed is None or performed.scene.over not in ("idle", "errors", "empty"):
        return False
    check_directs(ctx, performed.scene)
    await ctx.forget_state(Performed)
    await go_on_stage(ctx, performed.scene.changed(over="", waits_for="", panel=None, errors=0))
    return True


async def _lines(ctx: Context, scene: Scene) -> list[SceneLine]:
    return lines_of(scene, await ctx.conversation.path(LOOKS_AT))


def _something(text: str) -> str:
    happens = " ".join(text.split()).strip("* ")
    if not happens:
        raise UsageError(say("Say what happens, such as `/roleplay event The lights go out.`"))
    return happens


def _short(lines: Sequence[SceneLine]) -> str:
    text = lines[-1].text.replace("\n", " ") if lines else "…"
    return text if len(text) <= 60 else f"{text[:59]}…"
