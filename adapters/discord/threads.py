"""Opening a thread for a message."""

from __future__ import annotations

from dataclasses import replace

import discord
from discord.http import Route as HttpRoute

from adapters.discord.errors import translated
from adapters.discord.hearing import channel_id, is_direct
from adapters.discord.markup import as_text
from bot.api import DeliveryRefused, Route

ALREADY_THERE = 160004
MAX_NAME, ARCHIVED_AFTER = 100, 1440


async def open_thread(client: discord.Client, route: Route, name: str) -> Route:
    """A thread has the id of the message that it hangs on, so it is known also when it was there before."""
    place, message = route.place, route.data.get("message")
    if place.thread is not None:
        return route
    if message is None or is_direct(place):
        raise DeliveryRefused("a thread needs a message in a server's channel to hang on")
    path = "/channels/{channel_id}/messages/{message_id}/threads"
    there = HttpRoute("POST", path, channel_id=channel_id(place), message_id=int(str(message)))
    called = " ".join(as_text(name).split())[:MAX_NAME].strip() or "…"
    with translated():
        try:
            await client.http.request(there, json={"name": called, "auto_archive_duration": ARCHIVED_AFTER})
        except discord.HTTPException as error:
            if error.code != ALREADY_THERE:
                raise
    # The message stands above the thread, not in it, and cannot be replied to from there.
    data = {key: value for key, value in route.data.items() if key == "user"}
    return Route(replace(place, thread=str(message)), data)
