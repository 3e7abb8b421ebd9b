"""Where text leaves the program: written in a thread, in order, and quiet once nobody reads any more."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TextIO


class Outlet:
    """`closed` is set when the other end is gone (`| head`); what is written afterwards goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._turn = asyncio.Lock()
        self.closed = asyncio.Event()

    async def write(self, text: str) -> None:
        if not text or self.closed.is_set():
            return
        async with self._turn:
            try:
                await asyncio.to_thread(self._write, text)
            except (BrokenPipeError, ConnectionResetError, ValueError):
                self.closed.set()
                self._silence()

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()

    def _silence(self) -> None:
        """Python flushes its own streams once more at exit and would complain."""
        if self._stream in (sys.__stdout__, sys.__stderr__):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
