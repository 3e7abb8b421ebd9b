"""Personas as values: what may be one, how they are found, and what becomes of cards and roles."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.api import UsageError
from plugins.roleplay.cards import Card, as_png, card_of, read_card
from plugins.roleplay.casting import MOST_BOOK, MOST_PROMPT, improvised, role_of
from plugins.roleplay.macros import Macros
from plugins.roleplay.persona_cards import card_from, described, looks_like_a_card, rewritten
from plugins.roleplay.personas import (
    FromFiles,
    Persona,
    changed,
    free_id,
    known,
    nearest,
    persona_of,
    reading,
)
from plugins.roleplay.scene import NARRATOR
from plugins.roleplay.settings import RoleplaySettings

ADA = persona_of({"name": "Ada Lovelace", "prompt": "Counts."})
BOB = persona_of({"name": "Bob", "prompt": "Builds."})
HERE = {each.id: each for each in (ADA, BOB)}


def problem(**written: Any) -> str:
    with pytest.raises(UsageError) as error:
        persona_of({"name": "Ada", "prompt": "Counts.", **written})
    return str(error.value)


def test_what_is_wrong_with_a_persona_is_said() -> None:
    assert "`name` is empty" in problem(name=" \n ")
    assert "`name` is longer than 80 characters" in problem(name="a" * 81)
    assert "that is who tells what happens" in problem(name=NARRATOR.upper())
    assert "`prompt` is missing: say who Ada is." in problem(prompt="  ")
    assert "`prompt` is longer than 8000 characters" in problem(prompt="a" * 8_001)
    assert "`description` is longer than 200 characters" in problem(description="a" * 201)
    assert "Did you mean `prompt`?" in problem(prommpt="x")
    assert "`book` is longer" in problem(book={"entries": [{"content": "x" * 70_000}]})
    for face in ("http://a.example/x.png", "javascript:alert(1)", "https://", "/etc/passwd", "https://a.example/x y"):
        assert "begins with `https://`" in problem(face=face), face


def test_names_stand_on_one_line_and_can_be_seen() -> None:
    made = persona_of({"name": " A\u200bda\n\u202e Lovelace ", "prompt": "Counts."})
    assert (made.name, made.id) == ("Ada Lovelace", "ada-lovelace")
    assert persona_of({"name": "👩\u200d🔬", "prompt": "x"}).name == "👩\u200d🔬"
    assert persona_of({"name": "Ada \u200b \x07 King", "prompt": "x"}).name == "Ada King"
    for unseen in ("\u200b", "\u200d\u200d", " \u2060 \x00", "\u3164", "\u2800"):
        assert "`name` is empty" in problem(name=unseen)


@given(st.text(max_size=200), st.text(max_size=300))
def test_any_name_makes_a_persona_or_a_sentence(name: str, prompt: str) -> None:
    try:
        made = persona_of({"name": name, "prompt": prompt})
    except UsageError:
        return
    assert made.id
    assert 1 <= len(made.name) <= 80
    assert not {"\n", "\r", "\0"} & {*made.name}
    assert Persona.model_validate(json.loads(json.dumps(made.model_dump(mode="json")))) == made


@pytest.mark.parametrize(
    "name", ["ada-lovelace", "Ada Lovelace", " @ADA LOVELACE ", "`ada-lovelace`", "Áda-Lovelace", "ada"]
)
def test_a_persona_is_found_by_what_people_call_it(name: str) -> None:
    assert known(name, HERE) == ADA


def test_who_is_meant_is_guessed_but_never_taken() -> None:
    assert known("Ada Lovelance", HERE) is None
    assert nearest("Ada Lovelance", HERE) == ADA
    assert nearest("lovelace", HERE) == ADA
    assert known("", HERE) is None
    assert nearest("Xerxes", HERE) is None
    two = {**HERE, "ada-2": ADA.model_copy(update={"id": "ada-2"})}
    assert known("Ada Lovelace", two) == ADA  # by its id, though two have the name
    assert known("ada", two) is None


def test_ids_are_free_and_short() -> None:
    assert free_id("Bob", HERE) == "bob-2"
    assert free_id("Eve", HERE) == "eve"
    long = "a" * 80
    taken = {free_id(long, {}): ADA}
    assert free_id(long, taken) == "a" * 58 + "-2"


def test_files_bring_personas_and_a_broken_one_breaks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ada.toml").write_text('name = "Ada"\nprompt = "Counts."\n[parameters]\ntemperature = 0.5\n')
    (tmp_path / "bad.toml").write_text('name = "Bad"\nface = "x"\n')
    (tmp_path / "worse.toml").write_text("= what")

    async def read(folder: Path | None) -> FromFiles:
        async with reading(RoleplaySettings(personas=folder)) as found:
            return found

    found = asyncio.run(read(tmp_path))
    assert [*found.personas] == ["ada"]
    assert found.personas["ada"].source == "file"
    assert found.personas["ada"].parameters == {"temperature": 0.5}
    assert "bad.toml" in caplog.text
    assert "worse.toml" in caplog.text
    assert not asyncio.run(read(tmp_path / "nowhere")).personas
    assert not asyncio.run(read(None)).personas


def test_the_personas_that_come_along_can_be_played() -> None:
    folder = Path(__file__).parents[2] / "config" / "personas"

    async def read() -> FromFiles:
        async with reading(RoleplaySettings(personas=folder)) as found:
            return found

    personas = asyncio.run(read()).personas
    assert len(personas) == len([*folder.glob("*.toml")])
    assert all(role_of(each, "a").prompt for each in personas.values())


# Cards.


texts = st.text(max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("description", "personality", "scenario", "first_mes", "mes_example", "system_prompt", "creator_notes")
data = st.builds(
    lambda known, more, name: {**more, **known, "name": name},
    st.dictionaries(st.sampled_from(FIELDS), texts),
    st.dictionaries(texts, values, max_size=3),
    st.text("abc XYZ", min_size=1, max_size=20).filter(str.strip),
)
cards = data | data.map(lambda inner: {"spec": "chara_card_v2", "spec_version": "2.0", "data": inner, "name": "old"})


@given(cards, st.text("abc ", min_size=1, max_size=20).filter(str.strip), st.none() | texts)
def test_an_edit_changes_what_was_edited_and_nothing_else(raw: dict[str, Any], name: str, greeting: str | None) -> None:
    card = card_of(raw)
    again = read_card(as_png(card_of(rewritten(card, name=name, greeting=greeting))))
    assert again.name == " ".join(name.split())
    before, after = dict(card.data), dict(again.data)
    for field in ("name", "first_mes"):
        before.pop(field, None)
        after.pop(field, None)
    assert after == before
    assert rewritten(card) == raw


def test_an_edit_of_the_oldest_cards_stays_in_their_words() -> None:
    card = card_of({"char_name": "Ada", "char_persona": "Counts.", "char_greeting": "One."})
    raw = rewritten(card, name="Eve", prompt="Rests.", greeting="Two.")
    assert raw == {"char_name": "Eve", "char_persona": "Rests.", "char_greeting": "Two."}


@given(st.text(min_size=1, max_size=30).filter(lambda text: bool(text.strip())), texts, texts)
@example("Ada", "{{char}}", "<START>")
def test_what_was_made_here_says_the_same_as_a_card(prompt: str, greeting: str, examples: str) -> None:
    try:
        made = persona_of({"name": "Ada", "prompt": prompt, "greeting": greeting, "examples": examples})
    except UsageError:
        return
    card = read_card(as_png(card_of(card_from(made))))
    assert (card.description, card.greeting, card.examples) == (made.prompt, made.greeting, made.examples)


def test_not_every_json_with_a_name_is_a_card() -> None:
    assert not looks_like_a_card(card_of({"name": "left-pad", "version": "1.0.0", "description": "Pads."}))
    assert looks_like_a_card(card_of({"name": "Ada", "first_mes": "One."}))
    assert looks_like_a_card(card_of({"char_name": "Ada", "char_persona": "Counts."}))
    assert looks_like_a_card(card_of({"spec": "chara_card_v3", "data": {"name": "Ada"}}))


def test_a_card_is_described_in_one_line() -> None:
    def line(**fields: Any) -> str:
        return described(card_of({"name": "Ada", **fields}))

    assert line(personality="{{char}} is exact. Never late.") == "Ada is exact."
    assert line(description="She counts\nall day.") == "She counts"
    assert line(description='[Character("Ada") {Age("20")}]', tags=["maths", "history"]) == "maths, history"
    assert line() == ""
    assert len(line(description="word " * 200)) <= 200


# Roles.


def carded(**fields: Any) -> Card:
    return card_of({"spec": "chara_card_v3", "data": {"name": "Ada", **fields}})


PLAYED = Persona(id="ada", name="Ada", source="card", face="https://faces.example/a.png", model="m", provider="p")


def test_a_role_has_all_of_its_card_in_order() -> None:
    card = carded(
        system_prompt="{{original}}Stay.",
        description="D of {{char}}.",
        personality="P.",
        scenario="S.",
        post_history_instructions="Now {{char}}.",
        mes_example="<START>\nA\n<start>\nB",
        creator_notes="N.",
        creator="C.",
        nickname="Countess",
    )
    role = role_of(PLAYED, "a", card)
    assert role.prompt == "{{original}}Stay.\n\nD of Countess.\n\nPersonality: P."
    assert Macros(role.name, "Bob").fill(role.prompt).startswith("Stay.")
    assert (role.after_history, role.examples) == ("Now Countess.", "A\n\nB")
    assert (role.face, role.provider, role.model, role.persona) == (PLAYED.face, "p", "m", "ada")


def test_a_role_is_bounded_whatever_the_card_holds() -> None:
    entries = [
        {"keys": ["k"], "content": "x" * 1_000, "priority": n, "extensions": {"y": "z" * 5_000}} for n in range(200)
    ]
    entries[0]["constant"] = True
    card = carded(description="d" * 150_000, character_book={"entries": entries, "scan_depth": 2, "name": "\ud800"})
    role = role_of(PLAYED, "a", card)
    assert len(role.prompt) == MOST_PROMPT
    assert isinstance(role.book, dict)
    kept = role.book["entries"]
    assert isinstance(kept, list)
    assert len(json.dumps(role.book)) <= MOST_BOOK + 1_000
    assert [each.get("priority") for each in kept if isinstance(each, dict)] == [0, *range(200 - len(kept) + 1, 200)]
    assert role.book["scan_depth"] == 2


@given(values)
def test_any_book_becomes_one_that_can_be_kept(book: Any) -> None:
    role = role_of(PLAYED, "a", carded(character_book={"entries": book}))
    assert role.model_dump_json()


def test_half_characters_of_a_book_do_no_harm() -> None:
    role = role_of(PLAYED, "a", carded(character_book={"entries": [{"keys": ["\ud800"], "content": "x"}]}))
    assert role.model_dump_json()


def test_anybody_can_be_improvised_except_the_narrator() -> None:
    assert improvised("the  old pirate", "a").name == "Old pirate"
    with pytest.raises(UsageError):
        improvised("a narrator", "a")
    with pytest.raises(UsageError):
        improvised("x" * 61, "a")


def test_changes_are_checked_too() -> None:
    assert changed(ADA, name="Eve").name == "Eve"
    with pytest.raises(UsageError):
        changed(ADA, name=NARRATOR)
