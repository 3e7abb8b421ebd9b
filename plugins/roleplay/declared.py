"""The plugin that the commands of this package are declared on."""

from __future__ import annotations

from pathlib import Path

from bot.api import Plugin, phrase
from plugins.roleplay.personas import reading
from plugins.roleplay.settings import RoleplaySettings

plugin = Plugin(
    "roleplay",
    "Personas, and scenes that two or more of them perform live",
    settings=RoleplaySettings,
    lifespan=reading,
    locales=Path(__file__).with_name("locales"),
)
roleplay = plugin.group("roleplay", phrase("Scenes that characters perform live."))
persona = plugin.group("persona", phrase("Characters with a name and a face of their own."))
