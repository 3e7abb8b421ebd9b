"""The keyboard while no prompt reads it: Ctrl-C becomes a call, and what is typed ahead stays unseen."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def interrupts(call: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-C runs `call` in the event loop; afterwards whoever handled it before does so again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def unechoed(terminal: TextIO) -> Iterator[None]:
    """Keys pressed meanwhile do not garble the screen; the next prompt gets them."""
    try:
        import termios  # not on Windows
    except ImportError:
        yield
        return
    try:
        descriptor = terminal.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):
        yield
        return
    quiet = list(before)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
