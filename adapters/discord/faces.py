"""Speakers with their own name and face: through the channel's webhook, and by the bot itself where that fails."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import discord

from adapters.discord.errors import translated
from adapters.discord.hearing import channel_id, is_direct, permissions_in
from adapters.discord.lanes import DiscordLanes
from adapters.discord.markup import MAX_NAME, plain_name
from adapters.discord.pictures import Pictures
from adapters.discord.webhooks import Hook, Webhooks
from bot.api import Call, Clock, DeliveryError, Lane, Outcome, Route, SentId, Speaker

# What a message under another name is marked with; the webhook's id follows.
FACE = "face:"
# Discord refuses these words in the name of a webhook, and the last two as the whole of it. It shows a name with such a
# thin space in it alike; what has no width at all it leaves out before it looks.
_REFUSED_WORDS = re.compile(r"(?<=d)(?=iscord)|(?<=c)(?=lyde)|(?<=^e)(?=veryone$)|(?<=^h)(?=ere$)", re.IGNORECASE)
_BLOCK = re.compile(r"```|-?#|>|[-*] |\d+\. |\|")
HAIR_SPACE = "\u200a"
# A speaker's messages leave room for the name, should the bot have to say them itself.
NAMED_CHARS = 1900


def face_name(name: str) -> str:
    """As a webhook may be called."""
    return _REFUSED_WORDS.sub(HAIR_SPACE, plain_name(name))[:MAX_NAME]


def opening(speaker: Speaker | None, text: str) -> str:
    """How the bot itself says who speaks: before the text, or above it where that begins with a block of markup."""
    if speaker is None or not text:
        return ""
    name = discord.utils.escape_markdown(plain_name(speaker.name))
    return f"**{name}:**" + ("\n" if _BLOCK.match(text) else " ")


def hook_of(sent: SentId) -> int | None:
    """The webhook that a message came through, None for one of the bot itself."""
    id = sent.kind.removeprefix(FACE)
    return int(id) if sent.kind.startswith(FACE) and id.isdecimal() else None


@dataclass(slots=True)
class Face:
    """One speaker in one place, for one answer. `channel` has the webhook, `thread` is where in it, `asker` is whose
    buttons they are. It is `lost` when the bot has to go on by itself."""

    webhooks: Webhooks
    client: discord.Client
    speaker: Speaker
    channel: int
    thread: int | None
    asker: str
    picture: Callable[[], Awaitable[str | None]]
    lost: bool = False

    @property
    def name(self) -> str:
        return face_name(self.speaker.name)

    @property
    def where(self) -> int:
        return self.thread or self.channel

    async def hook(self) -> Hook | None:
        """None, and the face is lost, where there can be none."""
        hook = None if self.lost else await self.webhooks.of(self.channel)
        self.lost = hook is None
        return hook


class FaceLane:
    """The webhook's own budget; the bot's when the face is lost. A call ends where it was admitted."""

    def __init__(self, face: Face, lanes: DiscordLanes, own: Lane) -> None:
        self._face = face
        self._lanes = lanes
        self._own = own
        self._open_on: Lane | None = None
        self._is_open = False
        self._admitted: dict[Call, Lane] = {}

    def opened(self) -> None:
        self._is_open = True

    def closed(self) -> None:
        self._is_open = False
        self._move(None)

    async def admit(self, call: Call) -> None:
        lane = await self._lane()
        if self._is_open:
            self._move(lane)
        self._admitted[call] = lane
        try:
            await lane.admit(call)
        except BaseException:
            del self._admitted[call]
            raise

    def told(self, call: Call, outcome: Outcome) -> None:
        self._admitted.pop(call, self._own).told(call, outcome)

    async def _lane(self) -> Lane:
        try:
            with translated():
                hook = await self._face.hook()
        except DeliveryError:  # the call itself will meet it, and is tried again
            return self._open_on or self._own
        return self._own if hook is None else self._lanes.webhook(hook.id)

    def _move(self, lane: Lane | None) -> None:
        if lane is self._open_on:
            return
        if self._open_on is not None:
            self._open_on.closed()
        if lane is not None:
            lane.opened()
        self._open_on = lane


class Faces:
    """One per connection: which places can show faces, and what a speaker's messages are made with."""

    def __init__(self, client: discord.Client, lanes: DiscordLanes, clock: Clock, pictures: Pictures) -> None:
        self._client = client
        self._lanes = lanes
        self._pictures = pictures
        self._webhooks = Webhooks(client, lanes, clock, self._name)

    async def aclose(self) -> None:
        await self._webhooks.aclose()

    def can(self, route: Route) -> bool:
        """From what Discord told of permissions, without asking it."""
        place = route.place
        if is_direct(place) or route.data.get("guest") is True:
            return False
        channel = self._client.get_channel(channel_id(place))
        if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return False
        allowed = permissions_in(channel, channel.guild.me).manage_webhooks
        return allowed and self._webhooks.may_have(int(place.channel))

    def face(self, route: Route, speaker: Speaker, *, private: bool = False) -> Face:
        """A webhook cannot whisper."""
        place = route.place
        where = channel_id(place)
        return Face(
            self._webhooks,
            self._client,
            speaker,
            channel=int(place.channel),
            thread=where if place.thread is not None else None,
            asker=str(route.data.get("user", "")),
            picture=lambda: self._pictures.address(speaker, where),
            lost=private or not self.can(route),
        )

    def lane(self, face: Face, own: Lane) -> FaceLane:
        return FaceLane(face, self._lanes, own)

    def _name(self) -> str:
        return face_name(self._client.user.name if self._client.user is not None else "bot")
