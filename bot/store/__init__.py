"""The database: one Store, every statement a method of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType

from pydantic import JsonValue

from bot.clock import Clock, SystemClock
from bot.events import AnyEvent, Place, Route
from bot.replies import SentId
from bot.store.records import Claim, Conversation, Draft, NewMessage, Path, Remembered
from bot.turn import ModelCall

__all__ = ["Claim", "Conversation", "Draft", "NewMessage", "Path", "Remembered", "Store"]


class Store:
    """`async with Store(url)` opens the database and brings it up to date (SQLite) or checks its version.

    Raises StoreCorrupt, StoreTooNew or StoreUnavailable with a sentence that names the file and what to do.
    Every method raises StoreUnavailable when the disk is full, the file read-only or locked for too long.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._url = url
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> Store:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    @property
    def owner(self) -> str:
        """Names this process in claims and drafts; others can tell whether it still lives."""
        raise NotImplementedError

    # Claims: every event is claimed first.

    async def claim(self, event: AnyEvent) -> Claim:
        """Insert-or-ignore on (place, event id); the event itself is kept until it is done, so that what a crash
        left can be handled again."""
        raise NotImplementedError

    async def begin(self, place: Place, event_id: str) -> None:
        """seen → running: from here on a repeat could be noticed by people."""
        raise NotImplementedError

    async def done(self, place: Place, event_id: str) -> None:
        raise NotImplementedError

    async def left_behind(self, platform: str) -> tuple[tuple[AnyEvent, Claim], ...]:
        """Events that dead processes claimed and did not finish, oldest first, without those a draft stands for.
        They now belong to this process."""
        raise NotImplementedError

    async def last_heard(self, platform: str) -> Mapping[str, str]:
        """`str(place)` → newest event id claimed of a message there, for finding what was missed while down."""
        raise NotImplementedError

    # Conversations and their tree.

    async def conversation(self, place: Place, *, inherit: Place | None = None) -> Conversation:
        """The conversation of a place, made on first sight; `inherit` copies the settings of another one."""
        raise NotImplementedError

    async def change_settings(self, place: Place, changes: Mapping[str, JsonValue]) -> Conversation:
        """Merge; a None value removes the key."""
        raise NotImplementedError

    async def remember(self, place: Place, message: NewMessage) -> tuple[Conversation, Remembered]:
        """Append to the tip of the active branch, in one transaction; remembering the same `sent` id again
        returns what is there."""
        raise NotImplementedError

    async def path(self, place: Place, *, max_tokens: int) -> Path:
        """The end of the active branch, from its window start, no more than `max_tokens` and at least the tip.
        Costs the same however long the branch is. Messages whose tokens are unknown count one per four bytes."""
        raise NotImplementedError

    def pages(self, place: Place, *, size: int = 1000) -> AsyncIterator[Sequence[Remembered]]:
        """The whole active branch, oldest first, from a read-only connection, keyset paged."""
        raise NotImplementedError

    async def tree(self, place: Place, *, after: int = 0, limit: int = 1000) -> tuple[Remembered, ...]:
        """Every message of the conversation in order of creation, one page."""
        raise NotImplementedError

    async def count(self, place: Place) -> int:
        """User and assistant messages on the active branch that are in the window's reach (since the last clear)."""
        raise NotImplementedError

    async def set_window_start(self, branch: int, start: int | None) -> None:
        raise NotImplementedError

    async def set_tokens(self, counts: Mapping[int, int]) -> None:
        """Cache token counts by message id."""
        raise NotImplementedError

    async def clear(self, place: Place) -> int:
        """Begin anew: a fresh branch with no messages; settings stay. Returns how many messages left the memory."""
        raise NotImplementedError

    async def branch(self, place: Place, at: int | None, name: str = "") -> Conversation:
        """A new branch forked at a message and made the active one."""
        raise NotImplementedError

    async def move_tip(self, place: Place, to: int | None) -> Conversation:
        raise NotImplementedError

    async def forget(self, place: Place, messages: Collection[int]) -> None:
        """Their text is gone; the tree stays connected."""
        raise NotImplementedError

    async def rewrite(self, place: Place, platform_id: str, text: str) -> Remembered | None:
        """A person edited a message: what is remembered of it changes. None if it is not known."""
        raise NotImplementedError

    async def message_of(self, place: Place, platform_id: str) -> Remembered | None:
        """The remembered message that this platform message is (part of)."""
        raise NotImplementedError

    async def message(self, id: int) -> Remembered | None:
        raise NotImplementedError

    # Drafts and answers.

    async def open_draft(
        self, conversation: int, route: Route, event_id: str, question: int | None, *, epoch: int
    ) -> Draft:
        raise NotImplementedError

    async def save_draft(self, draft: int, *, text: str, sent: Sequence[SentId]) -> None:
        raise NotImplementedError

    async def answered(
        self,
        draft: Draft,
        place: Place,
        messages: Sequence[NewMessage],
        calls: Sequence[ModelCall],
        *,
        user_id: str | None = None,
    ) -> tuple[Remembered, ...] | None:
        """One transaction: append the messages to the tip, write their sent ids and the ledger, mark the event done,
        remove the draft. None, and nothing is written, if another process took the draft over (its epoch moved)."""
        raise NotImplementedError

    async def abandon(self, draft: Draft) -> None:
        """Remove a draft that leaves nothing to remember and mark its event done."""
        raise NotImplementedError

    async def orphans(self, platform: str) -> tuple[Draft, ...]:
        """Drafts of dead processes, taken over: their epoch is one higher, `attempts` counts the take-overs."""
        raise NotImplementedError

    # Ledger.

    async def spend(self, place: Place, calls: Sequence[ModelCall], *, user_id: str | None = None) -> None:
        """Calls that were no answer: summaries, `ctx.ask`."""
        raise NotImplementedError

    async def usage(self, place: Place | None = None, *, since: datetime | None = None) -> Sequence[ModelCall]:
        """Ledger lines summed by (provider, model, feature)."""
        raise NotImplementedError

    # Plugin state, blobs, jobs.

    async def load_state(self, plugin: str, scope: str, key: str) -> tuple[JsonValue, int] | None:
        """Value and version."""
        raise NotImplementedError

    async def save_state(
        self, plugin: str, scope: str, key: str, value: JsonValue, *, version: int | None = None
    ) -> int:
        """Returns the new version; a `version` that is no longer current raises StoreError."""
        raise NotImplementedError

    async def delete_state(self, plugin: str, scope: str, key: str) -> None:
        raise NotImplementedError

    async def put_blob(self, content: bytes, media_type: str) -> str:
        """Its id; the same bytes have the same id."""
        raise NotImplementedError

    async def get_blob(self, id: str) -> tuple[bytes, str] | None:
        raise NotImplementedError

    async def save_job(
        self, plugin: str, name: str, route: Route, state: JsonValue, *, status: str, id: int | None = None
    ) -> int:
        raise NotImplementedError

    async def jobs(
        self, *, place: Place | None = None, status: str | None = None
    ) -> Sequence[tuple[int, str, str, Route, JsonValue, str]]:
        """id, plugin, name, route, state, status."""
        raise NotImplementedError

    async def learned(self, provider: str, model: str) -> Mapping[str, JsonValue]:
        """What was learned about a model: refused parameters, token calibration."""
        raise NotImplementedError

    async def learn(self, provider: str, model: str, facts: Mapping[str, JsonValue]) -> None:
        raise NotImplementedError
