"""The plugin that the commands of this package are declared on."""

from __future__ import annotations

from pathlib import Path

from bot.api import Plugin, phrase

plugin = Plugin(
    "commands",
    "Help, questions, memory, system prompt, models, parameters and meters",
    locales=Path(__file__).with_name("locales"),
)
system = plugin.group("system", phrase("Who I am told to be in this conversation."))
params = plugin.group("params", phrase("The parameters of the language model."))
