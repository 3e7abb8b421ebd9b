"""Writes settings and commands into `config/bot.toml` and the README: `python -m tests.docs.reference`."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from adapters.slack.scopes import SCOPES
from bot import api
from bot.edges import sections
from bot.loading import load_plugin
from bot.settings import Entry, PluginSettings, Settings, entries

ROOT = Path(__file__).parents[2]
MARKS = "<!-- {0}: begin -->", "<!-- {0}: end -->"
HEAD = """\
# Duologue's settings: every one with its default. Remove the # in front of what you change.
# The same names work in the environment and in .env (model.name = DUOLOGUE_MODEL__NAME), and win over this file.
# Keys and tokens do not belong here but into .env: see .env.example.
"""
API_HEAD = """\
# What plugins and adapters may import

`bot.api` is the one public door: nothing else of the core is promised. This page is made from the code (`make docs`);
[plugins/README.md](../plugins/README.md) and [adapters/README.md](../adapters/README.md) show how it all is used.
"""


def settings_model() -> type[BaseModel]:
    """The settings with the sections of the adapters and plugins that come with the project."""
    return Settings.with_sections(sections(PluginSettings().enabled)[0])


def bot_toml() -> str:
    lines = [HEAD]
    section: tuple[str, ...] = ()
    for entry in ordered():
        if entry.secret:
            continue
        if section_of(entry) != section:
            section = section_of(entry)
            lines.append(f"\n[{'.'.join(section)}]")
        lines += [f"# {line}" for line in wrapped(entry.field.description or "", 116)]
        if entry.path != section:
            lines.append(f"#{entry.path[-1]} = {toml_value(default(entry))}")
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    rows = ["| Setting | Default | Also from | What it does |", "|---|---|---|---|"]
    for entry in ordered():
        shown = "(secret)" if entry.secret else f"`{toml_value(default(entry))}`"
        if len(shown) > 40:
            shown = "(a friendly one)"
        also = ", ".join(f"`{name}`" for name in entry.names[1:])
        rows.append(f"| `{entry.dotted}` | {shown} | {also} | {(entry.field.description or '').replace('|', '/')} |")
    return "\n".join(rows)


def commands_table() -> str:
    rows = ["| Command | What it does |", "|---|---|"]
    for reference in PluginSettings().enabled:
        for command in load_plugin(reference, ROOT).commands:
            who = " *(moderators)*" if command.who == "moderators" else ""
            usage = command.usage.replace("|", "\\|")
            called = f"`{usage}`" if command.target is None else f"**{command.title}** in the menu of a message"
            rows.append(f"| {called}{who} | {command.description} |")
    return "\n".join(rows)


def scopes_table() -> str:
    rows = ["| Scope | Without it |", "|---|---|"]
    rows += [f"| `{scope}` | {cost[0].upper()}{cost[1:]}. |" for scope, cost in SCOPES.items()]
    return "\n".join(rows)


def readme(text: str) -> str:
    """The README with tables that are up to date."""
    tables = {"scopes": scopes_table(), "commands": commands_table(), "settings": settings_table()}
    for name, table in tables.items():
        start, end = (mark.format(name) for mark in MARKS)
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{table}\n{end}{after}"
    return text


def api_page() -> str:
    """Every name that plugins and adapters may import, with the first sentence of its own documentation."""
    by_module: dict[str, list[str]] = {}
    for name in api.__all__:
        by_module.setdefault(home_of(name), []).append(name)
    lines = [API_HEAD]
    for module, names in sorted(by_module.items()):
        lines += [f"\n## {sentence(importlib.import_module(module))}\n"]
        lines += [f"- **`{name}`** {sentence(getattr(api, name))}".rstrip() for name in sorted(names)]
    return "\n".join(lines) + "\n"


def home_of(name: str) -> str:
    """The module that a name of the public door comes from, as `bot/api.py` writes it."""
    tree = ast.parse((ROOT / "bot" / "api.py").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return node.module
    raise LookupError(name)


def sentence(documented: object) -> str:
    """What the code says of itself; of values without a word their fields, of errors what people are told."""
    own = "__doc__" in vars(documented) if isinstance(documented, (type, ModuleType)) else callable(documented)
    text = " ".join((getattr(documented, "__doc__", "") or "").split("\n\n")[0].split()) if own else ""
    if isinstance(documented, type) and not text.startswith(f"{documented.__name__}("):
        if text or not issubclass(documented, api.BotError):
            return text
        return f"“{documented.default_public}”"
    if dataclasses.is_dataclass(documented):
        return f"`({', '.join(field.name for field in dataclasses.fields(documented))})`"
    return text if own else ""


def ordered() -> Iterator[Entry]:
    """What stands in no section comes first, a section's own settings before those of the sections inside it."""
    known = list(entries(settings_model()))
    sections = list(dict.fromkeys(section_of(entry) for entry in known))
    tops = list(dict.fromkeys(section[0] for section in sections if section))
    for section in sorted(sections, key=lambda path: (tops.index(path[0]) if path else -1, len(path) > 1)):
        yield from (entry for entry in known if section_of(entry) == section)


def section_of(entry: Entry) -> tuple[str, ...]:
    """A table of tables, such as `servers`, is a section by itself."""
    return entry.path[:-1] or entry.path


def default(entry: Entry) -> Any:
    """What depends on the machine is no default to write down."""
    value = entry.field.get_default(call_default_factory=entry.open)
    return None if value is PydanticUndefined else value


def toml_value(value: Any) -> str:
    if value is None:
        return '""'
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{key} = {toml_value(inner)}" for key, inner in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, (list, tuple, set, frozenset)):
        return json.dumps(sorted(value) if isinstance(value, (set, frozenset)) else list(value))
    if isinstance(value, (bool, int, float, str)):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(str(value), ensure_ascii=False)


def wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text.replace("`", ""), width)


if __name__ == "__main__":
    (ROOT / "config" / "bot.toml").write_text(bot_toml(), "utf-8")
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "api.md").write_text(api_page(), "utf-8")
    page = ROOT / "README.md"
    page.write_text(readme(page.read_text("utf-8")), "utf-8")
