"""What the store gives back: frozen rows, no SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import JsonValue

from bot.events import Place, Route
from bot.replies import Reason, SentId, Speaker
from bot.turn import Role

if TYPE_CHECKING:
    from sqlalchemy import Row

MessageStatus: TypeAlias = Literal["complete", "partial", "interrupted", "failed", "forgotten"]
ClaimState: TypeAlias = Literal["new", "taken_over", "done", "running"]


@dataclass(frozen=True, slots=True)
class Claim:
    """`new`: handle it · `taken_over`: a dead process had it, handle it again with care (`started` says whether it
    had begun) · `done` and `running`: drop it."""

    state: ClaimState
    epoch: int = 0
    started: bool = False

    @property
    def mine(self) -> bool:
        return self.state in ("new", "taken_over")


@dataclass(frozen=True, slots=True)
class Conversation:
    """`settings` is this conversation's own: system prompt, provider, model, parameters, mode.

    `window_start` is the message id that the token window begins with, None = the beginning. `summary` tells what was
    said until and with the message `summary_until`; `has_pins` whether messages of the branch are pinned.
    """

    id: int
    place: Place
    settings: Mapping[str, JsonValue]
    branch: int
    tip: int | None
    window_start: int | None
    summary: str = ""
    summary_until: int = 0
    has_pins: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """One way that a conversation went. `tip` is its newest message, `forked_from` the one at which it left another
    branch, None where it began anew."""

    id: int
    name: str
    tip: int | None
    forked_from: int | None
    created_at: datetime
    active: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What was said on a branch until and with the message `until`. `model` wrote it, None = a person."""

    until: int
    text: str
    model: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewSummary:
    """What is to be kept of `told`, in going on from the summary until `base` (0 = none), whose text was `before`; None
    where that need not be looked at. It reaches `until`."""

    text: str
    base: int
    until: int
    told: Sequence[Remembered]
    model: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Character:
    """One of the cast of a scene. `face` is a blob id or an https address, `player` the id of the person who plays it,
    None where the model does."""

    name: str
    face: str | None = None
    player: str | None = None


@dataclass(frozen=True, slots=True)
class Playbill:
    """What is told of a scene beside its lines. `ended` says why it is over, in words, and `ended_at` when; it is over
    where either is there."""

    title: str = ""
    cast: tuple[Character, ...] = ()
    ended: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """One message of the tree. `author_id`/`author` are of the person who said it, None for the bot's own; `author_id`
    also of one whose words a speaker said.

    `variant_of` is the answer that this one was exchanged with, which stands in the tree.
    `tokens` is the cached count, None = not counted yet. `parts` holds tool calls and results:
    `{"tool_calls": [{"id", "name", "arguments"}], "tool_call_id": …}`; of a message with files `said` is how many
    characters of the text the person wrote, the files follow. `scene` is the message that its scene begins with, None
    for what belongs to none.
    """

    id: int
    conversation: int
    parent: int | None
    role: Role
    text: str
    author_id: str | None
    author: str | None
    speaker: str | None
    parts: Mapping[str, JsonValue]
    tokens: int | None
    status: MessageStatus
    model: str | None
    created_at: datetime
    variant_of: int | None = None
    scene: int | None = None

    def rewritten(self, text: str) -> tuple[str, Mapping[str, JsonValue]]:
        """Text and parts after its author edited it: the files that came with it stay."""
        said = self.parts.get("said")
        if not isinstance(said, int):
            return text, self.parts
        files = self.text[said:].lstrip("\n")
        return (f"{text}\n\n{files}" if text else files), {**self.parts, "said": len(text)}


def remembered(row: Row[*tuple[Any, ...]]) -> Remembered:
    """Its columns are the fields in their order."""
    return Remembered(*row)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be written. `sent` are the platform's messages that it came as or is shown in."""

    role: Role
    text: str
    author_id: str | None = None
    author: str | None = None
    speaker: str | None = None
    parts: Mapping[str, JsonValue] = field(default_factory=dict)
    tokens: int | None = None
    status: MessageStatus = "complete"
    model: str | None = None
    sent: tuple[SentId, ...] = ()
    scene: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """The journal of one answer, written before its first send.

    `text` and `sent` may lag behind what the platform shows by a moment; `question` is the remembered message that
    is answered, `event_id` the claim it belongs to. `epoch` is checked by `answered`. `finished` is set once the model
    has said everything, with the reason why it ended. `replaces` is the remembered answer whose place this one takes,
    in its messages; `as_variant` says that the old one is kept beside it. Not stored are `shown`, what `sent` were seen
    to show where that was looked up, and `branch`, on which the answer was begun.
    """

    id: int
    conversation: int
    route: Route
    event_id: str
    question: int | None
    text: str
    sent: tuple[SentId, ...]
    epoch: int
    started_at: datetime
    attempts: int = 0
    finished: Reason | None = None
    speaker: Speaker | None = None
    replaces: int | None = None
    as_variant: bool = False
    scene: int | None = None
    shown: tuple[str, ...] = ()
    branch: int | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """The newest messages of a branch that a token limit allows, oldest first, and the conversation they belong to.

    `complete` says whether the first row is the beginning of the branch or its window start. `pinned` are there however
    old they are.
    """

    conversation: Conversation
    messages: tuple[Remembered, ...]
    complete: bool
    pinned: tuple[Remembered, ...] = ()
