"""What happens on stage without anybody saying it."""

from __future__ import annotations

from collections.abc import Callable

from bot.api import Context, Done, Speaker, Text, UsageError, say
from plugins.roleplay.scene import MOST_NOTES, NARRATOR, Scene

# What everybody on stage is told after something happened.
REACT = "Something just happened: “{text}” React to it in your line, as it changes things for you."


async def narrate(ctx: Context, scene: Scene, text: str) -> None:
    """Everybody sees it and everybody on stage knows it."""
    if scene.root is None:
        raise UsageError(say("The scene is just about to begin. Try it again in a moment."))
    stream = ctx.stream(Speaker(NARRATOR, say(NARRATOR)))
    async with stream:
        await stream.write(Text(f"*{text}*"))
        await stream.write(Done("stop"))
    await ctx.conversation.append("assistant", text, Speaker(NARRATOR, NARRATOR), sent=stream.sent, scene=scene.root)


def reacting(text: str) -> Callable[[Scene], Scene | None]:
    """Everybody on stage must react to it, each in their next line."""

    def change(scene: Scene) -> Scene | None:
        note = REACT.format(text=text)
        for role in scene.roles:
            if not role.player:
                scene = scene.with_role(role.id, notes=(*role.notes, note)[-MOST_NOTES:])
        return scene

    return change
