"""Personas: the characters that a server keeps, and those that come from files for all servers."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError, field_validator

from bot.api import Context, NotAllowed, Speaker, UsageError, clip, phrase, say
from plugins.roleplay.cards import Card, card_of
from plugins.roleplay.files import personas_in, problems_of
from plugins.roleplay.scene import NARRATOR
from plugins.roleplay.settings import RoleplaySettings
from plugins.roleplay.templates import LONGEST_ID, LONGEST_LINE, Id, one_line, slug

log = logging.getLogger(__name__)

MOST_PERSONAS = 200
LONGEST_NAME, LONGEST_PROMPT, LONGEST_GREETING = 80, 8_000, 4_000
LONGEST_EXAMPLES, LONGEST_NOTE, LONGEST_BOOK, LONGEST_ADDRESS = 8_000, 4_000, 64_000, 2_048
MOST_PARAMETERS = 20
_BLOB = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"https://[^\s/?#@\\]+\.[^\s@\\]+")
_MARKUP = re.compile(r"([\\`*_~|#>\[\]])")


def _text(given: Any) -> Any:
    if not isinstance(given, str) or not given:
        return given
    return re.sub(r"\r\n?", "\n", given).replace("\0", "").encode("utf-8", "replace").decode().strip()


class Written(BaseModel):
    """What people write of a persona, in chat and in files. `face` is an https address; as a picture that was sent, it
    is the id of its blob. Without a provider or model, whatever answers in the place plays it. `greeting` is what it
    may begin a scene with, `after_history` what it is told last of all, `book` a lorebook as in character cards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, BeforeValidator(one_line), Field(min_length=1, max_length=LONGEST_NAME)]
    description: Annotated[str, BeforeValidator(one_line), Field(max_length=LONGEST_LINE)] = ""
    prompt: Annotated[str, BeforeValidator(_text), Field(max_length=LONGEST_PROMPT)] = ""
    greeting: Annotated[str, BeforeValidator(_text), Field(max_length=LONGEST_GREETING)] = ""
    examples: Annotated[str, BeforeValidator(_text), Field(max_length=LONGEST_EXAMPLES)] = ""
    after_history: Annotated[str, BeforeValidator(_text), Field(max_length=LONGEST_NOTE)] = ""
    face: Annotated[str, BeforeValidator(_text), Field(max_length=LONGEST_ADDRESS)] | None = None
    provider: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    parameters: Annotated[dict[str, JsonValue], Field(max_length=MOST_PARAMETERS)] = Field(default_factory=dict)
    book: JsonValue = None
    keeps_memory: bool = False

    @field_validator("name")
    @classmethod
    def _is_nobody_else(cls, name: str) -> str:
        if name.casefold() == NARRATOR.casefold():
            raise ValueError(say("No role can be called {name}: that is who tells what happens.", name=NARRATOR))
        return name

    @field_validator("face")
    @classmethod
    def _can_be_shown(cls, face: str | None) -> str | None:
        if face and not (_ADDRESS.fullmatch(face) or _BLOB.fullmatch(face)):
            raise ValueError(say("The face must be the address of a picture that begins with `https://`."))
        return face or None

    @field_validator("book")
    @classmethod
    def _is_not_too_long(cls, book: JsonValue) -> JsonValue:
        if book is not None and len(json.dumps(book)) > LONGEST_BOOK:
            raise ValueError(say("`book` is longer than {most} characters.", most=LONGEST_BOOK))
        return book


class Persona(Written):
    """`made_by` is the id of whoever made it here, and `maker` their name. One from a card has its texts in the card,
    which is kept beside it; `picture` is the blob of the PNG that goes back into the card."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    source: Literal["made", "file", "card"] = "made"
    made_by: str = ""
    maker: str = ""
    picture: str | None = None
    adult: bool = False

    @property
    def speaker(self) -> Speaker:
        return Speaker(self.id, self.name, self.face)


class KeptCard(BaseModel):
    """A card's JSON beside its persona, as text: whatever stands in it comes back as it was."""

    text: str


@dataclass(frozen=True, slots=True)
class FromFiles:
    """Personas that all servers have, by id."""

    personas: Mapping[str, Persona] = field(default_factory=lambda: MappingProxyType({}))


@asynccontextmanager
async def reading(settings: RoleplaySettings) -> AsyncIterator[FromFiles]:
    """The lifespan of the plugin: files are read once."""
    if settings.personas is None:
        yield FromFiles()
        return
    folder = settings.personas.expanduser()
    found = {}
    for stem, written in (await asyncio.to_thread(personas_in, folder)).items():
        try:
            persona = persona_of(written, id=slug(stem), source="file")
        except UsageError as error:
            log.warning("The persona in %s is left out: %s", folder / f"{stem}.toml", error)
        else:
            found[persona.id] = persona
    yield FromFiles(MappingProxyType(found))


def persona_of(written: Mapping[str, JsonValue], **made: str) -> Persona:
    """What somebody wrote as a persona. Raises UsageError with all that is wrong."""
    try:
        checked = Written.model_validate(written)
        if not checked.prompt:
            raise UsageError(say("`prompt` is missing: say who {name} is.", name=checked.name))
        made.setdefault("id", slug(checked.name))
        return Persona.model_validate({**checked.model_dump(), **made})
    except ValidationError as error:
        problems = problems_of(error, Written, {})
        raise UsageError(say("This persona cannot be used:\n{problems}", problems=problems)) from error


def changed(persona: Persona, **changes: Any) -> Persona:
    """Checked again. Raises UsageError."""
    try:
        return Persona.model_validate({**persona.model_dump(), **changes})
    except ValidationError as error:
        problems = problems_of(error, Persona, {})
        raise UsageError(say("This persona cannot be used:\n{problems}", problems=problems)) from error


# Keeping them.


def home(ctx: Context) -> Literal["workspace", "user"]:
    """Where what people make here is kept: with the server, and in a talk with one person alone with that person, who
    may do everything there, but not with what a server has."""
    return "user" if ctx.capabilities.direct else "workspace"


async def own_personas(ctx: Context) -> Mapping[str, Persona]:
    """Those of this server, by id."""
    return await ctx.load_all(Persona, scope=home(ctx))


async def personas_here(ctx: Context) -> dict[str, Persona]:
    """All that can be played here, by id, in the order of their names. A server's own goes before one from a file."""
    every = {**ctx.get(FromFiles).personas, **await own_personas(ctx)}
    return dict(sorted(every.items(), key=lambda each: (each[1].name.casefold(), each[0])))


def check_room(own: Collection[str]) -> None:
    """Raises UsageError when there are too many for one more."""
    if len(own) >= MOST_PERSONAS:
        raise UsageError(
            say("There are {most} personas here already. Delete one first: `/persona delete`.", most=MOST_PERSONAS)
        )


async def keep(ctx: Context, persona: Persona, card: Mapping[str, JsonValue] | None = None) -> None:
    """Save it, with its card where there is one."""
    if card is not None:
        text = await asyncio.to_thread(json.dumps, card, ensure_ascii=True)
        await ctx.save(KeptCard(text=text), scope=home(ctx), key=persona.id)
    await ctx.save(persona, scope=home(ctx), key=persona.id)


async def forget(ctx: Context, persona: Persona) -> None:
    await ctx.forget_state(Persona, scope=home(ctx), key=persona.id)
    await ctx.forget_state(KeptCard, scope=home(ctx), key=persona.id)
    await release_pictures(ctx, persona)


async def release_pictures(ctx: Context, before: Persona, now: Persona | None = None) -> None:
    """Those that a persona had and has no longer."""
    kept = {now.face, now.picture} if now is not None else set()
    for blob in {before.face, before.picture} - kept:
        if blob and _BLOB.fullmatch(blob):
            await ctx.release_blob(blob)


async def card_of_persona(ctx: Context, persona: Persona, *, pictured: bool = False) -> Card | None:
    """The card that it came from, as it is now."""
    kept = await ctx.load(KeptCard, scope=home(ctx), key=persona.id) if persona.source == "card" else None
    if kept is None:
        return None
    found = await ctx.get_blob(persona.picture) if pictured and persona.picture else None
    return await asyncio.to_thread(lambda: card_of(json.loads(kept.text), found[0] if found else None))


def free_id(name: str, taken: Collection[str]) -> str:
    """`ada`, or `ada-2` where that is somebody else."""
    id, number = slug(name), 1
    while id in taken:
        number += 1
        end = f"-{number}"
        id = slug(name)[: LONGEST_ID - len(end)].rstrip("-") + end
    return id


# Finding them, and who may change them.


async def find(ctx: Context, name: str) -> Persona:
    """By id or name. Raises UsageError that names the one that is probably meant."""
    personas = await personas_here(ctx)
    found = known(name, personas)
    if found is not None:
        return found
    shown = clip(" ".join(name.replace("`", "'").split()), 40)
    near = nearest(name, personas)
    if near is not None:
        raise UsageError(
            say(
                "There is no persona called “{name}”. Did you mean {near} (`{id}`)?",
                name=shown,
                near=near.name,
                id=near.id,
            )
        )
    if not personas:
        raise UsageError(say("There are no personas here yet. Make one with `/persona create`, or drop a card here."))
    raise UsageError(say("There is no persona called “{name}”. `/persona list` shows all.", name=shown))


def known(name: str, personas: Mapping[str, Persona]) -> Persona | None:
    """By id, by name, or by the name in other letters; by its beginning where only one begins so."""
    wanted = name.strip().strip("`*\"'“”@ ").casefold()[:LONGEST_NAME]
    if not wanted:
        return None
    if wanted in personas:
        return personas[wanted]
    every = personas.values()
    by_name = [each for each in every if each.name.casefold() == wanted]
    by_slug = [each for each in every if each.id == slug(wanted)]
    begun = [each for each in every if each.name.casefold().startswith(f"{wanted} ")]
    return next((found[0] for found in (by_name, by_slug, begun) if len(found) == 1), None)


def nearest(name: str, personas: Mapping[str, Persona]) -> Persona | None:
    wanted = " ".join(name.split()).casefold()[:LONGEST_NAME]
    names = {**{each.name.casefold(): each for each in personas.values()}, **personas}
    inside = [each for known, each in names.items() if len(wanted) > 2 and wanted in known]
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    return inside[0] if inside else names[near[0]] if near else None


def check_may_make(ctx: Context) -> None:
    if not may_make(ctx):
        raise NotAllowed("may not make personas", public=phrase("Only moderators may make personas here."))


def may_make(ctx: Context) -> bool:
    return ctx.get(RoleplaySettings).who == "anyone" or ctx.user.leads


def check_may_change(ctx: Context, persona: Persona) -> None:
    """Whoever made it may, and moderators. What comes from a file is changed there."""
    if persona.source == "file":
        raise UsageError(
            say(
                "{name} is there for everybody and cannot be changed from here. "
                "`/persona create` with the same name makes one of your own.",
                name=persona.name,
            )
        )
    if persona.made_by != ctx.user.id and not ctx.user.leads:
        raise NotAllowed(
            "not their persona",
            public=say(
                "Only {maker}, who made {name}, and moderators may do that.", maker=persona.maker, name=persona.name
            ),
        )


def check_age(ctx: Context, name: str, *, adult: bool) -> None:
    """What a card marks as meant for adults is played where a server says that only they are."""
    if adult and not ctx.capabilities.age_restricted:
        raise NotAllowed(
            "an adult persona",
            public=say("{name} may only be played in channels that are marked for adults.", name=name),
        )


def literally(text: str) -> str:
    """Shown letter by letter, whatever markup it has."""
    return _MARKUP.sub(r"\\\1", text)
