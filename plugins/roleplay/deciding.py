"""Between two lines: whether the scene is over, and whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence

from bot.api import Context
from plugins.roleplay.asking import asked
from plugins.roleplay.endings import Ending, Farewell, Phrase, Progress, Reason, Time, Turns, reason_to_end
from plugins.roleplay.order import next_role
from plugins.roleplay.scene import Role, Scene, SceneLine

# A name.
DIRECTED_TOKENS = 20


def over_now(scene: Scene, lines: Sequence[SceneLine]) -> Reason | None:
    endings: list[Ending] = [Turns(scene.turns)]
    if scene.minutes:
        endings.append(Time(scene.minutes * 60))
    if scene.phrases:
        endings.append(Phrase(scene.phrases))
    progress = Progress(
        [line.said for line in lines if not line.narrated],
        turns=scene.turn,
        running=scene.seconds,
    )
    on_stage = Progress([line.said for line in lines if line.role])
    # Somebody of the audience may take leave without ending it.
    return reason_to_end(progress, endings) or (Farewell().reason(on_stage) if scene.ends_itself else None)


async def whose_turn(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> tuple[Role | None, Scene]:
    if scene.order == "director" and not scene.next:
        return await _directed(ctx, scene, lines)
    return next_role(scene, lines), scene


async def _directed(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> tuple[Role | None, Scene]:
    """A model says whose turn it is; whatever else it says, the usual order holds."""
    names = ", ".join(role.name for role in scene.roles)
    said = "\n\n".join(f"{line.name}: {line.text}" for line in lines[-12:])
    text = (
        f"You direct a scene. The cast: {names}. The scene: {scene.setting}\n\n{said}\n\n"
        "Who should speak next so that it becomes most interesting? Answer with one name and nothing else."
    )
    answer, scene = await asked(ctx, scene, text, answer_tokens=DIRECTED_TOKENS)
    chosen = scene.named(next(iter(answer.strip(".*\"' \n").splitlines()), ""))
    return chosen or next_role(scene.changed(order="alternate"), lines), scene
