"""One line of a scene, and the scene after it: what it cost, and once more where it goes round in circles."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from bot.api import BotError, Context, Line
from plugins.roleplay.curtain import clear_panel, last_of, panel
from plugins.roleplay.endings import Reason, repeats
from plugins.roleplay.scene import Role, Scene, SceneLine
from plugins.roleplay.speaking import Spoken, is_too_dear, prompt_for, speak

log = logging.getLogger(__name__)

# After going round in circles a speaker is asked once for something else; when it happens again so soon, it is over.
STEERED_TURNS = 3
STEER = "You are repeating yourself. Move the scene on: let something happen, or bring it to its end."


def to_say_anew(scene: Scene, lines: Sequence[SceneLine]) -> SceneLine | None:
    """The last line, where it was interrupted or somebody wants another."""
    generated = [line for line in lines if line.generated]
    if not generated:
        return None
    last = generated[-1]
    # Once somebody on stage went on from it, it stays as it is.
    is_open = last.cut and not any(line.role for line in lines if line.id > last.id)
    return last if scene.redo or is_open else None


async def say_line(
    ctx: Context, scene: Scene, role: Role, lines: Sequence[SceneLine], cut: SceneLine | None
) -> tuple[Scene | None, Line | None]:
    """The scene after it; `over` tells why it ended. No scene when nothing was left of what the model said."""
    prompt = prompt_for(ctx, scene, role, lines)
    if is_too_dear(ctx, scene, role, prompt):
        return scene.changed(over="budget"), None
    spoken = await speak(
        ctx,
        scene,
        role,
        prompt,
        buttons=panel(scene, running=True),
        instead_of=cut.id if cut is not None else None,
        as_variant=cut is not None and not cut.cut,
        # Nobody waits for it, unless it stands below this line itself.
        begun=(lambda: clear_panel(ctx, scene)) if cut is None else None,
    )
    if spoken.line is None:
        scene = scene.spent(spoken.tokens, spoken.cost)
        return (scene.changed(over="budget") if is_too_dear(ctx, scene, role, prompt) else None), None
    scene = _counted(scene, role, spoken).changed(panel=None if cut is None else scene.panel)
    circles = [*lines, as_line(role, spoken.line)]
    if scene.ends_itself and repeats([line.said for line in circles if not line.narrated]):
        if scene.steered_at is not None and scene.turn - scene.steered_at <= STEERED_TURNS:
            return await _shown(ctx, scene, spoken.line, over="loop"), spoken.line
        again = await _steered(ctx, scene, role, lines, spoken.line)
        if again is not None:
            spoken, scene = again, scene.spent(again.tokens, again.cost).changed(steered_at=scene.turn)
    assert spoken.line is not None, "looked at above"
    over: Reason | Literal[""] = "asked" if spoken.ends and scene.ends_itself else ""
    return await _shown(ctx, scene, spoken.line, over=over), spoken.line


async def _steered(ctx: Context, scene: Scene, role: Role, lines: Sequence[SceneLine], said: Line) -> Spoken | None:
    """The same line once more, with a word of the director's. What was said stays when that fails."""
    prompt = prompt_for(ctx, scene.changed(steer=STEER), role, lines)
    if is_too_dear(ctx, scene, role, prompt):
        return None
    try:
        again = await speak(ctx, scene, role, prompt, buttons=panel(scene, running=True), instead_of=said.message)
    except BotError as error:
        log.info("a line could not be said anew: %r", error)
        return None
    return again if again.line is not None else None


def _counted(scene: Scene, role: Role, spoken: Spoken) -> Scene:
    assert spoken.line is not None, "only what was said counts"
    counted = scene.spent(spoken.tokens, spoken.cost).with_role(role.id, notes=())
    again = scene.last is not None and spoken.line.message == scene.last
    return counted.changed(
        turn=scene.turn + (not again), last=spoken.line.message, errors=0, next="", steer="", redo=False, waits_for=""
    )


async def _shown(ctx: Context, scene: Scene, line: Line, *, over: Reason | Literal[""]) -> Scene:
    """The desk stands below the newest line alone."""
    if scene.panel != last_of(line):
        await clear_panel(ctx, scene)
    return scene.changed(panel=last_of(line), over=over)


def as_line(role: Role, line: Line) -> SceneLine:
    return SceneLine(line.message or 0, role.name, line.text, role=role.id, generated=True)
