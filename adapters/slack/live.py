"""Live answers: how each of them reaches people is chosen when it has begun to speak."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType

from adapters.slack.calls import Calls
from adapters.slack.faces import Faces
from adapters.slack.native import Ids, SlackStreams
from adapters.slack.places import is_direct, is_ts
from adapters.slack.sending import Sending
from adapters.slack.streams import Edited
from adapters.slack.thinking import Lately, Thought, Thoughts
from adapters.slack.threads import Threads
from adapters.slack.timing import Timing
from adapters.slack.transports import House, Transports
from adapters.slack.workspace import Workspace
from bot.api import (
    Clock,
    DeliveryError,
    Piece,
    Place,
    Resume,
    Route,
    SentId,
    Speaker,
    TargetGone,
    Text,
    ToolEnd,
    ToolStart,
)

log = logging.getLogger(__name__)

# Seconds before each look for a stream that may have begun without anybody's knowledge.
_LOOKS = (2.0, 15.0, 60.0, 240.0)


class LiveAnswers:
    """Of one workspace."""

    def __init__(
        self,
        workspace: Workspace,
        calls: Calls,
        sending: Sending,
        faces: Faces,
        threads: Threads,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._calls = calls
        self._threads = threads
        self._clock = clock
        self._timing = timing
        self._thoughts = Thoughts(workspace, calls, faces, clock, timing)
        self._house = House(workspace, calls, sending, faces, clock, Ids(), Ids(), Lately(clock))

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> LiveAnswer:
        place = route.place
        transports = Transports(self._house, route, speaker, resume, before_post)
        asked = route.data.get("message")
        below = str(asked) if is_direct(place) and isinstance(asked, str) and is_ts(asked) else ""
        thought = None
        if (place.thread or below) and not transports.is_whole:
            thought = Thought(self._thoughts, place, speaker, below)
        return LiveAnswer(
            transports,
            thought,
            self._clock,
            resume=resume,
            patience=None if transports.is_whole else self._timing.short_answer,
            joined=lambda: self._thoughts.beside(self._threads.join(place)),
            lost=lambda streams: self._thoughts.beside(self._end_lost(streams, place)),
        )

    async def close(self) -> None:
        await self._thoughts.close()

    async def _end_lost(self, streams: SlackStreams, place: Place) -> None:
        """A stream that began although nobody was told, of an answer that was given up meanwhile, is taken away."""
        for wait in _LOOKS:
            await self._clock.sleep(wait)
            try:
                found = await streams.find()
                if found is None:
                    continue
                try:
                    await streams.stop(SentId(found), "", (), ())
                finally:
                    await self._calls.in_turn("chat.delete", channel=place.channel, ts=found)
            except TargetGone:
                return
            except DeliveryError as error:
                log.info("a stream that was begun unnoticed could not be ended yet: %s", error)
            else:
                return


class LiveAnswer:
    """A ReplyStream that keeps what is said to itself for a moment: an answer that is complete by then is posted.

    `patience` is how long that is, None = to the end. `thought` stands beside it until it shows something. `joined`
    is called when it does, `lost` when a stream may have begun that it knows nothing of.
    """

    def __init__(
        self,
        transports: Transports,
        thought: Thought | None,
        clock: Clock,
        *,
        resume: Resume | None,
        patience: float | None,
        joined: Callable[[], None],
        lost: Callable[[SlackStreams], None],
    ) -> None:
        self._transports = transports
        self._thought = thought
        self._clock = clock
        self._resume = resume
        self._patience = patience
        self._joined = joined
        self._lost = lost
        self._held: list[Piece] = []
        self._speaks = False
        self._tools: set[str] = set()
        self._waiting: asyncio.Task[None] | None = None
        self._told: Edited | None = None
        self.changed = asyncio.Event()

    @property
    def sent(self) -> tuple[SentId, ...]:
        if self._told is not None:
            return self._told.sent
        return self._resume.sent if self._resume is not None else ()

    @property
    def shown(self) -> tuple[str, ...]:
        return self._told.shown if self._told is not None else ()

    async def __aenter__(self) -> LiveAnswer:
        if self._resume is not None and (self._resume.sent or self._resume.text) and self._patience is not None:
            await self._tell(live=True)
        elif self._thought is not None:
            self._thought.begin()
        return self

    async def write(self, piece: Piece) -> None:
        if self._told is not None:
            await self._told.write(piece)
            return
        self._held.append(piece)
        if isinstance(piece, Text):
            self._speaks = self._speaks or bool(piece.text.strip())
        elif isinstance(piece, ToolStart):
            self._tools.add(piece.id)
        elif isinstance(piece, ToolEnd):
            self._tools.discard(piece.id)
        if self._patience is not None and self._waiting is None and (self._speaks or self._tools):
            self._waiting = asyncio.create_task(self._wait(self._patience))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        if self._told is None:
            await self._tell(live=False)
        assert self._told is not None, "told just now"
        try:
            await self._told.__aexit__(kind, error, trace)
            self._transports.ended(self.sent)
        finally:
            if self._thought is not None:
                self._thought.end(resumed=self._transports.may_have_streamed)
            streams = self._transports.streams
            if streams is not None and streams.in_doubt:
                self._lost(streams)

    async def _wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._waiting = None
        # A tool that was quick has nothing to show.
        if self._told is None and (self._speaks or self._tools):
            await self._tell(live=True)

    async def _tell(self, *, live: bool) -> None:
        """Choose how the answer is told, and say what was said until now. Nothing here waits."""
        transports = self._transports
        resumed = self._resume is not None and bool(self._resume.sent)
        if transports.may_have_streamed and self._resume is not None and self._resume.text:
            told: Edited = transports.by_streams(self._grown)
        elif live and not resumed and transports.may_stream:
            told = transports.by_streams(self._grown)
            if self._thought is not None:
                self._thought.works()
        else:
            told = transports.by_edits(self._grown, self._resume)
        await told.__aenter__()
        self._told = told
        held, self._held = self._held, []
        for piece in held:
            await told.write(piece)

    def _grown(self) -> None:
        if self._thought is not None and self.sent:
            self._thought.shown()
            self._joined()
        self.changed.set()
