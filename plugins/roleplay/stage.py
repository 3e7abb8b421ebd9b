"""The scene of a place: beginning it, finding it, hearing what people say meanwhile, ending it when nobody comes."""

from __future__ import annotations

import logging
from hashlib import sha256

from pydantic import BaseModel

from bot.api import (
    ButtonPressed,
    Context,
    DeliveryError,
    Message,
    NotAllowed,
    Paused,
    Reply,
    SentId,
    Standing,
    Taken,
    UsageError,
    phrase,
    say,
)
from plugins.roleplay.curtain import clear_panel, end
from plugins.roleplay.declared import plugin
from plugins.roleplay.performing import perform
from plugins.roleplay.returning import come_back, was_ended
from plugins.roleplay.scene import NARRATOR, Performed, Role, Scene

log = logging.getLogger(__name__)

# A scene that is paused ends without a word when nobody said or pressed anything for an hour: it is looked at so often,
# and ended when nothing was new so many times.
LOOK_SECONDS, MOST_LOOKS = 600.0, 6


def _pause(scene: Scene) -> float:
    """Between two lines, or until a vote ends."""
    voting = scene.ballot is not None and scene.ballot.message is not None
    return scene.ballot.seconds if voting and scene.ballot is not None else scene.pace


async def _back(ctx: Context, scene: Scene) -> Scene | None:
    if await was_ended(ctx, scene):
        await ctx.end(scene_job)
        return None
    await _watch(ctx)
    return await come_back(ctx, scene)


@plugin.job(pause=_pause, back=_back)
async def scene_job(ctx: Context, scene: Scene) -> Scene | Paused[Scene] | None:
    async def is_ended() -> bool:
        standing = await ctx.job(scene_job)
        return standing is None or not standing.running

    return await perform(ctx, scene, is_ended)


async def begin(ctx: Context, scene: Scene) -> None:
    """Raises UsageError when one is performed here already. One that is paused makes way."""
    standing = await ctx.job(scene_job)
    if standing is not None:
        check_is_free(standing)
        await ctx.end(scene_job)
        await end(ctx, standing.state, "manual")
    newest = await ctx.conversation.path(1)
    # A role may bear the narrator's name in another language than English.
    is_taken = say(NARRATOR) in [role.name for role in scene.roles]
    scene = scene.changed(
        after=newest[-1].id if newest else 0,
        narrator=NARRATOR if is_taken else say(NARRATOR),
        opening=scene.setting or scene.title or say("The curtain rises."),
    )
    await go_on_stage(ctx, scene)


async def go_on_stage(ctx: Context, scene: Scene) -> None:
    """Where nothing is performed."""
    await ctx.start(scene_job, scene)
    await _watch(ctx)


def check_is_free(standing: Standing[Scene] | None) -> None:
    if standing is not None and standing.running:
        raise UsageError(say("A scene is performed here already. End it first: `/roleplay stop`."))


async def scene_here(ctx: Context) -> Standing[Scene]:
    standing = await ctx.job(scene_job)
    if standing is None:
        if isinstance(ctx.event, ButtonPressed) and ctx.event.message:
            await without_buttons(ctx)
        raise UsageError(say("No scene is performed here. Begin one: `/roleplay start`."))
    return standing


async def without_buttons(ctx: Context) -> None:
    """Under the message whose button was pressed."""
    if isinstance(ctx.event, ButtonPressed):
        try:
            await ctx.edit(SentId(ctx.event.message), Reply())
        except DeliveryError as error:
            log.info("buttons stay: %r", error)


async def directed(ctx: Context) -> Standing[Scene]:
    """For what only the director may do: whoever began the scene, and moderators."""
    standing = await scene_here(ctx)
    check_directs(ctx, standing.state)
    return standing


def check_directs(ctx: Context, scene: Scene) -> None:
    if ctx.user.id != scene.started_by and not ctx.user.is_moderator:
        raise NotAllowed(
            "not the director", public=phrase("Only whoever began the scene, and moderators, may do that.")
        )


def role_named(scene: Scene, name: str) -> Role:
    role = scene.named(name)
    if role is None:
        names = ", ".join(role.name for role in scene.roles)
        raise UsageError(say("Nobody on stage is called `{name}`. There are: {names}.", name=name, names=names))
    return role


@plugin.on(Message)
async def hear(ctx: Context) -> Taken | None:
    """While a scene is performed, what people say is part of it and gets no answer of its own."""
    event = ctx.event
    if not isinstance(event, Message) or event.user.is_bot:
        return None
    standing = await ctx.job(scene_job)
    if standing is None:
        return None
    if standing.running:
        return Taken()
    waited_for = standing.state.waits_for
    if waited_for and waited_for == event.user.id:
        await ctx.resume(scene_job)
        return Taken()
    return None


# When nobody comes.


class Quiet(BaseModel):
    """How everything was when it was looked at last, and how often it was so."""

    seen: str = ""
    times: int = 0


async def _look_again(ctx: Context, quiet: Quiet) -> Quiet:
    await ctx.resume(quiet_job)
    return quiet


@plugin.job(pause=lambda quiet: LOOK_SECONDS, back=_look_again)
async def quiet_job(ctx: Context, quiet: Quiet) -> Quiet | None:
    """Looks after a scene until it is over."""
    standing = await ctx.job(scene_job)
    if standing is None:
        return None
    if standing.running:
        return Quiet()
    newest = await ctx.conversation.path(1)
    looks = f"{newest[-1].id if newest else 0} {standing.state.model_dump_json()}"
    seen = sha256(looks.encode("utf-8", "replace")).hexdigest()
    if seen != quiet.seen:
        return Quiet(seen=seen)
    if quiet.times + 1 < MOST_LOOKS:
        return Quiet(seen=seen, times=quiet.times + 1)
    await clear_panel(ctx, standing.state)
    await ctx.save(Performed(scene=standing.state.changed(over="idle")))
    await ctx.end(scene_job)
    return None


async def _watch(ctx: Context) -> None:
    standing = await ctx.job(quiet_job)
    if standing is not None and standing.running:
        return
    if standing is not None:
        # An earlier process left it.
        await ctx.end(quiet_job)
    await ctx.start(quiet_job, Quiet())
