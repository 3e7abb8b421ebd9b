"""The tree of talk: other answers and wordings, branches to switch between, and the memory of each."""

from plugins.conversation import again, branches, memory, menu
from plugins.conversation.declared import plugin

__all__ = ["again", "branches", "memory", "menu", "plugin"]
