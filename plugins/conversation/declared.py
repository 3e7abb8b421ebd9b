"""The plugin that the commands of this package are declared on."""

from __future__ import annotations

from pathlib import Path

from bot.api import Plugin, phrase

plugin = Plugin(
    "conversation",
    "Other answers, the branches of a conversation, and what is remembered of it",
    locales=Path(__file__).with_name("locales"),
)
branch = plugin.group("branch", phrase("The ways that this conversation goes."))
memory = plugin.group("memory", phrase("What I keep in mind of this conversation."))
