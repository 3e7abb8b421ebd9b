"""What import-linter cannot see: the core and the plugins know no platform by name, and tests use no mocks."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLATFORMS = {path.parent.name for path in (ROOT / "adapters").glob("*/__init__.py")} | {"slack"}
SDKS = {"discord", "slack_bolt", "slack_sdk", "prompt_toolkit", "rich", "adapters"}
MOCKS = {"unittest", "mock", "pytest_mock"}
TESTS = {"startswith", "endswith", "removeprefix", "removesuffix", "get"}


def trees(*folders: str, naming: Collection[str] = ("",)) -> Iterator[tuple[Path, ast.Module]]:
    """Of the files in which one of the words stands."""
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text("utf-8")
            if any(word in text for word in naming):
                yield file.relative_to(ROOT), ast.parse(text)


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, str(node.module).partition(".")[0]


def decisions(tree: ast.Module) -> Iterator[ast.AST]:
    """Where something depends on the value of a text."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare() | ast.MatchValue() | ast.Subscript():
                yield node
            case ast.Call(func=ast.Attribute(attr=method)) if method in TESTS:
                yield node
            case ast.Dict(keys=keys):
                yield from (key for key in keys if key is not None)


def platforms_asked_for(tree: ast.Module) -> list[tuple[int, str]]:
    return sorted(
        {
            (part.lineno, part.value)
            for node in decisions(tree)
            for part in ast.walk(node)
            if isinstance(part, ast.Constant)
            and isinstance(part.value, str)
            and part.value.partition(":")[0].lower() in PLATFORMS
        }
    )


def test_the_core_and_the_plugins_know_no_platform_by_name() -> None:
    assert {"discord", "terminal"} <= PLATFORMS
    asked = [
        f"{file}:{line} {name!r}" for file, tree in trees("bot", "plugins") for line, name in platforms_asked_for(tree)
    ]
    assert asked == [], "ask the route's capabilities instead"


def test_the_core_and_the_plugins_import_no_platform() -> None:
    found = [
        f"{file}:{line} {name}"
        for file, tree in trees("bot", "plugins")
        for line, name in imported(tree)
        if name in SDKS
    ]
    assert found == []


def test_no_test_uses_mocks() -> None:
    found = []
    for file, tree in trees("tests", "bot", "adapters", "plugins", "benchmarks", naming=MOCKS):
        found += [f"{file}:{line} {name}" for line, name in imported(tree) if name in MOCKS]
        found += [
            f"{file}:{node.lineno}" for node in ast.walk(tree) if isinstance(node, ast.arg) and node.arg == "mocker"
        ]
    assert found == [], "write a fake instead: see bot/testing"


@pytest.mark.parametrize(
    "code",
    [
        'if event.place.platform == "discord": pass',
        'x = "terminal" != name',
        'x = name in ("slack", "irc")',
        'x = str(place).startswith("discord:")',
        'x = {"discord": 2000}',
        'x = limits["terminal"]',
        'match name:\n    case "discord" | "other": pass',
    ],
)
def test_every_way_to_ask_for_a_platform_is_noticed(code: str) -> None:
    assert platforms_asked_for(ast.parse(code))


def test_naming_a_platform_to_people_is_no_question() -> None:
    assert platforms_asked_for(ast.parse('description = "For Discord."; load("terminal")')) == []
