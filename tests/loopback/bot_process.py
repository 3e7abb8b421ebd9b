"""The whole bot in a process of its own, with the real clients of platform and model, so that it can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from adapters.discord.testing import FakeDiscord
from adapters.slack.testing import FakeSlack
from bot.__main__ import main
from tests.processes import process


@dataclass(frozen=True)
class Setup:
    """`platform` is the environment in which the bot finds its platform: see `on_discord` and `on_slack`.
    `die_at_commit` kills the process right before its n-th commit after it was asked something."""

    database: Path
    platform: Mapping[str, str]
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
            **self.platform,
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.model_url,
            "OPENAI_MODEL": "gpt-6-luna",
            "DUOLOGUE_MEMORY__DATABASE": str(self.database),
            "DUOLOGUE_MEMORY__BUDGET_TOKENS": "200000",
            "DUOLOGUE_ANSWERS__SHUTDOWN_GRACE": str(self.grace),
        }


def on_discord(discord: FakeDiscord) -> Mapping[str, str]:
    return {
        "DISCORD_TOKEN": discord.token,
        "DUOLOGUE_DISCORD__API_URL": discord.rest,
        "DUOLOGUE_DISCORD__GATEWAY_URL": discord.gateway_url,
    }


def on_slack(slack: FakeSlack, **settings: str) -> Mapping[str, str]:
    """`settings` are those of the adapter, as text."""
    told = {f"DUOLOGUE_SLACK__{name.upper()}": value for name, value in settings.items()}
    return {
        "SLACK_BOT_TOKEN": slack.token,
        "SLACK_APP_TOKEN": slack.app_token,
        "DUOLOGUE_SLACK__API_URL": slack.api_url,
    } | told


class BotProcess:
    """`duologue run`."""

    def __init__(self, setup: Setup) -> None:
        self._process = process(_live, setup)
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
        die_at_commit(setup.die_at_commit, setup.armed)
    os.environ.update(setup.environment())
    os.chdir(setup.database.parent)
    sys.exit(main(["run"]))


def die_at_commit(number: int, armed: Path) -> None:
    """Opening the database commits too: what counts begins when the test says so."""
    counted = 0

    def about_to_commit(connection: Connection) -> None:
        nonlocal counted
        counted += armed.exists()
        if counted == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", about_to_commit)
