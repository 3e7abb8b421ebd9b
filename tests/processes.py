"""Processes that begin at once, since a server that has everything imported makes them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

# All of a whole bot. The server is one for all tests of a worker, so each of them has to ask for the same.
PRELOADED = [
    "bot.__main__",
    "bot.app",
    "bot.edges",
    "bot.logs",
    "bot.model.local",
    "bot.model.openai_errors",
    "adapters.discord.adapter",
    "adapters.slack.adapter",
    "adapters.terminal.adapter",
    "plugins.commands",
    "plugins.conversation",
    "plugins.export",
    "plugins.meters",
    "plugins.privacy",
    "plugins.roleplay",
    "tests.loopback.bot_process",
    # What those import only when it is needed.
    "alembic.command",
    "anyio.streams.tls",
    "genai_prices.data_snapshot",
    "httpcore2",
    "openai.resources.chat.completions.completions",
    "regex",
    "truststore",
]


def process(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Not started yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context.Process(target=target, args=arguments)
