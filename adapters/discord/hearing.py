"""What discord.py hears as events: places, people, messages with their markup turned into Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import discord
from pydantic import JsonValue

from adapters.discord import DiscordSettings
from adapters.discord.markup import Names, as_text, from_discord, plain_name, quote, to_markdown
from adapters.discord.order import DIRECT, Order
from bot.api import Attachment, Command, CommandCall, Message, Place, Route, Target, User, say

PERMISSIONS = {"administrator": "admin", "manage_messages": "manage_messages", "manage_channels": "manage_channels"}
# How far a reply chain is quoted: messages, and characters of each, of people and of the bot itself.
QUOTED_MESSAGES, QUOTED_CHARS, QUOTED_OWN_CHARS = 3, 1500, 300
TYPED_COMMAND = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,31})(?:\s+(?P<rest>.*))?", re.DOTALL)
UNREADABLE = "(a message that I may not read)"

AnyUser: TypeAlias = discord.User | discord.Member | discord.ClientUser


def place_of(channel: object, channel_id: int, guild_id: int | None) -> Place:
    """A thread hangs in its parent; a direct message is its own channel."""
    if guild_id is None:
        return Place("discord", DIRECT, str(channel_id))
    if isinstance(channel, discord.Thread):
        return Place("discord", str(guild_id), str(channel.parent_id), str(channel.id))
    return Place("discord", str(guild_id), str(channel_id))


def guild_of(message: discord.Message) -> int | None:
    """None for a direct message; a server that is not known yet is one, too."""
    guild: int | None = message.guild.id if message.guild else getattr(message.channel, "guild_id", None)
    return guild


def channel_id(place: Place) -> int:
    """Where messages of a place are posted."""
    return int(place.thread or place.channel)


def is_direct(place: Place) -> bool:
    return place.workspace == DIRECT


def place_name(client: discord.Client | None, place: Place) -> str:
    if is_direct(place):
        return say("direct message")
    channel = None if client is None else client.get_channel(int(place.channel))
    return f"#{plain_name(channel.name)}" if isinstance(channel, discord.abc.GuildChannel) else ""


def user_of(user: AnyUser, permissions: discord.Permissions | None, *, direct: bool = False) -> User:
    """`permissions` are the person's in the channel; a direct message makes them its admin."""
    held = {"admin"} if direct else set()
    if permissions is not None:
        held |= {name for flag, name in PERMISSIONS.items() if getattr(permissions, flag)}
    roles = tuple(str(role.id) for role in user.roles[1:]) if isinstance(user, discord.Member) else ()
    return User(str(user.id), plain_name(user.display_name), user.bot, roles, frozenset(held))


class Hearing:
    """Decides what is heard and what it means. `client` is asked only for what it knows already.

    `reads_all` says whether Discord shows the bot all texts. Without, it shows those of direct messages and of messages
    that mention the bot, as replies to it do unless their author switched that off.
    """

    def __init__(
        self, client: discord.Client, settings: DiscordSettings, commands: Sequence[Command], *, reads_all: bool = True
    ) -> None:
        self._client = client
        self._settings = settings
        self.reads_all = reads_all
        names = [command.name for command in commands if command.target is None]
        self._first_words = {name.partition(" ")[0] for name in names}
        self.order = Order(client, settings)

    def allows(self, place: Place, user: discord.abc.Snowflake) -> bool:
        """Whether the settings let this person be answered in this place, as far as their roles are known."""
        return self.order.allows(place, user)

    def allows_in(self, place: Place) -> bool:
        return self.order.allows_in(place)

    def heard(self, message: discord.Message, place: Place | None = None) -> Message | CommandCall | None:
        """The event that a message is; None for what is not for the bot: its own, other bots', what is denied."""
        if message.type not in (discord.MessageType.default, discord.MessageType.reply) or self.is_own(message):
            return None
        if (message.author.bot or message.webhook_id is not None) and not self._settings.listen_to_bots:
            return None
        place = place or place_of(message.channel, message.channel.id, guild_of(message))
        if not self.allows(place, message.author):
            return None
        said = self.text(message)
        addressed = self.is_addressed(message, place)
        if not said and not _attachments(message) and (not addressed or self.is_hidden(message, place)):
            return None
        user = self._author(message, place)
        data: dict[str, JsonValue] = {"message": str(message.id), "user": str(message.author.id)}
        route, mentions = Route(place, data), self._mentions(message)
        id, at, locale = str(message.id), message.created_at, language_of(message.guild)
        if command := self._typed_command(said, addressed):
            return CommandCall(
                id=id,
                user=user,
                route=route,
                at=at,
                locale=locale,
                command=command["name"],
                text=command["rest"] or "",
                mentions=mentions,
            )
        return Message(
            id=id,
            user=user,
            route=route,
            at=at,
            locale=locale,
            text=said,
            addressed=addressed,
            attachments=_attachments(message),
            in_reply_to=_reply_to(message),
            quoted=self.quoted(message, place),
            mentions=mentions,
        )

    def is_own(self, message: discord.Message) -> bool:
        """Also what it said through a webhook of its own, with another face."""
        if message.author.id == self._me:
            return True
        return message.webhook_id is not None and message.application_id == self._client.application_id

    def text(self, message: discord.Message) -> str:
        """As Markdown; a forwarded message speaks through what it forwards, a forum's post begins with its title."""
        forwarded = [snapshot.content for snapshot in message.message_snapshots if snapshot.content]
        parts = [message.content, *forwarded, *_without_words(message)]
        said = to_markdown("\n\n".join(parts), self._names(message))
        if message.id == message.channel.id:
            post = self._client.get_channel(message.channel.id) or message.channel
            if isinstance(post, discord.Thread) and (said or _attachments(message)):
                return f"{as_text(post.name)}\n\n{said}".strip()
        return said

    def quoted(self, message: discord.Message, place: Place) -> str:
        """What it replies to, as far as Discord sent it along or it is still known."""
        quotes = [self._quote(each, place) for each in reversed([*self._chain(message)])]
        return "\n\n".join(each for each in quotes if each)

    def hides_something(self, message: discord.Message, place: Place) -> bool:
        """Whether the bot was addressed in a way that it may not read, or about something that it may not read."""
        if self.reads_all or message.author.bot or not self.is_addressed(message, place):
            return False
        if not self.allows(place, message.author):
            return False
        replied = _replied(message)
        return self.is_hidden(message, place) or (replied is not None and self.is_hidden(replied, place))

    def target(self, message: discord.Message) -> Target:
        """What a menu was opened on. Of a message without words, such as another bot's, its embeds are read."""
        text = from_discord(message.content) if self.is_own(message) else self.text(message)
        embedded = [part for embed in message.embeds for part in (embed.title, embed.description) if part]
        text = text or to_markdown("\n\n".join(embedded), self._names(message))
        return Target(str(message.id), self.person(message.author), text, message.created_at, _attachments(message))

    def person(self, user: AnyUser) -> User:
        return user_of(user, None)

    @property
    def _me(self) -> int:
        return self._client.user.id if self._client.user is not None else 0

    def is_hidden(self, message: discord.Message, place: Place) -> bool:
        """Whether Discord left the text out because the message content intent is off."""
        if self.reads_all or is_direct(place) or self.is_own(message):
            return False
        shown = message.content or message.attachments or message.embeds or message.stickers
        return not shown and all(mentioned.id != self._me for mentioned in message.mentions)

    def is_addressed(self, message: discord.Message, place: Place) -> bool:
        if is_direct(place) or self._me in message.raw_mentions:
            return True
        guild = message.guild
        if guild is not None and guild.self_role is not None and guild.self_role.id in message.raw_role_mentions:
            return True
        if any(mentioned.id == self._me for mentioned in message.mentions):
            return True
        replied = _replied(message)
        if replied is not None and self.is_own(replied):
            return True
        thread = self._client.get_channel(channel_id(place)) if place.thread else None
        return isinstance(thread, discord.Thread) and thread.owner_id == self._me

    def _typed_command(self, said: str, addressed: bool) -> re.Match[str] | None:
        """`!help` where that is switched on, and `/help` said to the bot as plain text.

        What nobody knows is a command only when the bot is addressed: other bots may share the prefix.
        """
        prefixes = [self._settings.text_prefix, "/" if addressed else ""]
        for prefix in filter(None, prefixes):
            found = TYPED_COMMAND.fullmatch(said[len(prefix) :]) if said.startswith(prefix) else None
            if found and (addressed or found["name"] in self._first_words):
                return found
        return None

    def _author(self, message: discord.Message, place: Place) -> User:
        member = message.author
        if isinstance(member, discord.User) and message.guild is not None:
            member = message.guild.get_member(member.id) or member
        permissions = None
        channel = self._client.get_channel(channel_id(place))
        if isinstance(member, discord.Member) and isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            permissions = permissions_in(channel, member)
        return user_of(member, permissions, direct=is_direct(place))

    def _mentions(self, message: discord.Message) -> tuple[User, ...]:
        return tuple(self.person(user) for user in message.mentions if user.id != self._me)

    def _names(self, message: discord.Message) -> Names:
        guild = message.guild
        users = {user.id: plain_name(user.display_name) for user in message.mentions}
        if guild is None:
            return Names(users, me=frozenset({self._me}))
        own_role = guild.self_role
        return Names(
            users,
            lambda id: plain_name(role.name) if (role := guild.get_role(id)) else None,
            lambda id: plain_name(found.name) if (found := guild.get_channel_or_thread(id)) else None,
            frozenset({self._me} | ({own_role.id} if own_role else set())),
        )

    def _chain(self, message: discord.Message) -> Iterator[discord.Message]:
        for _ in range(QUOTED_MESSAGES):
            replied = _replied(message)
            if replied is None:
                return
            yield replied
            message = replied

    def _quote(self, message: discord.Message, place: Place) -> str:
        own = self.is_own(message)
        text = from_discord(message.content) if own else self.text(message)
        files = ", ".join(f"[{attachment.filename}]" for attachment in message.attachments)
        text = f"{text} {files}".strip()
        if self.is_hidden(message, place):
            text = UNREADABLE
        if not text:
            return ""
        return quote(plain_name(message.author.display_name), text, QUOTED_OWN_CHARS if own else QUOTED_CHARS)


def permissions_in(channel: discord.abc.GuildChannel | discord.Thread, member: discord.Member) -> discord.Permissions:
    try:
        return channel.permissions_for(member)
    except discord.ClientException:  # a thread whose parent is not known
        return member.guild_permissions


def slow_mode(channel: object) -> float:
    """Seconds that everybody must wait between two messages here."""
    return float(getattr(channel, "slowmode_delay", 0) or 0)


def language_of(guild: discord.Guild | None) -> str:
    """Only community servers say which language they speak; all others count as American."""
    return str(guild.preferred_locale) if guild is not None and "COMMUNITY" in guild.features else ""


def age_restricted(channel: object) -> bool:
    """A thread is as its channel is."""
    if isinstance(channel, discord.Thread):
        return channel.parent is not None and channel.parent.is_nsfw()
    asked = getattr(channel, "is_nsfw", None)
    return bool(asked is not None and asked())


def _replied(message: discord.Message) -> discord.Message | None:
    reference = message.reference
    if reference is None or message.type is not discord.MessageType.reply:
        return None
    resolved = reference.resolved
    if isinstance(resolved, discord.Message):
        return resolved
    return None if isinstance(resolved, discord.DeletedReferencedMessage) else reference.cached_message


def _reply_to(message: discord.Message) -> str | None:
    reference = message.reference
    if reference is None or message.type is not discord.MessageType.reply or reference.message_id is None:
        return None
    return str(reference.message_id)


def _attachments(message: discord.Message) -> tuple[Attachment, ...]:
    forwarded = [file for snapshot in message.message_snapshots for file in snapshot.attachments]
    return tuple(_attachment(file) for file in (*message.attachments, *forwarded))


def _without_words(message: discord.Message) -> list[str]:
    """What people say with stickers and polls."""
    told = [f"[{sticker.name}]" for sticker in message.stickers]
    if (poll := message.poll) is not None:
        told.append("\n".join([f"**{poll.question}**", *(f"- {answer.text}" for answer in poll.answers)]))
    return told


def _attachment(file: discord.Attachment) -> Attachment:
    media_type = (file.content_type or "application/octet-stream").partition(";")[0].strip()
    return Attachment(plain_name(file.filename), media_type, file.size, file.url)
