"""What is sent, what was used, and whether the bot is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from bot.api import (
    Context,
    ModelCall,
    Usage,
)
from plugins.commands.declared import plugin
from plugins.commands.words import plural

BAR_CELLS = 20


@plugin.command("context", private=True, immediate=True)
async def context(ctx: Context) -> str:
    """Show what I would send to the language model now."""
    report = await ctx.conversation.window()
    share = report.total / report.budget if report.budget else 1.0
    filled = min(BAR_CELLS, round(share * BAR_CELLS))
    lines = [
        f"My next request: {report.total:,} of {report.budget:,} tokens.",
        f"`{'█' * filled}{'░' * (BAR_CELLS - filled)}` {share:.0%}",
    ]
    for part in report.parts:
        messages = f" in {plural(part.messages, 'message')}" if part.messages else ""
        lines.append(f"- {part.name}: {part.tokens:,}{messages}")
    lines.append(f"- kept free for the answer: {report.reserve:,}")
    if report.trimmed:
        lines.append("Older messages no longer fit and are left out.")
    return "\n".join(lines)


@plugin.command("stats", private=True, immediate=True)
async def stats(ctx: Context) -> str:
    """Show how much was said here, and what it cost."""
    count = await ctx.conversation.count()
    calls = await ctx.conversation.usage()
    usage = sum((call.usage for call in calls), Usage())
    cached = f" ({usage.cached:,} of them cached)" if usage.cached else ""
    lines = [
        f"- messages I remember here: {count:,}",
        f"- tokens read: {usage.input:,}{cached}",
        f"- tokens written: {usage.output:,}",
        f"- cost: {cost(calls)}",
    ]
    if len(calls) > 1:
        lines += [f"  - `{call.provider}:{call.model}` ({call.feature}): {cost([call])}" for call in calls]
    if usage.estimated:
        lines.append("Some of these are estimates, where the provider did not count.")
    return "\n".join(lines)


@plugin.command("ping", immediate=True)
async def ping(ctx: Context) -> str:
    """See whether I am awake."""
    seconds = (datetime.now(UTC) - ctx.event.at).total_seconds()
    # Clocks of platforms differ; nonsense is not shown.
    return f"Pong! That took {seconds * 1000:,.0f} ms to reach me." if 0 <= seconds < 60 else "Pong! I am awake."


def cost(calls: Sequence[ModelCall]) -> str:
    known = [call.cost for call in calls if call.cost is not None]
    unknown = sorted({f"`{call.provider}:{call.model}`" for call in calls if call.cost is None})
    if not calls:
        return "nothing yet"
    if not known:
        return "unknown"
    total = _dollars(sum(known, Decimal(0)))
    return f"{total}, and unknown for {', '.join(unknown)}" if unknown else total


def _dollars(amount: Decimal) -> str:
    if 0 < amount < Decimal("0.0001"):
        return "under $0.0001"
    return f"${amount:.4f}" if 0 < amount < 1 else f"${amount:.2f}"
