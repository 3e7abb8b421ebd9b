"""Templates of scenes: a conflict, the roles in it and the first line. Some come with the bot, people save others."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from bot.api import UsageError, clip, say
from plugins.roleplay.files import problems_of, read_toml, toml_of
from plugins.roleplay.scene import MOST_ROLES, MOST_TURNS, NARRATOR, Scene

LONGEST_ID, LONGEST_NAME, LONGEST_LINE = 60, 80, 200
LONGEST_PROMPT, LONGEST_SETTING, LONGEST_ENDING, LONGEST_OPENER = 8_000, 4_000, 1_000, 2_000
MOST_TAGS, LONGEST_TAG = 10, 30
# All of the longest texts with each character escaped, and some more.
MAX_TEXT = 512 * 1024
_JOINERS = "\u200c\u200d"
_UNSEEN = ("Cc", "Cf", "Cs")
# Letters that look like nothing.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
_SLUG = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


def slug(text: str) -> str:
    """An id made of a name: `Dr. Ngũgĩ & Co` → `dr-ngugi-co`. Other scripts than the Latin one stay as they are."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", bare))
    made = "-".join(words)[:LONGEST_ID].strip("-")
    return made or (hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8] if text.strip() else "")


def one_line(given: Any) -> Any:
    """Without what cannot be seen; emojis and letters that are joined or kept apart stay so."""
    if not isinstance(given, str):
        return given
    if given.isprintable() and given.isascii():
        return " ".join(given.split())
    return " ".join("".join(char for char in given if _is_seen(char)).split()).strip(_JOINERS + " ")


def _is_seen(char: str) -> bool:
    return char in _JOINERS or char.isspace() or not (char in _BLANK or unicodedata.category(char) in _UNSEEN)


def _text(given: Any) -> Any:
    return re.sub(r"\r\n?", "\n", given).replace("\0", "").strip() if isinstance(given, str) else given


def _id(given: Any) -> Any:
    if isinstance(given, str) and given and not (_SLUG.fullmatch(given) and given == given.casefold()):
        wanted = slug(given) or "my-scene"
        said = say(
            "The id `{id}` may only have small letters, digits and hyphens, such as `{wanted}`.",
            id=clip(one_line(given).replace("`", "'"), 40),
            wanted=wanted,
        )
        raise ValueError(said)
    return given


Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID), BeforeValidator(_id)]
Line = Annotated[str, StringConstraints(max_length=LONGEST_LINE), BeforeValidator(one_line)]


class TemplateRole(BaseModel):
    """`description` is told to the others, `prompt` to whoever plays the role, with `{{char}}` for the own name and
    `{{user}}` for the other's. `persona` is the id of the one that plays it, where the template asks for one. An
    `adult` one is played where only adults are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), BeforeValidator(one_line)]
    description: Line = ""
    prompt: Annotated[str, StringConstraints(max_length=LONGEST_PROMPT), BeforeValidator(_text)] = ""
    persona: Annotated[str, StringConstraints(max_length=LONGEST_ID), BeforeValidator(_id)] = ""
    adult: bool = False

    @model_validator(mode="after")
    def _can_be_played(self) -> TemplateRole:
        if self.name.casefold() == NARRATOR.casefold():
            raise ValueError(say("No role can be called {name}: that is who tells what happens.", name=NARRATOR))
        if not (self.prompt or self.persona):
            raise ValueError(say("The role {name} needs a `prompt` or a `persona`.", name=self.name))
        return self


class Template(BaseModel):
    """`setting` and `ending` are told to all roles. The opener is the first line, said by the role `opener_by`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    title: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), BeforeValidator(one_line)]
    description: Line = ""
    setting: Annotated[str, StringConstraints(max_length=LONGEST_SETTING), BeforeValidator(_text)] = ""
    roles: tuple[TemplateRole, ...]
    opener: Annotated[str, StringConstraints(max_length=LONGEST_OPENER), BeforeValidator(_text)] = ""
    opener_by: str = ""
    ending: Annotated[str, StringConstraints(max_length=LONGEST_ENDING), BeforeValidator(_text)] = ""
    turns: int = Field(8, ge=1, le=MOST_TURNS)
    tags: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TAG), BeforeValidator(one_line)], ...],
        Field(max_length=MOST_TAGS),
    ] = ()

    @property
    def stage(self) -> str:
        """All that every role is told about the scene."""
        return "\n".join(part for part in (self.setting, self.ending) if part)

    def role(self, id: str) -> TemplateRole | None:
        return next((role for role in self.roles if role.id == id), None)

    @model_validator(mode="after")
    def _has_roles_that_differ(self) -> Template:
        if not 2 <= len(self.roles) <= MOST_ROLES:
            raise ValueError(say("A template has from 2 to {most} roles.", most=MOST_ROLES))
        if len({role.id for role in self.roles}) < len(self.roles):
            raise ValueError(say("Two roles have the same `id`."))
        if len({role.name.casefold() for role in self.roles}) < len(self.roles):
            raise ValueError(say("Two roles have the same name."))
        ids = ", ".join(f"`{role.id}`" for role in self.roles)
        if self.opener and not self.opener_by:
            raise ValueError(say("`opener_by` must say whose line the `opener` is: {ids}.", ids=ids))
        if self.opener_by and not self.opener:
            raise ValueError(say("There is an `opener_by`, but no `opener`."))
        if self.opener_by and self.role(self.opener_by) is None:
            raise ValueError(say("`opener_by` must be the id of a role: {ids}.", ids=ids))
        return self


def template_of(raw: Mapping[str, Any]) -> Template:
    """Without an id it gets one from its title. Raises UsageError with all that is wrong."""
    given = dict(raw)
    if "id" not in given:
        title = given.get("title")
        given["id"] = (slug(title) if isinstance(title, str) else "") or "untitled"
    try:
        return Template.model_validate(given)
    except ValidationError as error:
        problems = problems_of(error, Template, {"roles": TemplateRole})
        raise UsageError(say("This template cannot be used:\n{problems}", problems=problems)) from error


@cache
def built_in() -> Mapping[str, Template]:
    """Those that come with the bot, by their ids. The first call reads files."""
    found = {}
    for file in sorted((files("plugins.roleplay") / "templates").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            template = template_of(read_toml(file.read_text("utf-8")))
            found[template.id] = template
    return MappingProxyType(found)


def named(name: str, templates: Mapping[str, Template]) -> Template | None:
    """By its id or its title."""
    wanted = _wanted(name)
    for template in templates.values():
        if wanted and wanted in (template.id, template.title.casefold()):
            return template
    return templates.get(slug(wanted))


def find(name: str, templates: Mapping[str, Template]) -> Template:
    """Like `named`; raises UsageError that names the one that is meant, as far as can be seen."""
    if (template := named(name, templates)) is not None:
        return template
    shown, near = clip(_wanted(name).replace("`", "'"), 40), _nearest(_wanted(name), templates)
    if near is None:
        raise UsageError(say("There is no template called “{name}”. `/roleplay templates` lists them.", name=shown))
    raise UsageError(
        say(
            "There is no template called “{name}”. Did you mean `{id}`, {title}?",
            name=shown,
            id=near.id,
            title=near.title,
        )
    )


def _wanted(name: str) -> str:
    """As people type it."""
    return str(one_line(name[: 2 * LONGEST_NAME])).strip("`*\"'“” ").casefold()


def _nearest(wanted: str, templates: Mapping[str, Template]) -> Template | None:
    names = {
        name.casefold(): template
        for template in templates.values()
        for name in (*(role.id for role in template.roles), *template.tags, template.title, template.id)
    }
    for name in names:
        if len(wanted) > 2 and wanted in name:
            return names[name]
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    return names[near[0]] if near else None


def as_toml(template: Template) -> str:
    return toml_of(_bare(template))


def as_json(template: Template) -> str:
    return json.dumps(_bare(template), ensure_ascii=False, indent=2) + "\n"


def _bare(template: Template) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = template.model_dump(mode="json", exclude_defaults=True)
    return found


def template_in(text: str | bytes) -> Template:
    """What `as_toml` or `as_json` wrote, or a person did. Raises UsageError that says what is wrong."""
    if len(text) > MAX_TEXT:
        raise UsageError(say("This file is larger than {most} KB, so it is no template.", most=MAX_TEXT >> 10))
    try:
        read = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        raw = json.loads(read) if read.lstrip().startswith("{") else read_toml(read)
    except (ValueError, RecursionError) as error:
        why = clip(" ".join(str(error).split()), 160)
        raise UsageError(say("This file is no template: it is neither TOML nor JSON ({why}).", why=why)) from error
    return template_of(raw)


def from_scene(scene: Scene, title: str) -> Template:
    """To play it again: who plays which role for the model stays, who of the people did does not."""
    ids: dict[str, str] = {}
    for number, role in enumerate(scene.roles, 1):
        made = slug(role.id) or f"role-{number}"
        ids[role.id] = made if made not in ids.values() else f"{made[: LONGEST_ID - 4]}-{number}"
    roles = [
        {
            "id": ids[role.id],
            "name": role.name,
            "description": clip(role.description, LONGEST_LINE),
            # A long card is read from its persona again.
            "prompt": "" if role.persona and len(role.prompt) > LONGEST_PROMPT else role.prompt,
            "persona": role.persona,
            "adult": role.adult,
        }
        for role in scene.roles
    ]
    return template_of(
        {
            "title": title,
            "setting": scene.setting,
            "roles": roles,
            "opener": scene.opener,
            "opener_by": ids.get(scene.opener_by, "") if scene.opener.strip() else "",
            "turns": scene.turns,
        }
    )
