"""Branches: made from any message, listed so that a phone can show them, switched, renamed and deleted."""

from __future__ import annotations

import re
from typing import Annotated

from bot.api import (
    Arg,
    Branch,
    Button,
    ButtonPressed,
    Context,
    NotAllowed,
    Remembered,
    Reply,
    UsageError,
    counted,
    numbered,
    phrase,
    say,
)
from plugins.conversation.declared import branch as group
from plugins.conversation.declared import plugin
from plugins.conversation.naming import (
    LONGEST_NAME,
    LONGEST_TYPED,
    SWITCHING,
    NamedBranch,
    NamedMessage,
    branches_here,
    checked_name,
    find_branch,
    find_message,
    may,
)
from plugins.conversation.words import cut, literally, quoted

# So many fit into one message of a phone, with a button for each.
PAGE = 8
LABEL = 40
# `/branch from 3 What if`; a dot after the number is how a suggestion goes on.
MESSAGE_AND_NAME = re.compile(r"(#?\d{1,4}|<?https?://\S+)\s+([^\s·].*)", re.DOTALL)
Name = Annotated[str | None, Arg("What it is called", max_length=LONGEST_TYPED, rest=True)]


@group.command("new", who="moderators")
async def new(
    ctx: Context, name: Name = None, empty: Annotated[bool, Arg("Begin with nothing said, instead of here")] = False
) -> str:
    """Begin a branch here; the old one stays as it is."""
    if empty:
        return await branch_off(ctx, None, name or "")
    rows = await ctx.conversation.path(1)
    return await branch_off(ctx, rows[-1] if rows else None, name or "")


@group.command("from", who="moderators")
async def from_(
    ctx: Context,
    message: NamedMessage,
    name: Annotated[str | None, Arg("What the branch is called", max_length=LONGEST_TYPED)] = None,
) -> str:
    """Begin a branch that goes on from an earlier message."""
    if not name and (both := MESSAGE_AND_NAME.fullmatch(message.strip())):
        message, name = both.groups()
    return await branch_off(ctx, await find_message(ctx, message), name or "")


async def branch_off(ctx: Context, at: Remembered | None, name: str = "") -> str:
    """`at` is the message that it goes on from, None = nothing was said yet."""
    called = await checked_name(ctx, name)
    left = await _active(ctx)
    await ctx.conversation.branch(at.id if at is not None else None, called)
    now = await _active(ctx)
    old = left.name.replace("`", "'")
    if at is None:
        return say("⑂ We are on **{name}** now. `/branch switch {old}` goes back.", name=_bold(now), old=old)
    return say(
        "⑂ We go on from {message}, on **{name}**. `/branch switch {old}` goes back.",
        message=quoted(at),
        name=_bold(now),
        old=old,
    )


@group.command("list", private=True, immediate=True)
async def list_(ctx: Context, page: Annotated[int, Arg("Which page", ge=1, le=1000)] = 1) -> Reply:
    """Show the branches of this conversation, with what was said last on each."""
    known = await ctx.conversation.branches()
    # Where something was said last comes first, the one we are on before all.
    ordered = sorted(known, key=lambda each: (each.active, each.tip or 0, each.id), reverse=True)
    shown = ordered[(page - 1) * PAGE : page * PAGE]
    if not shown:
        raise UsageError(say("There are not so many branches: {count}.", count=len(known)))
    lines = [counted(len(known), "{count} branch:", "{count:,} branches:")]
    for each in shown:
        lines += await _told(ctx, each)
    if len(ordered) > page * PAGE:
        lines.append(say("`/branch list {page}` shows more.", page=page + 1))
    others = [each for each in shown if not each.active] if may(ctx, SWITCHING) else []
    if others and not ctx.capabilities.buttons:
        lines.append(say("`/branch switch` and a name goes there."))
    buttons = [Button("switch", f"⑂ {cut(each.name, LABEL)}", (str(each.id),), asker=ctx.user.id) for each in others]
    return Reply("\n".join(lines), buttons=tuple(buttons))


async def _told(ctx: Context, each: Branch) -> list[str]:
    """Its name, what was said last there and when, and where it left another branch."""
    here = " · " + say("we are here") if each.active else ""
    lines = [f"{'●' if each.active else '○'} **{_bold(each)}**{here}"]
    newest = await ctx.conversation.message(each.tip) if each.tip is not None else None
    if newest is None:
        lines.append(f"-# {say('nothing was said on it yet')}")
    else:
        lines.append("-# " + say("{message}, {at:%Y-%m-%d %H:%M} UTC", message=quoted(newest), at=newest.created_at))
    forked = await ctx.conversation.message(each.forked_from) if each.forked_from is not None else None
    if forked is not None and each.forked_from != each.tip:
        lines.append("-# " + say("goes on from {message}", message=quoted(forked, 40)))
    return lines


@group.command("switch", who="moderators")
async def switch(ctx: Context, branch: NamedBranch) -> str:
    """Go on with another branch."""
    return await _switched(ctx, await find_branch(ctx, branch))


@plugin.button("switch", waits=True)
async def pressed_switch(ctx: Context, id: str) -> str:
    check_pressed(ctx)
    if not may(ctx, SWITCHING):
        raise NotAllowed(public=phrase("Only moderators may switch branches here."))
    found = next((each for each in await ctx.conversation.branches() if str(each.id) == id), None)
    if found is None:
        raise UsageError(say("That branch is gone. `/branch list` shows all."))
    return await _switched(ctx, found)


def check_pressed(ctx: Context) -> None:
    """What was shown to one person alone is theirs, not every moderator's."""
    if isinstance(ctx.event, ButtonPressed) and ctx.event.asker not in ("", ctx.user.id):
        raise NotAllowed(public=phrase("Whoever asked for this decides."))


async def _switched(ctx: Context, to: Branch) -> str:
    if to.active:
        return say("We are on **{name}** already.", name=_bold(to))
    await ctx.conversation.switch(to.id)
    rows = numbered(await ctx.conversation.path(10))
    if not rows:
        return say("⑂ We go on with **{name}**. Nothing was said on it yet.", name=_bold(to))
    return say("⑂ We go on with **{name}**, from {message}.", name=_bold(to), message=quoted(rows[-1][1], 120))


@group.command("rename", who="moderators")
async def rename(
    ctx: Context,
    name: Annotated[str, Arg("Its new name", min_length=1, max_length=LONGEST_TYPED, rest=True)],
    branch: Annotated[
        str | None, Arg("Another than the one we are on", max_length=LONGEST_TYPED, complete=branches_here)
    ] = None,
) -> str:
    """Give a branch another name."""
    found = await find_branch(ctx, branch) if branch and branch.strip() else await _active(ctx)
    called = await checked_name(ctx, name, of=found.id)
    if not called:
        raise UsageError(say("A name has from 1 to {most} characters.", most=LONGEST_NAME))
    await ctx.conversation.rename_branch(found.id, called)
    return say("**{old}** is called **{name}** now.", old=_bold(found), name=literally(called))


@group.command("delete", who="moderators")
async def delete(ctx: Context, branch: NamedBranch) -> str:
    """Delete a branch; what was said on it alone is forgotten for good."""
    found = await find_branch(ctx, branch)
    gone = await ctx.conversation.delete_branch(found.id)
    told = say("🗑 **{name}** is gone.", name=_bold(found))
    if gone:
        told += " " + counted(
            gone,
            "{count} message that was said on it alone is forgotten.",
            "{count:,} messages that were said on it alone are forgotten.",
        )
    return told


async def _active(ctx: Context) -> Branch:
    found = next((each for each in await ctx.conversation.branches() if each.active), None)
    if found is None:
        raise UsageError(say("Nothing was said here yet."))
    return found


def _bold(branch: Branch) -> str:
    return literally(cut(branch.name, LONGEST_NAME))
