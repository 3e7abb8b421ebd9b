"""Transcripts worth keeping: conversations, branches and scenes as files in many formats, and back into memory."""

from plugins.export import commands
from plugins.export.declared import plugin
from plugins.export.transcript import Entry, Format, Header, Part, Scene, Speaker, Told, Used, Way

__all__ = ["Entry", "Format", "Header", "Part", "Scene", "Speaker", "Told", "Used", "Way", "commands", "plugin"]
