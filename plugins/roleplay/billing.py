"""What transcripts tell of a scene beside its lines: its title, who plays whom, with which face, and how it ended."""

from __future__ import annotations

from bot.api import Character, Context, Playbill, clip
from plugins.roleplay.scene import Scene

LONGEST_TITLE = 80


async def bill(ctx: Context, scene: Scene, ended: str = "") -> None:
    """`ended` says why it is over, empty while it goes on. What is told later replaces what was told before."""
    if scene.root is not None:
        cast = tuple(Character(role.name, role.face, role.player or None) for role in scene.roles)
        await ctx.conversation.tell_scene(scene.root, Playbill(title_of(scene), cast, ended))


def title_of(scene: Scene) -> str:
    """The template's, else what it is about, else who is in it."""
    about = next((line.strip() for line in scene.setting.splitlines() if line.strip()), "")
    title = scene.title.strip() or about or " · ".join(role.name for role in scene.roles)
    return clip(title, LONGEST_TITLE)
