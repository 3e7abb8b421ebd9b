"""Which formats there are: those that come with the bot, and those that other plugins provide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module

from bot.api import UsageError, say
from plugins.export.transcript import Format

# In the order in which people are offered them, with the files that they are in: only what is written is imported.
FILES: Mapping[str, str] = {
    "html": "html",
    "md": "markdown",
    "json": "our_json",
    "jsonl": "jsonl",
    "csv": "csv",
    "txt": "text",
    "sillytavern": "sillytavern",
    "selfplay": "selfplay",
}
ALIASES = {"markdown": "md", "text": "txt", "training": "jsonl"}


def built_in(name: str) -> Format:
    module = import_module(f"plugins.export.formats.{FILES[name]}")
    return next(value for value in vars(module).values() if isinstance(value, Format) and value.name == name)


def names(provided: Iterable[Format] = ()) -> Sequence[str]:
    return [*dict.fromkeys([*FILES, *(one.name for one in provided)])]


def name_of(wanted: str, provided: Iterable[Format] = ()) -> str:
    """Of the format that is meant. Raises UsageError that names the nearest."""
    known = names(provided)
    given = wanted.strip().strip("`.").lower()
    if (found := ALIASES.get(given, given)) in known:
        return found
    near = get_close_matches(given, known, n=1, cutoff=0.5)
    shown = " ".join(wanted.replace("`", "'").split())[:40]
    if near:
        raise UsageError(say("There is no format `{name}`. Did you mean `{near}`?", name=shown, near=near[0]))
    listed = ", ".join(f"`{each}`" for each in known)
    raise UsageError(say("There is no format `{name}`. There are {names}.", name=shown, names=listed))


def named(wanted: str, provided: Iterable[Format] = ()) -> Format:
    """Whose name was there first keeps it. Raises UsageError that names the nearest."""
    others = [*provided]
    name = name_of(wanted, others)
    return built_in(name) if name in FILES else next(one for one in others if one.name == name)
