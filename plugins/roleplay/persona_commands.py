"""The personas of a server: making, changing, showing and trying them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from bot.api import Arg, Attachment, Context, ModelError, UsageError, clip, counted, say
from plugins.roleplay.cards import Card
from plugins.roleplay.casting import role_of
from plugins.roleplay.declared import persona as group
from plugins.roleplay.memory import forget as forget_learned
from plugins.roleplay.memory import recalled
from plugins.roleplay.persona_cards import MAX_FACE, check_face, rewritten
from plugins.roleplay.personas import (
    LONGEST_ADDRESS,
    LONGEST_GREETING,
    LONGEST_NAME,
    LONGEST_PROMPT,
    FromFiles,
    Persona,
    card_of_persona,
    changed,
    check_age,
    check_may_change,
    check_may_make,
    check_room,
    find,
    forget,
    keep,
    literally,
    own_personas,
    persona_of,
    personas_here,
    release_pictures,
)
from plugins.roleplay.scene import Scene
from plugins.roleplay.speaking import LineFilter, choice_of, prompt_for
from plugins.roleplay.templates import LONGEST_LINE

# What stands for "nothing" where a text is typed.
NOTHING = "-"
SHOWN_PROMPT, SHOWN_NOTES, SHOWN_LINE = 600, 400, 100
MOST_SUGGESTIONS = 25
_PAIR = re.compile(r"(?P<name>[A-Za-z_-]{1,40})\s*[=:]\s*(?P<value>\"[^\"]*\"|[^\s,]+)[\s,]*")


async def names_of(ctx: Context, typed: str) -> Sequence[str]:
    """Ids that fit what was typed."""
    wanted = typed.strip().casefold()
    personas = (await personas_here(ctx)).values()
    found = [each for each in personas if wanted in each.id or wanted in each.name.casefold()]
    return [each.id for each in found][:MOST_SUGGESTIONS]


Named = Annotated[str, Arg("Which persona", max_length=LONGEST_NAME, complete=names_of)]
NamedAtLast = Annotated[str, Arg("Which persona", max_length=LONGEST_NAME, complete=names_of, rest=True)]


class Create(BaseModel):
    """What the form asks for."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(description="What they are called", max_length=LONGEST_NAME)]
    prompt: Annotated[str, Arg("Who they are, and how they speak", max_length=LONGEST_PROMPT, rest=True)]
    description: Annotated[str, Field(description="One line about them for people", max_length=LONGEST_LINE)] = ""
    greeting: Annotated[str, Field(description="What they begin a scene with", max_length=LONGEST_GREETING)] = ""
    face: Annotated[str, Field(description="The https address of a picture", max_length=LONGEST_ADDRESS)] = ""


@group.command("create", form=Create)
async def create(ctx: Context, form: Create) -> str:
    """Make a persona that can play in scenes."""
    check_may_make(ctx)
    made = persona_of(form.model_dump(), made_by=ctx.user.id, maker=clip(ctx.user.name, LONGEST_NAME))
    _check_address(form.face)
    own = await own_personas(ctx)
    same = own.get(made.id)
    if same is not None:
        raise UsageError(
            say(
                "{name} is here already. Change them with `/persona edit {id}`, or take another name.",
                name=same.name,
                id=same.id,
            )
        )
    check_room(own)
    await keep(ctx, made)
    return told_of_new(made)


def told_of_new(persona: Persona) -> str:
    made = say("✨ **{name}** is here now.", name=literally(persona.name))
    hint = say(
        "Hear them with `/persona preview {id}`, or begin: `/roleplay start {id} and a librarian`.", id=persona.id
    )
    return f"{made} {hint}"


@group.command("edit")
async def edit(
    ctx: Context,
    persona: Named,
    name: Annotated[str | None, Arg("A new name", max_length=LONGEST_NAME)] = None,
    description: Annotated[str | None, Arg("One line about them for people", max_length=LONGEST_LINE)] = None,
    prompt: Annotated[str | None, Arg("Who they are, and how they speak", max_length=LONGEST_PROMPT)] = None,
    greeting: Annotated[
        str | None, Arg("What they begin a scene with; - for nothing", max_length=LONGEST_GREETING)
    ] = None,
    face: Annotated[str | None, Arg("The https address of a picture; - for none", max_length=LONGEST_ADDRESS)] = None,
    memory: Annotated[bool | None, Arg("Whether they keep what they learn in scenes")] = None,
    picture: Annotated[Attachment | None, Arg("A picture to be their face")] = None,
) -> str:
    """Change a persona. Scenes that are performed already go on as before."""
    found = await find(ctx, persona)
    check_may_change(ctx, found)
    texts = {"name": name, "description": description, "prompt": prompt, "greeting": greeting, "face": face}
    changes: dict[str, Any] = {key: _typed(text) for key, text in texts.items() if text is not None}
    if picture is not None:
        changes |= await _pictured(ctx, picture)
    elif "face" in changes:
        _check_address(changes["face"])
        changes["face"] = changes["face"] or None
    if memory is not None:
        changes["keeps_memory"] = memory
    if not changes:
        raise UsageError(say("Say what is to change, such as `/persona edit {id} --name=Ada`.", id=found.id))
    now = await _changed(ctx, found, changes)
    if memory is False:
        await forget_learned(ctx, found.id)
    return say("✏️ **{name}** is changed.", name=literally(now.name))


async def _changed(ctx: Context, persona: Persona, changes: dict[str, Any]) -> Persona:
    """Saved, and where it came from a card, in the card."""
    if not changes.get("name", persona.name):
        raise UsageError(say("Everybody needs a name."))
    others = [each for each in (await own_personas(ctx)).values() if each.id != persona.id]
    if any(each.name.casefold() == str(changes.get("name", "")).strip().casefold() for each in others):
        raise UsageError(say("Somebody else here is called {name} already.", name=changes["name"]))
    card = await card_of_persona(ctx, persona)
    if not changes.get("prompt", "x"):
        raise UsageError(say("`prompt` is missing: say who {name} is.", name=persona.name))
    now = changed(persona, **changes)
    if card is None:
        await keep(ctx, now)
        await release_pictures(ctx, persona, now)
        return now
    raw = rewritten(
        card,
        name=now.name if "name" in changes else "",
        prompt=now.prompt,
        greeting=now.greeting if "greeting" in changes else None,
        # What somebody else wrote about their card stays.
        notes=now.description if "description" in changes and card.notes in ("", persona.description) else None,
    )
    # The card is where its texts are kept.
    now = changed(now, prompt="", greeting="")
    await keep(ctx, now, raw)
    await release_pictures(ctx, persona, now)
    return now


def _typed(text: str) -> str:
    return "" if text.strip() == NOTHING else text


def _check_address(face: str) -> None:
    if face and not face.strip().startswith("https://"):
        raise UsageError(say("The face must be the address of a picture that begins with `https://`."))


async def _pictured(ctx: Context, picture: Attachment) -> dict[str, str]:
    content = await ctx.fetch(picture, MAX_FACE)
    kind = check_face(content)
    blob = await ctx.put_blob(content, kind)
    return {"face": blob, "picture": blob} if kind == "image/png" else {"face": blob}


@group.command("list", private=True, immediate=True)
async def list_(ctx: Context) -> str:
    """List the personas of this server."""
    personas = (await personas_here(ctx)).values()
    if not personas:
        return say("There are no personas here yet. Make one with `/persona create`, or drop a card here.")
    lines = [counted(len(personas), "{count} persona is here:", "{count:,} personas are here:")]
    for each in personas:
        about = f" — {literally(clip(each.description, SHOWN_LINE))}" if each.description else ""
        lines.append(f"- **{literally(each.name)}** (`{each.id}`){' 🔞' if each.adult else ''}{about}")
    return "\n".join(lines)


@group.command("show", private=True, immediate=True)
async def show(ctx: Context, persona: NamedAtLast) -> str:
    """Show who a persona is, who made it, and which model plays it."""
    found = await find(ctx, persona)
    card = await card_of_persona(ctx, found)
    about = f"\n{literally(found.description)}" if found.description else ""
    lines = [f"**{literally(found.name)}** (`{found.id}`){' 🔞' if found.adult else ''}{about}", _origin(found, card)]
    lines.append(say("Played by {model}.", model=_model_told(found)))
    prompt = role_of(found, "a", card).prompt
    greeting = card.greeting if card is not None else found.greeting
    lines.append(_quoted(prompt, SHOWN_PROMPT))
    tokens = ctx.models.count(prompt)
    lines.append("-# " + say("{tokens:,} tokens with every line", tokens=tokens))
    if greeting.strip():
        lines += [say("Begins with:"), _quoted(greeting, SHOWN_NOTES)]
    if found.keeps_memory:
        learned = [f"- {literally(note)}" for note in await recalled(ctx, found.id)]
        lines += [say("Keeps what it learns in scenes:"), *(learned or [say("- nothing yet")])]
    if card is not None and card.notes.strip():
        lines += [say("Whoever made the card says:"), _quoted(card.notes, SHOWN_NOTES)]
    return "\n".join(lines)


def _origin(persona: Persona, card: Card | None) -> str:
    if persona.source == "file":
        return say("Comes with the bot.")
    if card is None:
        return say("Made by {maker}.", maker=literally(persona.maker))
    by = literally(clip(card.creator, LONGEST_NAME)) or say("somebody")
    return say("From a card by {creator}, brought by {maker}.", creator=by, maker=literally(persona.maker))


def _model_told(persona: Persona) -> str:
    named = ":".join(part for part in (persona.provider, persona.model) if part)
    model = f"`{named}`" if named else say("whatever model answers where they play")
    values = ", ".join(f"{name} {value}" for name, value in persona.parameters.items())
    return f"{model} ({values})" if values else model


def _quoted(text: str, longest: int) -> str:
    return "\n".join(f"> {line}" for line in clip(text.strip(), longest).splitlines())


@group.command("delete")
async def delete(ctx: Context, persona: NamedAtLast) -> str:
    """Delete a persona. Scenes that are performed already go on."""
    found = await find(ctx, persona)
    check_may_change(ctx, found)
    await forget(ctx, found)
    await forget_learned(ctx, found.id)
    told = say("🗑 **{name}** is gone.", name=literally(found.name))
    if found.id in ctx.get(FromFiles).personas:
        told += " " + say("The one that comes with the bot is back.")
    return told


@group.command("preview")
async def preview(ctx: Context, persona: NamedAtLast) -> str | None:
    """Let a persona say one line here, with its name and face."""
    found = await find(ctx, persona)
    check_age(ctx, found.name, adult=found.adult)
    role = role_of(found, "a", await card_of_persona(ctx, found))
    setting = (
        f"{role.name} meets somebody for the first time, greets them and tells in one or two sentences who they are."
    )
    through = LineFilter(role.name, ())
    prompt = prompt_for(ctx, Scene(roles=(role,), setting=setting), role, ())
    try:
        await ctx.say(role.speaker, prompt, model=choice_of(ctx, role), through=through)
    except ModelError:
        if not through.answered:
            raise
        return say(
            "{name} did not find any words. Try again, or look at the prompt: `/persona show {id}`.",
            name=found.name,
            id=found.id,
        )
    return None


# Which model plays it.


async def _models(ctx: Context, typed: str) -> Sequence[str]:
    names = ["default"]
    for provider in ctx.models.providers:
        try:
            names += [f"{provider}:{name}" for name in await ctx.models.known(provider)] or [provider]
        except ModelError:
            names.append(provider)
    return [name for name in names if typed.strip().casefold() in name.casefold()][:MOST_SUGGESTIONS]


@group.command("model", who="moderators")
async def model(
    ctx: Context,
    persona: Named,
    model: Annotated[str | None, Arg("provider:model, a model, or `default`", max_length=200, complete=_models)] = None,
    parameters: Annotated[str | None, Arg("Such as temperature=0.9; - for none", max_length=1000, rest=True)] = None,
) -> str:
    """Choose the language model that plays a persona, and its parameters."""
    found = await find(ctx, persona)
    if model is None and parameters is None:
        return say("{name} is played by {model}.", name=literally(found.name), model=_model_told(found))
    check_may_change(ctx, found)
    changes: dict[str, Any] = {}
    if model is not None and model.strip("` ").casefold() == "default":
        changes |= {"provider": None, "model": None, "parameters": {}}
    elif model is not None:
        choice = await ctx.models.named(model, ctx.conversation.model.provider)
        changes |= {"provider": choice.provider, "model": choice.model or None}
    if parameters is not None:
        changes["parameters"] = _parameters(ctx, parameters)
    now = changed(found, **changes)
    await keep(ctx, now)
    return say("{name} is played by {model}.", name=literally(now.name), model=_model_told(now))


def _parameters(ctx: Context, typed: str) -> dict[str, JsonValue]:
    """From `temperature=0.9 top_p=1`. Raises UsageError."""
    given = _typed(typed).strip()
    found: dict[str, JsonValue] = {}
    while given:
        pair = _PAIR.match(given)
        if pair is None:
            raise UsageError(say("Write parameters like `temperature=0.9 max_tokens=300`."))
        name = pair["name"].lower().replace("-", "_")
        found[name] = ctx.models.check_parameter(name, pair["value"].strip('"'))
        given = given[pair.end() :]
    return found
