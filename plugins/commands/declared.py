"""The plugin that the commands of this package are declared on."""

from __future__ import annotations

from bot.api import Plugin

plugin = Plugin("commands", "Help, memory, system prompt, models, parameters and meters")
system = plugin.group("system", "What I am told to be in this conversation")
params = plugin.group("params", "The parameters of the language model")
