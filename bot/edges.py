"""Which adapters and plugins are at hand, and what settings they bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel

from bot.errors import ConfigError, PluginError
from bot.loading import ADAPTERS, installed, load_adapter, load_plugin, load_plugins
from bot.platform import AdapterSpec
from bot.settings import Settings


def adapter_specs() -> Mapping[str, AdapterSpec]:
    """Every installed adapter; their modules import no SDK, so this is cheap."""
    specs = [load_adapter(found.name, Path()) for found in installed(ADAPTERS)]
    return {spec.name: spec for spec in specs}


def sections(enabled: Sequence[str]) -> tuple[Mapping[str, type[BaseModel]], Sequence[str]]:
    """The sections of all installed adapters and the enabled plugins, and what is wrong with those that cannot be
    loaded or cannot live side by side."""
    found = {spec.name: spec.settings for spec in adapter_specs().values()}
    problems: list[str] = []
    for reference in enabled:
        try:
            plugin = load_plugin(reference, Path())
        except PluginError as error:
            problems.append(f"plugins.enabled: {error.public}")
            continue
        if plugin.settings is not None:
            found[f"plugins.{plugin.name}"] = plugin.settings
    if not problems:
        try:
            load_plugins(enabled, Path())
        except PluginError as error:
            problems.append(f"plugins.enabled: {error.public}")
    return found, problems


def check_provider(settings: Settings) -> None:
    """A misspelt provider is a mistake in the settings, not something to be found out by the first question."""
    chosen = settings.model.chosen_provider
    known = [each.name for each in settings.model.providers()]
    known += [name for plugin in load_plugins(settings.plugins.enabled, Path()) for name in plugin.models]
    if chosen not in known:
        near = get_close_matches(chosen, {*known, "openai", "azure", "compatible"}, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Set up are: {', '.join(known)}."
        origin = settings.origin("model.provider")
        raise ConfigError([f"There is no provider of language models called {chosen} ({origin}). {hint}"])


def check_rights(settings: Settings) -> None:
    """A right for a command that does not exist leaves another one open that somebody meant to close."""
    plugins = load_plugins(settings.plugins.enabled, Path())
    commands = [command.name for plugin in plugins for command in plugin.commands]
    known = {*commands, *(name.partition(" ")[0] for name in commands)}
    problems = []
    for name in sorted(settings.commands.who.keys() - known):
        near = get_close_matches(name, sorted(known), 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        problems.append(f"There is no command `{name}` ({settings.origin(f'commands.who.{name}')}).{hint}")
    if problems:
        raise ConfigError(problems)
