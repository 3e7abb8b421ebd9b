"""When a person wants to be forgotten, scenes and personas forget them, too."""

from __future__ import annotations

from bot.api import Context, PersonForgotten
from plugins.roleplay.declared import plugin
from plugins.roleplay.keeping import Saved
from plugins.roleplay.memory import Learned
from plugins.roleplay.personas import home, own_personas
from plugins.roleplay.scene import Performed, Scene
from plugins.roleplay.stage import scene_job


@plugin.on(PersonForgotten)
async def forget_person(ctx: Context) -> None:
    """What was told of a scene may tell of them; it is told anew from the lines that are left."""
    assert isinstance(ctx.event, PersonForgotten)
    user = ctx.user.id

    def without(scene: Scene) -> Scene:
        for role in scene.roles:
            if role.player == user:
                scene = scene.with_role(role.id, player="", player_name="")
        votes = scene.ballot.votes if scene.ballot is not None else {}
        if scene.ballot is not None and user in votes:
            kept = {id: vote for id, vote in votes.items() if id != user}
            scene = scene.changed(ballot=scene.ballot.model_copy(update={"votes": kept}))
        for role in scene.roles:
            # Whoever whispered is not known any more.
            scene = scene.with_role(role.id, notes=())
        if scene.started_by == user:
            scene = _without_words(scene)
        mine = {name: "" for name in ("started_by", "waits_for") if getattr(scene, name) == user}
        return scene.changed(summary="", summary_until=0, **mine)

    await ctx.change(scene_job, without)
    performed = await ctx.load(Performed)
    if performed is not None:
        await ctx.save(Performed(scene=without(performed.scene)))
    if ctx.event.staged or performed is not None:
        for persona in await ctx.load_all(Learned, scope=home(ctx)):
            await ctx.forget_state(Learned, scope=home(ctx), key=persona)
    await _leave_what_they_made(ctx, user)


def _without_words(scene: Scene) -> Scene:
    """What they said it is about, and what may happen in it. A template's title is nobody's own."""
    ballot = scene.ballot
    if ballot is not None and ballot.message is None:
        ballot = None
    title = scene.title if scene.template else ""
    return scene.changed(title=title, setting="", opening="", ballot=ballot)


async def _leave_what_they_made(ctx: Context, user: str) -> None:
    """Personas and templates belong to the server; only who made them is forgotten."""
    for id, persona in (await own_personas(ctx)).items():
        if persona.made_by == user:
            await ctx.save(persona.model_copy(update={"made_by": "", "maker": ""}), scope=home(ctx), key=id)
    for id, saved in (await ctx.load_all(Saved, scope=home(ctx))).items():
        if saved.by == user:
            await ctx.forget_state(Saved, scope=home(ctx), key=id)
