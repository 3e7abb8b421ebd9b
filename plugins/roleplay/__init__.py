"""Personas perform scenes live, under their own names and faces, with people as audience, co-actors and directors."""

from plugins.roleplay import card_commands, desk, forgetting, keeping, persona_commands, starting, tuning, vote_commands
from plugins.roleplay.declared import plugin

__all__ = [
    "card_commands",
    "desk",
    "forgetting",
    "keeping",
    "persona_commands",
    "plugin",
    "starting",
    "tuning",
    "vote_commands",
]
