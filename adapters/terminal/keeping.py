"""What the terminal keeps in its folder: the name of the last conversation, and received files."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from bot.api import Clock, File


def choose_session(folder: Path, wanted: str, *, resume: bool, clock: Clock) -> str:
    """The name of the conversation of this run, noted for the next one that wants to go on with it.

    A folder that cannot be used is no reason not to talk.
    """
    note = folder / "terminal_session"
    try:
        last = note.read_text("utf-8").strip()[:200] if resume and not wanted else ""
    except (OSError, ValueError):
        last = ""
    session = wanted or last or f"{clock.now():%Y%m%d-%H%M%S}-{uuid4().hex[:6]}"
    with contextlib.suppress(OSError):
        private_file(note).write_text(session, "utf-8")
    return session


def private_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return path


def keep_file(folder: Path, file: File) -> Path:
    """Under a name that is free and has no path in it: the name comes from elsewhere."""
    name = re.sub(r"[^\w.\- ]", "_", Path(file.name.replace("\\", "/")).name).lstrip(". ")[-100:] or "file"
    folder.mkdir(parents=True, exist_ok=True)
    for path in _numbered(folder / name):
        try:
            with path.open("xb") as target:
                target.write(file.content)
            return path
        except FileExistsError:
            continue
    raise OSError(f"no free name for {name}")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, 10_000):
        yield path.with_stem(f"{path.stem} {number}")
