"""discord.py's errors as Duologue's: the only place that knows Discord's error codes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from bot.api import BotError, ConfigError, DeliveryError, DeliveryRefused, TargetGone

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION = 10003, 10008, 10015, 10062
MISSING_ACCESS, MISSING_PERMISSIONS, CANNOT_MESSAGE_USER = 50001, 50013, 50007
NO_REPLY_WITHOUT_HISTORY, INVALID_WEBHOOK_TOKEN, THREAD_IS_ARCHIVED = 160002, 50027, 50083
TOO_LARGE, ALREADY_ACKNOWLEDGED = 40005, 40060

GONE = {
    UNKNOWN_CHANNEL: "The channel I was writing in is gone.",
    UNKNOWN_MESSAGE: "The message I was writing to is gone.",
    UNKNOWN_WEBHOOK: "The place I was answering in is gone.",
    UNKNOWN_INTERACTION: "I answered too late for Discord.",
    ALREADY_ACKNOWLEDGED: "I answered too late for Discord.",
    INVALID_WEBHOOK_TOKEN: "I answered too late for Discord.",
    THREAD_IS_ARCHIVED: "This thread is archived.",
}
REFUSED = {
    MISSING_ACCESS: "I can no longer see this channel.",
    MISSING_PERMISSIONS: "I am missing a permission in this channel. A moderator can give it to me.",
    CANNOT_MESSAGE_USER: "I cannot send you direct messages. You can allow them in this server's privacy settings.",
    NO_REPLY_WITHOUT_HISTORY: "I may not read this channel's history, so I cannot reply here.",
}
# What discord.py and the connection below it raise when a call fails; RuntimeError when the client was closed.
CALL_ERRORS = (discord.DiscordException, aiohttp.ClientError, asyncio.TimeoutError, OSError, RuntimeError)


@contextmanager
def translated() -> Iterator[None]:
    """Every failed call inside raises a DeliveryError."""
    try:
        yield
    except CALL_ERRORS as error:
        raise translate(error) from error


def translate(error: BaseException) -> DeliveryError:
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, discord.HTTPException):
        if error.code in GONE:
            return TargetGone(detail, public=GONE[error.code])
        if error.code in REFUSED:
            return DeliveryRefused(detail, public=REFUSED[error.code])
        if error.code == TOO_LARGE:
            return DeliveryError(detail, public="The file is too large for Discord.")
        if error.status == 404:
            return TargetGone(detail)
        if error.status == 403:
            return DeliveryRefused(detail)
    return DeliveryError(detail, public="Discord did not take my answer. Please try again in a moment.")


def start_error(error: BaseException) -> BotError | None:
    """What stands in the way of connecting and will not pass by itself; None for what may."""
    if isinstance(error, discord.LoginFailure):
        says = "Discord does not accept DISCORD_TOKEN. Copy it again from discord.com/developers → "
        return ConfigError([says + "your application → Bot → Reset Token."])
    if isinstance(error, discord.PrivilegedIntentsRequired):
        says = "Discord refuses the Server Members Intent. Switch it on at discord.com/developers → your "
        where = "application → Bot → Privileged Gateway Intents, or set discord.member_events = false."
        return ConfigError([says + where])
    return None
