"""One answer on its way from the model to a display."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Protocol
from uuid import uuid4

from bot.api import BotError, Done, Notice, Piece, Reply, Resume, SentId, Speaker, Text, say


class Answer:
    """The pieces that a display has not taken yet. `broken` says that it ended with an exception."""

    def __init__(self, speaker: Speaker | None) -> None:
        self.speaker = speaker
        self.ended = asyncio.Event()
        self.broken = False
        self._waiting: list[Piece] = []
        self._changed = asyncio.Event()

    def add(self, piece: Piece) -> None:
        self._waiting.append(piece)
        self._changed.set()

    def end(self, *, broken: bool) -> None:
        self.broken = broken
        self.ended.set()
        self._changed.set()

    async def batches(self, every: float | None = None) -> AsyncIterator[list[Piece]]:
        """What is new, as soon as it is there; with `every`, also an empty batch after that many quiet seconds."""
        while self._waiting or not self.ended.is_set():
            if not self._waiting:
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), every)
                except TimeoutError:
                    yield []
                    continue
            batch, self._waiting = self._waiting, []
            if batch:
                yield batch


class Display(Protocol):
    """Where answers are shown: a screen, plain text, or JSON lines."""

    @property
    def closed(self) -> asyncio.Event:
        """Set when nobody can see it any more."""
        ...

    @property
    def busy(self) -> bool:
        """An answer is being written."""
        ...

    async def tell(self, answer: Answer) -> None:
        """Show an answer while it grows; returns when all of it is shown."""
        ...

    async def show(self, reply: Reply) -> None: ...

    async def remark(self, text: str) -> None:
        """A word of the program itself, beside the conversation."""
        ...


class TerminalStream:
    """The ReplyStream of every display. `left` is called when it is over, with whether it failed."""

    def __init__(
        self,
        display: Display,
        speaker: Speaker | None,
        resume: Resume | None,
        before_post: Callable[[], Awaitable[None]] | None,
        left: Callable[[bool], None],
    ) -> None:
        self._display = display
        self._answer = Answer(speaker)
        self._resume = resume
        self._before_post = before_post
        self._left = left
        self._sent: tuple[SentId, ...] = resume.sent if resume else ()
        self._told_why = False
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def sent(self) -> tuple[SentId, ...]:
        return self._sent

    async def write(self, piece: Piece) -> None:
        match piece:
            case Notice():
                self._told_why = True
            case Done(reason):
                self._failed = reason in ("failed", "truncated", "stopped")
        self._answer.add(piece)

    async def __aenter__(self) -> TerminalStream:
        if self._resume is not None and self._resume.text:
            self._answer.add(Notice(say("This answer was interrupted; here it is, and how it goes on.")))
            self._answer.add(Text(self._resume.text))
        self._task = asyncio.create_task(self._tell(), name="terminal-answer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._told_why:
            why = say(error.public) if isinstance(error, BotError) else say("This answer was interrupted.")
            self._answer.add(Notice(why))
        self._answer.end(broken=error is not None)
        assert self._task is not None, "left without being entered"
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            # Whoever cancels must not leave a half-drawn screen: showing the rest takes a moment only.
            await asyncio.wait([self._task])
            raise
        finally:
            self._left(self._failed or error is not None)

    async def _tell(self) -> None:
        if self._before_post is not None:
            await self._before_post()
        if not self._sent:
            self._sent = (SentId(uuid4().hex, "terminal"),)
        await self._display.tell(self._answer)
