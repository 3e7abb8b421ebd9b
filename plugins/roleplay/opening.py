"""How a scene begins: with its first line, or the narrator's word of where it plays. No model is asked."""

from __future__ import annotations

from collections.abc import Sequence

from bot.api import Context, Prompt, Remembered, Speaker
from plugins.roleplay.billing import bill
from plugins.roleplay.curtain import last_of, panel
from plugins.roleplay.scene import Plan, Scene
from plugins.roleplay.speaking import recited
from plugins.roleplay.telling import narrator_of


async def open_scene(ctx: Context, scene: Scene, path: Sequence[Remembered]) -> Scene:
    speaker, text = _opening(scene)
    plan = await ctx.load(Plan, key=scene.started_by)
    if plan is not None and plan.look == scene.look:
        await ctx.forget_state(Plan, key=scene.started_by)
    begun = beginning(scene, path)
    if begun is not None and begun.text == text and begun.status == "complete":
        opened = scene.changed(root=begun.id)
        await bill(ctx, opened)
        return opened
    line = await ctx.say(
        speaker,
        Prompt(()),
        through=recited(text, panel(scene, running=True)),
        instead_of=begun.id if begun is not None else None,
        # What the narrator says is what they said it is about; what a role says is the template's or the card's.
        told_by=scene.started_by if speaker == narrator_of(scene) else "",
    )
    opened = scene.changed(root=line.message, panel=last_of(line))
    await bill(ctx, opened)
    return opened


def beginning(scene: Scene, path: Sequence[Remembered]) -> Remembered | None:
    """The first line, as far as it was said before the bot died."""
    if scene.root is not None:
        return next((one for one in path if one.id == scene.root), None)
    speaker, text = _opening(scene)
    said = (one for one in path if one.id > scene.after and one.role == "assistant" and one.speaker == speaker.name)
    return next((one for one in said if text.startswith(one.text)), None)


def _opening(scene: Scene) -> tuple[Speaker, str]:
    role = scene.role(scene.opener_by)
    if role is not None and scene.opener:
        return role.speaker, scene.opener
    return narrator_of(scene), scene.opening
