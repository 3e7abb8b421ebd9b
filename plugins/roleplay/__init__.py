"""Personas perform scenes live, under their own names and faces, with people as audience, co-actors and directors."""

from plugins.roleplay import card_commands, desk, persona_commands, starting
from plugins.roleplay.declared import plugin

__all__ = ["card_commands", "desk", "persona_commands", "plugin", "starting"]
