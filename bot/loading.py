"""Finds plugins and adapters: an installed name, `module:attribute`, or the path of a Python file."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeVar

from bot.commands import Commands
from bot.errors import PluginError
from bot.platform import AdapterSpec
from bot.plugin import Plugin

T = TypeVar("T")
Group = Literal["duologue.plugins", "duologue.adapters"]

PLUGINS: Group = "duologue.plugins"
ADAPTERS: Group = "duologue.adapters"


@dataclass(frozen=True, slots=True)
class Installed:
    """What a distribution offers. `value` is its `module:attribute`."""

    name: str
    value: str
    distribution: str
    version: str


def installed(group: Group = PLUGINS) -> tuple[Installed, ...]:
    """All that could be listed, by name; nothing is imported."""
    return tuple(sorted((_described(point) for point in _offered(group)), key=lambda found: found.name))


def _offered(group: Group) -> EntryPoints:
    return _found_on(tuple(sys.path), group)


@lru_cache(maxsize=2)
def _found_on(path: tuple[str, ...], group: Group) -> EntryPoints:
    """All installed distributions are read for this, and a bot that starts asks fifty times."""
    return entry_points(group=group)


def not_listed(references: Iterable[str], group: Group = PLUGINS) -> tuple[Installed, ...]:
    """Installed, but not run: nothing runs in a bot with secrets just because it was installed."""
    listed = set(references)
    return tuple(found for found in installed(group) if found.name not in listed and found.value not in listed)


def load_plugins(references: Sequence[str], folder: Path) -> tuple[Plugin, ...]:
    """In the order listed; paths are relative to `folder`. Raises PluginError where two cannot live side by side."""
    plugins = tuple(load_plugin(reference, folder) for reference in references)
    _check_unique(plugins, "plugins are called", lambda plugin: [plugin.name])
    Commands(command for plugin in plugins for command in plugin.commands)
    _check_unique(plugins, "plugins have a tool called", lambda plugin: [tool.name for tool in plugin.tools])
    _check_unique(plugins, "plugins have a model called", lambda plugin: plugin.models)
    return plugins


def provided_by(references: Sequence[str], kind: type[T], folder: Path = Path()) -> Sequence[T]:
    """What plugins provide of a kind, for a process in which no bot runs. Raises PluginError."""
    plugins = load_plugins(references, folder)
    return [value for plugin in plugins for value in plugin.provided if isinstance(value, kind)]


def load_plugin(reference: str, folder: Path) -> Plugin:
    return _load(reference, folder, PLUGINS, Plugin, "plugin")


def load_adapter(reference: str, folder: Path) -> AdapterSpec:
    return _load(reference, folder, ADAPTERS, AdapterSpec, "spec")


def _load(reference: str, folder: Path, group: Group, kind: type[T], attribute: str) -> T:
    reference = reference.strip()
    if reference.endswith(".py") or "/" in reference or "\\" in reference:
        module, source = _module_of_file(reference, folder), reference
    elif ":" in reference:
        name, _, attribute = reference.partition(":")
        module, source = _imported(name, reference), name
    else:
        point = _entry_point(reference, group, attribute)
        attribute = point.attr or attribute
        module, source = _imported(point.module, reference), point.module
    found: object = module
    for step in attribute.split("."):
        found = getattr(found, step, None)
    if isinstance(found, kind):
        return found
    if found is None:
        raise PluginError(
            f"`{reference}` cannot be loaded: {source} has no `{attribute}`, which must be a {kind.__name__}."
        )
    raise PluginError(
        f"`{reference}` cannot be loaded: `{attribute}` in {source} is a {type(found).__name__}, not a {kind.__name__}."
    )


def _entry_point(name: str, group: Group, attribute: str) -> EntryPoint:
    points = [point for point in _offered(group) if point.name == name]
    if len({point.value for point in points}) > 1:
        offered = " and ".join(f"{found.distribution} ({found.value})" for found in map(_described, points))
        raise PluginError(f"`{name}` is offered by {offered}. List the one you mean as `module:{attribute}`.")
    if points:
        return points[0]
    known = sorted({point.name for point in _offered(group)})
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    hint = f"Did you mean `{near[0]}`?" if near else f"Installed are: {', '.join(known) or 'none'}."
    raise PluginError(f"There is no {group.removeprefix('duologue.')[:-1]} called `{name}`. {hint}")


def _imported(module: str, reference: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything while it is imported
        raise _broken(reference, error) from error


def _module_of_file(reference: str, folder: Path) -> ModuleType:
    path = (folder / Path(reference).expanduser()).resolve()
    if path.suffix != ".py" or not path.is_file():
        raise PluginError(f"`{reference}` cannot be loaded: there is no Python file {path}.")
    # A name of its own, so that `fun.py` never stands in the way of a package that is called `fun`.
    name = f"duologue_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        # Once loaded, always the same, as with any import: its settings are recognised by their class.
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"`{reference}` cannot be loaded: {path} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    # Annotations are looked up there while the file declares its commands.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, PluginError):
            raise
        raise _broken(reference, error) from error
    return module


def _broken(reference: str, error: BaseException) -> PluginError:
    said = " ".join(str(error).split())[:300]
    reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return PluginError(f"`{reference}` cannot be loaded: it failed while it was imported ({reason}).")


def _described(point: EntryPoint) -> Installed:
    distribution = point.dist
    if distribution is None:
        return Installed(point.name, point.value, "unknown", "")
    return Installed(point.name, point.value, distribution.name, distribution.version)


def _check_unique(plugins: Sequence[Plugin], says: str, names: Callable[[Plugin], Iterable[str]]) -> None:
    owners: dict[str, Plugin] = {}
    for plugin in plugins:
        for name in names(plugin):
            if name in owners:
                both = f"`{owners[name].name}` and `{plugin.name}`"
                raise PluginError(f"Two {says} `{name}`: {both}. Leave one of them out.")
            owners[name] = plugin
