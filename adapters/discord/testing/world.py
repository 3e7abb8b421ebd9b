"""What the fake Discord knows: accounts, guilds, channels, messages, and who may do what."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

# JSON as it travels to and from Discord: its shape is checked where it is read.
Json: TypeAlias = dict[str, Any]

PERMISSIONS: Mapping[str, int] = {
    "administrator": 1 << 3,
    "manage_channels": 1 << 4,
    "view_channel": 1 << 10,
    "send_messages": 1 << 11,
    "manage_messages": 1 << 13,
    "embed_links": 1 << 14,
    "attach_files": 1 << 15,
    "read_message_history": 1 << 16,
    "mention_everyone": 1 << 17,
    "manage_webhooks": 1 << 29,
    "use_application_commands": 1 << 31,
    "create_public_threads": 1 << 35,
    "send_messages_in_threads": 1 << 38,
}
ALL_PERMISSIONS = (1 << 53) - 1
EVERYONE = sum(
    PERMISSIONS[name]
    for name in (
        "view_channel",
        "send_messages",
        "embed_links",
        "attach_files",
        "read_message_history",
        "use_application_commands",
        "create_public_threads",
        "send_messages_in_threads",
    )
)

TEXT, DIRECT, GROUP, THREAD, FORUM = 0, 1, 3, 11, 15
EPHEMERAL, LOADING = 1 << 6, 1 << 7
ONLY_EPHEMERAL_AND_LOADING = EPHEMERAL | LOADING
DISCORD_EPOCH_MS = 1_420_070_400_000


@dataclass(slots=True, eq=False)
class Account:
    id: int
    name: str
    is_bot: bool = False
    locale: str = "en-US"


@dataclass(slots=True, eq=False)
class Role:
    id: int
    name: str
    permissions: int = 0


@dataclass(slots=True, eq=False)
class Guild:
    id: int
    name: str
    owner: Account
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, set[int]] = field(default_factory=dict)  # account id → role ids
    greets_in: Channel | None = None
    locale: str = ""  # of a community server; others have none


@dataclass(slots=True, eq=False)
class Channel:
    """A text channel, a forum, a thread or forum's post (`parent` set) or a direct message (`guild` None)."""

    id: int
    name: str
    kind: int = TEXT
    guild: Guild | None = None
    parent: Channel | None = None
    owner: Account | None = None
    people: tuple[Account, ...] = ()
    without_bot: bool = False  # a direct message or group of other people
    overwrites: dict[int, tuple[int, int]] = field(default_factory=dict)  # role or account id → (allow, deny)
    messages: dict[int, Message] = field(default_factory=dict)
    archived: bool = False
    locked: bool = False
    gone: bool = False
    last_message_id: int | None = None
    slow_mode: int = 0
    for_adults: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The text of a message from the moment `at` (`time.monotonic()`), and the mentions it was allowed."""

    text: str
    at: float
    allowed_mentions: Json | None


@dataclass(slots=True, eq=False)
class Message:
    """One message with everything it ever showed. `seen_by` names the one who sees an ephemeral message."""

    id: int
    channel: Channel
    author: Account
    states: list[State]
    shown_as: str | None = None
    reply_to: int | None = None
    attachments: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    embeds: list[Json] = field(default_factory=list)
    nonce: str | None = None
    flags: int = 0
    webhook: int | None = None
    avatar: str | None = None
    interaction: Json | None = None
    seen_by: Account | None = None
    deleted_at: float | None = None
    edited: str | None = None
    pinged: list[str] = field(default_factory=list)
    kind: int = 0

    @property
    def text(self) -> str:
        return self.states[-1].text

    @property
    def deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def loading(self) -> bool:
        """Shown as "… is thinking"."""
        return bool(self.flags & LOADING)

    @property
    def name(self) -> str:
        """The name it is shown under."""
        return self.shown_as or self.author.name


@dataclass(slots=True, eq=False)
class Webhook:
    """`own` says that the bot's application made it; people make some too."""

    id: int
    token: str
    name: str
    channel: Channel
    avatar: str | None = None
    own: bool = True


@dataclass(slots=True, eq=False)
class Emoji:
    """An emoji of the application."""

    id: int
    name: str
    content: bytes
    animated: bool = False


class World:
    """Everything there is, by id. Changes are made by the server and by `FakeDiscord`'s people."""

    def __init__(self) -> None:
        self._sequence = itertools.count()
        self._last_ms = 0
        self.accounts: dict[int, Account] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.webhooks: dict[int, Webhook] = {}
        self.emojis: dict[int, Emoji] = {}
        self.commands: dict[int | None, list[Json]] = {None: []}  # guild id, None = everywhere
        self.files: dict[str, bytes] = {}
        self.signed_for = 24 * 3600.0  # seconds for which the address of a file is good
        self.bot = self.add_account("duologue", is_bot=True)

    def new_id(self) -> int:
        """A snowflake of the present moment, never lower than the one before."""
        self._last_ms = max(self._last_ms, int(time.time() * 1000))
        return ((self._last_ms - DISCORD_EPOCH_MS) << 22) + (next(self._sequence) % (1 << 22))

    def add_account(self, name: str, *, is_bot: bool = False, locale: str = "en-US") -> Account:
        account = Account(self.new_id(), name, is_bot, locale)
        self.accounts[account.id] = account
        return account

    def add_guild(self, name: str, owner: Account, *, shard: tuple[int, int] = (0, 1)) -> Guild:
        """`shard` is the one that it belongs to, of so many."""
        id = self.new_id()
        while (id >> 22) % shard[1] != shard[0]:
            self._last_ms += 1
            id = self.new_id()
        guild = Guild(id, name, owner)
        guild.roles[guild.id] = Role(guild.id, "@everyone", EVERYONE)
        for account in (owner, self.bot):
            guild.members[account.id] = set()
        self.guilds[guild.id] = guild
        return guild

    def add_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        return channel

    def direct(self, account: Account) -> Channel:
        """The direct messages between the bot and somebody."""
        for channel in self.channels.values():
            if channel.kind == DIRECT and channel.people == (account,):
                return channel
        return self.add_channel(Channel(self.new_id(), account.name, DIRECT, people=(account,)))

    def is_guest_in(self, channel: Channel) -> bool:
        """Whether the bot is no member there, and can only be brought along by somebody."""
        return channel.without_bot or (channel.guild is not None and self.bot.id not in channel.guild.members)

    def guild_permissions(self, account: Account, guild: Guild) -> int:
        if account.id not in guild.members:
            return 0
        if account is guild.owner:
            return ALL_PERMISSIONS
        bits = 0
        for role in (guild.id, *guild.members[account.id]):
            bits |= guild.roles[role].permissions
        return ALL_PERMISSIONS if bits & PERMISSIONS["administrator"] else bits

    def permissions(self, account: Account, channel: Channel) -> int:
        """As Discord computes them: roles, then the channel's overwrites; a thread has its parent's."""
        if channel.guild is None:
            return 0 if channel.without_bot and account is self.bot else ALL_PERMISSIONS
        guild = channel.guild
        bits = self.guild_permissions(account, guild)
        if not bits or bits == ALL_PERMISSIONS:
            return bits
        roles = [guild.id, *sorted(guild.members[account.id])]
        overwrites = (channel.parent or channel).overwrites
        for target in (*roles, account.id):
            allow, deny = overwrites.get(target, (0, 0))
            bits = (bits & ~deny) | allow
        return bits

    def may(self, account: Account, permission: str, channel: Channel) -> bool:
        return bool(self.permissions(account, channel) & PERMISSIONS[permission])

    def find_message(self, id: int) -> Message | None:
        for channel in self.channels.values():
            if id in channel.messages:
                return channel.messages[id]
        return None


def pings(message: Message, world: World) -> list[str]:
    """Who would hear a sound: `@everyone`, user ids and role ids, after what the message was allowed."""
    text, allowed = message.text, message.states[-1].allowed_mentions
    parse = ["everyone", "users", "roles"] if allowed is None else list(allowed.get("parse", ()))
    users = {str(id) for id in (allowed or {}).get("users", ())}
    roles = {str(id) for id in (allowed or {}).get("roles", ())}
    heard = []
    everyone = world.may(message.author, "mention_everyone", message.channel)
    if re.search(r"@(everyone|here)\b", text) and "everyone" in parse and everyone:
        heard.append("@everyone")
    for id in re.findall(r"<@!?(\d+)>", text):
        if "users" in parse or id in users:
            heard.append(id)
    for id in re.findall(r"<@&(\d+)>", text):
        if "roles" in parse or id in roles:
            heard.append(id)
    return heard
