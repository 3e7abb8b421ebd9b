"""What the menu of a message offers: one entry, since platforms have room for few, with a button for each deed."""

from __future__ import annotations

from bot.api import Button, CommandCall, Context, Remembered, Reply, UsageError, say
from plugins.conversation.again import answer_anew
from plugins.conversation.branches import branch_off, check_pressed
from plugins.conversation.declared import plugin
from plugins.conversation.memory import forget_message, pin_message
from plugins.conversation.naming import FORGETTING, SWITCHING, may
from plugins.conversation.words import quoted


@plugin.command("branch_or_pin", target="message", private=True, immediate=True)
async def branch_or_pin(ctx: Context) -> Reply:
    """Branch off from this message, answer it anew, pin it or forget it."""
    event = ctx.event
    if not isinstance(event, CommandCall) or event.target is None:
        raise UsageError(say("This belongs to a message: open it from the menu of the message that you mean."))
    found = await ctx.conversation.message_of(event.target.id)
    if found is None or found.status == "forgotten":
        raise UsageError(say("I do not remember this message, so there is nothing to go on from."))
    if not ctx.capabilities.buttons:
        raise UsageError(say("Use `/branch from`, `/regenerate`, `/memory pin` or `/memory forget` with its number."))
    return Reply(say("{message}\nWhat shall I do?", message=quoted(found, 120)), buttons=_offered(ctx, found))


def _offered(ctx: Context, found: Remembered) -> tuple[Button, ...]:
    leads, keeps = may(ctx, SWITCHING), may(ctx, FORGETTING)
    args, mine = (str(found.id),), found.author_id == ctx.user.id
    answers = found.role == "user" or (found.scene is None and not found.speaker)
    offers = (
        (leads, Button("fork", say("⑂ Branch from here"), args, look="primary", asker=ctx.user.id)),
        (answers, Button("anew", say("🔄 Answer anew"), args, asker=ctx.user.id)),
        (keeps, Button("pin", say("📌 Pin"), args, asker=ctx.user.id)),
        (keeps or mine or found.role == "assistant", Button("drop", say("🗑 Forget"), args, asker=ctx.user.id)),
    )
    return tuple(button for offered, button in offers if offered)


async def _meant(ctx: Context, id: str) -> Remembered:
    check_pressed(ctx)
    found = await ctx.conversation.message(int(id)) if id.isdecimal() and len(id) < 19 else None
    if found is None or found.status == "forgotten":
        raise UsageError(say("That message is forgotten already."))
    return found


@plugin.button("fork", waits=True)
async def pressed_fork(ctx: Context, id: str) -> str:
    found = await _meant(ctx, id)
    if not may(ctx, SWITCHING):
        raise UsageError(say("Only moderators may switch branches here."))
    return await branch_off(ctx, found)


@plugin.button("anew", waits=True)
async def pressed_anew(ctx: Context, id: str) -> Reply | None:
    return await answer_anew(ctx, await _meant(ctx, id))


@plugin.button("pin", waits=True)
async def pressed_pin(ctx: Context, id: str) -> str:
    found = await _meant(ctx, id)
    if not may(ctx, FORGETTING):
        raise UsageError(say("Only moderators may change what I keep in mind here."))
    return await pin_message(ctx, found)


@plugin.button("drop", waits=True)
async def pressed_drop(ctx: Context, id: str) -> str:
    return await forget_message(ctx, await _meant(ctx, id))
