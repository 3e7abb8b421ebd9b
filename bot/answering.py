"""One answer being spoken: model → stream, journaled on the way; it can be stopped and is taken up when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from bot.clock import Clock
from bot.controls import Below
from bot.errors import BotError, DeliveryError, DeliveryRefused, ModelError, StoreError, TargetGone
from bot.events import Route
from bot.footer import footer as what_it_took
from bot.platform import Adapter
from bot.prompts import continuation
from bot.rejoin import Rejoin
from bot.replies import Controls, Done, Notice, Piece, Reason, Reply, ReplyStream, SentId, Text
from bot.turn import LanguageModel, Turn, Usage, reading
from bot.words import phrase, say

log = structlog.get_logger(__name__)

# Journal entries while text arrives; a crash loses at most this much of the journal, and the platform still shows it.
JOURNAL_SECONDS = 0.5

# What people see when the model ended without a word.
SILENT: Mapping[Reason, str] = {
    "stop": phrase("I have nothing to say to that."),
    "length": phrase("My answer had no room. Raise `max_tokens` with `/params set`, or ask for something shorter."),
    "filtered": phrase("The language model's provider filtered my answer. Try to say it differently."),
    "truncated": phrase("The language model broke off before its first word. Please try again."),
}


STOPPED_AT_ONCE = phrase("I was stopped before my first word, so everything stays as it was.")

# A model that has gone round in circles for so many characters is not going to end.
LONGEST_ANSWER = 500_000

BeforePost = Callable[[], Awaitable[None]]


class Journal(Protocol):
    """Where the answer is written down while it grows."""

    async def save(self, text: str, sent: Sequence[SentId], reason: Reason | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """How an answer ended. `error` is the cause when it failed; `sent` are its messages; `stood` is when all of it was
    there, in seconds of the clock."""

    text: str
    reason: Reason
    sent: tuple[SentId, ...]
    error: BaseException | None = None
    stood: float = 0.0


class Answer:
    """`model` is already wrapped in filters and the tool loop. `said` is what an earlier attempt had said: the model is
    asked to go on from there, unless `go_on` is False."""

    def __init__(self, turn: Turn, model: LanguageModel, clock: Clock, *, said: str = "", go_on: bool = True) -> None:
        self._turn = turn
        self._model = model
        self._clock = clock
        self._started = clock.monotonic()
        self._first_text: float | None = None
        self._text = said
        self._resumed = bool(said)
        self._begins_anew = not (said and go_on)
        self._said_before = said
        self._begun = asyncio.Event()
        self._spoke = asyncio.Event()
        self._notices: list[str] = []
        self._stopped = False
        self._pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None
        self._done: Done | None = None
        self._error: BaseException | None = None
        self._noticed = False

    @property
    def text(self) -> str:
        return self._text

    @property
    def seconds(self) -> float:
        """Since it was begun."""
        return self._clock.monotonic() - self._started

    def ask(self) -> None:
        """Send the request now; what comes back waits until `speak` shows it."""
        self._reader = asyncio.create_task(self._read())
        # Also where it is stopped before its first step.
        self._reader.add_done_callback(lambda _: self._put(None))

    async def begun(self) -> BaseException | None:
        """Wait for the first piece; the error when there will be none."""
        await self._begun.wait()
        return self._error

    async def first_word(self) -> BaseException | None:
        """Wait for it; the error, in words for people, when there will be none. Nothing more to say is none."""
        await self._spoke.wait()
        if self._text != self._said_before:
            return None
        reason = self._ending().reason
        if self._error is not None or (self._said_before and reason == "stop"):
            return self._error
        told = " ".join(self._notices) or say(SILENT.get(reason, STOPPED_AT_ONCE))
        return ModelError(f"no word was said: {reason}", public=told)

    async def abandon(self) -> None:
        if self._reader:
            self._reader.cancel()
            await asyncio.wait({self._reader})

    def stop(self) -> bool:
        """End generation at once; what was said stays. False when the model has ended already."""
        if self._reader is None or self._reader.done():
            return False
        self._stopped = True
        self._reader.cancel()
        return True

    async def speak(
        self,
        open_stream: Callable[[BeforePost], ReplyStream],
        journal: Journal,
        below: Below | None = None,
        *,
        footer: bool = False,
    ) -> Spoken:
        """Show the answer as it comes. A DeliveryError is part of the result, for the text is kept all the same.
        `footer` tells below it what it took."""
        if self._reader is None:
            self.ask()

        async def before_post() -> None:
            await self._save(journal, stream)

        stood, stream = None, open_stream(before_post)
        writer = asyncio.create_task(self._keep_journal(stream, journal))
        try:
            async with stream:
                if below is not None:
                    await stream.write(Controls(below.while_writing))
                while (piece := await self._pieces.get()) is not None:
                    self._noticed = self._noticed or isinstance(piece, Notice)
                    await stream.write(piece)
                writer.cancel()
                done = self._ending()
                if not self._text.strip() and not self._noticed and done.reason in SILENT:
                    await stream.write(Notice(say(SILENT[done.reason])))
                # The journal knows that the answer is complete before people can see that it is.
                await self._save(journal, stream, done.reason)
                if below is not None:
                    ended = replace(below, reason=done.reason, said=bool(self._text.strip()))
                    await stream.write(Controls(ended.afterwards))
                if footer and self._turn.calls:
                    await stream.write(Notice(" · ".join(what_it_took(done, ending=False))))
                await stream.write(done)
            stood = self._clock.monotonic()
        except BotError as error:
            self._error = self._error or error
            log.warning("delivery failed", error=repr(error))
        except Exception as error:  # a bug in an adapter costs this answer its place on the platform, not in memory
            self._error = self._error or error
            log.exception("delivery failed unexpectedly")
        except asyncio.CancelledError:
            # The bot is being stopped: the next start takes the answer up from here.
            await self._save(journal, stream)
            raise
        finally:
            writer.cancel()
            await self.abandon()
        stood = self._clock.monotonic() if stood is None else stood
        return Spoken(self._text, self._ending().reason, stream.sent, self._error, stood)

    def _ending(self) -> Done:
        done = self._done or Done("stopped" if self._stopped else "failed")
        usage = self._turn.usage if self._turn.calls else done.usage
        costs = [call.cost for call in self._turn.calls]
        known = [cost for cost in costs if cost is not None]
        return replace(
            done,
            usage=usage or Usage(estimated=True),
            model=self._turn.model.model,
            seconds=self._clock.monotonic() - self._started,
            first_token=self._first_text,
            cost=sum(known[1:], known[0]) if costs and len(known) == len(costs) else None,
        )

    async def _read(self) -> None:
        """The model's side: nothing here waits for the platform."""
        try:
            if self._begins_anew:
                await self._first_attempt()
            else:
                await self._go_on()
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            self._done = Done("stopped")
        except Exception as error:  # whatever a model or filter raises ends this answer and nothing else
            self._fail(error)

    def _put(self, piece: Piece | None) -> None:
        self._pieces.put_nowait(piece)
        self._begun.set()
        if isinstance(piece, Notice):
            self._notices.append(piece.text)
        if piece is None or isinstance(piece, Text):
            self._spoke.set()

    async def _first_attempt(self) -> None:
        try:
            await self._pump(self._model(self._turn))
        except ModelError as error:
            if not self._text or self._resumed:
                raise
            log.info("answer broke off", error=repr(error), said=len(self._text))
            await self._go_on()
        else:
            if self._done and self._done.reason == "truncated" and self._text and not self._resumed:
                log.info("answer was cut without a reason", said=len(self._text))
                await self._go_on()

    async def _go_on(self) -> None:
        """Take the answer up once: ask the model to go on from what was said, and remove what it repeats."""
        self._resumed = True
        self._turn.prompt = continuation(self._turn.prompt, self._text)
        before, self._done = self._text, None
        try:
            await self._pump(self._without_overlap(self._model(self._turn), before))
        except ModelError as error:
            self._error = error
            log.warning("answer could not be taken up again", error=repr(error))
            self._done = Done("truncated")

    async def _without_overlap(self, pieces: AsyncIterator[Piece], said: str) -> AsyncIterator[Piece]:
        rejoin = Rejoin(said)
        async with reading(pieces) as source:
            async for piece in source:
                if isinstance(piece, Text):
                    yield Text(rejoin.feed(piece.text))
                    continue
                if isinstance(piece, Done):
                    yield Text(rejoin.finish())
                yield piece

    async def _pump(self, pieces: AsyncIterator[Piece]) -> None:
        async with reading(pieces) as source:
            async for piece in source:
                if isinstance(piece, Done):
                    self._done = piece
                    continue
                if isinstance(piece, Text):
                    if not piece.text:
                        continue
                    if self._first_text is None:
                        self._first_text = self._clock.monotonic() - self._started
                    piece = Text(piece.text[: LONGEST_ANSWER - len(self._text)])
                    self._text += piece.text
                self._put(piece)
                if len(self._text) >= LONGEST_ANSWER:
                    log.warning("endless answer was ended", said=len(self._text))
                    self._done = Done("length")
                    return

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._done = Done("failed")
        public = error.public if isinstance(error, BotError) else BotError.default_public
        self._put(Notice(say(public)))
        log.warning("answer failed", error=repr(error), exc_info=not isinstance(error, BotError))

    async def _keep_journal(self, stream: ReplyStream, journal: Journal) -> None:
        kept: tuple[int, int] = (0, 0)
        while True:
            await self._clock.sleep(JOURNAL_SECONDS)
            now = (len(self._text), len(stream.sent))
            if now != kept:
                await self._save(journal, stream)
                kept = now

    async def _save(self, journal: Journal, stream: ReplyStream, reason: Reason | None = None) -> None:
        if reason is None and self._done is not None and self._reader is not None and self._reader.done():
            reason = self._done.reason
        try:
            await journal.save(self._text, stream.sent, reason)
        except StoreError as error:
            # The answer goes on: `answered` tries again at its end.
            log.warning("journal could not be written", error=repr(error))


async def give_privately(adapter: Adapter, route: Route, spoken: Spoken) -> None:
    """An answer whose place was lost on the way goes to whoever asked, with the reason."""
    if not isinstance(spoken.error, TargetGone | DeliveryRefused):
        return
    told = f"⚠️ {say(spoken.error.public)}"
    if spoken.text.strip():
        told += f" {say('This is my answer:')}\n\n{spoken.text}"
    try:
        await adapter.send(route, Reply(told, private=True, failed=True))
    except DeliveryError as error:
        log.warning("answer could not be given privately either", error=repr(error))
