"""Personas from character cards and back: nothing of a card is lost, and what people change stands in it afterwards."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from bot.api import Context, UsageError, clip, say
from plugins.roleplay.cards import Card, as_json, as_png, card_of
from plugins.roleplay.cards.card import OLDEST
from plugins.roleplay.cards.fields import string
from plugins.roleplay.cards.files import KEYWORDS
from plugins.roleplay.cards.png import chunks_of, with_texts, written
from plugins.roleplay.macros import Macros
from plugins.roleplay.personas import (
    LONGEST_NAME,
    FromFiles,
    KeptCard,
    Persona,
    card_of_persona,
    changed,
    check_may_make,
    check_room,
    free_id,
    home,
    keep,
)
from plugins.roleplay.templates import LONGEST_LINE, slug

MAX_FACE = 4 * 1024 * 1024
# Of a card's texts that are sent with every line; more makes each line slow and dear.
MANY_TOKENS = 2_000
_ADULT = re.compile(
    r"nsfw|nsfl|18\s*\+|\+\s*18|r-?18|adults?(?:[ -]only)?|explicit|smut|porn|hentai|lewd|erotica?|sexual"
)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n")


@dataclass(frozen=True, slots=True)
class Imported:
    """`notes` are what people should know about it. It is not `new` where the same card was here already."""

    persona: Persona
    notes: tuple[str, ...] = ()
    new: bool = True


async def take_in(ctx: Context, card: Card) -> Imported:
    """Make a persona of a card. Raises UsageError and NotAllowed."""
    check_may_make(ctx)
    own = await ctx.keys(Persona, scope=home(ctx))
    same = await _same(ctx, card, own)
    if same is not None:
        return Imported(same, new=False)
    check_room(own)
    face, notes = await _face_of(ctx, card)
    made = {"id": free_id(card.name, {*ctx.get(FromFiles).personas, *own}), "source": "card", "picture": face}
    by = {"made_by": ctx.user.id, "maker": clip(ctx.user.name, LONGEST_NAME)}
    adult = any(_ADULT.fullmatch(tag.strip().casefold()) for tag in card.tags)
    blank = Persona(id="card", name="card", face=face, adult=adult)
    about = {"name": clip(card.name, LONGEST_NAME), "description": described(card)}
    persona = changed(blank, **made, **by, **about)
    await keep(ctx, persona, card.raw)
    return Imported(persona, (*notes, *_warnings(ctx, persona, card)))


async def _same(ctx: Context, card: Card, own: Collection[str]) -> Persona | None:
    called = re.compile(rf"{re.escape(slug(card.name))}(-\d+)?")
    for id in own:
        kept = await ctx.load(KeptCard, scope=home(ctx), key=id) if called.fullmatch(id) else None
        if kept is not None and await asyncio.to_thread(json.loads, kept.text) == card.raw:
            return await ctx.load(Persona, scope=home(ctx), key=id)
    return None


async def _face_of(ctx: Context, card: Card) -> tuple[str | None, tuple[str, ...]]:
    """The picture of a card as a blob, without the card in it."""
    if card.picture is None:
        return None, ()
    bare = await asyncio.to_thread(_without_card, card.picture)
    if len(bare) > MAX_FACE:
        return None, (say("Its picture is larger than {most} MB, so I keep the card without it.", most=MAX_FACE >> 20),)
    return await ctx.put_blob(bare, "image/png"), ()


def _without_card(picture: bytes) -> bytes:
    return written(with_texts(chunks_of(picture), [(keyword, b"") for keyword in KEYWORDS]))


def _warnings(ctx: Context, persona: Persona, card: Card) -> list[str]:
    texts = (card.system, card.description, card.personality, card.scenario, card.after_history)
    tokens = sum(ctx.models.count(text) for text in texts if text)
    told = []
    if tokens > MANY_TOKENS:
        told.append(say("⚠️ Its texts are about {tokens:,} tokens, which are sent with every line.", tokens=tokens))
    if persona.adult:
        told.append(say("🔞 It is marked as meant for adults, so it only plays in channels that are, too."))
    return told


def described(card: Card) -> str:
    """One line about the character for people, empty where the card's texts are no sentences."""
    for text in (card.personality, card.description):
        line = _SENTENCE.split(Macros(card.called, say("somebody")).fill(text[:2_000]).strip(), maxsplit=1)[0]
        line = " ".join(line.split())
        if line and not re.match(r"[\[{(<*#]|\w+\s*[:=(+]", line):
            return clip(line, LONGEST_LINE)
    return clip(", ".join(card.tags[:6]), LONGEST_LINE)


# Back again.


async def exported(ctx: Context, persona: Persona) -> Card:
    """The card with all that ever stood in it; one of the second version for what did not come from a card."""
    card = await card_of_persona(ctx, persona, pictured=True)
    if card is not None:
        return card
    found = await ctx.get_blob(persona.picture) if persona.picture else None
    return card_of(card_from(persona), found[0] if found is not None else None)


def card_from(persona: Persona) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = {
        "name": persona.name,
        "description": persona.prompt,
        "personality": "",
        "scenario": "",
        "first_mes": persona.greeting,
        "mes_example": persona.examples,
        "creator_notes": persona.description,
        "system_prompt": "",
        "post_history_instructions": persona.after_history,
        "alternate_greetings": [],
        "tags": [],
        "creator": persona.maker,
        "character_version": "",
        "extensions": {},
    }
    if persona.book is not None:
        data["character_book"] = persona.book
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}


async def file_of(card: Card, kind: str) -> bytes:
    return await asyncio.to_thread(as_png if kind == "png" else as_json, card)


def rewritten(
    card: Card, *, name: str = "", prompt: str = "", greeting: str | None = None, notes: str | None = None
) -> dict[str, JsonValue]:
    """The card with other texts, and everything else as it was. An empty greeting takes it away."""
    fields: dict[str, str] = {}
    if name:
        fields["name"] = name
    if prompt:
        fields["description" if card.description or not card.personality else "personality"] = prompt
    if greeting is not None:
        fields["first_mes"] = greeting
    if notes is not None:
        fields["creator_notes"] = notes
    raw = dict(card.raw)
    inner = raw.get("data")
    if isinstance(inner, dict):
        raw["data"] = {**inner, **fields}
        # Older programs read the copies that stand outside.
        return {**raw, **{key: text for key, text in fields.items() if key in raw}}
    return {**raw, **{_spelt(key, raw): text for key, text in fields.items()}}


def _spelt(field: str, raw: Mapping[str, JsonValue]) -> str:
    """As this card calls it."""
    oldest = next((old for old, new in OLDEST.items() if new == field), field)
    return oldest if oldest in raw and not string(raw.get(field)) else field


def looks_like_a_card(card: Card) -> bool:
    """Whether a JSON file that nobody called a card is one; many others hold a name."""
    spec = card.raw.get("spec")
    keys = {*card.raw}
    return (
        (isinstance(spec, str) and spec.startswith("chara_card"))
        or {"char_name", "char_persona"} <= keys
        or {"name", "first_mes"} <= keys
        or {"name", "description", "personality", "scenario"} <= keys
    )


def check_face(content: bytes) -> str:
    """The media type of a picture that somebody sent. Raises UsageError for what is none that all platforms show."""
    for begins, kind in ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif")):
        if content.startswith(begins):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    raise UsageError(say("That is no picture that I can show: send a PNG, JPEG, GIF or WebP."))
