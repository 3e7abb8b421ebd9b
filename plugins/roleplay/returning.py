"""A scene after the bot died in the middle of it: what was said or shown last is found, and then it waits."""

from __future__ import annotations

from collections.abc import Sequence

from bot.api import Context, DeliveryError, Posted, Reply, SentId, say
from plugins.roleplay.curtain import OVER, WAITS, clear_panel, end, panel, rest, without_buttons
from plugins.roleplay.opening import beginning
from plugins.roleplay.scene import LOOKS_AT, Performed, Scene, caught_up, lines_of
from plugins.roleplay.votes import VOTE

# Of what was posted after the newest line so much is looked through.
READS = 30


async def was_ended(ctx: Context, scene: Scene) -> bool:
    """Whether it has ended already. People are told so, if they were not."""
    if any(each.own and each.text.startswith(OVER) for each in await _below(ctx, await _newest_line(ctx, scene))):
        return True
    performed = await ctx.load(Performed)
    if performed is None or scene.root is None or performed.scene.root != scene.root or not performed.scene.over:
        return False
    await end(ctx, performed.scene, performed.scene.over)
    return True


async def come_back(ctx: Context, scene: Scene) -> Scene:
    """It waits for somebody to go on, with the desk below this alone."""
    line = await _newest_line(ctx, scene)
    below = await _below(ctx, line)
    told = below[-1] if below and below[-1].own and below[-1].text.startswith(WAITS) else None
    voting = scene.ballot.message if scene.ballot is not None else None
    left = [SentId(each.id, each.kind) for each in below if each.own and each.text.startswith((WAITS, VOTE))]
    if scene.looked_at and not scene.turn:
        left.append(SentId(scene.looked_at))
    for sent in (*line[-1:], *left):
        if (sent.id, sent.kind) not in (scene.panel, voting) and (told is None or sent.id != told.id):
            await without_buttons(ctx, sent)
    path = await ctx.conversation.path(LOOKS_AT)
    scene = caught_up(scene, lines_of(scene, path)).changed(redo=False, step=False, hold=False)
    if told is not None:
        return await _told_already(ctx, scene, SentId(told.id, told.kind))
    return await rest(ctx, scene, say("⏸ I was interrupted. Nothing is lost: the scene goes on whenever you like."))


async def _told_already(ctx: Context, scene: Scene, told: SentId) -> Scene:
    """That it waits is the last that can be read here, from right before the bot died."""
    if scene.panel != (told.id, told.kind):
        await clear_panel(ctx, scene)
    try:
        await ctx.edit(told, Reply("", buttons=panel(scene, running=False)))
    except DeliveryError:
        return await rest(ctx, scene, say("⏸ I was interrupted. Nothing is lost: the scene goes on whenever you like."))
    return scene.changed(panel=(told.id, told.kind))


async def _newest_line(ctx: Context, scene: Scene) -> tuple[SentId, ...]:
    """Its messages, none where nothing was said."""
    path = await ctx.conversation.path(LOOKS_AT)
    begun = beginning(scene, path)
    if begun is None:
        return ()
    said = [line.id for line in lines_of(scene.changed(root=begun.id), path) if line.generated]
    return await ctx.conversation.sent(said[-1] if said else begun.id)


async def _below(ctx: Context, line: Sequence[SentId]) -> list[Posted]:
    """What was posted after it, the newest too, where the platform lets that be read."""
    if not line:
        return []
    try:
        posted = await ctx.history(after=line[-1].id, limit=READS)
        if len(posted) == READS:
            known = {each.id for each in posted}
            newest = await ctx.history(limit=READS)
            posted += tuple(each for each in newest if each.id not in known and each.at >= posted[-1].at)
    except DeliveryError:
        return []
    return list(posted)
