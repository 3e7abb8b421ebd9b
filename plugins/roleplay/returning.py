"""A scene after the bot died in the middle of it: what was said or shown last is found, and then it waits."""

from __future__ import annotations

from collections.abc import Sequence

from bot.api import Context, DeliveryError, Posted, SentId, say
from plugins.roleplay.performing import (
    LOOKS_AT,
    OVER,
    WAITS,
    beginning,
    rest,
    without_buttons,
)
from plugins.roleplay.scene import Scene, caught_up, lines_of

# Of what was posted after the newest line so much is looked through.
READS = 30


async def is_over(ctx: Context, scene: Scene) -> bool:
    """Whether people have been told so."""
    return any(each.text.startswith(OVER) for each in await _said_below(ctx, await _newest_line(ctx, scene)))


async def come_back(ctx: Context, scene: Scene) -> Scene:
    """It waits for somebody to go on, with the desk below this alone."""
    line = await _newest_line(ctx, scene)
    below = [SentId(each.id, each.kind) for each in await _said_below(ctx, line) if each.text.startswith(WAITS)]
    for sent in (*line[-1:], *below):
        if (sent.id, sent.kind) != scene.panel:
            await without_buttons(ctx, sent)
    path = await ctx.conversation.path(LOOKS_AT)
    scene = caught_up(scene, lines_of(scene, path))
    return await rest(ctx, scene, say("⏸ I was interrupted. Nothing is lost: the scene goes on whenever you like."))


async def _newest_line(ctx: Context, scene: Scene) -> tuple[SentId, ...]:
    """Its messages, none where nothing was said."""
    path = await ctx.conversation.path(LOOKS_AT)
    begun = beginning(scene, path)
    if begun is None:
        return ()
    said = [line.id for line in lines_of(scene.changed(root=begun.id), path) if line.generated]
    return await ctx.conversation.sent(said[-1] if said else begun.id)


async def _said_below(ctx: Context, line: Sequence[SentId]) -> list[Posted]:
    """What the bot posted after it, where the platform lets that be read."""
    if not line:
        return []
    try:
        posted = await ctx.history(after=line[-1].id, limit=READS)
    except DeliveryError:
        return []
    return [each for each in posted if each.own]
