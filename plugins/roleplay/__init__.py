"""Two personas perform a scene live, each under its own name and face."""

from pathlib import Path

from bot.api import Plugin

__all__ = ["plugin"]

plugin = Plugin(
    "roleplay",
    "Personas that perform scenes.",
    locales=Path(__file__).with_name("locales"),
)
