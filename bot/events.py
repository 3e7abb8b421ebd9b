"""What adapters hear: places, people, and the kinds of event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal, TypeAlias, Union
from urllib.parse import quote, unquote

from pydantic import Field, JsonValue, TypeAdapter


@dataclass(frozen=True, slots=True)
class Place:
    """The key of one conversation: memory, order of turns, settings and exports belong to it.

    A thread is a place of its own; a direct message is its own channel.
    """

    platform: str
    workspace: str
    channel: str
    thread: str | None = None

    def __str__(self) -> str:
        parts = [self.workspace, self.channel] + ([self.thread] if self.thread is not None else [])
        return f"{quote(self.platform, safe='')}:" + "/".join(quote(part, safe=".-_~") for part in parts)

    @classmethod
    def parse(cls, text: str) -> Place:
        """The inverse of `str()`; raises ValueError for anything else."""
        platform, colon, rest = text.partition(":")
        parts = [unquote(part) for part in rest.split("/")]
        if not colon or not platform or len(parts) not in (2, 3):
            raise ValueError(f"not a place: {text!r}")
        return cls(unquote(platform), *parts)

    @property
    def parent(self) -> Place | None:
        """The channel that a thread hangs in, None for a channel."""
        return replace(self, thread=None) if self.thread is not None else None


@dataclass(frozen=True, slots=True)
class User:
    """A person or bot. `permissions` are plain names: `admin`, `manage_messages`.

    A person's own direct message gives them `admin`, and so does the terminal. Where anybody may make channels, whoever
    made one has `own_channel` there.
    """

    id: str
    name: str
    is_bot: bool = False
    roles: tuple[str, ...] = ()
    permissions: frozenset[str] = frozenset()

    @property
    def is_moderator(self) -> bool:
        """Of the place where they were heard."""
        return self.leads or "own_channel" in self.permissions

    @property
    def leads(self) -> bool:
        """Whether somebody made them a moderator, and not they themselves."""
        return bool(self.permissions & {"admin", "manage_messages"})


@dataclass(frozen=True, slots=True)
class Route:
    """How to answer. `data` is the adapter's own and opaque to the core; `Route(place)` always posts publicly."""

    place: Place
    data: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file somebody sent, read with `Adapter.fetch`. `size` is in bytes, as the platform claims it."""

    name: str
    media_type: str
    size: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`id` is unique within the place and stable when the platform delivers the event again. `locale` is the language
    of the person's client where the platform tells it, such as `de` or `en-US`."""

    id: str
    user: User
    route: Route
    at: datetime
    locale: str = ""

    @property
    def place(self) -> Place:
        return self.route.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Event):
    """`addressed` is the adapter's decision: a mention, a reply to the bot, a DM, the bot's own thread.

    `text` is Markdown with mentions as names, the mention of the bot itself taken out.
    `in_reply_to` is a platform message id; `quoted` is the reply chain as Markdown quotes, oldest first, as far as the
    adapter could read it without asking the platform again. It is no part of `text`: memory may have it already.
    `past` says that it was said before the bot came, and is handed over only to be remembered.
    """

    kind: Literal["message"] = "message"
    text: str
    addressed: bool
    attachments: tuple[Attachment, ...] = ()
    in_reply_to: str | None = None
    quoted: str = ""
    mentions: tuple[User, ...] = ()
    past: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The message that a context menu was opened on, as the platform sent it along. `id` is the platform's."""

    id: str
    author: User
    text: str
    at: datetime
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCall(Event):
    """`command` is the full name (`system set`). Either `arguments` by name, or one line of `text` to parse.

    A User argument is `{"id": …, "name": …}`, an Attachment argument its four fields.
    """

    kind: Literal["command"] = "command"
    command: str
    text: str | None = None
    arguments: Mapping[str, JsonValue] | None = None
    target: Target | None = None
    mentions: tuple[User, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed(Event):
    """`message` is the platform id of the message that the button stands under; `who` may press it, and `asker` is
    the id of the person it was made for."""

    kind: Literal["button"] = "button"
    action: str
    args: tuple[str, ...] = ()
    message: str
    who: Literal["asker", "moderators", "anyone"] = "anyone"
    asker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSubmitted(Event):
    """The filled form of a command; it is run as if it had been called with these arguments."""

    kind: Literal["form"] = "form"
    command: str
    values: Mapping[str, JsonValue]
    target: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited(Event):
    """`question` is the whole message where only the edit addressed it to the bot, as with a mention that was
    forgotten; its id is that of the message."""

    kind: Literal["edited"] = "edited"
    message: str
    text: str
    question: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted(Event):
    kind: Literal["deleted"] = "deleted"
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacted(Event):
    kind: Literal["reacted"] = "reacted"
    message: str
    emoji: str
    added: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Event):
    """Somebody came to a server; `is_me` says that it is the bot itself."""

    kind: Literal["joined"] = "joined"
    is_me: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    kind: Literal["left"] = "left"
    is_me: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Online(Event):
    """The adapter is connected, for the first time or after a gap that it could not resume.

    `latest` maps `str(place)` to the newest message id there, for as many places as the platform told
    without being asked; places it says nothing about are absent. Nothing older than the message id `since` can have
    been missed; None after a start. `silent` are the workspaces about whose places the platform never tells, such as
    direct messages; None where every place that is absent is meant. Its `user` is the bot itself. With a channel in
    its place, an adapter that goes on with one conversation says that this one alone can be reached again.
    """

    kind: Literal["online"] = "online"
    latest: Mapping[str, str] = field(default_factory=dict)
    since: str | None = None
    silent: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonForgotten(Event):
    """The bot's own: somebody wanted to be forgotten, and what they wrote in this place is gone. What else plugins know
    of them, they must forget themselves. `user` has no name any more; `staged` says that scenes were performed there.
    """

    kind: Literal["forgotten"] = "forgotten"
    staged: bool = False


AnyEvent: TypeAlias = Annotated[
    Union[
        Message,
        CommandCall,
        ButtonPressed,
        FormSubmitted,
        MessageEdited,
        MessageDeleted,
        Reacted,
        Joined,
        Left,
        Online,
        PersonForgotten,
    ],
    Field(discriminator="kind"),
]

_codec: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
_routes: TypeAdapter[Route] = TypeAdapter(Route)


def event_to_json(event: AnyEvent) -> str:
    return _codec.dump_json(event).decode()


def event_from_json(text: str) -> AnyEvent:
    return _codec.validate_json(text)


def route_to_json(route: Route) -> str:
    return _routes.dump_json(route).decode()


def route_from_json(text: str) -> Route:
    return _routes.validate_json(text)
