"""Who plays: templates, personas, and anybody whom people can name."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from bot.api import Context, UsageError, say
from plugins.roleplay.cards import Card
from plugins.roleplay.macros import Macros
from plugins.roleplay.memory import recalled
from plugins.roleplay.naming import QUOTED, QUOTES, may_be_one, names_in, unquoted
from plugins.roleplay.personas import (
    LONGEST_NAME,
    Persona,
    card_of_persona,
    check_age,
    home,
    known,
    nearest,
    personas_here,
)
from plugins.roleplay.scene import MOST_ROLES, NARRATOR, Role, Scene
from plugins.roleplay.templates import Template, TemplateRole, built_in, one_line, slug
from plugins.roleplay.templates import find as find_template

LONGEST_IMPROVISED = 60
# Of one role, in characters: it is sent with every line, and kept with the scene after each.
MOST_PROMPT, MOST_EXAMPLES, MOST_NOTE, MOST_GREETING, MOST_BOOK = 24_000, 8_000, 4_000, 4_000, 64_000
_START = re.compile(r"^[ \t]*<START>[ \t]*\n?", re.IGNORECASE | re.MULTILINE)
_CHAR = re.compile(r"\{\{\s*(?:char|bot)\s*\}\}|<(?:bot|char)>", re.IGNORECASE)
# Nobody is called like this: it was meant as something to set.
_OPTION = re.compile(r"(?<!\S)--[A-Za-z][\w-]{0,40}")
# What is read of an entry of a lorebook.
_USED_OF_BOOK = ("scan_depth", "token_budget", "recursive_scanning")
_USED = (
    *("keys", "key", "secondary_keys", "keysecondary", "content", "position", "enabled", "disable", "constant"),
    *("selective", "case_sensitive", "caseSensitive", "use_regex", "insertion_order", "order", "priority"),
)


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody who comes onto the stage, with all that can begin a scene."""

    role: Role
    greetings: tuple[str, ...] = ()
    scenario: str = ""


async def known_names(ctx: Context) -> Sequence[str]:
    """Templates and personas that can be named here."""
    personas, templates = await personas_here(ctx), await templates_here(ctx)
    return [*(each.name for each in personas.values()), *(each.title for each in templates.values())]


async def templates_here(ctx: Context) -> dict[str, Template]:
    """Those that come with the bot and the server's own, which go first, by id."""
    return {**await asyncio.to_thread(built_in), **await ctx.load_all(Template, scope=home(ctx))}


async def cast_of(ctx: Context, typed: str) -> Scene:
    """The scene of a template, or of the people who are named. Raises UsageError and NotAllowed."""
    personas, templates = await personas_here(ctx), await templates_here(ctx)
    template = _template_called(unquoted(typed), templates)
    if template is not None:
        return await _scene_of(ctx, template, personas)
    if wrong := _OPTION.search(typed):
        raise UsageError(say("I do not know `{wrong}`. `/help roleplay start` tells what there is.", wrong=wrong[0]))
    names = names_in(typed, [each.name for each in personas.values()])
    if len(names) < 2:
        raise _alone(unquoted(typed), personas, templates)
    if len(names) > MOST_ROLES:
        told = say("At most {most} can be on stage.", most=MOST_ROLES)
        raise UsageError(f"{told} {say(QUOTES, quoted=QUOTED)}" if may_be_one(typed) else told)
    players = [await _player(ctx, name, id, personas) for name, id in zip(names, "abcdefghij", strict=False)]
    return _opened(_apart(players))


def _alone(whole: str, personas: Mapping[str, Persona], templates: Mapping[str, Template]) -> UsageError:
    """Why one name is no scene."""
    persona = known(whole, personas)
    if persona is not None:
        return UsageError(
            say("{name} does not play alone: `/roleplay start {id} and a librarian`.", name=persona.name, id=persona.id)
        )
    if not whole.strip() or (nearest(whole, personas) is None and len(whole.split()) > 3):
        return UsageError(say("It takes two: name a template, or two characters, such as `a pirate and a librarian`."))
    try:
        find_template(whole, templates)
    except UsageError as error:
        return error
    raise AssertionError("one that is known was found before")


def _template_called(name: str, templates: Mapping[str, Template]) -> Template | None:
    wanted = " ".join(name.split()).strip("`*\"'“” ").casefold()[:LONGEST_NAME]
    found = (each for each in templates.values() if wanted in (each.id, each.title.casefold()))
    return next(found, None) or templates.get(slug(wanted))


# The scene of a template.


async def _scene_of(ctx: Context, template: Template, personas: Mapping[str, Persona]) -> Scene:
    roles = _apart([Player(await _template_role(ctx, role, personas)) for role in template.roles])
    scene = Scene(
        title=template.title,
        setting=template.stage,
        roles=tuple(player.role for player in roles),
        turns=template.turns,
        template=template.id,
    )
    opens = scene.role(template.opener_by)
    if opens is None:
        return scene
    return scene.changed(opener=_filled(template.opener, opens, scene.roles), opener_by=opens.id)


async def _template_role(ctx: Context, role: TemplateRole, personas: Mapping[str, Persona]) -> Role:
    check_age(ctx, role.name, adult=role.adult)
    persona = personas.get(role.persona)
    if persona is None:
        if not role.prompt:
            raise UsageError(
                say("The role {name} is for the persona `{id}`, who is not here.", name=role.name, id=role.persona)
            )
        return Role(id=role.id, name=role.name, prompt=role.prompt, description=role.description, adult=role.adult)
    player = await _played(ctx, persona, role.id, await card_of_persona(ctx, persona))
    # A scene that was saved has it in there already.
    prompt = role.prompt if player.prompt in role.prompt else f"{player.prompt}\n\n{role.prompt}".strip()
    return player.model_copy(
        update={
            "name": role.name,
            "prompt": prompt,
            "description": role.description or persona.description,
            "adult": role.adult or persona.adult,
        }
    )


# The scene of people.


async def _player(ctx: Context, name: str, id: str, personas: Mapping[str, Persona]) -> Player:
    persona = known(name, personas)
    if persona is None:
        return Player(improvised(name, id))
    card = await card_of_persona(ctx, persona)
    role = await _played(ctx, persona, id, card)
    if card is None:
        return Player(role, (persona.greeting,) if persona.greeting else ())
    greetings = card.group_greetings or (card.greeting, *card.other_greetings)
    shown = tuple(_called(text[:MOST_GREETING], card) for text in greetings if text.strip())
    return Player(role, shown, _called(card.scenario[:MOST_NOTE], card).strip())


async def _played(ctx: Context, persona: Persona, id: str, card: Card | None) -> Role:
    """With what it learned in other scenes, if it keeps that."""
    check_age(ctx, persona.name, adult=persona.adult)
    role = await asyncio.to_thread(role_of, persona, id, card)
    return role.model_copy(update={"knows": await recalled(ctx, persona.id)}) if persona.keeps_memory else role


def role_of(persona: Persona, id: str, card: Card | None = None) -> Role:
    """All that its lines need, so that what is done to the persona later leaves the scene alone."""
    role = Role(
        id=id,
        name=persona.name,
        persona=persona.id,
        description=persona.description,
        prompt=persona.prompt,
        examples=persona.examples,
        after_history=persona.after_history,
        greeting=persona.greeting,
        face=persona.face,
        provider=persona.provider,
        model=persona.model,
        parameters=persona.parameters,
        book=persona.book,
        remembers=persona.keeps_memory,
        adult=persona.adult,
    )
    if card is None:
        return role
    personality = f"Personality: {card.personality.strip()}" if card.personality.strip() else ""
    parts = (card.system.strip(), card.description.strip(), personality)
    return role.model_copy(
        update={
            "prompt": _called("\n\n".join(part for part in parts if part), card)[:MOST_PROMPT] or card.called,
            "examples": _called(_START.sub("\n", card.examples), card).strip()[:MOST_EXAMPLES],
            "after_history": _called(card.after_history, card).strip()[:MOST_NOTE],
            "greeting": _called(card.greeting, card).strip()[:MOST_GREETING],
            "book": _bounded(card.data.get("character_book")),
        }
    )


def _called(text: str, card: Card) -> str:
    """A card that has a nickname means that by `{{char}}`."""
    return _CHAR.sub(lambda _: card.nickname, text) if card.nickname else text


def _bounded(book: JsonValue) -> JsonValue:
    """A lorebook without what is not read; of a very long one what matters most."""
    entries = book.get("entries") if isinstance(book, dict) else None
    listed = [*entries.values()] if isinstance(entries, dict) else entries
    if not isinstance(book, dict) or not isinstance(listed, list):
        return None
    used = [{key: _flat(each[key]) for key in each if key in _USED} for each in listed if isinstance(each, dict)]
    dearest = sorted(
        range(len(used)), key=lambda at: (not used[at].get("constant"), -_number(used[at].get("priority")))
    )
    room, kept = MOST_BOOK, set()
    for at in dearest:
        room -= len(json.dumps(used[at]))
        if room < 0:
            break
        kept.add(at)
    told: dict[str, JsonValue] = {key: _flat(book[key]) for key in _USED_OF_BOOK if key in book}
    return _storable({**told, "entries": [each for at, each in enumerate(used) if at in kept]})


def _flat(given: JsonValue) -> JsonValue:
    """Nothing that is read has anything in it but lists of texts; what is nested deeply could not be kept."""
    if isinstance(given, list):
        return [each for each in given if not isinstance(each, list | dict)]
    return None if isinstance(given, dict) else given


def _storable(given: JsonValue) -> JsonValue:
    """Without half characters and numbers without end, which no database takes."""
    text = json.dumps(given, ensure_ascii=False).encode("utf-8", "replace")
    found: JsonValue = json.loads(text, parse_constant=lambda _: None)
    return found


def _number(given: JsonValue) -> float:
    return given if isinstance(given, int | float) else 10


def improvised(name: str, id: str) -> Role:
    """Anybody, as the model imagines them."""
    bare = str(one_line(name))
    if not bare:
        raise UsageError(say("It takes two: name a template, or two characters, such as `a pirate and a librarian`."))
    if len(bare) > LONGEST_IMPROVISED:
        raise UsageError(say("“{name}…” is too long for a name.", name=bare[:30]))
    called = re.sub(r"^(?:an?|the|der|die|das|ein|eine)\s+", "", bare, flags=re.IGNORECASE)
    called = called[:1].upper() + called[1:]
    if called.casefold() == NARRATOR.casefold():
        raise UsageError(say("No role can be called {name}: that is who tells what happens.", name=NARRATOR))
    prompt = f"You are {bare}. Play this character as vividly as people imagine them, with wishes and flaws."
    return Role(id=id, name=called, prompt=prompt)


def _apart(players: Sequence[Player]) -> list[Player]:
    """Everybody on stage has a name of their own."""
    found: list[Player] = []
    for player in players:
        taken = {each.role.name.casefold() for each in found}
        name, number = player.role.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{player.role.name} {number}"
        found.append(Player(player.role.model_copy(update={"name": name}), player.greetings, player.scenario))
    return found


def _opened(players: Sequence[Player]) -> Scene:
    """It plays where the first card says, and begins as the first one greets who has a greeting."""
    roles = tuple(player.role for player in players)
    scene = Scene(roles=roles)
    placed = next((player for player in players if player.scenario), None)
    if placed is not None:
        scene = scene.changed(setting=_filled(placed.scenario, placed.role, roles))
    opens = next((player for player in players if player.greetings), None)
    if opens is None:
        return scene
    greeting = random.choice(opens.greetings)
    return scene.changed(opener=_filled(greeting, opens.role, roles), opener_by=opens.role.id)


def _filled(text: str, role: Role, roles: Sequence[Role]) -> str:
    others = [each.name for each in roles if each.id != role.id]
    return Macros(role.name, ", ".join(others), seed=role.persona).fill(text).strip()
