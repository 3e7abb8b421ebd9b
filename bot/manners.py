"""When to speak in a place, and what to do with a question while another one is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Speak: TypeAlias = Literal["mention", "always", "thread", "never"]
Busy: TypeAlias = Literal["queue", "merge", "interrupt"]

# The longest name of a thread.
NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class Manner:
    """How the bot behaves in one place. `opens_threads` says that a question there gets a thread of its own."""

    speak: Speak = "mention"
    busy: Busy = "queue"
    ping_after: float | None = None
    opens_threads: bool = False


def thread_name(text: str) -> str:
    """The question's first line, shortened."""
    line = next((line.strip(" #>*_`~|") for line in text.splitlines() if line.strip(" #>*_`~|")), "")
    if len(line) <= NAME_CHARS:
        return line or "…"
    words = line[: NAME_CHARS - 1].rsplit(" ", 1)[0] if " " in line[: NAME_CHARS // 2] else line[: NAME_CHARS - 1]
    return f"{words.rstrip(' ,.;:')}…"
