"""The plugin that the commands of this package are declared on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.api import Plugin
from plugins.export.running import Running
from plugins.export.settings import ExportSettings

LOCALES = Path(__file__).with_name("locales")


@asynccontextmanager
async def running(settings: ExportSettings) -> AsyncIterator[Running]:
    """What still runs when the bot stops is ended."""
    now = Running(settings.minutes * 60)
    try:
        yield now
    finally:
        now.close()


plugin = Plugin(
    "export",
    "Transcripts of conversations and scenes as files, and back",
    settings=ExportSettings,
    lifespan=running,
    locales=LOCALES,
)
