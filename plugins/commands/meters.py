"""What is sent, what was used, and whether the bot is there."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.api import (
    Context,
    ModelCall,
    Usage,
    counted,
    phrase,
    say,
)
from plugins.commands.declared import plugin

BAR_CELLS = 20
# What a request is made of, and what was asked for.
PARTS = {
    "system": phrase("system prompt"),
    "pinned": phrase("pinned"),
    "summary": phrase("summary"),
    "messages": phrase("messages"),
    "pictures": phrase("pictures"),
    "date and people": phrase("date and people"),
}
FEATURES = {
    "answer": phrase("answer"),
    "tools": phrase("answer with what tools found"),
    "scene": phrase("line of a scene"),
    "summary": phrase("summary"),
    "ask": phrase("asked by a command"),
}


@plugin.command("context", private=True, immediate=True)
async def context(ctx: Context) -> str:
    """Show what I would send to the language model now."""
    report = await ctx.conversation.window()
    share = report.total / report.budget if report.budget else 1.0
    filled = min(BAR_CELLS, round(share * BAR_CELLS))
    lines = [
        say("My next request: {total:,} of {budget:,} tokens.", total=report.total, budget=report.budget),
        f"`{'█' * filled}{'░' * (BAR_CELLS - filled)}` {share:.0%}",
    ]
    for part in report.parts:
        line = say("- {name}: {tokens:,}", name=say(PARTS.get(part.name, part.name)), tokens=part.tokens)
        if part.messages:
            line += " " + counted(part.messages, "in {count} message", "in {count:,} messages")
        lines.append(line)
    lines.append(say("- kept free for the answer: {tokens:,}", tokens=report.reserve))
    if report.trimmed:
        lines.append(say("Older messages no longer fit and are left out."))
    return "\n".join(lines)


@plugin.command("stats", private=True, immediate=True, overview=True)
async def stats(ctx: Context) -> str:
    """Show how much was said here, and what it cost."""
    count = await ctx.conversation.count()
    calls = await ctx.conversation.usage()
    usage = sum((call.usage for call in calls), Usage())
    read = say("- tokens read: {tokens:,}", tokens=usage.input)
    if usage.cached:
        read = say("- tokens read: {tokens:,} ({cached:,} of them cached)", tokens=usage.input, cached=usage.cached)
    lines = [
        say("- messages I remember here: {count:,}", count=count),
        read,
        say("- tokens written: {tokens:,}", tokens=usage.output),
        say("- cost: {cost}", cost=cost(calls)),
    ]
    if len(calls) > 1:
        lines += [
            f"  - `{call.provider}:{call.model}` ({say(FEATURES.get(call.feature, call.feature))}): {cost([call])}"
            for call in calls
        ]
    told = await ctx.conversation.feedback()
    if told.good or told.bad:
        lines.append(say("- your opinion of my answers: 👍 {good:,} · 👎 {bad:,}", good=told.good, bad=told.bad))
    if usage.estimated:
        lines.append(say("Some of these are estimates, where the provider did not count."))
    return "\n".join(lines)


def cost(calls: Sequence[ModelCall]) -> str:
    known = [call.cost for call in calls if call.cost is not None]
    unknown = sorted({f"`{call.provider}:{call.model}`" for call in calls if call.cost is None})
    if not calls:
        return say("nothing yet")
    if not known:
        return say("unknown")
    total = _dollars(sum(known, Decimal(0)))
    return say("{total}, and unknown for {models}", total=total, models=", ".join(unknown)) if unknown else total


def _dollars(amount: Decimal) -> str:
    if 0 < amount < Decimal("0.0001"):
        return say("under $0.0001")
    if 0 < amount < 1:
        return say("${amount:.4f}", amount=amount)
    return say("${amount:.2f}", amount=amount)
