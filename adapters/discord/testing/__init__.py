"""A Discord on 127.0.0.1 for tests, demonstrations and benchmarks: real REST, real gateway, real limits, no account.

    async with FakeDiscord() as discord:
        adapter = DiscordAdapter(discord.settings())     # or discord.py itself, pointed at .rest and .gateway_url
        ...
        await discord.online()
        await discord.says("hi @bot")
        await discord.wait_until(lambda: discord.answers())
        assert discord.answers() == ["hello"]

People act through methods named as what they do: `says`, `edits`, `deletes`, `runs` a command, `types` for
suggestions, `uses` a message's menu, `presses` a button, `fills` a form. What they see is `screen(channel)`: messages
that keep every text they ever showed, with the moment it appeared. `wait_until` waits for a change instead of
sleeping.

What Discord refuses is refused here: see messages.py and rest.py. Limits are enforced as limits.py says (sliding or
fixed windows, the same bucket hash for creates and edits with separate counters, 50 requests in any second in all);
`discord.refused` lists every 429. `discord.fails("PATCH /channels/*/messages/*", status=500)` scripts a fault.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web
from pydantic import SecretStr

from adapters.discord import DiscordSettings
from adapters.discord.testing import payloads
from adapters.discord.testing.components import NotOffered
from adapters.discord.testing.emojis import Emojis
from adapters.discord.testing.faults import Chance, Fault, Faults
from adapters.discord.testing.gateway import (
    GUILD_MEMBERS,
    GUILDS,
    MESSAGE_CONTENT,
    Gateway,
    thread_event,
)
from adapters.discord.testing.hands import Hands
from adapters.discord.testing.limits import Limits, Refused, WindowKind
from adapters.discord.testing.messages import Messages, Posting
from adapters.discord.testing.rest import MEMBERS_FLAG, MESSAGE_CONTENT_FLAG, Rest
from adapters.discord.testing.server import PREFIX, Call, Server, Upload
from adapters.discord.testing.servers import Servers
from adapters.discord.testing.webhooks import MAX_WEBHOOKS, ByToken, Interaction
from adapters.discord.testing.world import (
    PERMISSIONS,
    TEXT,
    THREAD,
    Account,
    Channel,
    Guild,
    Message,
    Role,
    State,
    Webhook,
    World,
)

__all__ = [
    "Account",
    "Call",
    "Channel",
    "FakeDiscord",
    "Guild",
    "Interaction",
    "Message",
    "NotOffered",
    "Refused",
    "State",
]

T = TypeVar("T")


class FakeDiscord(Hands):
    """One guild with the channel `general`, its owner, and `ada`, who speaks when nobody else is named.

    `message_content` and `members` are the switches of the developer portal. `latency` is the time before a call
    takes effect; `window` the kind of rate limit; `per_second` the bot's global limit. With `port` it listens there
    instead of on a free one.
    """

    token = "MTIz.fake.discord"

    def __init__(
        self,
        *,
        window: WindowKind = "sliding",
        per_second: int = 50,
        latency: float = 0.0,
        message_content: bool = True,
        members: bool = False,
        port: int = 0,
    ) -> None:
        self.world = World()
        self.bot = self.world.bot
        self.owner = self.world.add_account("Olga")
        self.ada = self.world.add_account("Ada")
        self.guild = self.world.add_guild("The Workshop", self.owner)
        self.guild.members[self.ada.id] = set()
        self.general = self.channel("general")
        self.limits = Limits(window, per_second)
        self.faults = Faults(latency)
        self._change = asyncio.Event()
        self._port = port
        allowed = (MESSAGE_CONTENT if message_content else 0) | (GUILD_MEMBERS if members else 0)
        flags = (MESSAGE_CONTENT_FLAG if message_content else 0) | (MEMBERS_FLAG if members else 0)
        self.gateway = Gateway(self.world, self.token, allowed, self._changed)
        self.messages = Messages(self.world, self.gateway.dispatch_message, self._file_url)
        self._server = Server(self.world, self.limits, self.faults, self.token, self._changed)
        self._rest = Rest(self.world, self.gateway, self.messages, flags)
        self._by_token = ByToken(self.world, self.messages)
        self.emojis = Emojis(self.world)
        self.servers = Servers(self.world, self.gateway, self.messages, self._mentions)
        self._runner: web.AppRunner | None = None
        self._origin = ""

    # Life

    async def __aenter__(self) -> FakeDiscord:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            self._server.routes([*self._rest.endpoints(), *self._by_token.endpoints(), *self.emojis.endpoints()])
        )
        app.router.add_get("/", self.gateway.connect)
        app.router.add_get("/attachments/{path:.*}", self._download)
        app.router.add_route("*", PREFIX + "/{rest:.*}", self._server.unknown)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        # A full backlog would make a burst of connections wait for a second.
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024).start()
        host, port = self._runner.addresses[0][:2]
        self._origin = f"{host}:{port}"
        self.gateway.url = f"ws://{self._origin}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.close(1001)
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def rest(self) -> str:
        """The base of REST addresses (`discord.http.Route.BASE`)."""
        return f"http://{self._origin}{PREFIX}"

    @property
    def gateway_url(self) -> str:
        return self.gateway.url

    def settings(self, **more: Any) -> DiscordSettings:
        """The adapter's settings for this Discord."""
        token = SecretStr(self.token)
        return DiscordSettings(token=token, api_url=self.rest, gateway_url=self.gateway_url, **more)

    # What there is

    def account(self, name: str, *, is_bot: bool = False, may: Sequence[str] = (), locale: str = "en-US") -> Account:
        """Somebody new in the guild; `may` are permissions by name (`manage_messages`)."""
        account = self.world.add_account(name, is_bot=is_bot, locale=locale)
        self.guild.members[account.id] = set()
        if may:
            role = Role(self.world.new_id(), f"{name}'s role", sum(PERMISSIONS[each] for each in may))
            self.guild.roles[role.id] = role
            self.guild.members[account.id].add(role.id)
        return account

    def channel(self, name: str) -> Channel:
        """A new text channel. Make it before the bot connects, or `announce` it."""
        return self.world.add_channel(Channel(self.world.new_id(), name, TEXT, self.guild))

    async def announce(self, channel: Channel) -> None:
        await self.gateway.dispatch("CHANNEL_CREATE", payloads.channel_json(channel), intent=GUILDS)

    async def thread(self, name: str, *, parent: Channel | None = None, owner: Account | None = None) -> Channel:
        thread = Channel(self.world.new_id(), name, THREAD, self.guild, parent or self.general, owner or self.ada)
        self.world.add_channel(thread)
        await self.gateway.dispatch("THREAD_CREATE", thread_event(thread, new=True), intent=GUILDS)
        return thread

    def direct(self, account: Account | None = None) -> Channel:
        return self.world.direct(account or self.ada)

    # What people do

    async def says(
        self,
        text: str,
        *,
        channel: Channel | None = None,
        author: Account | None = None,
        reply_to: Message | None = None,
        files: Sequence[tuple[str, bytes]] = (),
        silent: bool = False,
    ) -> Message:
        """A message. `@bot` and `@Name` become mentions; a `silent` reply does not mention whom it replies to. Lengths
        are not checked: people with Nitro write more."""
        who = author or self.ada
        uploads = [Upload(name, content, _media_type(name)) for name, content in files]
        body: dict[str, Any] = {"content": self._mentions(text)}
        if reply_to is not None:
            body["message_reference"] = {"message_id": str(reply_to.id)}
        if silent:
            body["allowed_mentions"] = {"parse": ["users", "roles", "everyone"], "replied_user": False}
        message = await self.messages.create(channel or self.general, body, uploads, Posting(who, by_person=True))
        self._changed()
        return message

    async def uploads(self, name: str, content: bytes, text: str = "", **more: Any) -> Message:
        return await self.says(text, files=[(name, content)], **more)

    async def edits(self, message: Message, text: str) -> None:
        await self.messages.edit(message, {"content": self._mentions(text)})
        self._changed()

    async def deletes(self, message: Message) -> None:
        await self.messages.delete(message)
        self._changed()

    async def joins(self, name: str) -> Account:
        account = self.account(name)
        joined = payloads.member_json(self.guild, account) | {"guild_id": str(self.guild.id)}
        await self.gateway.dispatch("GUILD_MEMBER_ADD", joined, intent=GUILD_MEMBERS)
        return account

    async def leaves(self, account: Account) -> None:
        self.guild.members.pop(account.id)
        left = {"guild_id": str(self.guild.id), "user": payloads.user_json(account)}
        await self.gateway.dispatch("GUILD_MEMBER_REMOVE", left, intent=GUILD_MEMBERS)

    # What people see

    def screen(self, channel: Channel | None = None, *, viewer: Account | None = None) -> list[Message]:
        """The messages of a channel, oldest first; ephemeral ones only for their viewer."""
        messages = (channel or self.general).messages.values()
        return [each for each in messages if not each.deleted and (each.seen_by is None or each.seen_by is viewer)]

    def answers(self, channel: Channel | None = None, *, viewer: Account | None = None) -> list[str]:
        """The texts of the bot's messages that are shown."""
        seen = self.screen(channel, viewer=viewer)
        return [message.text for message in seen if message.author is self.bot and not message.loading]

    async def wait_until(self, condition: Callable[[], T], timeout: float = 10.0) -> T:
        """Wait for something about this Discord to be true; checked after every call and every change."""
        async with asyncio.timeout(timeout):
            while not (found := condition()):
                self._change.clear()
                await self._change.wait()
        return found

    async def online(self, clients: int = 1) -> None:
        await self.wait_until(lambda: self.gateway.connected >= clients)

    # What went through

    @property
    def calls(self) -> list[Call]:
        """Every REST call."""
        return self._server.calls

    @property
    def refused(self) -> list[Refused]:
        """Every 429 answered."""
        return self.limits.refused

    @property
    def typing(self) -> list[Channel]:
        return self._rest.typing

    @property
    def interactions(self) -> list[Interaction]:
        return list(self._by_token.interactions.values())

    @property
    def pinged(self) -> list[str]:
        """Everybody whom a message of the bot made hear a sound."""
        spoken = [message for each in self.world.channels.values() for message in each.messages.values()]
        return [who for message in spoken if message.author is self.bot for who in message.pinged]

    @property
    def rings_without_leave(self) -> list[Message]:
        """Messages of the bot whose calls did not say whom they may ring: Discord lets such a text ring everybody."""
        return [*self.messages.sends_without_allowed_mentions, *self.messages.edits_without_allowed_mentions]

    @property
    def webhooks(self) -> list[Webhook]:
        """Those of the bot itself."""
        return [webhook for webhook in self.world.webhooks.values() if webhook.own]

    # What goes wrong

    def fails(self, pattern: str, *, do: Callable[[], Awaitable[None]] | None = None, **how: Any) -> Fault:
        """Script a fault: `pattern` is `METHOD /path` with `*`; the rest as in `Fault`."""
        fault = Fault(pattern, do=do, **how)
        self.faults.script.append(fault)
        return fault

    def fails_by_chance(self, status: int, share: float, lot: random.Random) -> Chance:
        """From now on each call of any kind is answered with this error by lot: see `Chance`."""
        chance = Chance(status, share, lot)
        self.faults.chances.append(chance)
        return chance

    async def denies(self, permission: str, channel: Channel | None = None, *, account: Account | None = None) -> None:
        """Take a permission away in a channel, from the bot unless somebody else is named."""
        await self._overwrite(channel or self.general, account or self.bot, deny=PERMISSIONS[permission])

    async def allows(self, permission: str, channel: Channel | None = None, *, account: Account | None = None) -> None:
        await self._overwrite(channel or self.general, account or self.bot, allow=PERMISSIONS[permission])

    def crowds_with_webhooks(self, channel: Channel | None = None) -> None:
        """People make as many webhooks as a channel can have."""
        where = channel or self.general
        for number in range(MAX_WEBHOOKS - sum(each.channel is where for each in self.world.webhooks.values())):
            id = self.world.new_id()
            self.world.webhooks[id] = Webhook(id, f"theirs-{id}", f"Feed {number}", where, own=False)

    def deletes_webhook(self, webhook: Webhook) -> None:
        del self.world.webhooks[webhook.id]

    async def removes(self, channel: Channel) -> None:
        """Delete a channel or thread with all in it."""
        channel.gone = True
        event = "THREAD_DELETE" if channel.kind == THREAD else "CHANNEL_DELETE"
        await self.gateway.dispatch(event, payloads.channel_json(channel), intent=GUILDS)

    async def locks(self, thread: Channel) -> None:
        thread.locked = True
        await self.gateway.dispatch("THREAD_UPDATE", thread_event(thread, new=False), intent=GUILDS)

    async def archives(self, thread: Channel, *, locked: bool = False) -> None:
        thread.archived, thread.locked = True, locked
        await self.gateway.dispatch("THREAD_UPDATE", thread_event(thread, new=False), intent=GUILDS)

    def expire_interactions(self, after: float = 0.0) -> None:
        """Tokens live no longer than so many seconds."""
        self._by_token.lives = after

    # Inside

    async def _overwrite(self, channel: Channel, account: Account, *, allow: int = 0, deny: int = 0) -> None:
        allowed, denied = channel.overwrites.get(account.id, (0, 0))
        channel.overwrites[account.id] = ((allowed | allow) & ~deny, (denied | deny) & ~allow)
        await self.gateway.dispatch("CHANNEL_UPDATE", payloads.channel_json(channel), intent=GUILDS)

    def _mentions(self, text: str) -> str:
        names = {account.name: account for account in self.world.accounts.values()} | {"bot": self.bot}
        return re.sub(r"@(\w+)", lambda found: f"<@{names[found[1]].id}>" if found[1] in names else found[0], text)

    def _changed(self) -> None:
        self._change.set()

    def _file_url(self, channel: Channel, id: int, name: str) -> str:
        return f"http://{self._origin}/attachments/{channel.id}/{id}/{name}"

    async def _download(self, request: web.Request) -> web.StreamResponse:
        content = self.world.files.get(request.match_info["path"])
        if content is None or int(request.query.get("ex", "f" * 12), 16) < time.time():
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=content, content_type="application/octet-stream")


def _media_type(name: str) -> str:
    kinds = {"txt": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8", "png": "image/png"}
    return kinds.get(name.rpartition(".")[2].lower(), "application/octet-stream")
