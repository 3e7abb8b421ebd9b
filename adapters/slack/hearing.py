"""What Slack tells as events: places, people, messages with their markup turned into Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import JsonValue

from adapters.slack import SlackSettings
from adapters.slack.blocks import said_in
from adapters.slack.escaping import plain_name
from adapters.slack.people import SLACKBOT, People
from adapters.slack.places import is_direct, place_of
from adapters.slack.reading_markup import mentions, message_text, to_markdown
from adapters.slack.threads import Threads
from adapters.slack.workspace import Workspace
from bot.api import Attachment, Command, CommandCall, Message, Place, Route, Target, User, clip

# A message as Slack tells of it, in an event or when it is read back; `channel` has to be in it.
Told: TypeAlias = Mapping[str, Any]

# Everything else tells what happened, not what somebody said.
SAID = frozenset({"", "bot_message", "file_share", "me_message", "thread_broadcast"})
TYPED_COMMAND = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,31})(?:\s+(?P<rest>.*))?", re.DOTALL)
HELP = "help"
# Of a message that somebody passes on, so many characters are read.
MAX_PASSED_ON = 6000
_TO_OTHERS = re.compile(r"\s*<(?:@(?P<user>[A-Z0-9]+)|!subteam\^)")
_WORKSPACE = re.compile(r"T[A-Z0-9]+")
# Files that were deleted, or that Slack no longer shows to anybody.
_GONE = frozenset({"tombstone", "hidden_by_limit"})


class Hearing:
    """Decides what is heard and what it means. `app` is the id of the bot's own app, once Slack told it."""

    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        people: People,
        threads: Threads,
        commands: Sequence[Command],
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._people = people
        self._threads = threads
        self._first_words = {command.name.partition(" ")[0] for command in commands if command.target is None}
        self.app = ""

    # Who and where

    def allows(self, place: Place, user: str) -> bool:
        """Whether the settings let this person be answered in this place."""
        settings = self._settings
        if user in settings.deny_users or (settings.users and user not in settings.users):
            return False
        return self.allows_in(place)

    def allows_in(self, place: Place) -> bool:
        """Whether anybody may be answered in this place."""
        settings = self._settings
        if place.channel in settings.deny_channels:
            return False
        if is_direct(place):
            return settings.direct_messages
        return not settings.channels or place.channel in settings.channels

    def place(self, message: Told) -> Place:
        """What is answered in a thread below it belongs to that thread: a mention at the top of a channel, and whatever
        is said to the bot alone."""
        channel, ts, thread = str(message["channel"]), str(message["ts"]), message.get("thread_ts")
        if thread == ts:
            thread = None
        place = place_of(self._workspace.team, channel, thread)
        if place.thread is None and self._roots_thread(message, place):
            return replace(place, thread=ts)
        return place

    def target_place(self, message: Told) -> Place:
        """Where a message stands that something is done to. What two people say to each other begins no thread; what
        they say to the bot has one once it was answered."""
        place = self.place(message)
        return replace(place, thread=None) if is_direct(place) and not message.get("thread_ts") else place

    def _roots_thread(self, message: Told, place: Place) -> bool:
        if not self._settings.reply_in_threads:
            return False
        if not is_direct(place):
            return self.is_mention(message)
        # What the bot says by itself, such as the answer to a slash command, is answered by nobody.
        return self._workspace.is_assistant and bool(message.get("user")) and not self.is_own(message)

    def is_own(self, message: Told) -> bool:
        """Also what it said under another name."""
        workspace, profile = self._workspace, message.get("bot_profile")
        if message.get("user") == workspace.user or (workspace.bot and message.get("bot_id") == workspace.bot):
            return True
        apps = {message.get("app_id"), profile.get("app_id") if isinstance(profile, Mapping) else None}
        # What a person says through an app of theirs is theirs.
        return bool(self.app) and self.app in apps and bool(message.get("bot_id"))

    def is_mention(self, message: Told) -> bool:
        return message.get("type") == "app_mention" or self._workspace.user in mentions(message_text(message))

    async def is_addressed(self, message: Told, place: Place) -> bool:
        if is_direct(place) or self.is_mention(message):
            return True
        if place.thread is None:
            return False
        found = _TO_OTHERS.match(message_text(message))
        if found and found["user"] != self._workspace.user:
            return False
        return message.get("parent_user_id") == self._workspace.user or await self._threads.takes_part(place)

    # What is heard

    async def heard(self, message: Told, place: Place | None = None) -> Message | CommandCall | None:
        """The event that a message is; None for what is not for the bot: its own, other bots', what is denied. Without
        a `place` it is heard where it was said."""
        if not self.is_heard(message):
            return None
        await self.learn(message)
        return await self.understood(message, place)

    def is_heard(self, message: Told) -> bool:
        """Whether this may be for the bot at all, as far as can be said without asking Slack."""
        if str(message.get("subtype") or "") not in SAID or self.is_own(message):
            return False
        if _is_bots(message) and not self._settings.listen_to_bots:
            return False
        author = str(message.get("user") or message.get("bot_id") or "")
        return bool(author) and self.allows(self.place(message), author)

    async def learn(self, message: Told) -> None:
        """Ask Slack for everybody whom it is about."""
        channel, user = str(message.get("channel", "")), str(message.get("user") or "")
        unnamed = "" if user or _own_name(message) else str(message.get("bot_id") or "")
        withheld = [str(file["id"]) for file in _files(message) if _is_withheld(file)]
        texts = [message_text(message), *_passed_on(message)]
        await self._people.learn(channel, [user], texts, bot=unnamed, files=withheld)

    async def understood(self, message: Told, place: Place | None = None) -> Message | CommandCall | None:
        """The same as `heard`, without asking Slack for anything."""
        if not self.is_heard(message):
            return None
        place = place or self.place(message)
        user = self._author(message, place)
        said, files = self._said(message), attachments(message, self._people.known_file)
        addressed = await self.is_addressed(message, place)
        if not said and not files and not addressed:
            return None
        route, at = Route(place, self._data(message, user)), moment(str(message["ts"]))
        locale, named = self._people.known_locale(user.id), self._mentions(message, place)
        id = str(message["ts"])
        if command := self._typed_command(said, addressed):
            name, rest = command
            return CommandCall(
                id=id, user=user, route=route, at=at, locale=locale, command=name, text=rest, mentions=named
            )
        return Message(
            id=id,
            user=user,
            route=route,
            at=at,
            locale=locale,
            text=said,
            addressed=addressed,
            attachments=files,
            mentions=named,
        )

    def understood_text(self, message: Told) -> str:
        """As Markdown, with what it passes on as quotes, as far as names are known."""
        return said_in(message) if self.is_own(message) else self._said(message)

    async def target(self, message: Told, channel: str) -> Target:
        """What a menu was opened on. Whose message it is does not matter."""
        message = {**message, "channel": channel}
        await self.learn(message)
        author = self._author(message, self.place(message))
        text = self.understood_text(message)
        files = attachments(message, self._people.known_file)
        return Target(str(message["ts"]), author, text, moment(str(message["ts"])), files)

    # Inside

    def _author(self, message: Told, place: Place) -> User:
        """Other apps say things under names of their own."""
        id, bot, called = str(message.get("user") or ""), str(message.get("bot_id") or ""), _own_name(message)
        if not id:
            return User(bot, called or self._people.known_bot_name(bot), is_bot=True)
        user = self._people.known_person(id, place)
        return replace(user, name=called or user.name, is_bot=True) if bot else user

    def _data(self, message: Told, user: User) -> dict[str, JsonValue]:
        data: dict[str, JsonValue] = {"message": str(message["ts"])}
        if message.get("user"):
            data["user"] = user.id
        team = self._people.known_team(user.id) or str(message.get("user_team") or message.get("source_team") or "")
        if team != self._workspace.team and _WORKSPACE.fullmatch(team):
            data["team"] = team
        return data

    def _mentions(self, message: Told, place: Place) -> tuple[User, ...]:
        named = sorted(mentions(message_text(message)) - {self._workspace.user})
        return tuple(self._people.known_person(id, place) for id in named)

    def _said(self, message: Told) -> str:
        names = self._people.known_names()
        said = to_markdown(message_text(message), names)
        passed_on = [_quote(to_markdown(text, names)) for text in _passed_on(message)]
        if not said and not passed_on and _is_bots(message):
            passed_on = [to_markdown(text, names) for text in _attached(message)]
        return "\n\n".join(part for part in (said, *passed_on) if part)

    def _typed_command(self, said: str, addressed: bool) -> tuple[str, str] | None:
        """`!help` where that is switched on, and `/help` said to the bot as plain text.

        What nobody knows is a command only when the bot is addressed: other bots may share the prefix.
        """
        prefixes = [self._settings.text_prefix, "/" if addressed else ""]
        for prefix in filter(None, prefixes):
            found = TYPED_COMMAND.fullmatch(said[len(prefix) :]) if said.startswith(prefix) else None
            if found and found["name"] == self._settings.command and found["name"] not in self._first_words:
                # As it is typed where slash commands are allowed.
                found = TYPED_COMMAND.fullmatch(found["rest"] or HELP)
            if found and (addressed or found["name"] in self._first_words):
                return found["name"], found["rest"] or ""
        return None


def moment(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)


def attachments(message: Told, known: Callable[[str], Told] = lambda id: {}) -> tuple[Attachment, ...]:
    """Its files, and those of messages that it passes on. `known` tells of files by id what the message does not."""
    files = [{**file, **known(str(file["id"]))} if _is_withheld(file) else file for file in _files(message)]
    return tuple(_attachment(file) for file in files if file.get("mode") not in _GONE)


def _files(message: Told) -> list[Told]:
    listed = [message, *(each for each in _listed(message, "attachments") if each.get("is_share"))]
    return [file for each in listed for file in _listed(each, "files")]


def _is_withheld(file: Told) -> bool:
    """In a channel that workspaces share Slack tells no more of a file than its id, until it is asked."""
    return file.get("file_access") == "check_file_info" and bool(file.get("id"))


def _attachment(file: Told) -> Attachment:
    size = file.get("size")
    return Attachment(
        name=plain_name(str(file.get("name") or file.get("title") or "file")),
        media_type=str(file.get("mimetype") or "application/octet-stream"),
        size=size if isinstance(size, int) else 0,
        url=str(file.get("url_private_download") or file.get("url_private") or ""),
    )


def _is_bots(message: Told) -> bool:
    return bool(message.get("bot_id")) or message.get("subtype") == "bot_message" or message.get("user") == SLACKBOT


def _own_name(message: Told) -> str:
    """What another app calls itself in this message."""
    profile = message.get("bot_profile")
    name = message.get("username") or (profile.get("name") if isinstance(profile, Mapping) else "")
    return plain_name(str(name)) if name else ""


def _passed_on(message: Told) -> list[str]:
    """The texts of messages that somebody shares in this one."""
    texts = []
    for shared in _listed(message, "attachments"):
        text = str(shared.get("text") or "").strip()
        if shared.get("is_share") and text:
            author = str(shared.get("author_name") or "").strip()
            texts.append(f"{author}: {text}" if author else text)
    return texts


def _attached(message: Told) -> Iterator[str]:
    """What other apps say beside the text of a message."""
    for each in _listed(message, "attachments"):
        parts = [str(each[name]) for name in ("pretext", "title", "text") if each.get(name)]
        if text := "\n".join(parts) or str(each.get("fallback") or ""):
            yield text


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in clip(text, MAX_PASSED_ON).splitlines())


def _listed(told: Told, name: str) -> list[Told]:
    items = told.get(name)
    return [each for each in items if isinstance(each, Mapping)] if isinstance(items, list) else []
