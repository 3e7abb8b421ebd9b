"""Character cards in chat: dropped into a channel, imported by command, and given back as files."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Sequence
from typing import Annotated, Literal

from bot.api import (
    Arg,
    Attachment,
    BotError,
    Button,
    Context,
    DeliveryError,
    File,
    Message,
    Reply,
    Taken,
    UsageError,
    clip,
    say,
)
from plugins.roleplay.cards import Card, read_card
from plugins.roleplay.cards.files import MAX_FILE
from plugins.roleplay.declared import persona as group
from plugins.roleplay.declared import plugin
from plugins.roleplay.persona_cards import Imported, exported, file_of, looks_like_a_card, take_in
from plugins.roleplay.persona_commands import Named, told_of_new
from plugins.roleplay.personas import find, literally, may_make
from plugins.roleplay.settings import RoleplaySettings
from plugins.roleplay.stage import without_buttons

log = logging.getLogger(__name__)

ENDINGS = (".png", ".json", ".charx")
KINDS = {"png": "image/png", "json": "application/json"}
# Files of one message that are looked into, and messages that are looked back at for one.
MOST_FILES, LOOKS_BACK = 4, 20


@plugin.on(Message)
async def notice(ctx: Context) -> Taken | None:
    """Somebody drops a card: its import is offered, and the card needs no other answer. What is no card, or a broken
    one, is left alone."""
    event = ctx.event
    if (
        not isinstance(event, Message)
        or event.user.is_bot
        or not (ctx.get(RoleplaySettings).notice_cards and may_make(ctx))
    ):
        return None
    offered = False
    for attachment in [each for each in event.attachments if _may_be_card(each)][:MOST_FILES]:
        try:
            content = await ctx.fetch(attachment, MAX_FILE)
            card = await asyncio.to_thread(read_card, content)
        except BotError as error:
            log.debug("%s is no card: %r", attachment.name, error)
            continue
        if attachment.name.lower().endswith(".json") and not looks_like_a_card(card):
            continue
        await _offer(ctx, card, content)
        offered = True
    return Taken() if offered and not event.text.strip() else None


def _may_be_card(attachment: Attachment) -> bool:
    return attachment.name.lower().endswith(ENDINGS) and attachment.size <= MAX_FILE


async def _offer(ctx: Context, card: Card, content: bytes) -> None:
    blob = await ctx.put_blob(content, "application/octet-stream", kept=False)
    by = clip(" ".join(card.creator.split()), 60)
    name = literally(card.name)
    told = say("🃏 This is a card of **{name}**, by {creator}.", name=name, creator=literally(by))
    if not by:
        told = say("🃏 This is a card of **{name}**.", name=name)
    if not ctx.capabilities.buttons:
        told += " " + say("`/persona import` takes it in.")
    carried = base64.urlsafe_b64encode(bytes.fromhex(blob)).decode().rstrip("=")
    take = Button("take-card", say("Import"), (carried,), look="primary")
    await ctx.send(Reply(told, buttons=(take, Button("leave-card", say("Not now")))))


@plugin.button("take-card")
async def press_take(ctx: Context, carried: str) -> str:
    """The card waits as a blob, so it may be imported after a restart."""
    found = await ctx.get_blob(base64.urlsafe_b64decode(carried + "=" * (-len(carried) % 4)).hex())
    if found is None:
        await without_buttons(ctx)
        raise UsageError(say("I no longer have this card. Please drop it here again."))
    imported = await take_in(ctx, await asyncio.to_thread(read_card, found[0]))
    await without_buttons(ctx)
    return _told(imported)


@plugin.button("leave-card")
async def press_leave(ctx: Context) -> None:
    await without_buttons(ctx)


@group.command("import")
async def import_(
    ctx: Context,
    card: Annotated[Attachment | None, Arg("A character card: PNG, JSON or CHARX")] = None,
) -> str:
    """Make a persona of a character card, attached or the last one that was dropped here."""
    attachments = [card] if card is not None else await _dropped(ctx)
    if not attachments:
        raise UsageError(say("Attach a character card, or drop its file here: a PNG, JSON or CHARX."))
    told: list[str] = []
    wrong: list[BotError] = []
    for attachment in attachments:
        try:
            content = await ctx.fetch(attachment, MAX_FILE)
            told.append(_told(await take_in(ctx, await asyncio.to_thread(read_card, content))))
        except BotError as error:
            wrong.append(error)
    if not told:
        raise wrong[0]
    return "\n".join([*told, *(say(error.public) for error in wrong)])


async def _dropped(ctx: Context) -> Sequence[Attachment]:
    """The files that may be cards of this person's newest message here with any."""
    try:
        posted = await ctx.history(limit=LOOKS_BACK)
    except DeliveryError as error:
        log.info("cannot look back for a card: %r", error)
        return ()
    for each in reversed(posted):
        files = each.event.attachments if each.event is not None and each.author.id == ctx.user.id else ()
        found = [attachment for attachment in files if attachment.name.lower().endswith(ENDINGS)]
        if found:
            return found[:MOST_FILES]
    return ()


def _told(imported: Imported) -> str:
    persona = imported.persona
    if not imported.new:
        return say("**{name}** is here already: `/persona show {id}`.", name=literally(persona.name), id=persona.id)
    return "\n".join([told_of_new(persona), *imported.notes])


@group.command("export")
async def export(
    ctx: Context,
    persona: Named,
    kind: Annotated[Literal["png", "json"], Arg("A picture with the card in it, or its text")] = "png",
) -> Reply:
    """Get a persona as a character card, for other programs."""
    found = await find(ctx, persona)
    content = await file_of(await exported(ctx, found), kind)
    if len(content) > ctx.capabilities.max_file_bytes:
        size = len(content) // 1000 + 1
        raise UsageError(say("I cannot send a file of {size:,} kB here. Try `json`, or a direct message.", size=size))
    told = say("Here is the card of **{name}**.", name=literally(found.name))
    return Reply(told, files=(File(f"{found.id}.{kind}", content, KINDS[kind]),))
