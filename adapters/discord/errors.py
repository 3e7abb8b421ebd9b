"""discord.py's errors as Duologue's: the only place that knows Discord's error codes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from adapters.discord import DiscordSettings
from adapters.discord.manifest import NO_TOKEN, application_id, page
from bot.api import BotError, ConfigError, DeliveryError, DeliveryRefused, TargetGone, phrase

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION = 10003, 10008, 10015, 10062
MISSING_ACCESS, MISSING_PERMISSIONS, CANNOT_MESSAGE_USER = 50001, 50013, 50007
NO_REPLY_WITHOUT_HISTORY, INVALID_WEBHOOK_TOKEN, THREAD_IS_ARCHIVED = 160002, 50027, 50083
TOO_LARGE, ALREADY_ACKNOWLEDGED, NO_MORE_FOLLOW_UPS = 40005, 40060, 40094
THREAD_EXISTS, THREAD_IS_LOCKED, TOO_MANY_THREADS, NO_THREADS_HERE = 160004, 160005, 160006, 50024

GONE = {
    UNKNOWN_CHANNEL: phrase("The channel I was writing in is gone."),
    UNKNOWN_MESSAGE: phrase("The message I was writing to is gone."),
    UNKNOWN_WEBHOOK: phrase("The place I was answering in is gone."),
    UNKNOWN_INTERACTION: phrase("I answered too late for Discord."),
    ALREADY_ACKNOWLEDGED: phrase("I answered too late for Discord."),
    INVALID_WEBHOOK_TOKEN: phrase("I answered too late for Discord."),
    # Posting opens an archived thread again, unless it is locked.
    THREAD_IS_ARCHIVED: phrase("This thread is closed and locked. A moderator can open it again."),
}
REFUSED = {
    MISSING_ACCESS: phrase("I can no longer see this channel."),
    MISSING_PERMISSIONS: phrase("I am missing a permission in this channel. A moderator can give it to me."),
    CANNOT_MESSAGE_USER: phrase(
        "I cannot send you direct messages. You can allow them in this server's privacy settings."
    ),
    THREAD_IS_LOCKED: phrase("This thread is locked. A moderator can open it again."),
    TOO_MANY_THREADS: phrase("There are too many open threads on this server. Close some of them, and ask again."),
    NO_MORE_FOLLOW_UPS: phrase("I am only a guest here and may say no more. Please ask again."),
    NO_THREADS_HERE: phrase("There can be no threads in this channel."),
    NO_REPLY_WITHOUT_HISTORY: phrase("I may not read this channel's history, so I cannot reply here."),
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
            return DeliveryError(detail, public=phrase("The file is too large for Discord."))
        if error.status == 404:
            return TargetGone(detail)
        if error.status == 403:
            return DeliveryRefused(detail)
    return DeliveryError(detail, public=phrase("Discord did not take my answer. Please try again in a moment."))


def start_error(error: BaseException, settings: DiscordSettings | None = None) -> BotError | None:
    """What stands in the way of connecting and will not pass by itself; None for what may."""
    id = application_id(settings) if settings is not None else None
    if isinstance(error, discord.LoginFailure):
        if settings is not None and settings.token is not None and application_id(settings) is None:
            return ConfigError([f"Discord does not accept DISCORD_TOKEN. {NO_TOKEN}"])
        says = "Discord does not accept DISCORD_TOKEN: it was reset, or not copied whole. Press Reset Token at "
        return ConfigError([f"{says}{page(id)} and put the new one into .env."])
    if isinstance(error, discord.PrivilegedIntentsRequired):
        says = "Discord refuses the Server Members Intent. Switch it on under Privileged Gateway Intents at "
        return ConfigError([f"{says}{page(id)}, or set discord.member_events = false."])
    return None
