"""The documentation is true: settings, commands, errors, the public door, the examples."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from bot import api, errors
from bot.edges import sections
from bot.errors import BotError, ConfigError, PluginError, UsageError
from bot.loading import load_plugin
from bot.settings import PluginSettings, Settings, entries
from tests.docs import reference

ROOT = reference.ROOT
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted(
    page for folder in (ROOT, ROOT / "plugins", ROOT / "adapters", ROOT / "benchmarks") for page in folder.glob("*.md")
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(page.read_text("utf-8")) if kind == language]


def test_every_setting_is_in_the_configuration_file_and_the_readme() -> None:
    assert (ROOT / "config" / "bot.toml").read_text("utf-8") == reference.bot_toml(), "run `make docs`"
    assert reference.readme(README) == README, "run `make docs`"


def test_every_setting_says_what_it_does() -> None:
    silent = [entry.dotted for entry in entries(reference.settings_model()) if not entry.field.description]
    assert silent == []


def test_the_configuration_file_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    written = (ROOT / "config" / "bot.toml").read_text("utf-8")
    uncommented = re.sub(r"^#(\w+ = )", r"\1", written, flags=re.MULTILINE)
    assert tomllib.loads(uncommented) != {}
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").write_text(uncommented, "utf-8")
    with_a_key = {"OPENAI_API_KEY": "sk-1"}
    settings = Settings.load(sections, environment=with_a_key, folder=tmp_path)
    (tmp_path / "config" / "bot.toml").write_text(written, "utf-8")
    untouched = Settings.load(sections, environment=with_a_key, folder=tmp_path)
    assert settings.model_dump() == untouched.model_dump()


def test_the_example_of_secrets_can_be_copied_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text("utf-8"), "utf-8")
    settings = Settings.load(sections, environment={}, folder=tmp_path)
    assert settings.model.choice.provider == "local"
    filled = re.sub(r"^(\w+)=$", r"\1=http://x", (ROOT / ".env.example").read_text("utf-8"), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(filled.replace("# DUOLOGUE_", "DUOLOGUE_"), "utf-8")
    settings = Settings.load(sections, environment={}, folder=tmp_path)
    assert settings.model.choice.provider == "openai"
    assert settings.memory.time_zone == "Europe/Berlin"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_run(page: Path, tmp_path: Path) -> None:
    """Python blocks that make a plugin are loaded as a stranger's file would be; others are at least Python."""
    for number, code in enumerate(blocks(page, "python")):
        compiled = compile(
            code, f"{page.name} block {number}", "exec", dont_inherit=True, flags=0x2000
        )  # top-level await
        assert compiled is not None
        if re.search(r"^plugin = Plugin\(", code, re.MULTILINE):
            file = tmp_path / f"block_{number}.py"
            file.write_text(code, "utf-8")
            plugin = load_plugin(str(file), tmp_path)
            assert plugin.name
    for code in blocks(page, "toml"):
        tomllib.loads(code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_name_of_the_public_door_is_told() -> None:
    page = reference.api_page()
    assert (ROOT / "docs" / "api.md").read_text("utf-8") == page, "run `make docs`"
    assert [name for name in api.__all__ if f"**`{name}`**" not in page] == []


def test_the_public_door_is_complete_and_sorted() -> None:
    # Constants first, as Ruff sorts them.
    assert sorted(api.__all__, key=lambda name: (not name.isupper(), name)) == list(api.__all__)
    assert [name for name in api.__all__ if not hasattr(api, name)] == []


def test_every_command_is_in_a_readme() -> None:
    told = "\n".join(page.read_text("utf-8") for page in PAGES)
    for reference_ in PluginSettings().enabled:
        plugin = load_plugin(reference_, ROOT)
        names = [f"/{each.name}" if each.target is None else f"**{each.title}**" for each in plugin.commands]
        assert [name for name in names if name not in told] == []


def error_classes() -> list[type[BotError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BotError)]
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_sentence_for_people(kind: type[BotError]) -> None:
    error = kind(["The setting x is wrong."]) if issubclass(kind, ConfigError) else kind("The plugin x is broken.")
    assert error.public.strip()
    assert kind.__name__ not in error.public
    if not issubclass(kind, (ConfigError, PluginError, UsageError)):
        assert "plugin x" not in error.public, "details are for logs"
    assert kind.__name__ in str(errors.__doc__), "the tree in the docstring is incomplete"


def test_modules_say_what_they_are_for() -> None:
    silent = []
    for folder in ("bot", "adapters", "plugins"):
        for file in (ROOT / folder).rglob("*.py"):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            if not file.read_text("utf-8").strip() or "migrations" in name:
                continue
            first = file.read_text("utf-8").lstrip().splitlines()[0]
            if not first.startswith(('"""', 'r"""')):
                silent.append(name)
    assert silent == []


# Work left undone, folders of somebody's machine, and addresses of package indexes.
FORBIDDEN = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b|\s/(?:home|root)/\w|--(?:extra-)?index-url", re.IGNORECASE)


def test_nothing_that_does_not_belong_into_the_project() -> None:
    found = []
    for file in ROOT.rglob("*"):
        inside = file.relative_to(ROOT)
        if file.suffix not in {".py", ".md", ".toml", ".txt", ".yaml", ".sh"} and file.name not in {
            "Makefile",
            "Dockerfile",
        }:
            continue
        if inside.parts[0].startswith(".") or inside.parts[0] in {"data", "build", "dist"} or file == Path(__file__):
            continue
        text = file.read_text("utf-8", errors="replace")
        found += [f"{inside}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    assert found == []


def test_the_typed_examples_import_only_the_public_door() -> None:
    for page in PAGES:
        for code in blocks(page, "python"):
            for module in re.findall(r"^(?:from|import) (bot[\w.]*)", code, re.MULTILINE):
                assert module in {"bot.api", "bot.testing"} or module.startswith("bot.testing."), (page.name, module)
                importlib.import_module(module)


def test_the_house_is_drawn_as_it_stands() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    drawn = page.partition("## The rooms")[2].partition("## Directions")[0]
    named = {*re.findall(r"\b(\w+\.py)\b", drawn)}
    there = {file.name for folder in ("bot", "adapters", "plugins") for file in (ROOT / folder).rglob("*.py")}
    assert named - there == set()
    drawn_whole = ("bot", "adapters/discord", "adapters/slack")
    rooms = [file for folder in drawn_whole for file in (ROOT / folder).glob("*.py")]
    assert {room.name for room in rooms if not room.name.startswith("_")} - named == set()
    assert len(page.splitlines()) <= 150
