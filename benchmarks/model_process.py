"""A fake OpenAI in a process of its own, which knows when each token left: so the bot is measured alone."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType

from benchmarks.measures import Said
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen

_ORDER = re.compile(r"story (\d+): (\d+) tokens, (\d+) a second")
# How a summary of what left the window is asked for, beside the stories.
_SUMMARY = ("The memory so far:", "What was said after that:")


@dataclass(frozen=True, slots=True)
class Story:
    """An answer that can be ordered from the model by asking for it. At `rate` 0 it comes at once."""

    number: int
    tokens: int = 4
    rate: int = 0

    @property
    def order(self) -> str:
        return f"story {self.number}: {self.tokens} tokens, {self.rate} a second"

    @property
    def text(self) -> str:
        rng = random.Random(self.number)
        return " ".join([*("w" * rng.choice((2, 3, 4)) for _ in range(self.tokens - 1)), "end."])


@dataclass(slots=True)
class Told:
    """When the request for a story came and its tokens went: `(moment, letters so far)`."""

    asked: float
    moments: list[tuple[float, int]] = field(default_factory=list)

    @property
    def said(self) -> Said:
        return Said(tuple(self.moments))


class ModelProcess:
    """`async with ModelProcess() as model:` and point a client at `model.url`."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(theirs,), daemon=True)
        self.url = ""

    async def __aenter__(self) -> ModelProcess:
        self._process.start()
        self.url = await asyncio.to_thread(self._pipe.recv)
        return self

    async def told(self) -> Mapping[int, Told]:
        """Everything since the last time, by the number of the story."""
        self._pipe.send("told")
        stories: Mapping[int, Told] = await asyncio.to_thread(self._pipe.recv)
        return stories

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send("end")
        await asyncio.to_thread(self._process.join)
        self._process.close()


def _live(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    stories: dict[int, Told] = {}
    by_request: dict[int, Told] = {}  # the server keeps its requests, so their ids stay theirs

    def answer(seen: Seen) -> FakeAnswer:
        if seen.text.startswith(_SUMMARY):
            return FakeAnswer("They had some words.")
        story = _ordered(seen)
        by_request[id(seen)] = stories[story.number] = Told(time.monotonic())
        return FakeAnswer(story.text, rate=story.rate or None)

    def left(seen: Seen, token: str) -> None:
        moments = by_request[id(seen)].moments
        before = moments[-1][1] if moments else 0
        moments.append((time.monotonic(), before + len(token.strip())))

    async with FakeOpenAI(answer, on_token=left) as server:
        pipe.send(server.url)
        while await asyncio.to_thread(pipe.recv) == "told":
            pipe.send(stories)
            stories.clear()


def _ordered(seen: Seen) -> Story:
    found = _ORDER.search(seen.text)
    if found is None:
        raise ValueError(f"nobody ordered this: {seen.text[:200]}")
    return Story(*map(int, found.groups()))
