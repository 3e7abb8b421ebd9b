"""What the fake Slack knows: the workspace, its people, channels, messages, files and views."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from adapters.slack.testing.clock import Clock

# JSON as it travels to and from Slack: its shape is checked where it is read.
Json: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["channel", "group", "im", "mpim"]

STREAM_LIVES = 300.0
STATUS_LIVES = 120.0
_ENTITIES: Mapping[str, str] = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


class ApiError(Exception):
    """`ok: false` with this error; `more` goes along with it."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.body: Json = {"ok": False, "error": error, **more}


@dataclass(slots=True, eq=False)
class Account:
    """A person or a bot. Somebody of another `team` is a guest from a connected workspace."""

    id: str
    name: str
    is_bot: bool = False
    is_admin: bool = False
    locale: str = "en-US"
    tz: str = "Europe/London"
    team: str = ""
    bot_id: str = ""
    app_id: str = ""


@dataclass(slots=True, eq=False)
class Channel:
    id: str
    name: str
    kind: Kind = "channel"
    members: list[Account] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    archived: bool = False
    creator: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What a message showed from the moment `at` (`time.monotonic()`). `text` is as it was sent, with `&amp;`."""

    text: str
    at: float
    blocks: tuple[Json, ...] = ()

    @property
    def seen(self) -> str:
        """The text as people read it."""
        return re.sub("|".join(_ENTITIES), lambda found: _ENTITIES[found[0]], self.text)


@dataclass(slots=True, eq=False)
class Stream:
    """The live part of a message: `open` until it is stopped, by the app, by somebody or by its age."""

    started: float
    open: bool = True
    stopped_by: str = ""  # "app", "user" or "age"
    closed: bool = False  # by the app, also after somebody else stopped it
    chunks: list[Json] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Message:
    """One message with everything it ever showed. `seen_by` names the one who sees an ephemeral message."""

    ts: str
    channel: Channel
    author: Account
    states: list[State]
    thread_ts: str | None = None
    broadcast: bool = False
    fallback: str = ""  # the `text` of a message whose blocks are shown instead
    subtype: str = ""
    shown_as: str | None = None
    icon: str = ""
    files: list[File] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    client_msg_id: str = ""
    edited: Json | None = None
    seen_by: Account | None = None
    stream: Stream | None = None
    deleted_at: float | None = None
    pinged: list[str] = field(default_factory=list)
    unfurls: bool = False
    asked: Json = field(default_factory=dict)  # the arguments of the call that posted it

    @property
    def text(self) -> str:
        """As it was sent; `seen` is as people read it."""
        return self.states[-1].text

    @property
    def seen(self) -> str:
        return self.states[-1].seen

    @property
    def blocks(self) -> list[Json]:
        return [*self.states[-1].blocks]

    @property
    def deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def streaming(self) -> bool:
        return self.stream is not None and self.stream.open

    @property
    def name(self) -> str:
        """Who seems to have written it."""
        return self.shown_as or self.author.name

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    def show(self, text: str, blocks: Sequence[Json] = ()) -> None:
        self.states.append(State(text, time.monotonic(), tuple(blocks)))


@dataclass(slots=True, eq=False)
class File:
    """`mode` is `hosted`, `external` for what is kept elsewhere, or `quip` for a canvas."""

    id: str
    name: str
    content: bytes | None
    owner: Account
    title: str = ""
    alt: str = ""
    deleted: bool = False
    shared: list[Message] = field(default_factory=list)
    url: str = ""
    mode: str = "hosted"


@dataclass(slots=True, eq=False)
class View:
    """A modal or a home tab. `errors` are what the app said is wrong with the last submission, by block."""

    id: str
    user: Account
    body: Json
    root: str
    previous: str | None = None
    hash: str = ""
    open: bool = True
    errors: Mapping[str, str] = field(default_factory=dict)
    history: list[Json] = field(default_factory=list)

    @property
    def title(self) -> str:
        return str(self.body.get("title", {}).get("text", ""))

    @property
    def blocks(self) -> list[Json]:
        return [*self.body.get("blocks", [])]


@dataclass(frozen=True, slots=True)
class Status:
    """The line "… is thinking" under a thread, from the moment `at`."""

    channel: str
    thread_ts: str
    text: str
    at: float
    loading_messages: tuple[str, ...] = ()
    shown_as: str | None = None


@dataclass(slots=True, eq=False)
class AssistantThread:
    """A talk in the assistant pane."""

    channel: Channel
    root: Message
    user: Account
    context: Json
    title: str = ""
    prompts: list[Json] = field(default_factory=list)
    prompts_title: str = ""

    @property
    def ts(self) -> str:
        return self.root.ts


@dataclass(slots=True, eq=False)
class Session:
    """What `agents.sessions.*` knows of a thread."""

    status: str
    title: str = ""
    statuses: list[str] = field(default_factory=list)


class World:
    """One workspace and the app that is installed in it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        # Whether the app is told of its messages as Slack understood them.
        self.translates = False
        self._numbers = itertools.count(1)
        self._last_ts = 0
        self.team = self.new_id("T")
        self.domain = "workshop"
        self.accounts: dict[str, Account] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, str] = {}  # handle → id of a user group
        self.files: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.live: list[Message] = []  # messages that stream, or did a moment ago
        self.statuses: list[Status] = []
        self.assistant: dict[tuple[str, str], AssistantThread] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        self.agent = False
        self.prompts: dict[str, list[Json]] = {}  # what an agent's tab of messages suggests, by channel
        self.listens = True  # whether people may write to the app
        self.bot = self.add_account("bot", is_bot=True)

    @property
    def app_id(self) -> str:
        return self.bot.app_id

    def new_id(self, letter: str) -> str:
        return f"{letter}0{next(self._numbers):09X}"

    def new_ts(self) -> str:
        """Unique and growing, also within a microsecond."""
        self._last_ts = max(self._last_ts + 1, int(self.clock.wall() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def add_account(self, name: str, *, is_bot: bool = False, **more: Any) -> Account:
        bot_id, app_id = (self.new_id("B"), self.new_id("A")) if is_bot else ("", "")
        account = Account(self.new_id("U"), name, is_bot, bot_id=bot_id, app_id=app_id, **{"team": self.team, **more})
        self.accounts[account.id] = account
        return account

    def add_channel(self, name: str, kind: Kind, members: Sequence[Account]) -> Channel:
        letter = {"channel": "C", "group": "C", "im": "D", "mpim": "G"}[kind]
        channel = Channel(self.new_id(letter), name, kind, [*members])
        self.channels[channel.id] = channel
        return channel

    def direct(self, account: Account) -> Channel:
        """The talk of somebody with the bot."""
        known = (
            each
            for each in self.channels.values()
            if each.kind == "im" and account in each.members and self.bot in each.members
        )
        return next(known, None) or self.add_channel(account.name, "im", [account, self.bot])

    def messages(self) -> list[Message]:
        return [message for channel in self.channels.values() for message in channel.messages.values()]

    def replies(self, channel: Channel, thread_ts: str) -> list[Message]:
        """Those that everybody sees, oldest first, without the root."""
        kept = channel.messages.values()
        return [
            each
            for each in kept
            if each.thread_ts == thread_ts and each.is_reply and not each.deleted and each.seen_by is None
        ]

    def status_of(self, channel: str, thread_ts: str) -> Status | None:
        """The status that is shown now: none after two minutes, and none after the app said something."""
        known = [each for each in self.statuses if (each.channel, each.thread_ts) == (channel, thread_ts)]
        if not known or not known[-1].text or self.clock.now() - known[-1].at > STATUS_LIVES:
            return None
        return known[-1]

    def clear_status(self, channel: str, thread_ts: str) -> None:
        if self.status_of(channel, thread_ts) is not None:
            self.statuses.append(Status(channel, thread_ts, "", self.clock.now()))

    def let_streams_die(self) -> None:
        """Streams end five minutes after their start, whatever is going on in them."""
        self.live = [message for message in self.live if message.streaming]
        for message in self.live:
            stream = message.stream
            if stream is not None and self.clock.now() - stream.started >= STREAM_LIVES:
                stream.open, stream.stopped_by = False, "age"
