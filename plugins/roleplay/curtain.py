"""Where a scene waits or is over: what people are told, and the director's desk below the newest line."""

from __future__ import annotations

import logging

from bot.api import BotError, Button, Context, DeliveryError, Line, Reply, SentId, counted, phrase, say
from plugins.roleplay.billing import bill
from plugins.roleplay.endings import Reason
from plugins.roleplay.scene import Performed, Scene

log = logging.getLogger(__name__)

REASONS: dict[Reason, str] = {
    "turns": phrase("all lines were said"),
    "budget": phrase("the next line would cost more than is left of the budget"),
    "time": phrase("the time is over"),
    "phrase": phrase("the closing words were said"),
    "farewell": phrase("they said goodbye"),
    "loop": phrase("they went round in circles"),
    "idle": phrase("nobody went on with it"),
    "manual": phrase("somebody ended it"),
    "errors": phrase("the language model could not be reached, again and again"),
    "asked": phrase("it came to its end"),
    "empty": phrase("there was nothing left to say"),
}
# How everything begins that says that a scene waits or is over, in each language.
WAITS, OVER = "⏸", "🎬"


def panel(scene: Scene, *, running: bool) -> tuple[Button, ...]:
    """The director's desk, below the newest line."""
    by = scene.started_by
    if running:
        return (
            Button("pause", say("⏸ Pause"), asker=by),
            Button("skip", say("⏭ Skip"), asker=by),
            Button("stop", say("⏹ End"), look="danger", asker=by),
        )
    return (
        Button("resume", say("▶ Go on"), look="primary", asker=by),
        Button("step", say("⏯ One line"), asker=by),
        Button("retry", say("🔁 Again"), asker=by),
        Button("stop", say("⏹ End"), look="danger", asker=by),
    )


async def rest(ctx: Context, scene: Scene, sentence: str) -> Scene:
    """Say that it waits, with the desk below."""
    await clear_panel(ctx, scene)
    if not ctx.capabilities.buttons:
        how = say("`/roleplay resume` goes on, `/roleplay step` lets one line be said, `/roleplay stop` ends it.")
        sentence = f"{sentence}\n-# {how}"
    try:
        sent = await ctx.send(Reply(sentence, buttons=panel(scene, running=False)))
    except DeliveryError as error:
        log.info("nobody could be told that a scene waits: %r", error)
        sent = ()
    over = "" if sent else scene.over
    return scene.changed(panel=(sent[-1].id, sent[-1].kind) if sent else None, step=False, hold=False, over=over)


async def end(ctx: Context, scene: Scene, reason: Reason) -> None:
    """Say that it is over, and why. Others may make a template of it afterwards."""
    await clear_panel(ctx, scene)
    await ctx.save(Performed(scene=scene.changed(over=reason)))
    await bill(ctx, scene, say(REASONS[reason]))
    told = say("🎬 The scene is over: {reason}.", reason=say(REASONS[reason]))
    if reason == "idle":
        # Whoever comes back may want it after all; nobody else needs to know more.
        told += " " + say("`/roleplay resume` goes on with it.")
    else:
        told += f"\n-# {_spent(scene)}"
    try:
        await ctx.reply(told)
    except DeliveryError as error:
        log.info("nobody could be told that a scene is over: %r", error)


def _spent(scene: Scene) -> str:
    spent = counted(
        scene.turn, "{count} line, {tokens:,} tokens", "{count} lines, {tokens:,} tokens", tokens=scene.tokens
    )
    return spent + (f", ${scene.cost:.4f}" if scene.cost else "")


async def clear_panel(ctx: Context, scene: Scene) -> None:
    if scene.panel is not None:
        await without_buttons(ctx, SentId(*scene.panel))


async def without_buttons(ctx: Context, sent: SentId) -> None:
    try:
        await ctx.edit(sent, Reply())
    except BotError as error:
        log.info("the buttons of a scene stay: %r", error)


def last_of(line: Line) -> tuple[str, str] | None:
    """The message that its buttons stand below."""
    return (line.sent[-1].id, line.sent[-1].kind) if line.sent else None
