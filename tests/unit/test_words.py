"""How a sentence finds its language."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.api import Plugin, PluginError
from bot.words import (
    BadCatalog,
    Languages,
    counted,
    in_english,
    phrase,
    read_languages,
    say,
    speaking,
    spoken_now,
    switch,
    tr,
)

SENTENCES = {
    "Hello, {name}!": "Hallo, {name}!",
    "{count} cake": "{count} Kuchen",
    "{count:,} cakes": "{count:,} Kuchen",
    "It has {size:.1f} %.": "Es hat {size:.1f} %.",
    "Braces {} stay.": "Klammern {} bleiben.",
}


def languages(**more: dict[str, str]) -> Languages:
    return read_languages(given=[("de", SENTENCES), *more.items()])


def test_english_is_the_key_and_what_is_said_without_a_catalog() -> None:
    assert say("Hello, {name}!", name="Ann") == "Hello, Ann!"
    assert counted(1, "{count} cake", "{count:,} cakes") == "1 cake"
    assert counted(1200, "{count} cake", "{count:,} cakes") == "1,200 cakes"
    assert say("Braces {} stay.") == "Braces {} stay."
    assert phrase("Hello, {name}!") == "Hello, {name}!"


def test_inside_a_language_is_spoken_with_its_numbers() -> None:
    with speaking(languages(), "de"):
        assert say("Hello, {name}!", name="1,000.5") == "Hallo, 1,000.5!"
        assert counted(1200, "{count} cake", "{count:,} cakes") == "1.200 Kuchen"
        assert say("It has {size:.1f} %.", size=2.5) == "Es hat 2,5 %."
        assert say("Braces {} stay.") == "Klammern {} bleiben."
        assert say("Never translated.") == "Never translated."
        with in_english():
            assert say("Hello, {name}!", name="Ann") == "Hello, Ann!"
    assert say("Hello, {name}!", name="Ann") == "Hello, Ann!"


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        (("de",), "de"),
        (("de-AT",), "de"),
        (("DE_de",), "de"),
        (("", "de"), "de"),
        (("en-GB", "de"), "en"),
        (("xx", "de"), "de"),
        (("Deutsch",), "de"),
        ((), "en"),
        (("../../etc",), "en"),
    ],
)
def test_the_first_language_that_is_known_is_spoken(wanted: tuple[str, ...], spoken: str) -> None:
    with speaking(languages(), *wanted):
        assert spoken_now().code == spoken


def test_a_closer_language_goes_first() -> None:
    known = languages(**{"de-CH": {"Hello, {name}!": "Grüezi, {name}!"}})
    with speaking(known, "de-CH"):
        assert say("Hello, {name}!", name="Ann") == "Grüezi, Ann!"
    with speaking(known, "de-DE"):
        assert say("Hello, {name}!", name="Ann") == "Hallo, Ann!"


def test_whoever_runs_the_bot_chooses_the_default() -> None:
    with speaking(read_languages(given=[("de", SENTENCES)], default="de"), "fr"):
        assert say("Hello, {name}!", name="Ann") == "Hallo, Ann!"


def test_outside_a_turn_a_client_tells_its_language() -> None:
    with speaking(languages()):
        assert tr("de", "Hello, {name}!", name="Ann") == "Hallo, Ann!"
        assert tr("fr", "Hello, {name}!", name="Ann") == "Hello, Ann!"
        switch("de")
        assert tr("fr", "Hello, {name}!", name="Ann") == "Hallo, Ann!"


async def test_conversations_in_several_languages_go_on_side_by_side() -> None:
    known, both_speak = languages(), asyncio.Barrier(2)

    async def greet(language: str) -> str:
        with speaking(known, language):
            await both_speak.wait()
            return await asyncio.create_task(asyncio.sleep(0, say("Hello, {name}!", name="Ann")))

    assert await asyncio.gather(greet("de"), greet("en")) == ["Hallo, Ann!", "Hello, Ann!"]


def test_what_was_there_first_keeps_its_translation() -> None:
    core = say("I am listening. What would you like to talk about?")
    known = read_languages(given=[("de", {core: "Was?", "Mine": "Meins"})])
    with speaking(known, "de"):
        assert say(core).startswith("Ich höre.")
        assert say("Mine") == "Meins"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[sentences]\n'{a} b' = 'b'", "same {placeholders}"),
        ("[sentences]\n'b' = ''", "not translated"),
        ("[sentences]\n'b' = 3", "not translated"),
        ("sentences", "cannot be read"),
        ("[other]\n'b' = 'c'", "[sentences]"),
    ],
)
def test_a_broken_catalog_is_refused_with_its_reason(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "de.toml").write_text(text, "utf-8")
    with pytest.raises(BadCatalog, match=problem.replace("[", r"\[")):
        read_languages([tmp_path])


def test_a_folder_without_catalogs_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(BadCatalog, match=r"such as de\.toml"):
        read_languages([tmp_path])


def test_a_plugin_is_told_where_its_translation_is_wrong() -> None:
    plugin = Plugin("dice", "Roll dice")
    with pytest.raises(PluginError, match=r"Plugin `dice`: de: '\{n\} pips'"):
        plugin.translate("de", {"{n} pips": "Augen"})
