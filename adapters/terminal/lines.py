"""From what was typed to what was meant: a message, a command, leaving, or nothing."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from adapters.terminal.safe import readable
from bot.api import Command, say

LONGEST_INPUT = 4_000_000

_COMMAND = re.compile(r"/([^\W\d_][\w-]*)(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class Said:
    text: str


@dataclass(frozen=True, slots=True)
class Called:
    command: str
    text: str


@dataclass(frozen=True, slots=True)
class Hint:
    """Nothing to send: a word for the person at the keyboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Leave:
    pass


Meant = Said | Called | Hint | Leave | None


def understand(typed: str, commands: Sequence[Command]) -> Meant:
    """`/word` at the start is a command, known or not; `/usr/bin` and `//` are messages."""
    text = readable(typed).strip()
    if not text:
        return None
    if text == "/":
        return Hint(say("Type /help to see the commands."))
    match = _COMMAND.match(text)
    if match is None:
        return Said(text)
    name, rest = match[1].lower(), text[match.end() :].strip()
    if name in ("quit", "exit"):
        return Leave()
    second, _, after = rest.partition(" ")
    if any(command.name.startswith(f"{name} ") for command in commands) and second:
        full = f"{name} {second.lower()}"
        if any(command.name == full for command in commands) or not any(command.name == name for command in commands):
            return Called(full, after.strip())
    return Called(name, rest)


class Lines:
    """Lines of a stream that is no terminal. A thread reads, since a pipe and a file cannot both be awaited;
    it is a daemon reading the descriptor itself, so that leaving never waits for a writer that stays silent."""

    def __init__(self, source: TextIO, *, whole: bool) -> None:
        self._source = source
        self._whole = whole
        self._asked = threading.Semaphore(0)
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[str | None]:
        """None stands for a line too long to take."""
        loop = asyncio.get_running_loop()
        reader = threading.Thread(
            target=self._read, args=(loop, self._own_descriptor()), name="terminal-input", daemon=True
        )
        reader.start()
        while True:
            self._asked.release()
            line = await self._queue.get()
            if line == "":
                return
            yield line

    def _own_descriptor(self) -> int | None:
        """If the source is closed while the thread reads, its number may soon be somebody else's file."""
        try:
            return os.dup(self._source.fileno())
        except (OSError, AttributeError):
            return None

    def _read(self, loop: asyncio.AbstractEventLoop, descriptor: int | None) -> None:
        """Every line ends in a newline, so that the empty one says that no more come."""
        try:
            for line in self._raw_lines(descriptor):
                self._asked.acquire()
                text = None if len(line) > LONGEST_INPUT else line.decode("utf-8", "replace") + "\n"
                loop.call_soon_threadsafe(self._queue.put_nowait, text)
            loop.call_soon_threadsafe(self._queue.put_nowait, "")
        except RuntimeError:
            return  # the loop is closed: nobody listens any more

    def _raw_lines(self, descriptor: int | None) -> Iterator[bytes]:
        limit = LONGEST_INPUT + 1
        line = b""
        for block in self._blocks(descriptor):
            first, *others = [block] if self._whole else block.split(b"\n")
            line = (line + first)[:limit]
            for other in others:
                yield line
                line = other[:limit]
        if line:
            yield line

    def _blocks(self, descriptor: int | None) -> Iterator[bytes]:
        if descriptor is None:
            for text in self._source:
                yield text.encode("utf-8", "replace")
            return
        try:
            while block := os.read(descriptor, 65536):
                yield block
        except OSError:
            return  # broken: as good as its end
        finally:
            os.close(descriptor)
