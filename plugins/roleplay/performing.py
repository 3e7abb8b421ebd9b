"""A scene while it is performed: one step is one line."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeAlias

from bot.api import (
    BotError,
    Context,
    DeliveryRefused,
    LimitReached,
    NoQuota,
    Paused,
    TargetGone,
    UsageError,
    WrongKey,
    phrase,
    say,
)
from plugins.roleplay.curtain import clear_panel, end, rest
from plugins.roleplay.deciding import over_now, whose_turn
from plugins.roleplay.endings import Errors, Progress
from plugins.roleplay.lines import as_line, say_line, to_say_anew
from plugins.roleplay.memory import learn, summarised
from plugins.roleplay.opening import open_scene
from plugins.roleplay.scene import LOOKS_AT, Scene, caught_up, is_elsewhere, lines_of
from plugins.roleplay.telling import how_to_switch
from plugins.roleplay.votes import close_vote, is_due, open_vote

log = logging.getLogger(__name__)

Asked: TypeAlias = Callable[[], Awaitable[bool]]

# So many tries in a row that failed, and the scene waits; as many again once somebody went on, and it is over.
MOST_ERRORS = 3
# Lines in a row that could not be shown before it is taken for said that nobody can see them.
MOST_UNSEEN = 2
PAUSED = phrase("⏸ Paused.")
WAITS_FOR = phrase("⏸ {name} is played by {player}: the scene goes on with their next message.")
WHO_NEXT = phrase("⏸ Who speaks next?")
NOT_NOW = phrase("⏸ The scene is paused: {why}")
ELSEWHERE = phrase(
    "⏸ The lines of this scene are no longer here: they are in another branch, or were forgotten. "
    "`/roleplay stop` ends the scene."
)


async def perform(ctx: Context, scene: Scene, is_ended: Asked) -> Scene | Paused[Scene] | None:
    """The next line, a vote, or the end. None when it is over; it `is_ended` where somebody ended it during the line.
    Where nothing can be said any more, nothing is tried."""
    try:
        return await _performed(ctx, scene, is_ended)
    except TargetGone as error:
        log.info("the place of a scene is gone: %r", error)
        await end(ctx, scene, "idle")
        return None
    except DeliveryRefused as error:
        return _unseen(scene, error)


async def _performed(ctx: Context, scene: Scene, is_ended: Asked) -> Scene | Paused[Scene] | None:
    began = monotonic()
    path = await ctx.conversation.path(LOOKS_AT)
    if scene.root is None:
        return await open_scene(ctx, scene, path)
    if len(path) < LOOKS_AT and is_elsewhere(scene, path):
        return Paused(await rest(ctx, scene, f"{say(ELSEWHERE)}{how_to_switch(ctx)}"))
    if scene.ballot is not None and scene.ballot.message is not None:
        return await close_vote(ctx, scene)
    if scene.hold:
        return Paused(await rest(ctx, scene, say(PAUSED)))
    lines = lines_of(scene, path)
    scene = caught_up(scene, lines)
    if is_due(scene):
        return await open_vote(ctx, scene, lines)
    cut = to_say_anew(scene, lines)
    if cut is None and (reason := over_now(scene, lines)):
        await end(ctx, scene, reason)
        return None
    role, scene = (scene.role(cut.role), scene) if cut is not None else await whose_turn(ctx, scene, lines)
    if role is None:
        return Paused(await rest(ctx, scene, say(WHO_NEXT)))
    if role.player:
        waiting = scene.changed(waits_for=role.player)
        return Paused(await rest(ctx, waiting, say(WAITS_FOR, name=role.name, player=role.player_name)))
    try:
        lines = [line for line in lines if cut is None or line.id < cut.id]
        performed, said = await say_line(ctx, scene, role, lines, cut)
    except (TargetGone, DeliveryRefused):
        raise
    except BotError as error:
        return None if await is_ended() else await _failed(ctx, scene, error)
    if await is_ended():
        await clear_panel(ctx, performed or scene)
        return None
    if performed is None and cut is not None and not cut.cut:
        # The line that somebody wanted anew is still there.
        return Paused(await rest(ctx, scene.changed(redo=False), say(PAUSED)))
    if performed is None:
        await end(ctx, scene, "empty")
        return None
    performed = performed.changed(seconds=performed.seconds + monotonic() - began + performed.pace)
    if said is not None and said.interrupted:
        # It is remembered, but could not be shown whole.
        performed = performed.changed(errors=scene.errors + 1, over="")
        return _unseen(performed, None) if performed.errors >= MOST_UNSEEN else performed
    # What people said meanwhile is looked at before the next line.
    lines = lines if said is None else [*lines, as_line(role, said)]
    if reason := performed.over or over_now(performed, lines):
        await end(ctx, performed, reason)
        await learn(ctx, performed, lines)
        return None
    performed = await summarised(ctx, performed, lines)
    return Paused(await rest(ctx, performed, say(PAUSED))) if scene.step else performed


def _unseen(scene: Scene, error: BotError | None) -> Paused[Scene]:
    """Nobody is told, as nobody could see it."""
    log.info("a scene waits, as its lines cannot be shown: %r", error)
    return Paused(scene.changed(step=False, hold=False, errors=0, over="idle"))


async def _failed(ctx: Context, scene: Scene, error: BotError) -> Scene | Paused[Scene] | None:
    """Never a line. What somebody must mend first is told at once, the rest after a few tries."""
    log.warning("a line could not be said: %r", error)
    if isinstance(error, LimitReached | NoQuota | WrongKey | UsageError):
        return Paused(await rest(ctx, scene, say(NOT_NOW, why=say(error.public))))
    scene = scene.changed(errors=scene.errors + 1)
    if reason := Errors(2 * MOST_ERRORS).reason(Progress(errors=scene.errors)):
        await end(ctx, scene, reason)
        return None
    if scene.errors == MOST_ERRORS:
        return Paused(await rest(ctx, scene, say(NOT_NOW, why=say(error.public))))
    return scene
