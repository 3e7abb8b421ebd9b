"""The scene of a place: beginning it, finding it, and hearing what people say meanwhile."""

from __future__ import annotations

from bot.api import Context, Message, NotAllowed, Standing, Taken, UsageError, phrase, say
from plugins.roleplay.declared import plugin
from plugins.roleplay.performing import come_back, perform
from plugins.roleplay.scene import Role, Scene

scene_job = plugin.job(pause=lambda scene: scene.pace, back=come_back)(perform)


async def begin(ctx: Context, scene: Scene) -> None:
    """Raises UsageError when one is performed here already."""
    if (standing := await ctx.job(scene_job)) is not None:
        if standing.running:
            raise UsageError(say("A scene is performed here already. End it first: `/roleplay stop`."))
        await ctx.end(scene_job)
    await ctx.start(scene_job, scene)


async def scene_here(ctx: Context) -> Standing[Scene]:
    standing = await ctx.job(scene_job)
    if standing is None:
        raise UsageError(say("No scene is performed here. Begin one: `/roleplay start`."))
    return standing


async def directed(ctx: Context) -> Standing[Scene]:
    """For what only the director may do: whoever began the scene, and moderators."""
    standing = await scene_here(ctx)
    if ctx.user.id != standing.state.started_by and not ctx.user.is_moderator:
        raise NotAllowed(
            "not the director", public=phrase("Only whoever began the scene, and moderators, may do that.")
        )
    return standing


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
