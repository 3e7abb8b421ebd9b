"""Logs for people in a terminal and for machines elsewhere: no secrets, and no word of a conversation unless asked."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.settings import LogSettings

MASK = "[hidden]"
SPOKEN_KEYS = frozenset({"text", "content", "prompt", "answer", "question", "arguments"})
# Their debug lines hold whole requests and rows, so what people say.
TALKATIVE = ("aiosqlite", "alembic", "discord", "openai", "slack_bolt", "slack_sdk", "sqlalchemy")
# At every request a line that says nothing new.
CHATTY = ("aiohttp.access", "alembic", "asyncio", "httpcore2", "httpx2", "sqlalchemy", "urllib3")

_SECRETS = re.compile(
    r"sk-[\w-]{12,}"
    r"|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}"
    r"|\b[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}"  # a Discord bot's token
    r"|(?<=/webhooks/)\d+/[\w.-]+|(?<=/interactions/)\d+/[\w.-]+"
    r"|(?i:(?<=bearer )|(?<=bot ))[\w.~+/-]{20,}=*"
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"
)


def start_logging(settings: LogSettings, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send everything that is logged, ours and the libraries', to one stream (standard error)."""
    stream = stream or sys.stderr
    pretty = settings.format == "pretty" or (settings.format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        *([] if settings.text else [without_speech]),
        hiding(secrets),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(pretty, stream)],
        )
    )
    root = logging.getLogger()
    for old in [*root.handlers]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    _quieten(settings)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def without_speech(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave out what people and the bot said; its length is kept."""
    for key in SPOKEN_KEYS & event.keys():
        value = event[key]
        event[key] = f"({len(value)} characters)" if isinstance(value, str) else MASK
    return event


def hiding(secrets: Iterable[str]) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """A processor that masks these very secrets and whatever looks like a key, a token or a password."""
    known = sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True)
    pattern = re.compile("|".join([*(re.escape(secret) for secret in known), _SECRETS.pattern]))

    def hide(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            if key.startswith("_") or isinstance(value, (int, float, type(None))):
                continue
            event[key] = pattern.sub(MASK, value if isinstance(value, str) else str(value))
        return event

    return hide


def _renderer(pretty: bool, stream: TextIO) -> Processor:
    if not pretty:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    from structlog.dev import ConsoleRenderer, plain_traceback

    return ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain_traceback)


def _quieten(settings: LogSettings) -> None:
    level = logging.getLevelName(settings.level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(level if settings.text else max(level, logging.INFO))
    for name in CHATTY:
        logging.getLogger(name).setLevel(level if settings.text and level < logging.INFO else logging.WARNING)
