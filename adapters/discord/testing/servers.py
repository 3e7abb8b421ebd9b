"""What happens around the bot on the fake Discord: servers come and go, forums get posts, people react."""

from __future__ import annotations

from collections.abc import Callable

from adapters.discord.testing import payloads
from adapters.discord.testing.gateway import DIRECT_REACTIONS, GUILD_REACTIONS, GUILDS, Gateway, thread_event
from adapters.discord.testing.messages import Messages, Posting
from adapters.discord.testing.world import FORUM, THREAD, Account, Channel, Guild, Json, Message, World

CHANNEL_STARTED_THREAD = 21


class Servers:
    """`discord.servers`. `mentions` turns `@bot` and `@Name` into mentions."""

    def __init__(self, world: World, gateway: Gateway, messages: Messages, mentions: Callable[[str], str]) -> None:
        self._world = world
        self._gateway = gateway
        self._messages = messages
        self._mentions = mentions

    # Servers

    def of(self, owner: Account, name: str, *, shard: int = 0, shards: int = 1) -> tuple[Guild, Channel]:
        """A server that the bot was on before it connects, with one channel."""
        guild = self._world.add_guild(name, owner, shard=(shard, shards))
        return guild, self._world.add_channel(Channel(self._world.new_id(), "lobby", guild=guild))

    async def invites(self, guild: Guild) -> None:
        """The bot is brought to a server; until here it knew nothing of it."""
        self._world.guilds[guild.id] = guild
        guild.members[self._world.bot.id] = set()
        data = payloads.guild_json(self._world, guild, all_members=False)
        del data["unavailable"]
        await self._gateway.dispatch("GUILD_CREATE", data, intent=GUILDS)

    async def throws_out(self, guild: Guild) -> None:
        del self._world.guilds[guild.id]
        await self._gateway.dispatch("GUILD_DELETE", {"id": str(guild.id)}, intent=GUILDS)

    async def goes_down(self, guild: Guild) -> None:
        await self._gateway.dispatch("GUILD_DELETE", {"id": str(guild.id), "unavailable": True}, intent=GUILDS)

    async def comes_back(self, guild: Guild) -> None:
        data = payloads.guild_json(self._world, guild, all_members=False)
        await self._gateway.dispatch("GUILD_CREATE", data, intent=GUILDS)

    # Forums

    def forum(self, guild: Guild, name: str) -> Channel:
        """Make it before the bot connects."""
        return self._world.add_channel(Channel(self._world.new_id(), name, FORUM, guild))

    async def posts(self, forum: Channel, title: str, text: str, author: Account) -> Message:
        """A forum's post is a thread that begins with a message of the same id."""
        post = Channel(self._world.new_id(), title, THREAD, forum.guild, forum, author)
        self._world.add_channel(post)
        await self._gateway.dispatch("THREAD_CREATE", thread_event(post, new=True), intent=GUILDS)
        posting = Posting(author, by_person=True, id=post.id)
        return await self._messages.create(post, {"content": self._mentions(text)}, (), posting)

    async def shows_start(self, thread: Channel, author: Account) -> Message:
        """What Discord puts first in a thread that was opened on a message."""
        return await self._messages.create(
            thread, {"content": ""}, (), Posting(author, by_person=True, kind=CHANNEL_STARTED_THREAD)
        )

    # Reactions

    async def reacts(self, message: Message, emoji: str, author: Account, *, added: bool = True) -> None:
        guild = message.channel.guild
        data: Json = {
            "user_id": str(author.id),
            "channel_id": str(message.channel.id),
            "message_id": str(message.id),
            "emoji": {"id": None, "name": emoji},
            "type": 0,
            "burst": False,
        }
        if guild is not None:
            data["guild_id"] = str(guild.id)
        if added:
            if guild is not None:
                data["member"] = payloads.member_json(guild, author)
            if message.webhook is None:
                data["message_author_id"] = str(message.author.id)
        kind = "MESSAGE_REACTION_ADD" if added else "MESSAGE_REACTION_REMOVE"
        await self._gateway.dispatch(kind, data, intent=DIRECT_REACTIONS if guild is None else GUILD_REACTIONS)
