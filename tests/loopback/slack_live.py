"""Live answers of the Slack adapter on the fake Slack, without ears."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from adapters.slack.live import LiveAnswer, LiveAnswers
from adapters.slack.testing import FakeSlack, Message
from adapters.slack.timing import Timing
from adapters.slack.workspace import asked
from bot.api import Done, Piece, Resume, Route, Speaker, Text
from tests.loopback.slack_saying import Mouth, speaking

STREAMS = ("chat.startStream", "chat.appendStream", "chat.stopStream")
TIMING = Timing()


class Hurry:
    """A clock that runs faster than the world, and jumps when it is told."""

    def __init__(self, times: float = 20) -> None:
        self._times = times
        self._start, self._began = time.monotonic(), datetime.now(UTC)
        self._ahead = 0.0
        self._jumped = asyncio.Event()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._start) * self._times + self._ahead

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            jumped = self._jumped
            try:
                async with asyncio.timeout(left / self._times):
                    await jumped.wait()
            except TimeoutError:
                pass

    def passes(self, seconds: float) -> None:
        self._ahead += seconds
        jumped, self._jumped = self._jumped, asyncio.Event()
        jumped.set()


@dataclass(slots=True)
class Talker:
    """Answers live, in the thread below `root` where nothing else is said."""

    slack: FakeSlack
    mouth: Mouth
    live: LiveAnswers
    clock: Hurry
    root: Message

    def route(self, thread: Message | None = None, **data: Any) -> Route:
        root = thread or self.root
        return self.mouth.route(root.channel, root, **{"message": root.ts, **data})

    def stream(
        self,
        route: Route | None = None,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> LiveAnswer:
        return self.live.stream(route or self.route(), speaker, resume, before_post)

    async def says(
        self,
        pieces: Sequence[str | Piece],
        *,
        every: float = 0.1,
        route: Route | None = None,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
    ) -> LiveAnswer:
        """An answer that comes piece by piece."""
        async with self.stream(route, speaker, resume) as stream:
            for piece in pieces:
                await stream.write(Text(piece) if isinstance(piece, str) else piece)
                await self.clock.sleep(every)
            await stream.write(Done("stop"))
        return stream

    async def passes_until(self, counted: Callable[[], int], count: int) -> None:
        """Let a lot of the bot's time go by until there are so many of something."""
        async with asyncio.timeout(10):
            while counted() < count:
                self.clock.passes(20)
                await asyncio.sleep(0.005)

    def called(self, *methods: str) -> list[str]:
        """The calls of these methods, or of all that show something, by their last name."""
        wanted = methods or (*STREAMS, "chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral")
        return [call.method.rpartition(".")[2] for call in self.slack.calls if call.method in wanted]

    @property
    def messages(self) -> list[Message]:
        """Of the bot, in the thread."""
        return [each for each in self.slack.screen(thread=self.root) if each.author is self.slack.bot]


@asynccontextmanager
async def talking(
    slack: FakeSlack, *, times: float = 20, root: Message | None = None, **more: Any
) -> AsyncIterator[Talker]:
    """Start another one for what the next process says."""
    clock = Hurry(times)
    root = root or await slack.says("@bot hello")
    async with speaking(slack, clock=clock, **more) as mouth:
        workspace = await asked(mouth.calls.client)
        live = LiveAnswers(workspace, mouth.calls, mouth.sending, mouth.faces, mouth.threads, clock, TIMING)
        try:
            yield Talker(slack, mouth, live, clock, root)
        finally:
            await live.close()


def words(count: int, start: int = 0) -> list[str]:
    return [f"w{number} " for number in range(start, start + count)]


def said_in(messages: Sequence[Message]) -> list[int]:
    """The words that can be read, in the order in which they stand there."""
    return [int(number) for number in re.findall(r"\bw(\d+)", "\n".join(each.seen for each in messages))]


def never_backwards(messages: Sequence[Message]) -> bool:
    """Each look of a message goes on where the one before ended, but for what closed that."""
    return all(
        after.seen.startswith(re.sub(r"\s*(?:\n> [^\n]*)*[`\s]*\Z", "", before.seen))
        for message in messages
        for before, after in pairwise(message.states)
    )
