"""What everybody expects of a chat bot: help, questions, memory, the system prompt, models, behaviour and meters."""

from plugins.commands import asking, basics, behaviour, meters, models, summaries
from plugins.commands.declared import plugin

__all__ = ["asking", "basics", "behaviour", "meters", "models", "plugin", "summaries"]
