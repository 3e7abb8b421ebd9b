"""What happens on stage without anybody saying it."""

from __future__ import annotations

from collections.abc import Callable

from bot.api import Context, Prompt, Speaker, UsageError, say
from plugins.roleplay.scene import MOST_NOTES, NARRATOR, Scene
from plugins.roleplay.speaking import recited

# What everybody on stage is told after something happened.
REACT = "Something just happened: “{text}” React to it in your line, as it changes things for you."


def narrator_of(scene: Scene) -> Speaker:
    return Speaker(NARRATOR, scene.narrator or NARRATOR)


async def narrate(ctx: Context, scene: Scene, text: str, told_by: str = "") -> None:
    """Everybody sees it and everybody on stage knows it. `told_by` is the id of whose words they are."""
    if scene.root is None:
        raise UsageError(say("The scene is just about to begin. Try it again in a moment."))
    await ctx.say(narrator_of(scene), Prompt(()), through=recited(f"*{text}*"), scene=scene.root, told_by=told_by)


def reacting(text: str) -> Callable[[Scene], Scene | None]:
    """Everybody on stage must react to it, each in their next line."""

    def change(scene: Scene) -> Scene | None:
        note = REACT.format(text=text)
        for role in scene.roles:
            if not role.player:
                scene = scene.with_role(role.id, notes=(*role.notes, note)[-MOST_NOTES:])
        return scene

    return change


def how_to_switch(ctx: Context) -> str:
    """Where there is a command for it."""
    can = any(command.name == "branch switch" for command in ctx.commands)
    return " " + say("`/branch switch` goes back to another branch.") if can else ""
