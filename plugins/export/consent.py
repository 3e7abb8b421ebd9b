"""Whose words may train models: nobody's, until they say so themselves, and only on the server where they say it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel

from bot.api import Archive, Arg, Context, SystemClock, say
from plugins.export.declared import plugin
from plugins.export.wanted import Wanted


class Agreed(BaseModel):
    """By the person's id; `user` says whose it is, so that it is given to them and forgotten with them."""

    user: str
    since: datetime


@plugin.command(private=True, immediate=True)
async def training(
    ctx: Context,
    agree: Annotated[Literal["yes", "no"] | None, Arg("`yes` or `no`; without it you see what holds now")] = None,
) -> str:
    """Say whether what you write here may train models."""
    if agree == "yes":
        await ctx.save(Agreed(user=ctx.user.id, since=SystemClock().now()), scope="workspace", key=ctx.user.id)
    elif agree == "no":
        await ctx.forget_state(Agreed, scope="workspace", key=ctx.user.id)
    if await ctx.load(Agreed, scope="workspace", key=ctx.user.id) is None:
        return say("What you write here stands in no training data that is exported. `/training yes` changes that.")
    return say(
        "What you write here, and what I answer you, may stand in training data that moderators export. "
        "`/training no` takes that back for all that is exported from then on."
    )


async def agreed_told(archive: Archive, wanted: Wanted) -> Wanted:
    """With the people who agreed, in chat and in a terminal alike."""
    agreed = await archive.load_all(plugin.name, Agreed, scope="workspace")
    return wanted.model_copy(update={"agreed": frozenset(one.user for one in agreed.values())}) if agreed else wanted
