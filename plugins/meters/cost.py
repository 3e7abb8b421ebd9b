"""`/cost`: what was used, what it cost, and what of the budgets is left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from bot.api import (
    Arg,
    Budget,
    Context,
    NotAllowed,
    Place,
    Plugin,
    Span,
    Spenders,
    Spent,
    UsageError,
    counted,
    money,
    phrase,
    say,
)

By: TypeAlias = Literal["model", "feature", "day", "channel", "user"]
MOST_LINES = 15
MOST_MODELS = 5

plugin = Plugin(
    "meters",
    "What answers cost, by person, model, purpose, day and channel",
    locales=Path(__file__).with_name("locales"),
)
MARKUP = re.compile(r"([\\`*_~|#>\[\]])")
FEATURES = {
    "answer": phrase("answers"),
    "tools": phrase("answers with what tools found"),
    "scene": phrase("lines of scenes"),
    "summary": phrase("summaries of what I remember"),
    "ask": phrase("what commands asked"),
}
WHOSE: dict[Spenders, str] = {
    "person": phrase("You"),
    "channel": phrase("This channel"),
    "server": phrase("This server"),
}
SPANS: dict[Span, str] = {"day": phrase("today"), "month": phrase("this month")}
OTHERS = NotAllowed("not their meters", public=phrase("Only moderators may see what others use."))


@plugin.command("cost", private=True, immediate=True)
async def cost(
    ctx: Context,
    by: Annotated[By | None, Arg("Told apart by what")] = None,
    span: Annotated[Literal["today", "month"] | None, Arg("Since when; the month, where nothing is said")] = None,
    whose: Annotated[Literal["me", "channel", "server"] | None, Arg("Whose; all but yours is for moderators")] = None,
) -> str:
    """Show what you used and what it cost, today and this month."""
    spender = _spender(ctx, by, whose)
    if by is None and span is None:
        return await _overview(ctx, spender, asked=whose is not None)
    since: Span = "day" if span == "today" else "month"
    meters = ctx.conversation.meters
    lines = await meters.spending(since, by=by, whose=spender)
    head = f"**{say(WHOSE[spender])}, {say(SPANS[since])}**"
    if not lines:
        return f"{head}\n{say('Nothing was used.')}"
    shown = lines[-MOST_LINES:] if by == "day" else lines[:MOST_LINES]
    rest = lines[: -len(shown)] if by == "day" else lines[len(shown) :]
    rows = [f"- {await _called(ctx, by, each)}: {_told(each)}" if by else f"- {_told(each)}" for each in shown]
    if rest:
        more = counted(len(rest), "- {count} more: {told}", "- {count} more: {told}", told=_told(_together(rest)))
        rows.append(more)
    if by is not None and len(lines) > 1:
        rows.append(say("- together: {told}", told=_told(_together(lines))))
    return "\n".join([head, *rows, *_remarks(ctx, lines, await meters.budgets())])


def _spender(ctx: Context, by: By | None, whose: Literal["me", "channel", "server"] | None) -> Spenders:
    if whose is None:
        whose = "server" if by == "user" and not ctx.capabilities.direct else "me"
    if whose == "me":
        return "person"
    if ctx.capabilities.direct and whose == "channel":
        # With its summaries, which belong to nobody alone.
        return whose
    if ctx.capabilities.direct:
        raise UsageError(say("There is only you here: `/cost` tells what you use everywhere."))
    if not ctx.user.leads:
        raise OTHERS
    return whose


async def _overview(ctx: Context, spender: Spenders, *, asked: bool) -> str:
    """Today and this month. Whoever moderates a server sees it beside what is their own."""
    meters = ctx.conversation.meters
    both = not asked and ctx.user.leads and not ctx.capabilities.direct
    lines: list[str] = []
    seen: list[Spent] = []
    every: tuple[Spenders, ...] = ("person", "server") if both else (spender,)
    for whose in every:
        lines.append(f"**{say(WHOSE[whose])}**")
        for span in SPANS:
            spent = await meters.spending(span, whose=whose)
            seen += spent
            told = _told(_together(spent)) if spent else say("nothing")
            lines.append(f"- {say(SPANS[span])}: {told}")
    budgets = await meters.budgets()
    if budgets:
        lines.append(f"**{say('Budgets')}**")
        lines += [f"- {_left(budget)}" for budget in budgets]
    lines += _remarks(ctx, seen, budgets)
    return "\n".join(lines)


def _together(lines: Sequence[Spent]) -> Spent:
    first, *rest = lines
    for each in rest:
        first += each
    return first


def _told(spent: Spent) -> str:
    """`~$0.0123, and unknown for …` · calls · tokens."""
    about = "~" if spent.usage.estimated else ""
    models = ", ".join(f"`{model}`" for model in spent.unpriced[:MOST_MODELS])
    if len(spent.unpriced) > MOST_MODELS:
        models += ", …"
    price = about + money(spent.cost) if spent.cost else money(Decimal(0))
    if spent.unpriced:
        known = spent.cost is not None
        price = say("{price}, and unknown for {models}", price=price, models=models) if known else say("price unknown")
    calls = counted(spent.calls, "{count} call", "{count:,} calls")
    read = say("{tokens:,} tokens read", tokens=spent.usage.input)
    if spent.usage.cached:
        share = min(round(100 * spent.usage.cached / max(spent.usage.input, 1)), 100)
        read += " " + say("({percent} % cached)", percent=share)
    written = say("{tokens:,} written", tokens=spent.usage.output)
    return f"{price} · {calls} · {about}{read} · {about}{written}"


async def _called(ctx: Context, by: By, spent: Spent) -> str:
    if by == "feature":
        return say(FEATURES.get(spent.key, spent.key))
    if by == "model":
        return f"`{spent.key}`"
    if by == "channel":
        place = Place.parse(spent.key)
        here = place == (ctx.place.parent or ctx.place)
        return say("this channel") if here else f"`{(await ctx.name_of(place)).replace('`', chr(39))}`"
    if by == "user":
        return _name(spent)
    return spent.key


def _name(spent: Spent) -> str:
    if not spent.key:
        return say("nobody in particular")
    name = " ".join(spent.name.split())[:40]
    return MARKUP.sub(r"\\\1", name) or f"`{spent.key.replace('`', chr(39))}`"


def _left(budget: Budget) -> str:
    amounts = {"used": f"{budget.used:,.0f}", "most": say("{tokens:,} tokens", tokens=int(budget.most))}
    if budget.unit == "dollars":
        amounts = {"used": money(budget.used) if budget.used else "$0", "most": money(budget.most)}
    return say(
        "{whose}, {span}: {used} of {most} ({percent} %)",
        whose=say(WHOSE[budget.whose]),
        span=say(SPANS[budget.span]),
        percent=int(100 * budget.used / budget.most),
        **amounts,
    )


def _remarks(ctx: Context, lines: Sequence[Spent], budgets: Sequence[Budget]) -> list[str]:
    remarks = [say("Days begin at 00:00 {zone}.", zone=ctx.conversation.meters.time_zone)]
    if any(each.usage.estimated for each in lines):
        remarks.append(say("What has a ~ is partly estimated, for not every provider counts."))
    if any(each.unpriced for each in lines) and any(budget.unit == "dollars" for budget in budgets):
        remarks.append(say("A model whose price I do not know counts to no budget in dollars."))
    return [f"-# {' '.join(remarks)}"]
