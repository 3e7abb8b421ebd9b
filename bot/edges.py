"""Which adapters and plugins are at hand, and what settings they bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel

from bot.commands import Command
from bot.errors import ConfigError, PluginError
from bot.loading import ADAPTERS, installed, load_adapter, load_plugin, load_plugins
from bot.platform import AdapterSpec
from bot.plugin import Plugin
from bot.settings import Settings
from bot.settings.sources import NEAR
from bot.words import BadCatalog, Languages, read_languages


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


def manifest(settings: Settings, name: str | None) -> str:
    """How a platform is told about this bot and its commands. Raises ConfigError where that cannot be said."""
    specs = adapter_specs()
    having = sorted(each.name for each in specs.values() if each.manifest is not None)
    spec = specs.get(name or "")
    if spec is None or spec.manifest is None:
        for_these = f"There is one for: {', '.join(having)}." if having else "No installed adapter has one."
        near = get_close_matches(name or "", having, 1, cutoff=NEAR)
        hint = f"Did you mean {near[0]}?" if near else for_these
        told = "Say for which platform." if name is None else f"There is no manifest for {name}."
        raise ConfigError([f"{told} {hint}"])
    try:
        return spec.manifest(settings.section(spec.name, spec.settings), all_commands(settings))
    except ImportError as error:
        install = f'pip install "duologue[{spec.extra or spec.name}]"'
        raise PluginError(f"{spec.name} needs a package that is not installed ({error.name}): {install}") from error


def all_commands(settings: Settings) -> Sequence[Command]:
    """Those of all plugins that can be loaded."""
    return [command for plugin in _plugins(settings) or () for command in plugin.commands]


def unknown_provider(settings: Settings) -> Sequence[str]:
    """A misspelt provider is a mistake in the settings, not something to be found out by the first question."""
    chosen = settings.model.chosen_provider
    given = [each.name for each in settings.model.providers()]
    given += [name for plugin in _plugins(settings) or () for name in plugin.models]
    known = {*given, "openai", "azure", "compatible"}  # what these lack is told elsewhere
    if chosen in known or _plugins(settings) is None:
        return ()
    near = get_close_matches(chosen, known, 1, cutoff=NEAR)
    hint = f"Did you mean {near[0]}?" if near else f"Set up are: {', '.join(given)}."
    return [f"There is no provider of language models called {chosen} ({settings.origin('model.provider')}). {hint}"]


def unknown_commands(settings: Settings) -> Sequence[str]:
    """A right for a command that does not exist leaves another one open that somebody meant to close."""
    plugins = _plugins(settings)
    if plugins is None:
        return ()
    commands = [command.name for plugin in plugins for command in plugin.commands]
    known = {*commands, *(name.partition(" ")[0] for name in commands)}
    problems = []
    for name in sorted(settings.commands.who.keys() - known):
        near = get_close_matches(name, sorted(known), 1, cutoff=NEAR)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        problems.append(f"There is no command `{name}` ({settings.origin(f'commands.who.{name}')}).{hint}")
    return problems


def unknown_language(settings: Settings) -> Sequence[str]:
    """Without this the bot would speak English, and nobody would know why."""
    wanted, plugins = settings.answers.language, _plugins(settings)
    if plugins is None or Languages().find(wanted):
        return ()
    folders = [plugin.locales for plugin in plugins if plugin.locales is not None]
    try:
        known = read_languages(folders, [given for plugin in plugins for given in plugin.translations])
    except BadCatalog:
        return ()  # told elsewhere
    if known.find(wanted):
        return ()
    listed = ", ".join(f"`{each.code}` ({each.name})" for each in known.all)
    return [f"I do not speak `{wanted}` yet ({settings.origin('answers.language')}). I know {listed}."]


def _plugins(settings: Settings) -> Sequence[Plugin] | None:
    """None when they cannot all be loaded, which is told elsewhere: nobody knows then what they would bring."""
    try:
        return load_plugins(settings.plugins.enabled, Path())
    except PluginError:
        return None
