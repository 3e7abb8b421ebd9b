"""How the bot behaves in a place: when it speaks, what it does when busy, whom it pings, and in which language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import JsonValue

from bot.api import Arg, Context, UsageError, languages_known, phrase, say, spoken_now, tr
from plugins.commands.declared import plugin
from plugins.commands.models import check_may_change, may_change
from plugins.commands.words import code, suggestions

SPEAK = {
    "mention": phrase("I answer when I am mentioned or replied to."),
    "always": phrase("I answer every message."),
    "thread": phrase("I open a thread for every question; nobody needs to mention me there."),
    "never": phrase("I answer nobody here; commands still work."),
}
# What takes messages that do not mention the bot.
NEEDS_ALL = ("always", "thread")
DEAF = phrase(
    "I cannot see messages that do not mention me here. Whoever runs me can switch that on: `duologue check` tells "
    "where."
)
BUSY = {
    "queue": phrase("While I am answering, the next questions wait for their turn."),
    "merge": phrase("While I am answering, what one person writes meanwhile is answered together."),
    "interrupt": phrase("Whoever writes again while I am answering them stops that answer and gets a new one."),
}
OFF = ("off", "never", "no", "0", "aus", "nein")
LONGEST_WAIT = 3600
DEFAULT = "default"


@plugin.command("speak", who="moderators", look=True)
async def speak(
    ctx: Context,
    when: Annotated[
        Literal["mention", "always", "thread", "never", "default"] | None, Arg("When I should answer here")
    ] = None,
) -> str:
    """Show when I answer here, or change it."""
    if ctx.capabilities.direct:
        return say("Between the two of us I answer everything; that cannot be changed.")
    if when is None:
        now = (await ctx.conversation.manner()).speak
        change = phrase("Change it with `/speak mention`, `always`, `thread` or `never`.")
        deaf = f"\n{say(DEAF)}" if now in NEEDS_ALL and not ctx.capabilities.hears_all else ""
        return f"{say(SPEAK[now])} {_source(ctx, 'speak')}{deaf}{_advice(ctx, change, 'speak')}"
    if when in NEEDS_ALL and not ctx.capabilities.hears_all:
        raise UsageError(say(DEAF))
    if when == "thread" and not ctx.capabilities.threads:
        raise UsageError(say("I cannot open threads here. `/speak always` answers every message instead."))
    await ctx.conversation.change(speak=None if when == DEFAULT else when)
    now = (await ctx.conversation.manner()).speak
    return say("From now on: {manner}", manner=say(SPEAK[now]))


@plugin.command("busy", who="moderators", look=True)
async def busy(
    ctx: Context,
    policy: Annotated[
        Literal["queue", "merge", "interrupt", "default"] | None, Arg("What I do with the next question")
    ] = None,
) -> str:
    """Show what I do with questions while I am answering, or change it."""
    if policy is None:
        now = (await ctx.conversation.manner()).busy
        change = phrase("Change it with `/busy queue`, `merge` or `interrupt`.")
        return f"{say(BUSY[now])} {_source(ctx, 'busy')}{_advice(ctx, change, 'busy')}"
    await ctx.conversation.change(busy=None if policy == DEFAULT else policy)
    now = (await ctx.conversation.manner()).busy
    return say("From now on: {manner}", manner=say(BUSY[now]))


async def _waits(ctx: Context, typed: str) -> Sequence[str]:
    return suggestions(("15", "30", "60", "120", "off", DEFAULT), typed)


@plugin.command("ping", immediate=True)
async def ping(
    ctx: Context,
    after: Annotated[
        str | None, Arg("Tell people when an answer took longer: seconds, or `off`", max_length=20, complete=_waits)
    ] = None,
) -> str:
    """See whether I am awake, or have people told when a long answer is done."""
    if after is None or not after.strip():
        change = phrase("Change it with `/ping 30` or `/ping off`.")
        told = f"{await _told_after(ctx)} {_source(ctx, 'ping_after')}"
        return f"{_awake(ctx)}\n{told}{_advice(ctx, change, 'speak')}"
    check_may_change(ctx, "speak")
    await ctx.conversation.change(ping_after=_seconds(after.strip().casefold()))
    return await _told_after(ctx)


def _awake(ctx: Context) -> str:
    seconds = (datetime.now(UTC) - ctx.event.at).total_seconds()
    # Clocks of platforms differ; nonsense is not shown.
    if 0 <= seconds < 60:
        return say("Pong! That took {milliseconds:,.0f} ms to reach me.", milliseconds=seconds * 1000)
    return say("Pong! I am awake.")


def _seconds(typed: str) -> JsonValue:
    if typed == DEFAULT:
        return None
    if typed in OFF:
        return 0
    number = typed.removesuffix("s").strip()
    if not number.isascii() or not number.isdecimal() or not 1 <= int(number[:9]) <= LONGEST_WAIT:
        raise UsageError(
            say("Say after how many seconds, from 1 to {most:,}, as in `/ping 30`, or `/ping off`.", most=LONGEST_WAIT)
        )
    return int(number)


async def _told_after(ctx: Context) -> str:
    after = (await ctx.conversation.manner()).ping_after
    if not after:
        return say("Nobody is pinged when an answer is done.")
    if after == 1:
        return say("Whoever asked is pinged when an answer took longer than a second.")
    return say("Whoever asked is pinged when an answer took longer than {seconds:,g} seconds.", seconds=after)


async def _codes(ctx: Context, typed: str) -> Sequence[str]:
    return suggestions((DEFAULT, *(language.code for language in languages_known().all)), typed)


@plugin.command("language", who="moderators", look=True, overview=True)
async def language(
    ctx: Context,
    name: Annotated[str | None, Arg("Such as `en` or `de`", max_length=40, complete=_codes)] = None,
) -> str:
    """Show which language my own sentences are in here, or choose another."""
    known = languages_known()
    listed = ", ".join(f"`{each.code}` ({each.name})" for each in known.all)
    if name is None or not name.strip():
        own = ctx.conversation.settings.get("language")
        here = say("Here I speak {language}.", language=spoken_now().name)
        if not own:
            here += " " + say("People whose app is in another language that I know are answered in theirs.")
        change = phrase("Change it with `/language de`.")
        return f"{here}\n{say('I know {languages}.', languages=listed)}{_advice(ctx, change, 'language')}"
    if name.strip().casefold() == DEFAULT:
        await ctx.conversation.change(language=None)
        return say("From now on I speak everybody's own language, as far as I know it.")
    found = known.find(name)
    if found is None:
        raise UsageError(
            say("I do not speak {language} yet. I know {languages}.", language=code(name.strip()), languages=listed)
        )
    await ctx.conversation.change(language=found.code)
    return tr(found.code, "From now on I speak English here. What the language model says follows your question.")


def _source(ctx: Context, name: str) -> str:
    if ctx.conversation.settings.get(name) is not None:
        return say("That is set for this conversation.")
    if ctx.place.thread is not None:
        return say("Nothing else is set for this thread, so it is as in its channel.")
    return say("That is how I begin; nothing else is set here.")


def _advice(ctx: Context, change: str, right: str) -> str:
    """How to change it, for whoever may."""
    return f"\n{say(change)}" if may_change(ctx, right) else ""
