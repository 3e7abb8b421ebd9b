"""Which formats there are: those that come with the bot, and those that other plugins provide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module

from bot.api import UsageError, say
from plugins.export.transcript import Format

# In the order in which people are offered them.
FILES = ("html", "markdown", "our_json", "jsonl", "csv", "text", "sillytavern", "selfplay")


@cache
def built_in() -> Sequence[Format]:
    modules = [import_module(f"plugins.export.formats.{name}") for name in FILES]
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Format))


def all_formats(provided: Iterable[Format] = ()) -> Sequence[Format]:
    """Whose name was there first keeps it."""
    return tuple({one.name: one for one in reversed([*built_in(), *provided])}.values())[::-1]


def named(name: str, provided: Iterable[Format] = ()) -> Format:
    """Raises UsageError that names the nearest."""
    known = {one.name: one for one in all_formats(provided)}
    wanted = name.strip().strip("`.").lower()
    if (found := known.get(wanted)) is not None:
        return found
    by_suffix = [one for one in known.values() if one.suffix.removeprefix(".") == wanted]
    if by_suffix:
        return by_suffix[0]
    names = ", ".join(f"`{each}`" for each in known)
    near = get_close_matches(wanted, known, n=1, cutoff=0.5)
    shown = " ".join(wanted.replace("`", "'").split())[:40]
    if near:
        raise UsageError(say("There is no format `{name}`. Did you mean `{near}`?", name=shown, near=near[0]))
    raise UsageError(say("There is no format `{name}`. There are {names}.", name=shown, names=names))
