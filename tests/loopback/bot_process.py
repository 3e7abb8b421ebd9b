"""The whole bot in a process of its own, with the real discord.py and openai clients, so that it can be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from bot.__main__ import main

PRELOADED = ["tests.loopback.bot_process", "bot.app", "adapters.discord.adapter", "openai", "bot.model.openai"]


@dataclass(frozen=True)
class Setup:
    """`die_at_commit` kills the process right before its n-th commit after it was asked something."""

    database: Path
    discord_rest: str
    discord_gateway: str
    token: str
    model_url: str
    die_at_commit: int | None = None
    grace: float = 0.0
    log: Path | None = None

    @property
    def armed(self) -> Path:
        """When this file exists, commits count."""
        return self.database.with_suffix(".armed")

    def environment(self) -> dict[str, str]:
        return {
            "DISCORD_TOKEN": self.token,
            "DUOLOGUE_DISCORD__API_URL": self.discord_rest,
            "DUOLOGUE_DISCORD__GATEWAY_URL": self.discord_gateway,
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.model_url,
            "OPENAI_MODEL": "gpt-6-luna",
            "DUOLOGUE_MEMORY__DATABASE": str(self.database),
            "DUOLOGUE_MEMORY__BUDGET_TOKENS": "200000",
            "DUOLOGUE_ANSWERS__SHUTDOWN_GRACE": str(self.grace),
        }


class BotProcess:
    """`duologue run`, started at once by a server that has everything imported."""

    def __init__(self, setup: Setup) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._process: BaseProcess = context.Process(target=_live, args=(setup,))
        self._process.start()
        self._ended = asyncio.Event()

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    async def gone(self) -> None:
        """Wait until the process has ended."""
        await self._ended.wait()
        self._process.join()

    async def __aenter__(self) -> BotProcess:
        asyncio.get_running_loop().add_reader(self._process.sentinel, self._notice)
        return self

    def _notice(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._ended.set()

    async def __aexit__(self, *error: object) -> None:
        self.kill()
        await self.gone()
        self._process.close()


def _live(setup: Setup) -> None:
    if setup.log is not None:
        # Unbuffered, so that a killed process has said everything.
        descriptor = os.open(setup.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
    if setup.die_at_commit is not None:
        _die_at_commit(setup.die_at_commit, setup.armed)
    os.environ.update(setup.environment())
    os.chdir(setup.database.parent)
    sys.exit(main(["run"]))


def _die_at_commit(number: int, armed: Path) -> None:
    """Opening the database commits too: what counts begins when the test says so."""
    counted = 0

    def about_to_commit(connection: Connection) -> None:
        nonlocal counted
        counted += armed.exists()
        if counted == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", about_to_commit)
