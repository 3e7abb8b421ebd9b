"""The plugin that the commands of this package are declared on."""

from __future__ import annotations

from pathlib import Path

from bot.api import Plugin, phrase

plugin = Plugin(
    "privacy",
    "Read what is kept about oneself, or have it forgotten",
    locales=Path(__file__).with_name("locales"),
)
privacy = plugin.group("privacy", phrase("What I keep about you."))
