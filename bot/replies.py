"""What goes back to people: replies, and the pieces of a streamed answer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Literal, Protocol, TypeAlias

from bot.turn import Usage

Who: TypeAlias = Literal["asker", "moderators", "anyone"]
Look: TypeAlias = Literal["plain", "primary", "danger", "good", "bad"]
Reason: TypeAlias = Literal["stop", "length", "filtered", "tools", "truncated", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Button:
    """Works after a restart: what `button_id` makes of it (at most 100 characters) is all it carries.

    `who` may press it: `asker` is the person who is answered, or whoever has that user id, and every moderator. One
    that is not `enabled` is shown grey, as a label. `good` and `bad` are the two thumbs of feedback.
    """

    action: str
    label: str
    args: tuple[str, ...] = ()
    who: Who = "asker"
    look: Look = "plain"
    enabled: bool = True
    asker: str = ""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose name and face a message is shown under. `avatar` is a blob id or an https address."""

    id: str
    name: str
    avatar: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One message. `private` degrades: ephemeral, then a direct message, then a notice without the content.

    `failed` says that it tells of an error, for platforms that keep those apart. `notify` mentions the person who is
    answered, so that the platform tells them.
    """

    text: str = ""
    files: tuple[File, ...] = ()
    buttons: tuple[Button, ...] = ()
    private: bool = False
    speaker: Speaker | None = None
    failed: bool = False
    notify: bool = False


@dataclass(frozen=True, slots=True)
class SentId:
    """A message on the platform. `kind` tells the adapter how to reach it again; opaque to the core."""

    id: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class ToolStart:
    """The model asks for a tool. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolEnd:
    id: str
    name: str
    result: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about the answer, shown beside it and never remembered as part of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Controls:
    """The buttons under the answer from now on, below its last message; an empty tuple takes them away."""

    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Exactly once, last.

    `stop` said all it wanted · `length` the token limit · `filtered` the provider's filter ·
    `tools` wants the results of its tool calls · `truncated` the connection ended without a reason ·
    `stopped` by a person · `failed` an error, raised after it or told by a Notice.

    The engine adds what a footer shows: `seconds` from the question to the end, `first_token` from the question to
    the first text, `cost` in US dollars (None = unknown).
    """

    reason: Reason
    usage: Usage | None = None
    model: str | None = None
    seconds: float | None = None
    first_token: float | None = None
    cost: Decimal | None = None


Piece: TypeAlias = Text | ToolStart | ToolEnd | Notice | Controls | Done


@dataclass(frozen=True, slots=True)
class Resume:
    """Take up an answer again: `sent` are its messages so far, in order, `text` all that was said.

    `shown` is what those messages were seen to show, as far as that is known; an empty text means unknown.
    With an empty `text` the messages are written anew; those that are left over at the end are deleted.
    """

    sent: tuple[SentId, ...]
    text: str
    shown: tuple[str, ...] = ()


class ReplyStream(Protocol):
    """One growing answer.

    `write` never waits for the platform. Leaving the block normally shows the complete text and waits for it
    (every part delivered, as the platform returned it); leaving it with an exception shows what there is and marks
    it as broken off. Raises DeliveryError only from `__aexit__`, never from `write`.
    """

    @property
    def sent(self) -> tuple[SentId, ...]:
        """The messages that exist on the platform so far, in order."""
        ...

    async def write(self, piece: Piece) -> None: ...

    async def __aenter__(self) -> ReplyStream: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
