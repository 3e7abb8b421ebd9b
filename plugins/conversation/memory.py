"""What the bot keeps in mind: the summary of what no longer fits, pinned messages, and what is to be forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from bot.api import (
    Arg,
    CommandCall,
    Context,
    NotAllowed,
    Remembered,
    Summary,
    UsageError,
    counted,
    phrase,
    say,
)
from plugins.conversation.declared import memory as group
from plugins.conversation.naming import (
    FORGETTING,
    LONGEST_TYPED,
    NamedMessage,
    find_message,
    may,
    pins,
    pins_here,
)
from plugins.conversation.words import cut, quoted

# What the forms of all platforms hold.
LONGEST_SUMMARY = 3000
MOST_PINS = 20
SHOWN_PIN = 120


@group.command("show", private=True, immediate=True)
async def show(ctx: Context) -> str:
    """Show what I keep in mind here: my summary, what is pinned, and how much of the talk I still read."""
    told = await ctx.conversation.summary()
    lines = [say("**What was said before, in short**"), *_summary_lines(told), "", say("**Pinned**")]
    pinned = await pins(ctx)
    for number, row in enumerate(pinned, 1):
        lines.append(f"- `p{number}` {quoted(row, SHOWN_PIN)}")
    if not pinned:
        lines.append(say("Nothing yet. What you pin with `/memory pin`, I read however old it is."))
    return "\n".join([*lines, "", say("**What I read word by word**"), await _window_told(ctx)])


def _summary_lines(told: Summary | None) -> list[str]:
    if told is None:
        return [say("Nothing yet: all of it is still read word by word.")]
    if not told.text.strip():
        return [say("My summary is empty.")]
    quote = [f"> {line}" for line in told.text.splitlines()]
    by = say("written by a person") if told.model is None else say("written by `{model}`", model=cut(told.model, 60))
    return [*quote, "-# " + say("{by}, {at:%Y-%m-%d %H:%M} UTC", by=by, at=told.created_at)]


async def _window_told(ctx: Context) -> str:
    report = await ctx.conversation.window()
    messages = sum(part.messages for part in report.parts if part.name == "messages")
    if not messages:
        return say("Nothing was said yet.")
    fits = counted(
        messages,
        "The newest message; {total:,} of {budget:,} tokens in all.",
        "The newest {count:,} messages; {total:,} of {budget:,} tokens in all.",
        total=report.total,
        budget=report.budget,
    )
    return fits if not report.trimmed else fits + " " + say("Older ones only in short.")


class Edit(BaseModel):
    """The summary, to be changed."""

    summary: Annotated[
        str, Arg("What I shall keep in mind of what was said before", max_length=LONGEST_SUMMARY, rest=True)
    ] = Field("", title="What was said before, in short")


async def _present(ctx: Context) -> Mapping[str, JsonValue]:
    told = await ctx.conversation.summary()
    return {"summary": told.text[:LONGEST_SUMMARY]} if told is not None else {}


@group.command("edit", who="moderators", private=True, form=Edit, fills=_present)
async def edit(ctx: Context, form: Edit) -> str:
    """Change my summary of what was said before."""
    text = form.summary.strip()
    event = ctx.event
    # A form that comes back empty was emptied.
    emptied = isinstance(event, CommandCall) and event.arguments is not None and ctx.capabilities.forms
    if not text and not emptied:
        lines = _summary_lines(await ctx.conversation.summary())
        return "\n".join([*lines, say("Write it as it should be: `/memory edit They plan a trip to Rome.`")])
    await ctx.conversation.write_summary(text)
    if not text:
        return say("My summary is empty now.")
    return say("I keep that in mind. What is said later is added to it once it no longer fits.")


@group.command("pin", who="moderators")
async def pin(ctx: Context, message: NamedMessage) -> str:
    """Pin a message, so that I read it however old it is."""
    return await pin_message(ctx, await find_message(ctx, message))


async def pin_message(ctx: Context, found: Remembered) -> str:
    known = await pins(ctx)
    if found.id in [each.id for each in known]:
        return say("That is pinned already.")
    if len(known) >= MOST_PINS:
        raise UsageError(say("More than {most} messages cannot be pinned. Unpin one first.", most=MOST_PINS))
    await ctx.conversation.pin(found.id)
    return say("📌 Pinned: {message}", message=quoted(found))


@group.command("unpin", who="moderators")
async def unpin(
    ctx: Context,
    message: Annotated[
        str,
        Arg(
            "As `/memory show` calls it, such as p1",
            min_length=1,
            max_length=LONGEST_TYPED,
            complete=pins_here,
            rest=True,
        ),
    ],
) -> str:
    """Let a pinned message grow old like all others."""
    found = await find_message(ctx, message)
    if not await ctx.conversation.unpin(found.id):
        raise UsageError(say("That is not pinned. `/memory show` lists what is."))
    return say("No longer pinned: {message}", message=quoted(found))


@group.command("forget", private=True)
async def forget(ctx: Context, message: NamedMessage) -> str:
    """Forget a message: I never read it again, and my summary is made anew without it."""
    return await forget_message(ctx, await find_message(ctx, message))


async def forget_message(ctx: Context, found: Remembered) -> str:
    """An answer goes with all its variants. One's own words may go, and the answers to them."""
    if await ctx.conversation.message(found.id) is None:
        raise UsageError(say("That was said in the channel, so it can only be forgotten there."))
    own = found if found.role == "user" else await ctx.conversation.question_of(found)
    mine = own is not None and own.author_id == ctx.user.id and not found.speaker
    if not mine and not may(ctx, FORGETTING):
        raise NotAllowed(public=phrase("Only whoever said it, or a moderator, may let me forget that."))
    ids = {found.id}
    if found.role == "assistant":
        ids |= {each.id for each in await ctx.conversation.variants(found.id)}
    told = quoted(found)
    await ctx.conversation.forget(*ids)
    return say("🗑 Forgotten: {message}. Delete the message itself if it should go too.", message=told)
