"""Everything that the bot says to people is found in its German catalogs, and nothing there is left over."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from bot import errors
from bot.loading import load_plugin
from bot.plugin import Plugin
from bot.settings import PluginSettings
from bot.words import OWN, placeholders

ROOT = Path(__file__).parents[2]
SAYING = {"say": 1, "phrase": 1, "counted": 2, "tr": 1}
# The first argument of these is a count or a locale.
BEFORE = {"counted": 1, "tr": 1}
LANGUAGES = ("de",)


def said_in(*folders: str) -> dict[str, str]:
    """Every template in the code → the place where it stands."""
    found = {}
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if "testing" in file.parts or (file.name == "words.py" and folder == "bot"):
                continue
            for line, template in templates(ast.parse(file.read_text("utf-8"))):
                found[template] = f"{file.relative_to(ROOT)}:{line}"
    return found


def templates(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
            first = BEFORE.get(node.func.id, 0)
            for argument in node.args[first : first + SAYING[node.func.id]]:
                assert not isinstance(argument, ast.JoinedStr), f"line {node.lineno}: f-strings cannot be translated"
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value


def wants(template: str) -> bool:
    """Whether there is a word to be translated."""
    return re.search(r"[A-Za-z]", re.sub(r"{[^}]*}", "", template)) is not None


def public_sentences() -> dict[str, str]:
    """What errors say where nothing else is given."""
    kinds = [errors.BotError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {kind.default_public: kind.__name__ for kind in kinds if kind.__module__.startswith(("bot.", "adapters."))}


def told_of_commands(plugin: Plugin) -> dict[str, str]:
    found = {}
    for command in plugin.commands:
        found[command.description] = f"/{command.name}"
        if command.target is not None:
            found[command.title] = f"/{command.name}"
        fields = command.form.model_fields.values() if command.form is not None else ()
        found |= {field.title: f"/{command.name}" for field in fields if field.title}
        for parameter in command.parameters:
            if parameter.description:
                found[parameter.description] = f"/{command.name} {parameter.name}"
    return found


@cache
def catalogs() -> list[tuple[dict[str, str], Path]]:
    """What the core with the adapters says, and what each plugin that comes with the bot does; and their folders."""
    found = [({**said_in("bot", "adapters"), **public_sentences()}, OWN)]
    for folder in sorted(each.parent for each in (ROOT / "plugins").glob("*/__init__.py")):
        plugin = import_module(f"plugins.{folder.name}").plugin
        said = {**said_in(f"plugins/{folder.name}"), **told_of_commands(plugin)}
        if any(map(wants, said)):
            assert plugin.locales is not None, f"{plugin.name} says something, but brings no catalog"
            found.append((said, plugin.locales))
    return found


def catalog(folder: Path, language: str) -> dict[str, str]:
    sentences: dict[str, str] = tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))["sentences"]
    return sentences


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language: str) -> None:
    for said, folder in catalogs():
        known = catalog(folder, language)
        missing = [f"{where}: {each!r}" for each, where in said.items() if wants(each) and each not in known]
        assert missing == [], f"add them to {folder}/{language}.toml"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_left_over(language: str) -> None:
    for said, folder in catalogs():
        stale = [template for template in catalog(folder, language) if template not in said]
        assert stale == [], f"remove them from {folder}/{language}.toml"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_takes_the_same_values_and_names_the_same_commands(language: str) -> None:
    for _, folder in catalogs():
        for template, text in catalog(folder, language).items():
            if "{" in template:
                assert placeholders(text) == placeholders(template), template
            assert set(re.findall(r"`(/[a-z]+)", text)) == set(re.findall(r"`(/[a-z]+)", template)), template


def test_what_is_shown_in_menus_and_lists_fits() -> None:
    for name in PluginSettings().enabled:
        plugin = load_plugin(name, ROOT)
        assert plugin.locales is not None
        for template, where in told_of_commands(plugin).items():
            for language in LANGUAGES:
                text = catalog(plugin.locales, language)[template]
                assert len(text) <= 100, f"{where}: {text!r} is too long for a list of commands"


def test_the_scan_finds_what_is_said() -> None:
    code = (
        'say("One {a}", a=1)\ncounted(n, "{count} x", "{count} xs")\ntr(where, "Two")\nLATER = phrase("Three" " four")'
    )
    assert [template for _, template in templates(ast.parse(code))] == [
        "One {a}",
        "{count} x",
        "{count} xs",
        "Two",
        "Three four",
    ]
