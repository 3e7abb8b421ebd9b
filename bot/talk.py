"""What handlers may do with the conversation of their place: its settings, its memory, its branches and meters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import JsonValue

from bot.feedback import Feedback
from bot.manners import Manner
from bot.meters import Meters
from bot.replies import SentId, Speaker
from bot.store.records import Branch, Playbill, Remembered, Summary
from bot.turn import ModelCall, ModelChoice
from bot.window import WindowReport


@dataclass(frozen=True, slots=True)
class Room:
    """In tokens: what a prompt may have, and what of the model's limit is left for the answer."""

    prompt: int
    answer: int


class Talk(Protocol):
    """The conversation of the event's place: its settings, its memory, its meters."""

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """The conversation's own settings as they were when the event was handled: `system`, `provider`, `model`,
        `parameters`, `mode`."""
        ...

    @property
    def system_prompt(self) -> str:
        """The effective one: the conversation's own or the default."""
        ...

    @property
    def model(self) -> ModelChoice:
        """The effective choice: provider, model, and parameters with the mode applied."""
        ...

    async def manner(self) -> Manner:
        """When I speak here, what I do when I am busy, and whom I ping, wherever that is set."""
        ...

    async def change(self, **changes: JsonValue) -> None:
        """Merge into the settings; None removes a key."""
        ...

    async def path(self, limit: int = 50) -> tuple[Remembered, ...]:
        """The newest messages of the active branch, oldest first, also those that the model only knows in short."""
        ...

    async def count(self) -> int: ...

    async def clear(self) -> int: ...

    async def append(
        self,
        role: Literal["user", "assistant"],
        text: str,
        speaker: Speaker | None = None,
        *,
        sent: Sequence[SentId] = (),
        scene: int | None = None,
    ) -> Remembered:
        """Remember something; `sent` are the messages that show it, where there are any."""
        ...

    async def tell_scene(self, root: int, bill: Playbill) -> None:
        """Put down what is to be told of a scene beside its lines: transcripts show its title, cast and end. `root` is
        the message that it begins with. What was put down before is replaced; it goes when that message does."""
        ...

    async def branch(self, at: int | None, name: str = "") -> None:
        """Go on from an earlier message, None = from nothing, on a branch of its own. What was said stays on the
        others."""
        ...

    async def branches(self) -> Sequence[Branch]:
        """In the order in which they were begun; one is active."""
        ...

    async def switch(self, branch: int) -> None: ...

    async def rename_branch(self, branch: int, name: str) -> None: ...

    async def delete_branch(self, branch: int) -> int:
        """What was said on this branch alone is forgotten; returns how many messages that were."""
        ...

    async def move_tip(self, to: int | None) -> None:
        """Let the active branch end with an earlier message of it."""
        ...

    async def pins(self) -> Sequence[Remembered]:
        """Messages that the model reads however old they are, oldest first."""
        ...

    async def pin(self, message: int) -> None: ...

    async def unpin(self, message: int) -> bool: ...

    async def summary(self) -> Summary | None:
        """What is told of the messages that no longer fit; None where all still do."""
        ...

    async def write_summary(self, text: str) -> None:
        """Put this in its place; later messages are added to it as they leave the window."""
        ...

    async def variants(self, answer: int) -> Sequence[Remembered]:
        """All that was said in the place of an answer, oldest first; the one that counts has the answer's id."""
        ...

    async def forget(self, *messages: int) -> None: ...

    async def message_of(self, platform_id: str) -> Remembered | None:
        """What is remembered of a message of the platform, None for one that never came here."""
        ...

    async def message(self, id: int) -> Remembered | None:
        """A message of this place by the id that memory gave it, such as the parent of another."""
        ...

    async def question_of(self, answer: Remembered) -> Remembered | None:
        """The person's message that an answer was given to."""
        ...

    async def sent(self, message: int) -> tuple[SentId, ...]:
        """The platform's messages that show what is remembered by this id, in order."""
        ...

    async def window(self) -> WindowReport: ...

    def room(self, model: ModelChoice | None = None) -> Room:
        """How much a prompt of a plugin's own may hold, for this model or the one that answers here."""
        ...

    async def usage(self, since: datetime | None = None) -> Sequence[ModelCall]: ...

    @property
    def meters(self) -> Meters:
        """What was used in a day or month, by whom and for what, and what of the budgets is left."""
        ...

    async def feedback(self) -> Feedback:
        """What people think of the answers here, as far as they said so."""
        ...
