"""The scene of a place: beginning it, finding it, hearing what people say meanwhile, ending it when nobody comes."""

from __future__ import annotations

import logging
from hashlib import sha256

from pydantic import BaseModel

from bot.api import (
    BotError,
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
from plugins.roleplay.billing import bill
from plugins.roleplay.curtain import REASONS, clear_panel, end
from plugins.roleplay.declared import plugin
from plugins.roleplay.memory import learn
from plugins.roleplay.performing import perform
from plugins.roleplay.returning import come_back, was_ended
from plugins.roleplay.scene import LOOKS_AT, NARRATOR, Performed, Role, Scene, left, lines_of

log = logging.getLogger(__name__)

# A scene that is paused is looked at so often. It ends when nobody said or pressed anything for an hour. Where people
# talk of other things, it ends when nobody touched it for a day.
LOOK_SECONDS, MOST_LOOKS, LONGEST_LOOKS = 600.0, 6, 144
# Somebody who plays has half an hour for their line.
PLAYER_LOOKS = 3
WAITS_HERE = phrase(
    "A scene is paused here. Whoever began it, and moderators, can go on with it (`/roleplay resume`) or end it "
    "(`/roleplay stop`); when nobody does, it ends by itself. Then yours can begin."
)


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
    """Raises UsageError or NotAllowed when another one stands in its way. One that this person directs makes way while
    it is paused."""
    standing = await ctx.job(scene_job)
    if standing is not None:
        check_makes_way(ctx, standing)
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
    # One that goes on after its end is not over any more.
    await bill(ctx, scene)
    await ctx.start(scene_job, scene)
    await _watch(ctx)


async def close(ctx: Context) -> None:
    """End it, and stop looking after it."""
    await ctx.end(scene_job)
    await ctx.end(quiet_job)


def check_makes_way(ctx: Context, standing: Standing[Scene] | None) -> None:
    if standing is None:
        return
    if standing.running:
        raise UsageError(say("A scene is performed here already. End it first: `/roleplay stop`."))
    if not directs(ctx, standing.state):
        raise NotAllowed("not their paused scene", public=WAITS_HERE)


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
    if not directs(ctx, scene):
        raise NotAllowed(
            "not the director", public=phrase("Only whoever began the scene, and moderators, may do that.")
        )


def directs(ctx: Context, scene: Scene) -> bool:
    return ctx.user.id == scene.started_by or ctx.user.is_moderator


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


# When somebody ended it.


async def _learn_again(ctx: Context, scene: Scene) -> Scene:
    await ctx.resume(learning_job)
    return scene


@plugin.job(back=_learn_again)
async def learning_job(ctx: Context, scene: Scene) -> None:
    await learn(ctx, scene, lines_of(scene, await ctx.conversation.path(LOOKS_AT)))


async def learn_beside(ctx: Context, scene: Scene) -> None:
    """What personas keep of a scene, after everybody was told that it is over."""
    if scene.root is None or not any(role.remembers for role in scene.roles):
        return
    try:
        await ctx.start(learning_job, scene)
    except BotError as error:
        log.info("nothing is learned of a scene: %r", error)


# When nobody comes.


class Quiet(BaseModel):
    """How everything was when it was looked at last, and how often it was so; the same of the scene alone."""

    seen: str = ""
    times: int = 0
    scene: str = ""
    waits: int = 0


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
    scene = standing.state
    newest = await ctx.conversation.path(1)
    quiet = _looked_at(quiet, scene.model_dump_json(), newest[-1].id if newest else 0)
    if quiet.times >= MOST_LOOKS or quiet.waits >= LONGEST_LOOKS:
        await _abandoned(ctx, scene)
        return None
    if scene.waits_for and quiet.waits >= PLAYER_LOOKS and await _is_waited_for(ctx, scene):
        await _go_on_without(ctx, scene)
    return quiet


def _looked_at(before: Quiet, scene: str, newest: int) -> Quiet:
    stands = sha256(scene.encode("utf-8", "replace")).hexdigest()
    seen = f"{newest} {stands}"
    return Quiet(
        seen=seen,
        times=before.times + 1 if seen == before.seen else 0,
        scene=stands,
        waits=before.waits + 1 if stands == before.scene else 0,
    )


async def _abandoned(ctx: Context, scene: Scene) -> None:
    await ctx.save(Performed(scene=scene.changed(over="idle")))
    await bill(ctx, scene, say(REASONS["idle"]))
    await ctx.end(scene_job)
    if scene.over == "idle":
        # It waits because nothing can be posted here.
        await clear_panel(ctx, scene)
    else:
        await end(ctx, scene, "idle")


async def _is_waited_for(ctx: Context, scene: Scene) -> bool:
    """Whoever directs and plays before nobody else does not want to miss it."""
    if scene.waits_for != scene.started_by:
        return True
    path = await ctx.conversation.path(LOOKS_AT)
    said = (one for one in path if one.role == "user" and scene.root is not None and one.id > scene.root)
    return any(one.author_id != scene.waits_for for one in said)


async def _go_on_without(ctx: Context, scene: Scene) -> None:
    """The model plays what somebody played who is gone."""
    player = scene.waits_for
    played = [role for role in scene.roles if role.player == player]
    if not played:
        return
    told = say(
        "🎭 {player} has not said anything for half an hour: {name} is played by me again, and the scene goes on.",
        player=played[0].player_name,
        name=played[0].name,
    )
    try:
        await ctx.reply(told)
    except DeliveryError as error:
        log.info("a scene waits on, as nobody can be told that it goes on: %r", error)
        return
    give_back = left(player)

    def without(now: Scene) -> Scene | None:
        return (give_back(now) or now).changed(waits_for="") if now.waits_for == player else now

    await clear_panel(ctx, scene)
    await ctx.change(scene_job, without)
    await ctx.resume(scene_job)


async def _watch(ctx: Context) -> None:
    standing = await ctx.job(quiet_job)
    if standing is not None and standing.running:
        return
    if standing is not None:
        # An earlier process left it.
        await ctx.end(quiet_job)
    await ctx.start(quiet_job, Quiet())
