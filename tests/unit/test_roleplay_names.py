"""Who is meant by what people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.words import Language, Languages, speaking
from plugins.roleplay.naming import may_be_one, names_in

NURSE, SALT = "Romeo and Juliet's Nurse", "Salt & Pepper"


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("a pirate and a librarian", ["a pirate", "a librarian"]),
        ("Pirat und Bibliothekarin", ["Pirat", "Bibliothekarin"]),
        ("un chat et un chien", ["un chat", "un chien"]),
        ("un gato y un perro", ["un gato", "un perro"]),
        ("Sol y Luna and Ada", ["Sol y Luna", "Ada"]),
        ("Sol y Luna", ["Sol y Luna"]),
        ("Ana y la bruja", ["Ana", "la bruja"]),
        ("Kirk vs. Spock", ["Kirk", "Spock"]),
        ("Kirk VERSUS Spock", ["Kirk", "Spock"]),
        ("a cat, a dog & a cow + Ada", ["a cat", "a dog", "a cow", "Ada"]),
        ("Andy and Yvette", ["Andy", "Yvette"]),
        ("salt-and-pepper and Ada", ["salt-and-pepper", "Ada"]),
        (f'"{NURSE}" and Mercutio', [NURSE, "Mercutio"]),
        (f"“{NURSE}”, Mercutio", [NURSE, "Mercutio"]),
        ("„Sturm und Drang“ und «Rosso y Nero»", ["Sturm und Drang", "Rosso y Nero"]),
        ('"Salt and Pepper" "Ada"', ["Salt and Pepper", "Ada"]),
        ('Dwayne "the Rock" Johnson and Ada', ['Dwayne "the Rock" Johnson', "Ada"]),
        ('"a pirate and a librarian"', ["a pirate", "a librarian"]),
        (" , and ,", []),
        ("", []),
    ],
)
def test_names_stand_between_commas_and_ands(typed: str, names: list[str]) -> None:
    assert names_in(typed) == names


def test_in_spanish_names_stand_between_their_and() -> None:
    with speaking(Languages({"es": Language("es", "Español")}), "es-MX"):
        assert names_in("Sol y Luna") == ["Sol", "Luna"]
        assert names_in('"Sol y Luna" y Ada') == ["Sol y Luna", "Ada"]


def test_a_known_name_is_one_whatever_words_are_in_it() -> None:
    here = ["Romeo", "Juliet", NURSE, SALT, "Ada"]
    assert names_in(f"{NURSE} and Mercutio", here) == [NURSE, "Mercutio"]
    assert names_in("romeo and juliet's nurse und salt & pepper", here) == [
        "romeo and juliet's nurse",
        "salt & pepper",
    ]
    assert names_in("Romeo and Juliet", here) == ["Romeo", "Juliet"]
    assert names_in(f"Ada and {NURSE}s", here) == ["Ada", "Romeo", "Juliet's Nurses"]


def test_one_known_name_alone_is_taken_apart() -> None:
    assert names_in("Romeo and Juliet", ["Romeo and Juliet"]) == ["Romeo", "Juliet"]


def test_it_is_seen_where_quotes_may_be_missing() -> None:
    assert may_be_one(f"{NURSE} and Mercutio")
    assert not may_be_one(f'"{NURSE}" and Mercutio')
    assert not may_be_one("a cat, a dog and a cow")


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_has_names_or_none(typed: str, known: list[str]) -> None:
    assert all(name == name.strip() and name for name in names_in(typed, known))
