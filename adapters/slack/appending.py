"""Live answers by Slack's own streams: appended to at a pace, renewed before they die, always closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from adapters.slack.cards import TOOL_PATIENCE, Cards
from adapters.slack.closing import Closer
from adapters.slack.errors import NoStreams, NotStreaming, NotTaken, StoppedByPerson, Throttled
from adapters.slack.escaping import settled
from adapters.slack.parts import AGES, Part, next_part
from adapters.slack.resuming import TakeUp, all_ended
from adapters.slack.said import Said
from adapters.slack.streams import Card, Edited, StreamLanes, Streams
from adapters.slack.waiting import Waits
from bot.api import (
    BotError,
    Button,
    Call,
    Clock,
    DeliveryError,
    DeliveryRefused,
    Fence,
    Piece,
    Resume,
    SentId,
    Surface,
    TargetGone,
    Text,
    ToolEnd,
    ToolStart,
    Urgency,
)

# How long the next message waits for the one before it to be closed.
_PATIENCE = 1.0
_WAITS = (0.5, 1.0, 2.0, 4.0)
# Streams that die without having taken anything, messages that vanish, and seconds to wait for a first stream, before
# the rest is told by ordinary messages.
_MOST_DEATHS, _MOST_LOST, _LONGEST_WAIT = 3, 3, 3.0


class NativeStream:
    """A ReplyStream over Streams.

    What it cannot tell by streams goes on in what `by_edits` makes: short answers that no stream was begun for,
    answers that are taken up again, and the rest where streams are refused. `surface` edits messages whose stream has
    ended. `before_post` is awaited before every new message, `on_change` called when `sent` has changed. `take_up` ends
    what an earlier life left, and tells what each message holds, if it can.
    """

    def __init__(
        self,
        streams: Streams,
        surface: Surface,
        lanes: StreamLanes,
        *,
        clock: Clock,
        by_edits: Callable[[Resume | None], Edited],
        before_post: Callable[[], Awaitable[None]] | None = None,
        resume: Resume | None = None,
        on_change: Callable[[], None] | None = None,
        take_up: TakeUp = all_ended,
    ) -> None:
        self._streams = streams
        self._lanes = lanes
        self._clock = clock
        self._by_edits = by_edits
        self._before_post = before_post
        self._on_change = on_change
        self._take_up = take_up
        self._closer = Closer(streams, surface, lanes, clock)
        self._resume = resume if resume is not None and resume.sent else None
        self._said = Said(resume.text if resume is not None and not resume.sent else "")
        self._parts: list[Part] = []
        # The one that grows, which may not have begun yet.
        self._part: Part | None = None
        # All before this belongs to a message, the last of which ended inside this fence.
        self._done = 0
        self._fence: Fence | None = None
        self._cards = Cards(clock)
        self._unseen_since: float | None = None
        self._rest: Edited | None = None
        self._for_rest: list[Piece] = []
        self._failed: Exception | None = None
        self._deaths = self._lost = self._strikes = 0
        self._closing: list[asyncio.Task[None]] = []
        self._pump: asyncio.Task[None] | None = None
        self._waits = Waits(clock)
        self.changed = asyncio.Event()

    @property
    def sent(self) -> tuple[SentId, ...]:
        own = tuple(part.sent for part in self._parts if part.sent is not None)
        if self._rest is not None:
            return own + self._rest.sent
        return own or (self._resume.sent if self._resume is not None else ())

    @property
    def shown(self) -> tuple[str, ...]:
        own = tuple(part.text for part in self._parts if part.sent is not None)
        return own + (self._rest.shown if self._rest is not None else ())

    @property
    def text(self) -> str:
        """All that was said, marks and notices not included."""
        return (self._resume.text if self._resume is not None else "") + self._said.text

    def grown(self) -> None:
        """`sent` has changed; for what `by_edits` makes."""
        self.changed.set()
        if self._on_change is not None:
            self._on_change()

    async def __aenter__(self) -> NativeStream:
        self._lanes.opened()
        if self._said.text:
            self._waits.wake.set()
        self._pump = asyncio.create_task(self._run())
        return self

    async def write(self, piece: Piece) -> None:
        self._said.add(piece)
        if isinstance(piece, ToolStart):
            self._cards.begin(piece)
            self._waits.wake_in(TOOL_PATIENCE)
        elif isinstance(piece, ToolEnd):
            self._cards.end(piece)
        if self._rest is not None:
            await self._rest.write(piece)
        elif self._resume is not None:
            self._for_rest.append(piece)
        elif isinstance(piece, Text | ToolEnd):
            if self._unseen_since is None:
                self._unseen_since = self._clock.monotonic()
            self._waits.wake.set()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pump is not None, "the stream was never entered"
        self._waits.leave()
        rest: Edited | None = None
        try:
            # Who does not wait for the end any more breaks off no call.
            await asyncio.shield(self._pump)
            await self._finish(error)
            if (rest := self._rest) is not None:
                await rest.__aexit__(kind, error, trace)
        except DeliveryError as failed:
            self._failed = self._failed or failed
        finally:
            try:
                await self._leave(self._pump, open_rest=self._rest if rest is None else None)
            finally:
                self._pump.cancel()
                self._waits.close()
                self._lanes.closed()
        if self._failed is not None and error is None:
            raise self._failed

    async def _leave(self, pump: asyncio.Task[None], *, open_rest: Edited | None) -> None:
        """Nothing stays open, however the answer ended."""
        await asyncio.wait([pump])
        if self._part is not None and self._part.sent is not None:
            self._close(self._part)
        if open_rest is not None:
            await open_rest.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)
        for broken in await asyncio.shield(asyncio.gather(*self._closing, return_exceptions=True)):
            if isinstance(broken, DeliveryError) and not isinstance(broken, TargetGone):
                self._failed = self._failed or broken

    async def _run(self) -> None:
        """Shows what there is, as often as the lanes allow, until the stream is left."""
        if self._resume is not None:
            await self._go_on_with(self._resume)
        while not self._waits.left:
            await self._waits.wake.wait()
            self._waits.wake.clear()
            while not self._waits.left and self._failed is None and self._rest is None and await self._step():
                pass

    async def _go_on_with(self, resume: Resume) -> None:
        parts = await self._take_up(resume, self._closer)
        if parts:
            # What all but the last message hold stays there.
            *self._parts, last = parts
            self._closing += [asyncio.create_task(self._closer.close(part)) for part in self._parts]
            resume = Resume(resume.sent[-1:], last.text)
        await self._go_on_by_edits(resume)

    async def _step(self) -> bool:
        """Bring one message up to date; False when there is nothing to show."""
        part, now = self._part, self._clock.monotonic()
        if part is not None and part.halted:
            # By somebody who will be heard soon; what is said until then comes at the end.
            return False
        if part is not None and part.is_old(now):
            await self._roll_over(part)
            return True
        pending, cards = self._pending(), self._cards.due(now)
        if not cards and not pending.strip():
            return False
        urgency = Urgency.INTERIM if self._parts else Urgency.FIRST
        since = self._unseen_since if self._unseen_since is not None else now
        call = Call("edit" if part is not None and part.sent is not None else "post", urgency, since)
        if not await self._waits.unless_left(self._lanes.growing.admit(call)):
            return False
        if self._waits.left or self._part is not part:
            self._lanes.growing.told(call, "unused")
            return not self._waits.left
        self._unseen_since = None
        await self._make(call)
        return True

    def _pending(self) -> str:
        """What can be said now and will not change any more."""
        return self._said.text[self._done : settled(self._said.text)]

    async def _make(self, call: Call) -> None:
        """Make an admitted call with all that there is by now."""
        part, now = self._part, self._clock.monotonic()
        if part is None:
            part = self._part = next_part(self._done, self._fence, self._pending(), complete=self._waits.left)
            self._done = part.at
        pending, cards = self._pending(), self._cards.due(now)
        length, ends = part.take(pending, now)
        if part.tried is not None:
            (length, cards), ends = part.tried, False
            pending = self._said.text[part.at :]
        piece, landed = pending[:length], False
        failure: DeliveryError | None = None
        try:
            await self._call(part, piece, cards)
            landed = True
        except DeliveryError as error:
            failure = error
        except Exception as error:
            self._failed = error if isinstance(error, BotError) else DeliveryError(f"{type(error).__name__}: {error}")
        finally:
            self._lanes.growing.told(call, "landed" if landed else "failed")
            # Of a call that was given up in the middle nobody knows anything.
            part.doubtful = part.doubtful or not (landed or failure)
        if landed:
            self._strikes = self._deaths = 0
            if ends:
                await self._roll_over(part)
        elif failure is not None:
            self._unseen_since = call.unseen_since
            await self._after_failure(part, piece, cards, failure)

    async def _call(self, part: Part, piece: str, cards: tuple[Card, ...]) -> None:
        text = part.untold(piece)
        if part.sent is not None:
            if text or cards:
                await self._streams.append(part.sent, text, cards)
            part.tell(piece)
        else:
            if self._before_post is not None:
                await self._before_post()
            part.started = self._clock.monotonic()
            part.sent = await self._streams.start(text, cards)
            part.tell(piece)
            part.tried = None
            self._parts.append(part)
            for age in AGES:
                self._waits.wake_in(age)
            self.grown()
        self._done = part.end
        self._cards.told(cards)

    async def _after_failure(self, part: Part, piece: str, cards: tuple[Card, ...], error: DeliveryError) -> None:
        if part.sent is None:
            await self._after_failed_start(part, piece, cards, error)
            return
        match error:
            case Throttled():
                await self._waits.unless_left(self._clock.sleep(error.retry_after))
            case StoppedByPerson():
                part.halted = True
            case NotStreaming():
                part.stopped = True
                self._deaths += 1
                await self._roll_over(part)
            case TargetGone():
                self._begin_again(part)
            case DeliveryRefused():
                self._failed = error
            case NotTaken() | NoStreams():
                self._deaths = _MOST_DEATHS
                await self._roll_over(part)
            case _:
                # Whether it landed nobody knows: the message ends here, and an edit says what it shows.
                part.tell(piece)
                part.doubtful = True
                self._done = part.end
                self._cards.told(cards)
                await self._roll_over(part)
        if self._deaths >= _MOST_DEATHS and not self._waits.left:
            await self._go_on_by_edits()

    async def _after_failed_start(self, part: Part, piece: str, cards: tuple[Card, ...], error: DeliveryError) -> None:
        match error:
            case Throttled() if part.tried is not None or error.retry_after <= _LONGEST_WAIT:
                await self._pause(error.retry_after, part)
            case Throttled() | NoStreams() | NotTaken():
                await self._go_on_by_edits()
            case _ if isinstance(error, TargetGone | DeliveryRefused) or self._strikes == len(_WAITS):
                self._failed, self._part = error, None
            case _:
                part.tried = (len(piece), cards)
                self._strikes += 1
                await self._pause(_WAITS[self._strikes - 1], part)

    async def _pause(self, seconds: float, part: Part) -> None:
        """At the end nothing is waited for but what may have landed already."""
        if self._waits.left and part.tried is not None:
            await self._clock.sleep(seconds)
        elif not self._waits.left:
            await self._waits.unless_left(self._clock.sleep(seconds))

    def _begin_again(self, part: Part) -> None:
        """Somebody deleted a message: what stood there is said again."""
        self._lost += 1
        self._parts.remove(part)
        self._part, self._done, self._fence = None, part.at, part.fence
        if self._lost > _MOST_LOST:
            self._failed = TargetGone()

    async def _roll_over(self, part: Part) -> None:
        """What comes next begins another message. A stop that takes long holds nobody up."""
        self._fence = part.fence_at_end()
        part.tail = part.closing()
        part.cards = self._cards.left()
        closing = self._close(part)
        if not self._waits.left:
            await asyncio.wait([closing], timeout=_PATIENCE)

    def _close(self, part: Part, buttons: tuple[Button, ...] = ()) -> asyncio.Task[None]:
        if self._part is part:
            self._part = None
        task = asyncio.create_task(self._closer.close(part, buttons))
        self._closing.append(task)
        return task

    async def _go_on_by_edits(self, resume: Resume | None = None) -> None:
        """The rest of the answer goes by ordinary messages."""
        self._part = None
        rest = self._by_edits(resume)
        await rest.__aenter__()
        pieces = self._for_rest
        if resume is None:
            part = next_part(self._done, self._fence, self._said.text[self._done :], complete=self._waits.left)
            pieces = [Text(part.opening + self._said.text[part.at :]), *self._said.beside_text()]
        self._rest = rest
        for piece in pieces:
            await rest.write(piece)

    async def _finish(self, error: BaseException | None) -> None:
        """All that was said, and how it ended."""
        while self._failed is None and self._rest is None:
            part, pending = self._part, self._said.text[self._done :]
            if part is not None and part.sent is None and part.tried is not None:
                call = Call("post", Urgency.FINAL, self._clock.monotonic())
                await self._lanes.growing.admit(call)
                await self._make(call)
            elif part is None or part.sent is None:
                if not pending.strip() and self._parts:
                    await self._end_below(self._parts[-1], error)
                    return
                await self._go_on_by_edits()
            else:
                length, _ = part.take(pending, self._clock.monotonic())
                part.body += pending[:length]
                self._done = part.end
                if length < len(pending):
                    await self._roll_over(part)
                elif await self._end(part, error):
                    return

    async def _end(self, part: Part, error: BaseException | None) -> bool:
        """Whether the last message shows all; False when somebody deleted it."""
        part.tail = part.closing() + self._said.notes(error)
        part.cards = self._cards.left(failed=error is not None)
        try:
            await asyncio.shield(self._close(part, self._said.buttons or ()))
        except TargetGone:
            self._begin_again(part)
            return False
        return True

    async def _end_below(self, part: Part, error: BaseException | None) -> None:
        """The last message has ended already; what is missing below it comes by an edit."""
        await asyncio.shield(asyncio.gather(*self._closing, return_exceptions=True))
        notes = self._said.notes(error)
        if notes or self._said.buttons:
            part.tail = part.closing() + notes
            await self._closer.rewrite(part, self._said.buttons or ())
