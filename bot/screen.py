"""The messages of one answer on the platform: what they should show, what they do show, and getting there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from bot.clock import Clock
from bot.errors import BotError, DeliveryError, DeliveryRefused, TargetGone
from bot.lanes import Call, Lane, Urgency
from bot.replies import Button, SentId
from bot.text import same_text

_log = structlog.get_logger(__name__)

# Seconds to wait before the next try of a call that may pass.
_WAITS = (0.5, 1.0, 2.0, 4.0)
# How often messages may vanish under an answer before it is given up, and how often one is put right.
_MAX_LOST = 3
_MAX_REPAIRS = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the platform keeps it.

    `text` is what it returned, so that it can be compared with what was sent. Where the adapter itself changed the
    text on the way (mentions) and the platform kept that, it is the text as it was given.
    """

    sent: SentId
    text: str


class Surface(Protocol):
    """The two calls a live answer needs, for one target. Both return as soon as the platform has answered.

    Raise TargetGone (the message or its channel no longer exists), DeliveryRefused (no permission), any other
    DeliveryError for what may pass (5xx, connection lost). `text` has at most `max_chars`. Posts never overlap, and
    a post after a failed one is the same post tried again: keep its idempotency key until one succeeds.
    `buttons` stand below the text; None leaves those that are there. A platform without buttons ignores them.
    """

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown: ...

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown: ...

    async def delete(self, sent: SentId) -> None:
        """One that is gone already is no error."""
        ...


@dataclass(slots=True)
class Part:
    """One message: `asked` is what it was last told to show, None = nobody knows; `shown` what the platform said."""

    sent: SentId | None = None
    asked: str | None = None
    shown: str = ""


class Screen:
    def __init__(
        self,
        surface: Surface,
        lane: Lane,
        clock: Clock,
        grown: Callable[[], None],
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._before_post = before_post
        self.parts: list[Part] = []
        self.failed: DeliveryError | None = None
        self._surface = surface
        self._lane = lane
        self._clock = clock
        self._grown = grown
        self._posting = asyncio.Lock()
        self._lost = 0
        self._strikes = 0

    def shows(self, index: int, text: str) -> bool:
        """Whether this message was told to show exactly this."""
        return index < len(self.parts) and self.parts[index].sent is not None and self.parts[index].asked == text

    def method_for(self, index: int) -> str:
        return "edit" if index < len(self.parts) and self.parts[index].sent is not None else "post"

    async def make(self, call: Call, index: int, text: str) -> None:
        """Make an admitted call. Raises DeliveryError; what is final is remembered in `failed`."""
        landed = False
        while len(self.parts) <= index:
            self.parts.append(Part())
        part = self.parts[index]
        try:
            shown = await self._call(part, text)
            landed = True
        except TargetGone as gone:
            self._lost += 1
            if part.sent is None or self._lost > _MAX_LOST:
                self.failed = gone
            part.sent, part.asked, part.shown = None, None, ""
            raise
        except DeliveryRefused as refused:
            self.failed = refused
            raise
        finally:
            self._lane.told(call, "landed" if landed else "failed")
        is_new = part.sent is None
        part.sent, part.asked, part.shown = shown.sent, text, shown.text
        self._strikes = 0
        if is_new:
            self._grown()

    async def _call(self, part: Part, text: str) -> Shown:
        try:
            if part.sent is not None:
                return await self._surface.edit(part.sent, text)
            async with self._posting:
                if self._before_post is not None:
                    await self._before_post()
                return await self._surface.post(text)
        except BotError:
            raise
        except Exception as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from error

    async def show_now(self, index: int, text: str) -> None:
        """Bring one message to its final text, whatever it takes; returns early when the screen has failed."""
        repairs = 0
        tries = 0
        while self.failed is None:
            part = self.parts[index] if index < len(self.parts) else Part()
            if part.sent is not None and part.asked == text:
                if same_text(text, part.shown):
                    return
                if repairs == _MAX_REPAIRS:
                    _log.warning("message_differs", sent=part.sent.id, wanted=len(text), shown=len(part.shown))
                    return
                repairs += 1
            call = Call("post" if part.sent is None else "edit", Urgency.FINAL, self._clock.monotonic())
            await self._lane.admit(call)
            try:
                await self.make(call, index, text)
            except (TargetGone, DeliveryRefused):
                continue
            except DeliveryError as error:
                if tries == len(_WAITS):
                    self.failed = error
                    return
                await self._clock.sleep(_WAITS[tries])
                tries += 1

    async def show_all(self, texts: list[str]) -> None:
        """The final state: edits at once and side by side, new messages behind each other."""
        edits = [i for i in range(len(texts)) if i < len(self.parts) and self.parts[i].sent is not None]
        posts = [i for i, text in enumerate(texts) if i not in edits and text.strip()]

        async def post() -> None:
            for index in posts:
                await self.show_now(index, texts[index])

        if len(edits) + bool(posts) == 1:
            # The usual case costs no task.
            await (post() if posts else self.show_now(edits[0], texts[edits[0]]))
            return
        async with asyncio.TaskGroup() as group:
            for index in edits:
                group.create_task(self.show_now(index, texts[index]))
            if posts:
                group.create_task(post())

    async def rest(self, error: DeliveryError) -> None:
        """After an interim call failed: wait a little longer each time."""
        wait = _WAITS[min(self._strikes, len(_WAITS) - 1)]
        self._strikes += 1
        _log.info("interim_failed", error=type(error).__name__, wait=wait)
        await self._clock.sleep(wait)
