"""One character card: what all versions of the format say, in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from bot.api import UsageError, say
from plugins.roleplay.cards.fields import LONGEST, passages, string, strings
from plugins.roleplay.cards.lorebook import Lorebook, lorebook_of

# What Pygmalion's notebooks call the fields of the first version.
OLDEST = {
    "char_name": "name",
    "char_persona": "personality",
    "char_greeting": "first_mes",
    "example_dialogue": "mes_example",
    "world_scenario": "scenario",
}
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Card:
    """`raw` is all of the card as it came, `data` the part of it that describes the character; what this bot does not
    know stands there, too. `picture` is the PNG that it came in. `notes` are for people, never for the model."""

    name: str
    raw: Mapping[str, JsonValue]
    nickname: str = ""
    description: str = ""
    personality: str = ""
    scenario: str = ""
    greeting: str = ""
    other_greetings: tuple[str, ...] = ()
    group_greetings: tuple[str, ...] = ()
    examples: str = ""
    system: str = ""
    after_history: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    creator: str = ""
    version: str = ""
    book: Lorebook | None = None
    picture: bytes | None = field(default=None, repr=False)

    @property
    def data(self) -> Mapping[str, JsonValue]:
        inner = self.raw.get("data")
        return inner if isinstance(inner, dict) else self.raw

    @property
    def called(self) -> str:
        """What stands for the character in its texts."""
        return self.nickname or self.name

    @property
    def length(self) -> int:
        """Characters that a prompt would hold if all of it stood there."""
        texts = (self.description, self.personality, self.scenario, self.examples, self.system, self.after_history)
        return sum(map(len, texts))


def card_of(raw: JsonValue, picture: bytes | None = None) -> Card:
    """Raises UsageError with what is wrong with it."""
    if not isinstance(raw, dict):
        raise UsageError(say("This card holds no character: it is not the JSON that character cards are made of."))
    inner = raw.get("data")
    data: dict[str, JsonValue] = {**raw, **inner} if isinstance(inner, dict) else dict(raw)
    for old, new in OLDEST.items():
        if old in data and not string(data.get(new)):
            data[new] = data[old]
    name = " ".join(string(data.get("name")).split())
    if not name:
        raise UsageError(say("This card has no name in it, so I do not know whom to call."))
    if len(name) > LONGEST_NAME:
        raise UsageError(say("The name on this card is longer than {most} characters.", most=LONGEST_NAME))
    return Card(
        name=name,
        raw=raw,
        nickname=" ".join(string(data.get("nickname")).split())[:LONGEST_NAME],
        description=string(data.get("description")),
        personality=string(data.get("personality")),
        scenario=string(data.get("scenario")),
        greeting=string(data.get("first_mes")),
        other_greetings=tuple(passages(data.get("alternate_greetings"))),
        group_greetings=tuple(passages(data.get("group_only_greetings"))),
        examples=string(data.get("mes_example")),
        system=string(data.get("system_prompt")),
        after_history=string(data.get("post_history_instructions")),
        notes=_notes(data),
        tags=tuple(strings(data.get("tags"))),
        creator=string(data.get("creator")),
        version=string(data.get("character_version")),
        book=lorebook_of(data.get("character_book")),
        picture=picture,
    )


def _notes(data: Mapping[str, JsonValue]) -> str:
    notes = string(data.get("creator_notes"))
    others = data.get("creator_notes_multilingual")
    if not notes and isinstance(others, dict):
        notes = string(others.get("en")) or next((string(each) for each in others.values() if string(each)), "")
    return notes[:LONGEST]
