"""What everybody expects of a chat bot: help, memory, the system prompt, models, parameters and meters."""

from plugins.commands import basics, meters, models
from plugins.commands.declared import plugin

__all__ = ["basics", "meters", "models", "plugin"]
