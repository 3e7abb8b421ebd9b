"""What the app may look up: itself, channels, their history and members, people and bots; and reactions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.slack.testing import payloads
from adapters.slack.testing.limits import Limits
from adapters.slack.testing.messages import Messages
from adapters.slack.testing.server import Endpoint, Server, flag, needed
from adapters.slack.testing.world import Account, ApiError, Channel, Json, Kind, Message, World

PREFIXES: dict[Kind, str] = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
HISTORY = tuple(f"{prefix}:history" for prefix in PREFIXES.values())
READ = tuple(f"{prefix}:read" for prefix in PREFIXES.values())
OPEN = ("channels:manage", "groups:write", "im:write", "mpim:write")
FEWER = 15  # objects a page for an app that is sold outside of Slack's marketplace


class Conversations:
    def __init__(self, world: World, server: Server, messages: Messages, limits: Limits) -> None:
        self._world = world
        self._server = server
        self._messages = messages
        self._limits = limits

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("auth.test", self._auth),
            Endpoint("team.info", self._team, "t3", ("team:read",)),
            Endpoint("conversations.history", self._history, "t3", HISTORY),
            Endpoint("conversations.replies", self._replies, "t3", HISTORY, reads_json=False),
            Endpoint("conversations.info", self._info, "t3", READ, reads_json=False),
            Endpoint("conversations.list", self._list, "t2", READ, reads_json=False),
            Endpoint("conversations.members", self._members, "t4", READ, reads_json=False),
            Endpoint("conversations.open", self._open, "t3", OPEN),
            Endpoint("conversations.join", self._join, "t3", ("channels:join",)),
            Endpoint("users.conversations", self._own_list, "t3", READ, reads_json=False),
            Endpoint("users.info", self._user, "t4", ("users:read",), reads_json=False),
            Endpoint("users.list", self._users, "t2", ("users:read",), reads_json=False),
            Endpoint("bots.info", self._bot, "t3", ("users:read",), reads_json=False),
            Endpoint("reactions.add", self._react, "t3", ("reactions:write",)),
            Endpoint("reactions.remove", self._unreact, "t2", ("reactions:write",)),
        ]

    async def _auth(self, args: Json) -> Json:
        bot = self._world.bot
        return {
            "url": f"https://{self._world.domain}.slack.com/",
            "team": "The Workshop",
            "user": bot.name,
            "team_id": self._world.team,
            "user_id": bot.id,
            "bot_id": bot.bot_id,
            "is_enterprise_install": False,
        }

    async def _team(self, args: Json) -> Json:
        return {"team": {"id": self._world.team, "name": "The Workshop", "domain": self._world.domain}}

    async def _history(self, args: Json) -> Json:
        channel = self._readable(args, "history")
        seen = [each for each in self._public(channel) if not each.is_reply or each.broadcast]
        page, more = self._page([*reversed(seen)], args)
        return {"messages": [self._told(each, args) for each in page], "pin_count": 0, **more}

    async def _replies(self, args: Json) -> Json:
        channel = self._readable(args, "history")
        ts = needed(args, "ts")[0]
        root = channel.messages.get(ts)
        if root is None or root.deleted or root.seen_by is not None:
            raise ApiError("thread_not_found")
        if root.is_reply:
            return {"messages": [self._told(root, args)], "has_more": False}
        page, more = self._page(self._world.replies(channel, ts), args)
        return {"messages": [self._told(each, args) for each in [root, *page]], **more}

    async def _info(self, args: Json) -> Json:
        return {"channel": payloads.channel_json(self._world, self._readable(args, "read"))}

    async def _list(self, args: Json) -> Json:
        wanted = str(args.get("types", "public_channel")).split(",")
        kinds = {"public_channel": "channel", "private_channel": "group"}
        asked = {kinds.get(each, each) for each in wanted}
        seen = [each for each in self._world.channels.values() if each.kind in asked and self._visible(each)]
        return {"channels": [payloads.channel_json(self._world, each) for each in seen], "response_metadata": {}}

    async def _own_list(self, args: Json) -> Json:
        listed = await self._list(args)
        return {**listed, "channels": [each for each in listed["channels"] if self._is_in(str(each["id"]))]}

    def _is_in(self, id: str) -> bool:
        return self._world.bot in self._world.channels[id].members

    async def _members(self, args: Json) -> Json:
        members = [each.id for each in self._readable(args, "read").members]
        start, size = _cursor(args), _size(args, 100, 1000)
        return {"members": members[start : start + size], **_next(start + size, len(members))}

    async def _open(self, args: Json) -> Json:
        if not args.get("users"):
            raise ApiError("users_list_not_supplied")
        names = str(args["users"]).split(",")
        people = [self._world.accounts[name] for name in names if name in self._world.accounts]
        if len(people) < len(names):
            raise ApiError("user_not_found")
        if len(people) == 1:
            self._server.check_scopes(("im:write",))
            channel = self._world.direct(people[0])
        else:
            self._server.check_scopes(("mpim:write",))
            channel = self._world.add_channel("mpdm-" + "--".join(names), "mpim", [*people, self._world.bot])
        full = flag(args, "return_im") is True
        return {"channel": payloads.channel_json(self._world, channel) if full else {"id": channel.id}}

    async def _join(self, args: Json) -> Json:
        channel = self._world.channels.get(needed(args, "channel")[0])
        if channel is None or channel.kind != "channel":
            raise ApiError("channel_not_found")
        if self._world.bot not in channel.members:
            channel.members.append(self._world.bot)
        return {"channel": payloads.channel_json(self._world, channel)}

    async def _user(self, args: Json) -> Json:
        account = self._world.accounts.get(needed(args, "user")[0])
        if account is None:
            raise ApiError("user_not_found")
        return {"user": _told_of(account, args)}

    async def _users(self, args: Json) -> Json:
        everybody = [*self._world.accounts.values()]
        start, size = _cursor(args), _size(args, 200, 1000)
        members = [_told_of(each, args) for each in everybody[start : start + size]]
        return {"members": members, **_next(start + size, len(everybody))}

    async def _bot(self, args: Json) -> Json:
        asked = needed(args, "bot")[0]
        account = next((each for each in self._world.accounts.values() if each.bot_id and each.bot_id == asked), None)
        if account is None:
            raise ApiError("bot_not_found")
        return {"bot": payloads.bot_profile(account) | {"user_id": account.id}}

    async def _react(self, args: Json) -> Json:
        name, users = self._reaction(args)
        if self._world.bot.id in users.get(name, []):
            raise ApiError("already_reacted")
        users.setdefault(name, []).append(self._world.bot.id)
        return {}

    async def _unreact(self, args: Json) -> Json:
        name, users = self._reaction(args)
        if self._world.bot.id not in users.get(name, []):
            raise ApiError("no_reaction")
        users[name].remove(self._world.bot.id)
        if not users[name]:
            del users[name]
        return {}

    def _reaction(self, args: Json) -> tuple[str, dict[str, list[str]]]:
        channel = self._messages.where(args)
        name, ts = needed(args, "name", "timestamp")
        if not re.fullmatch(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?", name):
            raise ApiError("invalid_name")
        message = channel.messages.get(ts)
        if message is None or message.deleted or message.seen_by is not None:
            raise ApiError("message_not_found")
        return name, message.reactions

    def _readable(self, args: Json, how: str) -> Channel:
        channel = self._world.channels.get(needed(args, "channel")[0])
        if channel is None or not self._visible(channel):
            raise ApiError("channel_not_found")
        self._server.check_scopes((f"{PREFIXES[channel.kind]}:{how}",))
        if how == "history" and self._world.bot not in channel.members:
            raise ApiError("not_in_channel")
        return channel

    def _visible(self, channel: Channel) -> bool:
        return channel.kind == "channel" or self._world.bot in channel.members

    def _public(self, channel: Channel) -> list[Message]:
        return [each for each in channel.messages.values() if not each.deleted and each.seen_by is None]

    def _told(self, message: Message, args: Json) -> Json:
        body = payloads.message_json(self._world, message)
        if flag(args, "include_all_metadata") is not True:
            body.pop("metadata", None)
        return body

    def _page(self, messages: Sequence[Message], args: Json) -> tuple[Sequence[Message], Json]:
        oldest, latest = str(args.get("oldest") or "0"), str(args.get("latest") or "9" * 12)
        if flag(args, "inclusive") is True:
            kept = [each for each in messages if float(oldest) <= float(each.ts) <= float(latest)]
        else:
            kept = [each for each in messages if float(oldest) < float(each.ts) < float(latest)]
        start, size = _cursor(args), _size(args, 100, FEWER if self._limits.distributed else 999)
        return kept[start : start + size], {"has_more": start + size < len(kept), **_next(start + size, len(kept))}


def _told_of(account: Account, args: Json) -> Json:
    user = payloads.user_json(account)
    if flag(args, "include_locale") is not True:
        del user["locale"]
    return user


def _size(args: Json, usual: int, most: int) -> int:
    return max(1, min(int(args.get("limit") or usual), most))


def _cursor(args: Json) -> int:
    cursor = str(args.get("cursor") or "0").removeprefix("at-")
    if not cursor.isdecimal():
        raise ApiError("invalid_cursor")
    return int(cursor)


def _next(at: int, of: int) -> Json:
    return {"response_metadata": {"next_cursor": f"at-{at}"}} if at < of else {}
