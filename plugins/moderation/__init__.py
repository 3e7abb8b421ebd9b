"""Checks what people ask and what the model says, with the moderation of the provider."""

from plugins.moderation.checking import ModerationSettings, plugin

__all__ = ["ModerationSettings", "plugin"]
