"""Processes of their own for what takes long: started, listened to, and ended in every case."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel, JsonValue

from bot.api import Archive, BotError, UsageError, archive_environment, phrase, say

log = logging.getLogger(__name__)

LONGEST_LINE = 1 << 20
# Bytes of what a process says of its failure, the newest.
MOST_COMPLAINTS = 4_000
# What is told to end politely has so many seconds to take back what it wrote.
LETTING_GO = 10.0
AT_ONCE = 2
WORKER = "plugins.export.worker"
TOO_LONG = phrase("That took too long, so I stopped. Try less of it, or ask whoever runs me for `duologue export`.")
BROKE_OFF = phrase("I could not finish this. Please try again.")

Told = Callable[[Mapping[str, JsonValue]], None]


class Running:
    """What runs now, by whoever asked: one each, and few at once. They end with the bot."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[object]] = {}

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Raises UsageError for somebody whose last one still runs, and when it is stopped or takes too long."""
        task = asyncio.current_task()
        if who in self._tasks or task is None:
            raise UsageError(say("Your last one is still running. Wait for it, or stop it."))
        self._tasks[who] = task
        try:
            async with asyncio.timeout(self._seconds), self._room:
                yield
        except TimeoutError:
            raise BotError("an export took too long", public=say(TOO_LONG)) from None
        except asyncio.CancelledError:
            if self._tasks.get(who) is task:
                raise
            task.uncancel()
            raise UsageError(say("Stopped.")) from None
        finally:
            if self._tasks.get(who) is task:
                del self._tasks[who]

    def stop(self, who: str) -> bool:
        task = self._tasks.pop(who, None)
        return task is not None and task.cancel()

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()


@asynccontextmanager
async def own_folder() -> AsyncIterator[Path]:
    """For nobody else's eyes; it is removed in every case."""
    made = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="duologue-", ignore_cleanup_errors=True)
    try:
        yield Path(made.name)
    finally:
        await asyncio.shield(asyncio.to_thread(made.cleanup))


async def run(archive: Archive, task: BaseModel, told: Told) -> Mapping[str, JsonValue]:
    """What the process says last; `told` hears all before. Raises BotError with what it says went wrong."""
    environment = {
        **archive_environment(archive),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # The same modules as here, and not what lies in the folder that the bot was started in.
        "-P",
        "-m",
        WORKER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        limit=LONGEST_LINE,
    )
    complained = asyncio.create_task(_complaints(process))
    try:
        return await _listen(process, task, told)
    except BotError as error:
        await asyncio.shield(_end(process))
        if why := await _soon(complained):
            log.warning("a process of an export failed: %r; it said: %s", error, why)
        raise
    finally:
        await asyncio.shield(_end(process))
        complained.cancel()


async def _complaints(process: asyncio.subprocess.Process) -> str:
    """The end of what it says to whoever runs the bot, and to nobody else."""
    assert process.stderr is not None
    kept = b""
    while some := await process.stderr.read(1 << 12):
        kept = (kept + some)[-MOST_COMPLAINTS:]
    return kept.decode(errors="replace").strip()


async def _soon(complained: asyncio.Task[str]) -> str:
    """Something else that the process started may hold on to its outputs."""
    await asyncio.wait([complained], timeout=LETTING_GO)
    return complained.result() if complained.done() else ""


async def _listen(process: asyncio.subprocess.Process, task: BaseModel, told: Told) -> Mapping[str, JsonValue]:
    assert process.stdin is not None
    assert process.stdout is not None
    last: Mapping[str, JsonValue] = {}
    with contextlib.suppress(ConnectionError):  # it has died: its exit code tells
        process.stdin.write(task.model_dump_json().encode() + b"\n")
        await process.stdin.drain()
    async for line in process.stdout:
        last = json.loads(line)
        told(last)
    if isinstance(error := last.get("error"), str):
        raise UsageError(error)
    if await process.wait() != 0:
        raise BotError(f"the process of an export ended with {process.returncode}", public=say(BROKE_OFF))
    return last


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(LETTING_GO):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
