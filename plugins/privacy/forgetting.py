"""`/privacy delete`: forgetting whoever asks for it, after a look at what that means."""

from __future__ import annotations

from typing import Annotated, Literal

from bot.api import Arg, Button, ButtonPressed, Context, NotAllowed, Reply, counted, phrase, say
from plugins.privacy.declared import plugin, privacy

# Most are forgotten within this; for the others it goes on.
WAIT = 20.0


@privacy.command("delete", private=True, immediate=True)
async def delete(
    ctx: Context, sure: Annotated[Literal["yes"] | None, Arg("`yes` does it without asking")] = None
) -> Reply:
    """Make me forget all that you wrote and all that I keep about you."""
    if sure == "yes":
        return Reply(await _forgotten(ctx), private=True)
    lines = [
        say("I would forget, everywhere on this platform:"),
        say("- all that you wrote to me or where I listened, in every branch, with your name, pictures and files"),
        say("- summaries that tell of it, and what personas learned in scenes that you may have been in"),
        say("- that it was you whose questions cost something, what you think of my answers, and what you made here"),
        say("My own answers stay, also where they quote you, and so does what others wrote. This cannot be undone."),
    ]
    if not ctx.capabilities.buttons:
        lines.append(say("If you are sure: `/privacy delete yes`."))
    forget = Button("forget_me", say("Forget me"), look="danger", asker=ctx.user.id)
    return Reply("\n".join(lines), buttons=(forget,), private=True)


@plugin.button("forget_me")
async def forget_me(ctx: Context) -> Reply:
    # A moderator may press most buttons, but not have themselves forgotten with somebody else's.
    if isinstance(ctx.event, ButtonPressed) and ctx.event.asker != ctx.user.id:
        raise NotAllowed("not their button", public=phrase("Only whoever asked for this may press it."))
    return Reply(await _forgotten(ctx), private=True)


async def _forgotten(ctx: Context) -> str:
    gone = await ctx.own.forget(wait=WAIT)
    if gone is None:
        return say("I have begun to forget you. There is a lot of it, so it takes a while; a restart does not stop it.")
    if not gone.messages:
        return say("There was nothing of yours that I remembered. What else I kept about you is gone.")
    count = counted(gone.messages, "I have forgotten {count} message", "I have forgotten {count:,} messages")
    return say(
        "{count} of yours. What I still keep on disk of it is overwritten in the next minutes; my own answers stay.",
        count=count,
    )
