"""The fake Discord's REST calls of a bot: login, channels, messages, threads, commands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.discord.testing import payloads
from adapters.discord.testing.gateway import GUILDS, Gateway, thread_event
from adapters.discord.testing.limits import Limit
from adapters.discord.testing.messages import Messages, Posting
from adapters.discord.testing.server import Answer, ApiError, Endpoint, Request
from adapters.discord.testing.world import DIRECT, THREAD, Channel, Json, Message, World

# Creates and edits tell the same bucket and count apart; the others are as generous as Discord was seen to be.
POST_MESSAGE = EDIT_MESSAGE = Limit("channel-messages", 5, 5.0)
READ_MESSAGES, DELETE_MESSAGE = Limit("read-messages", 5, 5.0), Limit("delete-message", 5, 1.0)
TYPING, COMMANDS, OPEN_DIRECT = Limit("typing", 5, 5.0), Limit("commands", 5, 20.0), Limit("open-direct", 10, 10.0)
MESSAGE_CONTENT_FLAG, MEMBERS_FLAG = 1 << 19, 1 << 15
LOCALE = re.compile(
    r"bg|cs|da|de|el|en-GB|en-US|es-419|es-ES|fi|fr|hi|hr|hu|id|it|ja|ko|lt|nl|no|pl|pt-BR|ro|ru|sv-SE|th|tr|uk|vi|"
    r"zh-CN|zh-TW"
)
COMMAND_NAME = re.compile(r"[\w-]{1,32}")


class Rest:
    def __init__(self, world: World, gateway: Gateway, messages: Messages, application_flags: int) -> None:
        self._world = world
        self._gateway = gateway
        self._messages = messages
        self._flags = application_flags
        self.typing: list[Channel] = []

    def endpoints(self) -> Sequence[Endpoint]:
        one, many = "/channels/{channel}/messages/{message}", "/channels/{channel}/messages"
        app, here = "/applications/{app}/commands", "/applications/{app}/guilds/{guild}/commands"
        channel = ("channel",)
        return (
            Endpoint("GET", "/users/@me", self.me),
            Endpoint("GET", "/oauth2/applications/@me", self.application),
            Endpoint("GET", "/applications/@me", self.application),
            Endpoint("GET", "/gateway", self.gateway_url, needs_bot=False),
            Endpoint("GET", "/gateway/bot", self.gateway_url),
            Endpoint("GET", "/users/@me/guilds", self.guilds),
            Endpoint("POST", "/users/@me/channels", self.open_direct, OPEN_DIRECT),
            Endpoint("GET", "/users/{user}", self.user),
            Endpoint("GET", "/guilds/{guild}/members/{user}", self.member),
            Endpoint("GET", "/channels/{channel}", self.channel),
            Endpoint("PATCH", "/channels/{channel}", self.change, None, channel),
            Endpoint("POST", "/channels/{channel}/typing", self.type, TYPING, channel),
            Endpoint("GET", many, self.read, READ_MESSAGES, channel),
            Endpoint("GET", one, self.read_one, READ_MESSAGES, channel),
            Endpoint("POST", many, self.post, POST_MESSAGE, channel),
            Endpoint("PATCH", one, self.edit, EDIT_MESSAGE, channel),
            Endpoint("DELETE", one, self.delete, DELETE_MESSAGE, channel),
            Endpoint("POST", "/channels/{channel}/threads", self.start_thread, None, channel),
            Endpoint("POST", one + "/threads", self.start_thread, None, channel),
            Endpoint("PUT", "/channels/{channel}/thread-members/@me", self.nothing),
            Endpoint("GET", app, self.commands, COMMANDS),
            Endpoint("PUT", app, self.overwrite_commands, COMMANDS),
            Endpoint("GET", here, self.commands, COMMANDS, ("guild",)),
            Endpoint("PUT", here, self.overwrite_commands, COMMANDS, ("guild",)),
        )

    async def me(self, request: Request) -> Answer:
        return payloads.user_json(self._world.bot) | {"verified": True, "mfa_enabled": False, "locale": "en-US"}

    async def application(self, request: Request) -> Answer:
        return payloads.application_json(self._world, self._flags)

    async def gateway_url(self, request: Request) -> Answer:
        side_by_side = self._gateway.max_concurrency
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": side_by_side}
        return {"url": self._gateway.url, "shards": self._gateway.shards, "session_start_limit": limit}

    async def guilds(self, request: Request) -> Answer:
        bot = self._world.bot
        mine = [guild for guild in self._world.guilds.values() if bot.id in guild.members]
        return [
            {"id": str(guild.id), "name": guild.name, "permissions": str(self._world.guild_permissions(bot, guild))}
            for guild in mine
        ]

    async def nothing(self, request: Request) -> None:
        pass

    async def user(self, request: Request) -> Answer:
        account = self._world.accounts.get(request.id("user"))
        if account is None:
            raise ApiError(404, 10013, "Unknown User")
        return payloads.user_json(account)

    async def member(self, request: Request) -> Answer:
        guild, account = self._world.guilds.get(request.id("guild")), self._world.accounts.get(request.id("user"))
        if guild is None:
            raise ApiError(404, 10004, "Unknown Guild")
        if account is None or account.id not in guild.members:
            raise ApiError(404, 10007, "Unknown Member")
        return payloads.member_json(guild, account)

    async def open_direct(self, request: Request) -> Answer:
        account = self._world.accounts.get(int(request.body.get("recipient_id", 0)))
        if account is None or account.is_bot:
            raise ApiError(400, 50033, "Invalid Recipient(s)")
        return payloads.channel_json(self._world.direct(account))

    async def channel(self, request: Request) -> Answer:
        return payloads.channel_json(self._visible(request))

    async def change(self, request: Request) -> Answer:
        """Opening a thread again takes no more than the right to write in it, unless it is locked."""
        thread = self._visible(request)
        if thread.kind != THREAD or request.body != {"archived": False}:
            raise ApiError(403, 50013, "Missing Permissions")
        self._require("send_messages_in_threads", thread)
        if thread.archived:
            await self._unarchive(thread)
        return payloads.channel_json(thread)

    async def type(self, request: Request) -> None:
        channel = self._visible(request)
        self._require("send_messages_in_threads" if channel.kind == THREAD else "send_messages", channel)
        self.typing.append(channel)

    async def read(self, request: Request) -> Answer:
        channel = self._visible(request)
        if not self._world.may(self._world.bot, "read_message_history", channel):
            return []
        limit = int(request.query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise ApiError(400, 50035, "Invalid Form Body", {"limit": "int value should be between 1 and 100."})
        visible = [each for each in channel.messages.values() if not each.deleted and each.seen_by is None]
        visible.sort(key=lambda message: message.id)
        if "after" in request.query:
            after = int(request.query["after"])
            picked = [message for message in visible if message.id > after][:limit]
        elif "around" in request.query:
            around = int(request.query["around"])
            nearest = sorted(visible, key=lambda message: abs(message.id - around))[:limit]
            picked = sorted(nearest, key=lambda message: message.id)
        else:
            before = int(request.query.get("before", 1 << 63))
            picked = [message for message in visible if message.id < before][-limit:]
        return [self._shown(message) for message in reversed(picked)]

    async def read_one(self, request: Request) -> Answer:
        channel = self._visible(request)
        self._require("read_message_history", channel)
        return self._shown(self._messages.find(channel, request.id("message")))

    def _shown(self, message: Message) -> Json:
        data = payloads.message_json(self._world, message)
        if not self._flags & MESSAGE_CONTENT_FLAG and message.channel.guild is not None:
            payloads.hide_content(self._world, data)
        return data

    async def post(self, request: Request) -> Answer:
        channel = self._visible(request)
        thread = channel.kind == THREAD
        self._require("send_messages_in_threads" if thread else "send_messages", channel)
        if request.uploads:
            self._require("attach_files", channel)
        if request.body.get("message_reference") and not self._world.may(
            self._world.bot, "read_message_history", channel
        ):
            raise ApiError(403, 160002, "Cannot reply without permission to read message history")
        if channel.kind == DIRECT and channel.locked:
            raise ApiError(403, 50007, "Cannot send messages to this user")
        if thread and channel.archived:
            await self._unarchive(channel)
        if thread and channel.locked:
            raise ApiError(400, 160005, "Thread is locked")
        message = await self._messages.create(channel, request.body, request.uploads, Posting(self._world.bot))
        return payloads.message_json(self._world, message)

    async def edit(self, request: Request) -> Answer:
        channel = self._visible(request)
        message = self._messages.find(channel, request.id("message"))
        if message.seen_by is not None:
            raise ApiError(404, 10008, "Unknown Message")
        if message.author is not self._world.bot or message.webhook is not None:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        if request.uploads:
            self._require("attach_files", channel)
        if channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        await self._messages.edit(message, request.body, request.uploads)
        return payloads.message_json(self._world, message)

    async def delete(self, request: Request) -> None:
        channel = self._visible(request)
        message = self._messages.find(channel, request.id("message"))
        if message.author is not self._world.bot or message.webhook is not None:
            self._require("manage_messages", channel)
        await self._messages.delete(message)

    async def start_thread(self, request: Request) -> Answer:
        parent = self._visible(request)
        self._require("create_public_threads", parent)
        name = request.body.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 100:
            raise ApiError(400, 50035, "Invalid Form Body", {"name": "Must be between 1 and 100 in length."})
        id = request.id("message") if "message" in request.ids else self._world.new_id()
        if id in self._world.channels:
            raise ApiError(400, 160004, "A thread has already been created for this message")
        thread = Channel(id, name, THREAD, parent.guild, parent, owner=self._world.bot)
        self._world.add_channel(thread)
        await self._gateway.dispatch("THREAD_CREATE", thread_event(thread, new=True), intent=GUILDS)
        return payloads.channel_json(thread)

    async def commands(self, request: Request) -> Answer:
        told = [_as_kept(each) for each in self._world.commands.get(self._scope(request), [])]
        in_all_languages = request.query.get("with_localizations") == "true"
        return told if in_all_languages else [_without_languages(each) for each in told]

    async def overwrite_commands(self, request: Request) -> Answer:
        scope, listed = self._scope(request), request.body.get("", [])
        before = {(each["name"], each.get("type", 1)): each for each in self._world.commands.get(scope, [])}
        made: list[Json] = []
        for each in listed:
            check_command(each)
            kept = before.get((each["name"], each.get("type", 1)), {})
            made.append(
                {
                    "description": "",
                    "type": 1,
                    "default_member_permissions": None,
                    "nsfw": False,
                    "dm_permission": True,
                    "contexts": None,
                    "integration_types": [0],
                }
                | each
                | {
                    "id": kept.get("id", str(self._world.new_id())),
                    "application_id": str(self._world.bot.id),
                    "version": str(self._world.new_id()),
                }
                | ({} if scope is None else {"guild_id": str(scope)})
            )
        if len({(each["name"], each["type"]) for each in made}) < len(made):
            raise ApiError(400, 50035, "Invalid Form Body", {"name": "Application command names must be unique"})
        self._world.commands[scope] = made
        return made

    def _scope(self, request: Request) -> int | None:
        if request.id("app") != self._world.bot.id:
            raise ApiError(404, 10002, "Unknown Application")
        if "guild" not in request.ids:
            return None
        if request.id("guild") not in self._world.guilds:
            raise ApiError(403, 50001, "Missing Access")
        return request.id("guild")

    def _visible(self, request: Request) -> Channel:
        channel = self._world.channels.get(request.id("channel"))
        if channel is None or channel.gone:
            raise ApiError(404, 10003, "Unknown Channel")
        if not self._world.may(self._world.bot, "view_channel", channel):
            raise ApiError(403, 50001, "Missing Access")
        return channel

    def _require(self, permission: str, channel: Channel) -> None:
        if not self._world.may(self._world.bot, permission, channel):
            raise ApiError(403, 50013, "Missing Permissions")

    async def _unarchive(self, thread: Channel) -> None:
        if thread.locked:
            raise ApiError(400, 50083, "Thread is archived")
        thread.archived = False
        await self._gateway.dispatch("THREAD_UPDATE", thread_event(thread, new=False), intent=GUILDS)


def _as_kept(entry: Json) -> Json:
    """Of options Discord leaves out what is false or empty; languages that there are none of it tells as null."""
    options = [_as_kept(option) for option in entry.get("options") or ()]
    kept = {key: value for key, value in entry.items() if key not in ("options", "required", "autocomplete") or value}
    for key in ("name_localizations", "description_localizations"):
        kept[key] = entry.get(key) or None
    return kept | ({"options": options} if options else {})


def _without_languages(command: Json) -> Json:
    kept = {key: value for key, value in command.items() if not key.endswith("_localizations")}
    return kept | {"options": [_without_languages(option) for option in command.get("options") or []]}


def check_command(command: Json, depth: int = 0) -> None:
    """Names, descriptions, options and choices as Discord takes them."""
    name, description = str(command.get("name", "")), str(command.get("description", ""))
    slash = depth > 0 or command.get("type", 1) == 1
    wrong: dict[str, str] = {}
    if slash and (not COMMAND_NAME.fullmatch(name) or name != name.lower()):
        wrong["name"] = "Command name is invalid"
    if not slash and not 1 <= len(name) <= 32:
        wrong["name"] = "Must be between 1 and 32 in length."
    if slash and not 1 <= len(description) <= 100:
        wrong["description"] = "Must be between 1 and 100 in length."
    for what, most in (("name", 32), ("description", 100)):
        for locale, text in (command.get(f"{what}_localizations") or {}).items():
            plain = what == "description" or not slash or (COMMAND_NAME.fullmatch(text) and text == text.lower())
            if not LOCALE.fullmatch(locale) or not plain or not 1 <= len(text) <= most:
                wrong[f"{what}_localizations"] = f"Localization {locale} is invalid"
    options = command.get("options") or []
    if len(options) > 25:
        wrong["options"] = "Must be 25 or fewer in length."
    if len(command.get("choices") or []) > 25:
        wrong["choices"] = "Must be 25 or fewer in length."
    if command.get("autocomplete") and command.get("choices"):
        wrong["autocomplete"] = "Autocomplete and choices cannot be used together"
    if command.get("type") == 2 and depth > 1:
        wrong["options"] = "Sub-command groups may not be nested deeper"
    required = [bool(option.get("required")) for option in options if option.get("type", 3) > 2]
    if required != sorted(required, reverse=True):
        wrong["options"] = "Required options must be placed before non-required options"
    if wrong:
        raise ApiError(400, 50035, "Invalid Form Body", wrong)
    for option in options:
        check_command(option, depth + 1)
