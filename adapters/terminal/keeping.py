"""What the terminal keeps in its folder, and what it calls a new conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from bot.api import Clock, File


def new_session(clock: Clock) -> str:
    """The name of a conversation that begins now."""
    return f"{clock.now():%Y%m%d-%H%M%S}-{uuid4().hex[:6]}"


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
