"""What a platform is to the core: the Adapter protocol and what a route can do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel, JsonValue

from bot.commands import Command
from bot.events import AnyEvent, Attachment, Message, Place, Route, User
from bot.replies import Reply, ReplyStream, Resume, SentId, Speaker

Handle: TypeAlias = Callable[[AnyEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Of a route, not of a platform: direct messages and missing permissions differ.

    `max_chars` is per message, 0 = no limit, and `named_chars` the lower one of a speaker's messages, 0 = the same;
    `markup` names the markup that is shown (`markdown`, `plain`);
    `appends` says that a stream only grows (terminal, SSE) and is never edited. `slow_mode` is how many seconds the
    place wants between two messages of one person; `age_restricted` marks a place for adults; `direct` is a talk
    with one person alone, where everything is meant for the bot; `menus` says that commands with a target stand in the
    menus of messages; `hears_all` says that the bot also sees what does not mention it; `feedback` that people expect
    to be asked what they think of an answer; `footer` that the adapter itself shows below answers what they took.
    """

    max_chars: int = 0
    named_chars: int = 0
    markup: str = "markdown"
    edits: bool = False
    speakers: bool = False
    private: bool = False
    max_file_bytes: int = 0
    buttons: bool = False
    forms: bool = False
    threads: bool = False
    appends: bool = False
    slow_mode: float = 0.0
    age_restricted: bool = False
    direct: bool = False
    menus: bool = False
    hears_all: bool = True
    feedback: bool = False
    footer: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """A message as the platform keeps it, read back with `Adapter.history`.

    `text` is Markdown as the adapter would hear it; for the bot's `own` messages it is the raw text that was sent,
    so that it can be compared. `event` is what the adapter would have handed over had it heard the message live,
    None for own messages and for those it would have ignored.
    """

    id: str
    author: User
    text: str
    at: datetime
    own: bool
    in_reply_to: str | None = None
    kind: str = ""
    event: Message | None = None


class Adapter(Protocol):
    """One platform. Building one does no I/O; `run` connects and returns when it is cancelled.

    It may also have `connected: bool`, whether it can hear and answer right now; without, it counts as connected
    while it runs.
    """

    @property
    def name(self) -> str: ...

    async def run(self, handle: Handle, commands: Sequence[Command]) -> None:
        """Hand every event to `handle`, which returns as soon as the event is safely claimed."""
        ...

    def capabilities(self, route: Route) -> Capabilities: ...

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        """Post a reply, split where it is too long. Raises DeliveryError."""
        ...

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> ReplyStream:
        """A growing answer. With `resume` it goes on in the messages of an earlier one.

        `before_post` is awaited before every new message: the core writes down what that message will show, so that
        it is known again after a crash. Whatever it raises ends the answer.
        """
        ...

    async def edit(self, route: Route, sent: SentId, reply: Reply) -> None:
        """Replace a message: its text, unless that is empty, and its buttons. Raises TargetGone when it no longer
        exists."""
        ...

    async def delete(self, route: Route, sent: SentId) -> None: ...

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        """The file's bytes. Raises DeliveryError when it is larger than `max_bytes` or gone."""
        ...

    async def history(self, route: Route, after: str | None, limit: int) -> tuple[Posted, ...]:
        """Messages after the id (exclusive), oldest first, at most `limit`; the newest ones for None.

        An adapter whose platform keeps nothing returns an empty tuple.
        """
        ...


@runtime_checkable
class HasConnection(Protocol):
    """An adapter that tells whether it is connected."""

    @property
    def connected(self) -> bool: ...


def is_connected(adapter: Adapter) -> bool:
    """Whether it can hear and answer right now, as far as it tells."""
    return adapter.connected if isinstance(adapter, HasConnection) else True


@runtime_checkable
class HasStatus(Protocol):
    """An adapter that tells more about itself in the health report."""

    @property
    def status(self) -> Mapping[str, JsonValue]: ...


@runtime_checkable
class OpensThreads(Protocol):
    """An adapter whose capabilities may say `threads`."""

    async def open_thread(self, route: Route, name: str) -> Route:
        """A thread for the message that the route answers, or the one that it has already. The route leads into it
        and answers the same message. Raises DeliveryRefused."""
        ...


@runtime_checkable
class NamesPlaces(Protocol):
    """An adapter that knows what people call the channels that it hears of."""

    async def place_name(self, place: Place) -> str:
        """As the platform shows the name of the channel, such as `#general`; empty where it does not tell. Never
        raises, and never waits for long."""
        ...


@runtime_checkable
class DeclinesFiles(Protocol):
    """An adapter that knows of files that cannot be read, whatever they are called."""

    def declines(self, attachment: Attachment) -> str:
        """Why, as a sentence for people; empty for all others. `fetch` raises DeliveryRefused, with such a sentence,
        for what turns out only then."""
        ...


@runtime_checkable
class StopsHearing(Protocol):
    """An adapter whose platform tells again what nobody heard, or says that it was not heard."""

    def stop_hearing(self) -> None:
        """The bot is being stopped: answers that run go on, and nothing else is handed over any more."""
        ...


class Shelf(Protocol):
    """What an adapter may keep between two starts, and the pictures of speakers."""

    async def load(self, key: str) -> JsonValue | None: ...

    async def save(self, key: str, value: JsonValue) -> None:
        """None removes it."""
        ...

    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        """The content and media type of a blob, such as a speaker's `avatar`."""
        ...


@runtime_checkable
class UsesShelf(Protocol):
    """An adapter that keeps something."""

    def use(self, shelf: Shelf) -> None:
        """Called once, before `run`."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `duologue check`."""

    ok: bool
    subject: str
    says: str


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """What an adapter's entry point (group `duologue.adapters`) names.

    Importing the module that holds it must not import the platform's SDK: `create` does, and a missing one becomes
    an error with the install line for `extra`. `configured` says whether `duologue run` should start it. `check` and
    `manifest` are given the commands of all plugins; `manifest` is what `duologue manifest NAME` prints: how the
    platform is told about this bot.
    """

    name: str
    settings: type[BaseModel]
    create: Callable[[Any], Adapter]
    configured: Callable[[Any], bool]
    extra: str | None = None
    check: Callable[[Any, Sequence[Command]], Awaitable[Sequence[Finding]]] | None = None
    manifest: Callable[[Any, Sequence[Command]], str] | None = None
