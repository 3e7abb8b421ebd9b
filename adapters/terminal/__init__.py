"""The terminal: one person, one conversation, prompt_toolkit in and rich out, or plain pipes."""

from __future__ import annotations

from adapters.terminal.adapter import TerminalAdapter
from adapters.terminal.settings import TerminalSettings
from bot.api import AdapterSpec

__all__ = ["TerminalAdapter", "TerminalSettings", "spec"]


def _configured(settings: TerminalSettings) -> bool:
    """Never part of `duologue run`, which has no one at a keyboard: `duologue chat` starts it."""
    return False


spec = AdapterSpec("terminal", settings=TerminalSettings, create=TerminalAdapter, configured=_configured)
