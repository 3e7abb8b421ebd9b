"""What is read back from Discord: messages of a channel, and files that people sent."""

from __future__ import annotations

import aiohttp
import discord
import yarl

from adapters.discord.client import DiscordClient
from adapters.discord.errors import translated
from adapters.discord.faces import FACE
from adapters.discord.hearing import UNREADABLE, channel_id, is_direct, user_of
from adapters.discord.markup import from_discord
from bot.api import Attachment, DeliveryError, Message, Place, Posted, say

# Files are read from Discord's own servers only.
FILE_HOSTS = {"cdn.discordapp.com", "media.discordapp.net"}
CHUNK = 64 * 1024


async def history(client: DiscordClient, place: Place, after: str | None, limit: int) -> tuple[Posted, ...]:
    if after is not None and not after.isdecimal():
        raise DeliveryError(f"not the id of a message: {after}")
    guild = None if is_direct(place) else int(place.workspace)
    channel = client.get_partial_messageable(channel_id(place), guild_id=guild)
    with translated():
        if after is None:
            found = [message async for message in channel.history(limit=limit)][::-1]
        else:
            start = discord.Object(int(after))
            found = [message async for message in channel.history(limit=limit, after=start, oldest_first=True)]
    await client.hearing.order.learn(place, [message.author for message in found])
    return tuple(_posted(client, message, place) for message in found)


def _posted(client: DiscordClient, message: discord.Message, place: Place) -> Posted:
    hearing = client.hearing
    own = hearing.is_own(message)
    event = None if own else hearing.heard(message, place)
    said = from_discord(message.content) if own else hearing.text(message)
    reference = message.reference
    # An answer to a command came through a webhook too, whose id is the application's.
    is_face = own and message.webhook_id not in (None, message.application_id)
    return Posted(
        id=str(message.id),
        author=user_of(message.author, None),
        text=UNREADABLE if hearing.is_hidden(message, place) else said,
        at=message.created_at,
        own=own,
        in_reply_to=str(reference.message_id) if reference is not None and reference.message_id else None,
        kind=f"{FACE}{message.webhook_id}" if is_face else "",
        event=event if isinstance(event, Message) else None,
    )


async def fetch(attachment: Attachment, max_bytes: int, api_url: str) -> bytes:
    url = yarl.URL(attachment.url)
    if attachment.size > max_bytes:
        raise DeliveryError(
            f"{attachment.size} bytes", public=say("`{name}` is too large for me.", name=attachment.name)
        )
    if not _is_trusted(url, api_url):
        raise DeliveryError(
            f"not a file of Discord: {url.host}", public=say("I cannot read `{name}`.", name=attachment.name)
        )
    with translated():
        async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                gone = say("`{name}` is no longer there.", name=attachment.name)
                raise DeliveryError(f"HTTP {response.status} for a file", public=gone)
            content = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK):
                content += chunk
                if len(content) > max_bytes:
                    raise DeliveryError(
                        "larger than it claimed", public=say("`{name}` is too large for me.", name=attachment.name)
                    )
    return bytes(content)


def _is_trusted(url: yarl.URL, api_url: str) -> bool:
    if url.scheme == "http" and url.authority and url.authority == yarl.URL(api_url).authority:
        return True
    return url.scheme == "https" and url.host in FILE_HOSTS
