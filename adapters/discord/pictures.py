"""Speakers' pictures at an address that Discord shows: published once, remembered, refreshed before it expires."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import discord
import yarl
from discord.http import handle_message_parameters
from pydantic import JsonValue

from adapters.discord.errors import CALL_ERRORS
from adapters.discord.lanes import DiscordLanes
from adapters.discord.markup import plain_name, to_discord
from adapters.discord.sending import as_files, in_turn, only
from bot.api import Clock, DeliveryError, File, Shelf, Speaker

log = logging.getLogger(__name__)

MAX_ADDRESS, MAX_BYTES, MAX_EMOJI_BYTES = 2048, 8 * 1024 * 1024, 256 * 1024
TOO_MANY_EMOJIS = 30008
# So long a line waits for the picture of its speaker; the next one has it.
PATIENCE = 5.0
# An address is refreshed when it has less than this left, in seconds.
MARGIN = 600.0
EMOJIS = "https://cdn.discordapp.com/emojis"
# Ours among the application's emojis; the rest is a hash.
EMOJI_PREFIX, EMOJI_NAME_LENGTH = "face_", 31


@dataclass(frozen=True, slots=True)
class Published:
    """Where a picture is: an emoji of the application, or a message of the bot. `until` is when the address ends, in
    seconds since 1970."""

    address: str
    emoji: str | None = None
    channel: str | None = None
    message: str | None = None
    until: float = float("inf")

    @classmethod
    def parse(cls, kept: JsonValue) -> Published | None:
        if not isinstance(kept, Mapping) or not isinstance(kept.get("address"), str):
            return None
        known = {name: kept.get(name) for name in ("address", "emoji", "channel", "message")}
        texts = {name: value for name, value in known.items() if isinstance(value, str)}
        return cls(**texts, until=ends(texts["address"]))

    def to_json(self) -> JsonValue:
        known = {"address": self.address, "emoji": self.emoji, "channel": self.channel, "message": self.message}
        return {name: value for name, value in known.items() if value is not None}


class Pictures:
    """`channel` is where pictures are kept if that is set; `shelf` remembers where each of them is."""

    def __init__(
        self, client: discord.Client, lanes: DiscordLanes, clock: Clock, shelf: Shelf | None, channel: int | None
    ) -> None:
        self._client = client
        self._lanes = lanes
        self._clock = clock
        self._shelf = shelf
        self._channel = channel
        self._known: dict[str, Published] = {}
        self._working: dict[str, asyncio.Task[str | None]] = {}

    async def address(self, speaker: Speaker, where: int) -> str | None:
        """None for no picture, and where one cannot be had in time. `where` is the channel they speak in."""
        avatar = speaker.avatar
        if not avatar:
            return None
        if "://" in avatar:
            return avatar if is_address(avatar) else None
        known = self._known.get(avatar)
        if known is not None and self._is_good(known):
            return known.address
        if avatar not in self._working:
            self._working[avatar] = asyncio.create_task(self._brought(avatar, plain_name(speaker.name), where))
        working = self._working[avatar]
        await asyncio.wait({working}, timeout=PATIENCE)
        return working.result() if working.done() and not working.cancelled() else None

    async def aclose(self) -> None:
        for working in self._working.values():
            working.cancel()
        await asyncio.gather(*self._working.values(), return_exceptions=True)

    async def _brought(self, blob: str, name: str, where: int) -> str | None:
        try:
            published = await self._remembered(blob) or await self._published(blob, name, where)
        except Exception as error:  # costs the picture, never the line
            log.warning("the picture of %s cannot be shown: %r", name, error)
            return None
        finally:
            del self._working[blob]
        if published is None:
            return None
        self._known[blob] = published
        return published.address

    # What was published before

    async def _remembered(self, blob: str) -> Published | None:
        if self._shelf is None:
            return self._known.get(blob)
        kept = Published.parse(await self._shelf.load(_key(emoji_name(blob))))
        if kept is None:
            return None
        try:
            found = await self._looked_up(kept)
        except discord.NotFound:
            return None
        except CALL_ERRORS as error:
            log.info("whether a picture is still there is unknown: %s", error)
            return kept if self._is_good(kept) else None
        if found is not None and found.address != kept.address:
            await self._shelf.save(_key(emoji_name(blob)), found.to_json())
        return found

    async def _looked_up(self, kept: Published) -> Published | None:
        http = self._client.http
        if kept.emoji is not None and self._client.application_id is not None:
            await http.get_application_emoji(self._client.application_id, int(kept.emoji))
            return kept
        if kept.channel is not None and kept.message is not None:
            return in_message(await http.get_message(int(kept.channel), int(kept.message)))
        return None

    def _is_good(self, known: Published) -> bool:
        return known.until - self._clock.now().timestamp() > MARGIN

    # Publishing

    async def _published(self, blob: str, name: str, where: int) -> Published | None:
        found = await self._shelf.picture(blob) if self._shelf is not None else None
        if found is None:
            return None
        content = found[0]
        kind = image_kind(content)
        if kind is None or len(content) > MAX_BYTES:
            log.warning("the picture of %s is no image that Discord shows, or too large", name)
            return None
        published = await self._somewhere(emoji_name(blob), content, kind, name, where)
        if published is not None and self._shelf is not None:
            await self._shelf.save(_key(emoji_name(blob)), published.to_json())
        return published

    async def _somewhere(self, emoji: str, content: bytes, kind: str, name: str, where: int) -> Published | None:
        """In the channel that is meant for it, as an emoji that nobody sees, or right there."""
        channels = [self._channel] if self._channel is not None else []
        as_emoji = [None] if len(content) <= MAX_EMOJI_BYTES else []
        for channel in (*channels, *as_emoji, where):
            try:
                if channel is None:
                    return await self._as_emoji(emoji, content, kind)
                return await self._in_message(channel, emoji, content, kind, name)
            except (DeliveryError, *CALL_ERRORS) as error:
                log.warning("the picture of %s could not be put there: %s", name, error)
        return None

    async def _in_message(self, channel: int, file: str, content: bytes, kind: str, name: str) -> Published | None:
        says = f"-# 🖼 The picture of {discord.utils.escape_markdown(name)}, kept here so that messages can show it"
        with handle_message_parameters(
            content=to_discord(says),
            files=as_files([File(f"{file}.{kind}", content)]),
            allowed_mentions=only(None),
        ) as params:
            lane, http = self._lanes.channel(channel), self._client.http
            answer = await in_turn(lane, self._clock, "post", lambda: self._lanes.send_message(http, channel, params))
        return in_message(answer)

    async def _as_emoji(self, name: str, content: bytes, kind: str) -> Published | None:
        http, application = self._client.http, self._client.application_id
        if application is None:
            return None
        image = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        try:
            made: Any = await http.create_application_emoji(application, name, image)
        except discord.HTTPException as error:
            if error.status != 400:
                raise
            listed = await http.get_application_emojis(application)
            ours = sorted((each for each in listed["items"] if _is_ours(each)), key=lambda each: int(each["id"] or 0))
            same = next((each for each in ours if each["name"] == name), None)
            if same is None and (error.code != TOO_MANY_EMOJIS or not ours):
                raise
            made = same or await self._in_place_of(ours[0], name, image)
        return Published(f"{EMOJIS}/{made['id']}.{'gif' if made.get('animated') else 'png'}", emoji=str(made["id"]))

    async def _in_place_of(self, oldest: Any, name: str, image: str) -> Any:
        http, application = self._client.http, self._client.application_id or 0
        await http.delete_application_emoji(application, int(oldest["id"]))
        if self._shelf is not None:
            await self._shelf.save(_key(oldest["name"]), None)
        self._known = {blob: known for blob, known in self._known.items() if known.emoji != oldest["id"]}
        return await http.create_application_emoji(application, name, image)


def is_address(text: str) -> bool:
    """An https address that may be handed on as it is."""
    if len(text) > MAX_ADDRESS or not text.isprintable():
        return False
    try:
        url = yarl.URL(text)
    except ValueError:
        return False
    return url.scheme == "https" and bool(url.host) and url.user is None and url.password is None


def image_kind(content: bytes) -> str | None:
    """By its first bytes alone: nothing of it is ever decoded."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return None


def ends(address: str) -> float:
    """When a signed address ends, in seconds since 1970; one without a signature never does."""
    try:
        return float(int(yarl.URL(address).query["ex"], 16))
    except (KeyError, ValueError):
        return float("inf")


def emoji_name(blob: str) -> str:
    return (EMOJI_PREFIX + hashlib.sha256(blob.encode()).hexdigest())[:EMOJI_NAME_LENGTH]


def in_message(message: Any) -> Published | None:
    """The picture that a message of Discord's API carries."""
    for attachment in message.get("attachments", ()):
        address = str(attachment["url"])
        return Published(address, channel=str(message["channel_id"]), message=str(message["id"]), until=ends(address))
    return None


def _is_ours(emoji: Any) -> bool:
    name = str(emoji["name"])
    return name.startswith(EMOJI_PREFIX) and len(name) == EMOJI_NAME_LENGTH


def _key(name: str) -> str:
    return f"picture:{name}"
