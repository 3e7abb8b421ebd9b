"""Who people are and what channels are called, as far as Slack tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar

from adapters.slack.calls import Calls
from adapters.slack.escaping import plain_name
from adapters.slack.lookups import Lookups
from adapters.slack.places import is_direct
from adapters.slack.reading_markup import Names, channels_named, mentions
from adapters.slack.workspace import Workspace
from bot.api import Clock, DeliveryError, Place, User, say

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["channel", "group", "im", "mpim"]
Told: TypeAlias = Mapping[str, Any]
Value = TypeVar("Value")

MOST_PEOPLE, MOST_CHANNELS, MOST_MESSAGES = 10_000, 2_000, 5_000
# So many of those that one message names are asked for.
MOST_NAMED = 20
SLACKBOT = "USLACKBOT"
# One of them is enough, depending on what kind of channel it is.
READING = ("channels:read", "groups:read", "mpim:read")
# The channels, and on so many pages the people, that are asked for early.
KINDS: Mapping[str, str] = MappingProxyType(
    {"public_channel": "channels:read", "private_channel": "groups:read", "mpim": "mpim:read"}
)
PAGE, PAGES = 200, 5
HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")


@dataclass(frozen=True, slots=True)
class Person:
    """`team` is the workspace they belong to, which for guests of a connected one is not the bot's."""

    id: str
    name: str
    is_bot: bool = False
    is_admin: bool = False
    team: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    name: str = ""
    kind: Kind = "channel"
    creator: str = ""
    is_member: bool = False
    is_archived: bool = False


class People:
    """Nothing here raises, and nothing waits for Slack longer than `patience` seconds: whoever cannot be looked up is
    called by their id."""

    def __init__(self, calls: Calls, workspace: Workspace, clock: Clock, *, patience: float = 2.0) -> None:
        self._calls = calls
        self._workspace = workspace
        self._clock = clock

        def kept(ask: Callable[[str], Awaitable[Value | None]], most: int, method: str = "") -> Lookups[Value]:
            room = partial(calls.budgets.has_room, method) if method else lambda: True
            return Lookups(ask, clock, most=most, patience=patience, has_room=room)

        self._people = kept(self._ask_person, MOST_PEOPLE, "users.info")
        self._bots = kept(self._ask_bot, MOST_PEOPLE, "bots.info")
        self._channels = kept(self._ask_channel, MOST_CHANNELS, "conversations.info")
        # These are asked for because somebody needs them, not for names alone.
        self._directs = kept(self._ask_direct, MOST_PEOPLE)
        self._roots = kept(self._ask_root, MOST_MESSAGES)
        self._files = kept(self._ask_file, MOST_MESSAGES)

    async def close(self) -> None:
        for each in (self._people, self._bots, self._channels, self._directs, self._roots, self._files):
            await each.close()

    # Asking

    async def person(self, id: str, place: Place) -> User:
        """With what they may do in this place."""
        await self.learn(place.channel, [id])
        return self.known_person(id, place)

    async def locale(self, id: str) -> str:
        """The language of their client, such as `de-DE`."""
        found = await self._people.of(id)
        return found.locale if found is not None else ""

    async def channel(self, id: str) -> Channel:
        await self._channels.of(id)
        return self.known_channel(id)

    async def place_name(self, place: Place) -> str:
        if is_direct(place):
            return say("direct message")
        found = await self.channel(place.channel)
        return f"#{found.name}" if found.name and found.kind != "mpim" else found.name

    async def names(self, *texts: str) -> Names:
        """For `to_markdown` of these raw texts."""
        await self.learn("", (), texts)
        return self.known_names()

    async def direct(self, user: str) -> str:
        """The channel in which to talk with somebody alone; empty where there is none."""
        return await self._directs.of(user) or ""

    async def thread_of(self, channel: str, ts: str) -> str | None:
        """The thread that a message stands in; None also for one at the top."""
        return await self._roots.of(f"{channel}/{ts}") or None

    async def learn(
        self, channel: str, users: Iterable[str], texts: Iterable[str] = (), *, bot: str = "", files: Iterable[str] = ()
    ) -> None:
        """Ask at once for everything that `known_…` will be asked for."""
        texts = [*texts]
        people = {*users, *sorted({id for text in texts for id in mentions(text)})[:MOST_NAMED]}
        channels = sorted({id for text in texts for id in channels_named(text)})[:MOST_NAMED]
        await asyncio.gather(
            *(self._people.of(id) for id in people if id and id != self._workspace.user),
            *(self._channels.of(id) for id in {channel, *channels} if id and not id.startswith("D")),
            *([self._bots.of(bot)] if bot else []),
            *(self._files.of(file) for file in files),
        )

    async def fill(self, wait: float = 0.0) -> None:
        """Ask early for those whom most will be about, so that hardly anybody is the first to wait for it."""
        await self._clock.sleep(wait)
        kinds = ",".join(kind for kind, scope in KINDS.items() if self._workspace.may(scope))
        if kinds:
            await self._fill_channels(kinds)
        cursor = ""
        for _ in range(PAGES if self._workspace.may("users:read") else 0):
            told = await self._ask(
                "users.list", ("users:read",), limit=PAGE, include_locale=True, cursor=cursor or None
            )
            for user in told.get("members") or ():
                if user.get("id") and not user.get("deleted"):
                    self._people.tell(str(user["id"]), self._person_of(user))
            if not (cursor := _cursor(told)):
                break

    async def _fill_channels(self, kinds: str) -> None:
        told = await self._ask("users.conversations", READING, types=kinds, exclude_archived=True, limit=PAGE)
        for channel in told.get("channels") or ():
            if channel.get("id"):
                # Only those are listed that the bot is in.
                self._channels.tell(str(channel["id"]), _channel_of({**channel, "is_member": True}))

    # What is known without asking

    def known_person(self, id: str, place: Place, *, guest: bool = False) -> User:
        """`guest` says that the bot has no part in the place: people who talk alone there are no admins for it."""
        found = self._people.known(id)
        held: set[str] = set()
        if found is not None and found.is_admin:
            held.add("admin")
        if is_direct(place):
            held.add("own_channel" if guest else "admin")
        if (channel := self._channels.known(place.channel)) is not None and id and channel.creator == id:
            held.add("own_channel")
        if found is None:
            return User(id, self._name(id), is_bot=id in (SLACKBOT, self._workspace.user), permissions=frozenset(held))
        return User(id, found.name, found.is_bot, permissions=frozenset(held))

    def known_team(self, id: str) -> str:
        """The workspace they belong to; empty where it is the bot's or unknown."""
        found = self._people.known(id)
        return found.team if found is not None and found.team != self._workspace.team else ""

    def known_locale(self, id: str) -> str:
        found = self._people.known(id)
        return found.locale if found is not None else ""

    def known_channel(self, id: str) -> Channel:
        kind: Kind = "im" if id.startswith("D") else "channel"
        return self._channels.known(id) or Channel(id, kind=kind)

    def known_bot_name(self, bot: str) -> str:
        """Of another app, by the id of its posts."""
        return self._bots.known(bot) or bot

    def known_thread_of(self, channel: str, ts: str) -> str | None:
        return self._roots.known(f"{channel}/{ts}") or None

    def knows_message(self, channel: str, ts: str) -> bool:
        """Whether it is one of the bot's own that was heard of lately."""
        return self._roots.known(f"{channel}/{ts}") is not None

    def known_file(self, id: str) -> Told:
        """As Slack tells of it; empty where it does not."""
        return self._files.known(id) or {}

    def known_names(self) -> Names:
        return Names(user=self._name, channel=self._channel_name, me=frozenset({self._workspace.user}))

    def _name(self, id: str) -> str:
        if id == self._workspace.user:
            return plain_name(self._workspace.user_name)
        found = self._people.known(id)
        return found.name if found is not None else id

    def _channel_name(self, id: str) -> str | None:
        return self.known_channel(id).name or None

    # What Slack tells by itself

    def told(self, event: Told) -> None:
        """An event about people or channels: what is kept follows it."""
        match event.get("type"):
            case "user_change" if isinstance(user := event.get("user"), Mapping) and user.get("id"):
                # What nobody asked for need not be kept.
                if (known := self._people.known(str(user["id"]))) is not None:
                    self._people.tell(known.id, self._person_of({"locale": known.locale, **user}))
            case "user_change":
                pass
            case "member_joined_channel" | "member_left_channel" if event.get("user") != self._workspace.user:
                pass
            case _:
                channel = event.get("channel")
                id = channel.get("id") if isinstance(channel, Mapping) else channel
                self._channels.outdate(str(id))

    def told_thread(self, channel: str, ts: str, thread: str | None) -> None:
        """Where a message of the bot's own stands, for those who react to it."""
        self._roots.tell(f"{channel}/{ts}", thread or "")

    # Slack's answers

    async def _ask_person(self, id: str) -> Person | None:
        if id == SLACKBOT:
            return Person(id, "Slackbot", is_bot=True)
        told = await self._ask("users.info", ("users:read",), user=id, include_locale=True)
        user = told.get("user")
        return self._person_of(user) if isinstance(user, Mapping) else None

    def _person_of(self, user: Told) -> Person:
        profile = user.get("profile")
        profile = profile if isinstance(profile, Mapping) else {}
        called = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
        team = str(user.get("team_id") or profile.get("team") or "")
        # An admin of another workspace is nobody's admin here.
        at_home = team in ("", self._workspace.team) and not user.get("is_stranger")
        leads = any(user.get(name) for name in ("is_admin", "is_owner", "is_primary_owner"))
        return Person(
            id=str(user["id"]),
            name=plain_name(next((str(name) for name in called if name and str(name).strip()), str(user["id"]))),
            is_bot=bool(user.get("is_bot")) or user["id"] == SLACKBOT,
            is_admin=at_home and leads,
            team=team,
            locale=str(user.get("locale") or ""),
        )

    async def _ask_bot(self, id: str) -> str | None:
        told = await self._ask("bots.info", ("users:read",), bot=id)
        bot = told.get("bot")
        return plain_name(str(bot["name"])) if isinstance(bot, Mapping) and bot.get("name") else None

    async def _ask_channel(self, id: str) -> Channel | None:
        told = await self._ask("conversations.info", READING, channel=id)
        channel = told.get("channel")
        return _channel_of(channel) if isinstance(channel, Mapping) else None

    async def _ask_direct(self, user: str) -> str | None:
        told = await self._ask("conversations.open", ("im:write",), users=user)
        channel = told.get("channel")
        return str(channel["id"]) if isinstance(channel, Mapping) and channel.get("id") else None

    async def _ask_root(self, key: str) -> str | None:
        channel, _, ts = key.partition("/")
        told = await self._ask("conversations.replies", HISTORY, channel=channel, ts=ts, limit=1)
        found = next((each for each in told.get("messages") or () if each.get("ts") == ts), None)
        if found is None:
            return None
        thread = str(found.get("thread_ts") or "")
        return "" if thread == ts else thread

    async def _ask_file(self, id: str) -> Told | None:
        file = (await self._ask("files.info", ("files:read",), file=id)).get("file")
        return file if isinstance(file, Mapping) else None

    async def _ask(self, method: str, scopes: Iterable[str], **arguments: Any) -> Told:
        """Empty where Slack does not tell."""
        if not any(self._workspace.may(scope) for scope in scopes):
            return {}
        try:
            return await self._calls.in_turn(method, **arguments)
        except DeliveryError as error:
            log.info("%s told nothing: %s", method, error)
            return {}


def _channel_of(channel: Told) -> Channel:
    return Channel(
        id=str(channel["id"]),
        name=plain_name(str(channel["name"])) if channel.get("name") else "",
        kind=_kind(channel),
        creator=str(channel.get("creator") or ""),
        is_member=bool(channel.get("is_member")),
        is_archived=bool(channel.get("is_archived")),
    )


def _cursor(told: Told) -> str:
    data = told.get("response_metadata")
    return str(data.get("next_cursor") or "") if isinstance(data, Mapping) else ""


def _kind(channel: Told) -> Kind:
    if channel.get("is_im"):
        return "im"
    if channel.get("is_mpim"):
        return "mpim"
    return "group" if channel.get("is_private") or channel.get("is_group") else "channel"
