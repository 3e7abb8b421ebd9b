"""`/privacy show` and `/privacy export`: what is kept about somebody, in a few words or whole as files of JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC

from pydantic import JsonValue

from bot.api import Context, File, OwnMessage, OwnState, Place, Reply, Spent, UsageError, counted, say
from plugins.privacy.declared import privacy

VERSION = 1
# A file is kept in memory while it is made. Where a platform takes no larger ones, there are more of them.
MOST_BYTES = 8_000_000
LEAST_BYTES = 10_000
# Room for the head of a file, around the messages in it.
HEAD_BYTES = 2_000
MOST_FILES = 50


@privacy.command("show", private=True, immediate=True, look=True)
async def show(ctx: Context) -> str:
    """Tell what I keep about you."""
    messages = 0
    places: set[Place] = set()
    async for page in ctx.own.messages():
        messages += len(page)
        places.update(each.place for each in page)
    states, used = await ctx.own.states(), await ctx.conversation.meters.spending()
    count = counted(messages, "- {count} message that you wrote", "- {count:,} messages that you wrote")
    where = counted(len(places), ", in {count} place", ", in {count:,} places")
    lines = [
        say("This is what I keep about you:"),
        count + (where if messages else ""),
        counted(len(states), "- {count} note of my plugins", "- {count:,} notes of my plugins")
        + " "
        + say("(personas, settings, what you think of my answers)"),
        say("- how many tokens your questions took, and what they cost: {calls:,} calls", calls=_calls(used)),
        say("`/privacy export` gives you all of it as a file, and `/privacy delete` makes me forget it."),
    ]
    if await ctx.own.is_going():
        lines.append(say("I am forgetting you just now."))
    return "\n".join(lines)


@privacy.command("export", private=True, immediate=True)
async def export(ctx: Context) -> str | None:
    """Give you all that I keep about you, as a file that only you get."""
    most = min(ctx.capabilities.max_file_bytes, MOST_BYTES)
    if most < LEAST_BYTES:
        raise UsageError(say("I cannot send files here. Ask me in a direct message."))
    sent = 0
    last: bytes | None = None
    async for content in _parts(ctx, most):
        if last is not None:
            sent += 1
            await ctx.send(Reply(files=(_file(last, sent),), private=True))
        if sent == MOST_FILES:
            return say("There is more than I may send: these are the oldest {count:,} files of it.", count=sent)
        last = content
    told = say("This is all that I keep about you. What others and I wrote is not in it.")
    await ctx.send(Reply(told, files=(_file(last or b"", sent + 1 if sent else 0),), private=True))
    return None


def _file(content: bytes, number: int) -> File:
    return File(f"my-data-{number}.json" if number else "my-data.json", content, "application/json")


async def _parts(ctx: Context, most: int) -> AsyncIterator[bytes]:
    """Whole JSON documents; the first has everything but the messages that did not fit into it."""
    head = await _head(ctx)
    size = len(_document(head, []))
    held: list[str] = []
    if size > most - HEAD_BYTES:
        yield _document(head, [])
        head, size = _short(ctx), HEAD_BYTES
    async for page in ctx.own.messages():
        for each in page:
            line = json.dumps(_message(each), ensure_ascii=False)
            length = len(line.encode()) + 2
            if held and size + length > most:
                yield _document(head, held)
                head, size, held = _short(ctx), HEAD_BYTES, []
            held.append(line)
            size += length
    yield _document(head, held)


def _document(head: dict[str, JsonValue], messages: Sequence[str]) -> bytes:
    opening = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    listed = ",\n".join(messages)
    return f'{opening},\n "messages": [\n{listed}\n]}}\n'.encode()


def _short(ctx: Context) -> dict[str, JsonValue]:
    return {
        "kind": "duologue personal data",
        "version": VERSION,
        "platform": ctx.place.platform,
        "person": {"id": ctx.user.id, "name": ctx.user.name},
        "made_at": ctx.event.at.astimezone(UTC).isoformat(),
    }


async def _head(ctx: Context) -> dict[str, JsonValue]:
    meters = ctx.conversation.meters
    return {
        **_short(ctx),
        "usage": {
            "by_model": [_spent(each) for each in await meters.spending(by="model")],
            "by_purpose": [_spent(each) for each in await meters.spending(by="feature")],
            "by_day": [_spent(each) for each in await meters.spending(by="day")],
        },
        "kept": [_state(each) for each in await ctx.own.states()],
    }


def _message(each: OwnMessage) -> dict[str, JsonValue]:
    told: dict[str, JsonValue] = {"place": str(each.place), "at": each.at.isoformat(), "text": each.text}
    return {**told, "parts": dict(each.parts)} if each.parts else told


def _state(each: OwnState) -> dict[str, JsonValue]:
    return {"plugin": each.plugin, "scope": each.scope, "key": each.key, "value": each.value}


def _spent(each: Spent) -> dict[str, JsonValue]:
    return {
        "of": each.key,
        "calls": each.calls,
        "tokens_read": each.usage.input,
        "tokens_written": each.usage.output,
        "cost": None if each.cost is None else str(each.cost),
        "price_unknown_for": list(each.unpriced),
        "partly_estimated": each.usage.estimated,
    }


def _calls(used: Sequence[Spent]) -> int:
    return sum(each.calls for each in used)
