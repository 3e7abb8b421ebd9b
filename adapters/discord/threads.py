"""Opening a thread for a question, and opening one again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import discord

from adapters.discord.errors import (
    CALL_ERRORS,
    REFUSED,
    THREAD_EXISTS,
    THREAD_IS_ARCHIVED,
    THREAD_IS_LOCKED,
    translate,
)
from adapters.discord.hearing import channel_id, is_direct, permissions_in
from adapters.discord.manifest import PERMISSIONS
from adapters.discord.markup import as_text
from bot.api import DeliveryRefused, Place, Route, phrase, say

Result = TypeVar("Result")

MAX_NAME = 100
# Minutes without a message until Discord puts a thread away; the next message brings it back.
PUT_AWAY_AFTER: Final = 1440
UNNAMED = "Question"
NEEDED = ("create_public_threads", "send_messages_in_threads")
_MENTIONS = re.compile(r"<(?:@[!&]?|#)\d+>|<a?:(\w+):\d+>|@(?=everyone|here)", re.IGNORECASE)


def may_open(channel: object) -> bool:
    """Whether a thread may be opened on a message here. In threads and forums' posts the talk is in one already."""
    if not isinstance(channel, discord.TextChannel):
        return False
    allowed = channel.permissions_for(channel.guild.me)
    return all(getattr(allowed, flag) for flag in NEEDED)


async def open_thread(client: discord.Client, route: Route, name: str) -> Route:
    """The route's own thread where it has one. Raises DeliveryRefused."""
    place, message = route.place, route.data.get("message")
    if place.thread is not None:
        _check_open(client, int(place.thread))
        return route
    channel = client.get_channel(channel_id(place))
    if is_direct(place) or not isinstance(message, str):
        raise DeliveryRefused("no message to open a thread on", public=phrase("There can be no thread for this."))
    if isinstance(channel, discord.abc.GuildChannel):
        _check(channel)
    try:
        made = await client.http.start_thread_with_message(
            int(place.channel), int(message), name=thread_name(name), auto_archive_duration=PUT_AWAY_AFTER
        )
        thread = str(made["id"])
    except CALL_ERRORS as error:
        if not isinstance(error, discord.HTTPException) or error.code != THREAD_EXISTS:
            raise translate(error) from error
        thread = message  # it bears the id of its message
        _check_open(client, int(thread))
    inside = Place(place.platform, place.workspace, place.channel, thread)
    # The question itself stays in the channel: nothing in the thread can be a reply to it.
    data = {"user": route.data["user"]} if "user" in route.data else {}
    return Route(inside, {**data, "question": message})


async def reopening(client: discord.Client, thread: int, edit: Callable[[], Awaitable[Result]]) -> Result:
    """An edit that opens its thread again where that was put away: Discord does so by itself only for new messages."""
    try:
        return await edit()
    except discord.HTTPException as error:
        if error.code != THREAD_IS_ARCHIVED:
            raise
        try:
            await client.http.edit_channel(thread, archived=False)
        except CALL_ERRORS:
            raise error from None
        return await edit()


def thread_name(text: str) -> str:
    """One line without mentions, cut at a word."""
    line = " ".join(_MENTIONS.sub(lambda found: found[1] or "", as_text(text)).split()).strip("*_`~#> ")
    if len(line.encode("utf-16-le")) // 2 > MAX_NAME:
        line = line[: MAX_NAME - 1]
        while len(line.encode("utf-16-le")) // 2 > MAX_NAME - 1:
            line = line[:-1]
        words, _, _ = line.rpartition(" ")
        line = f"{words or line}…"
    return line or UNNAMED


def _check_open(client: discord.Client, id: int) -> None:
    """Archived threads come back when something is posted; what a moderator locked stays closed."""
    thread = client.get_channel(id)
    if not isinstance(thread, discord.Thread) or not thread.locked:
        return
    if not permissions_in(thread, thread.guild.me).manage_threads:
        raise DeliveryRefused("the thread is locked", public=REFUSED[THREAD_IS_LOCKED])


def _check(channel: discord.abc.GuildChannel) -> None:
    if not isinstance(channel, discord.TextChannel):
        raise DeliveryRefused("threads need a text channel", public=phrase("There can be no threads in this channel."))
    allowed = permissions_in(channel, channel.guild.me)
    lacking = [PERMISSIONS[flag][0] for flag in NEEDED if not getattr(allowed, flag)]
    if lacking:
        public = say(
            "I may not open a thread here: I miss the permission {names}. A moderator can give it to me.",
            names=", ".join(f"“{name}”" for name in lacking),
        )
        raise DeliveryRefused(f"missing permissions: {', '.join(lacking)}", public=public)
