"""Which adapters and plugins are at hand, and what settings they bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from bot.errors import PluginError
from bot.loading import ADAPTERS, installed, load_adapter, load_plugin, load_plugins
from bot.platform import AdapterSpec


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
