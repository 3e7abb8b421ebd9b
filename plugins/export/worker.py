"""Makes an export, or reads one back, in a process of its own: `python -m plugins.export.worker`.

It is told what to do by one line of JSON on its standard input, says how far it is by lines on its standard output, and
ends when its input does: whoever started it is gone then.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from bot.api import BotError, Place, UsageError, open_archive, provided_by, read_languages, say, speaking
from plugins.export.declared import LOCALES
from plugins.export.importing import importing
from plugins.export.known import FILES, named
from plugins.export.made import make_files
from plugins.export.tasks import TASK, ToExport, ToImport
from plugins.export.transcript import Format

# Answering people goes first.
NICE = 10


def main() -> int:
    task = TASK.validate_json(_first_line())
    # What a plugin prints is not for whoever started us.
    sys.stdout = sys.stderr
    # Whatever is put down on the way goes with the folder.
    tempfile.tempdir = str(task.folder)
    threading.Thread(target=_end_with_input, args=(task.folder,), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICE)
    language = task.wanted.language if isinstance(task, ToExport) else task.language
    with speaking(read_languages([LOCALES]), language):
        try:
            _tell(asyncio.run(_export(task) if isinstance(task, ToExport) else _import(task)))
        except BotError as error:
            if not isinstance(error, UsageError):
                print(repr(error), file=sys.stderr)
            _tell({"error": say(error.public)})
            return 1
        except asyncio.CancelledError:
            return 1
    return 0


async def _export(task: ToExport) -> Mapping[str, JsonValue]:
    async with open_archive() as archives:
        made = await make_files(
            archives.at(Place.parse(task.place), ZoneInfo(task.zone)),
            task.wanted,
            format_named(task.format, task.plugins),
            task.folder,
            most_bytes=task.most_bytes,
            now=task.now,
            started=lambda total: _tell({"total": total}),
            advance=lambda count: _tell({"done": count}),
        )
    files: list[JsonValue] = [[one.file.name, one.media_type, one.entries] for one in made]
    return {"files": files}


async def _import(task: ToImport) -> Mapping[str, JsonValue]:
    # Who is told to end takes back what is written already.
    if (me := asyncio.current_task()) is not None and os.name == "posix":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    content = task.file.read_bytes()
    async with open_archive() as archives:
        archive = archives.at(Place.parse(task.place))
        restored = await importing(archive, content, lambda count: _tell({"done": count}))
    return {
        "branches": [*restored.branches],
        "messages": restored.messages,
        "is_new": restored.is_new,
        "active": restored.active,
    }


def format_named(name: str, plugins: Sequence[str]) -> Format:
    """Of the bot's own, else of its plugins. Raises UsageError."""
    return named(name, () if name in FILES else provided_by(plugins, Format))


def _tell(told: Mapping[str, JsonValue]) -> None:
    print(json.dumps(told), file=sys.__stdout__, flush=True)


def _first_line() -> bytes:
    """Unbuffered: a thread waits for the end of the input, which must not hold on to anything when we end."""
    line = b""
    while not line.endswith(b"\n") and (read := os.read(0, 1 << 16)):
        line += read
    return line


def _end_with_input(folder: Path) -> None:
    while os.read(0, 1 << 16):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
