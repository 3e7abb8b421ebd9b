"""Slack's streams in virtual time: slow, mortal, limited, and failing as told."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from adapters.slack.appending import NativeStream
from adapters.slack.budgets import APPEND, START, STOP, UPDATE, SlackBudgets
from adapters.slack.closing import patiently
from adapters.slack.errors import NotStreaming, Throttled, by_code
from adapters.slack.escaping import from_markdown_text, to_markdown_text
from adapters.slack.lengths import MAX_MARKDOWN, markdown_length
from adapters.slack.said import SMALL
from adapters.slack.streams import Card, StreamLanes
from bot.api import Button, DeliveryError, Done, EditedStream, Resume, SentId, Shown, TargetGone, Text
from bot.testing.clock import VirtualClock

FIVE_MINUTES = 300.0


class Dead(BaseException):
    """The process is gone: nothing that it would still do happens."""


class Wrong(BaseException):
    """A stream did what none may do; not an Exception, or it would pass for one of Slack's."""


@dataclass
class Post:
    """A message as people see it."""

    text: str
    streams_until: float | None = None
    cards: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)
    seen: list[tuple[float, str]] = field(default_factory=list)


class Stage:
    """`faults` are met by the calls in turn: `429`, `before` (fails undone), `after` (fails though done), `dies`,
    `kill` (the process ends before the call), `killed` (after it), or an error code of Slack."""

    def __init__(self, faults: Sequence[str] = (), *, latency: float = 0.12, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.posts: dict[str, Post] = {}
        self.calls: list[tuple[str, float]] = []
        self.budgets = SlackBudgets(self.clock)
        self.retry_after = 2.0
        self.dead = False
        self._faults = list(faults)
        self._latency = latency
        self._random = random.Random(seed)
        self._busy: set[str] = set()
        self._unsure: SentId | None = None

    def native(self, resume: Resume | None = None) -> NativeStream:
        lanes = StreamLanes(self.budgets.native(), self.budgets.stopping(), self.budgets.edited("C"))

        def by_edits(taken_up: Resume | None) -> EditedStream:
            return EditedStream(
                self,
                self.budgets.edited("C"),
                max_chars=MAX_MARKDOWN,
                clock=self.clock,
                resume=taken_up,
                on_change=stream.grown,
                measure=markdown_length,
                small=SMALL,
            )

        stream = NativeStream(self, self, lanes, clock=self.clock, by_edits=by_edits, resume=resume)
        return stream

    @property
    def screen(self) -> list[str]:
        return [post.text for post in self.posts.values()]

    @property
    def streaming(self) -> list[str]:
        """Messages that nobody has closed, or found dead."""
        return [key for key, post in self.posts.items() if post.streams_until is not None]

    def is_streaming(self, sent: SentId) -> bool:
        until = self.posts[sent.id].streams_until
        return until is not None and until > self.clock.monotonic()

    def made(self, name: str) -> int:
        return sum(call == name for call, _ in self.calls)

    async def start(self, text: str, cards: Sequence[Card]) -> SentId:
        fault = await self._meet(START)
        self._check(text)
        if self._unsure is not None:
            # The same start again: it is found.
            sent, self._unsure = self._unsure, None
            return sent
        sent = self._add(text)
        self.posts[sent.id].streams_until = self.clock.monotonic() + FIVE_MINUTES
        self._show(sent, text, cards)
        if fault == "after":
            self._unsure = sent
        await self._answer(fault)
        return sent

    async def append(self, sent: SentId, text: str, cards: Sequence[Card]) -> None:
        fault = await self._meet(APPEND, sent)
        self._streaming(sent)
        self._check(text)
        self._show(sent, self.posts[sent.id].text + text, cards)
        await self._answer(fault)

    async def stop(self, sent: SentId, text: str, cards: Sequence[Card], buttons: Sequence[Button]) -> None:
        fault = await self._meet(STOP, sent)
        self._streaming(sent)
        self._check(text)
        self._show(sent, self.posts[sent.id].text + text, cards)
        self.posts[sent.id].streams_until = None
        self.posts[sent.id].buttons = [button.label for button in buttons]
        await self._answer(fault)

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        return await patiently(self.clock, lambda: self._post(text, buttons))

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        return await patiently(self.clock, lambda: self._edit(sent, text, buttons))

    async def _post(self, text: str, buttons: Sequence[Button]) -> Shown:
        fault = await self._meet("chat.postMessage")
        if self._unsure is not None:
            sent, self._unsure = self._unsure, None
            return Shown(sent, from_markdown_text(self.posts[sent.id].text))
        sent = self._add(to_markdown_text(text))
        self.posts[sent.id].buttons = [button.label for button in buttons]
        self._show(sent, to_markdown_text(text), ())
        if fault == "after":
            self._unsure = sent
        await self._answer(fault)
        return Shown(sent, text)

    async def _edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None) -> Shown:
        fault = await self._meet(UPDATE, sent)
        if sent.id not in self.posts:
            raise TargetGone
        if self.is_streaming(sent):
            raise by_code("streaming_state_conflict")
        self._show(sent, to_markdown_text(text) if text else self.posts[sent.id].text, ())
        if buttons is not None:
            self.posts[sent.id].buttons = [button.label for button in buttons]
        await self._answer(fault)
        return Shown(sent, from_markdown_text(self.posts[sent.id].text))

    async def delete(self, sent: SentId) -> None:
        await self._meet("chat.delete")
        self.posts.pop(sent.id, None)

    def _add(self, text: str) -> SentId:
        sent = SentId(f"{1000 + len(self.posts)}-{len(self.calls)}")
        self.posts[sent.id] = Post("")
        return sent

    def _show(self, sent: SentId, text: str, cards: Sequence[Card]) -> None:
        post = self.posts[sent.id]
        post.text = text
        post.seen.append((self.clock.monotonic(), text))
        post.cards.update((card.id, card.state) for card in cards)

    def _streaming(self, sent: SentId) -> None:
        if sent.id not in self.posts:
            raise TargetGone
        if not self.is_streaming(sent):
            self.posts[sent.id].streams_until = None
            raise NotStreaming("message_not_in_streaming_state")

    def _check(self, text: str) -> None:
        if len(text) > MAX_MARKDOWN:
            raise Wrong("a call is too long")

    async def _meet(self, method: str, sent: SentId | None = None) -> str:
        key = sent.id if sent is not None else f"new {len(self.calls)}"
        if key in self._busy:
            raise Wrong("two calls of one message may overtake each other")
        self._busy.add(key)
        try:
            self.calls.append((method, self.clock.monotonic()))
            await asyncio.sleep(self._latency * self._random.uniform(0.5, 1.0))
        finally:
            self._busy.discard(key)
        fault = self._faults.pop(0) if self._faults and not self.dead else ""
        if self.dead or fault == "kill":
            self.dead = True
            raise Dead
        if fault == "429":
            self.budgets.refused(method, self.retry_after)
            raise Throttled("told to", self.retry_after)
        if fault == "before":
            raise DeliveryError("told to")
        if (
            fault == "dies"
            and sent is not None
            and sent.id in self.posts
            and self.posts[sent.id].streams_until is not None
        ):
            self.posts[sent.id].streams_until = 0.0
        if fault == "deleted" and sent is not None:
            self.posts.pop(sent.id, None)
        if fault == "stopped_by_user" and sent is not None:
            self.posts[sent.id].streams_until = None
        if fault.islower() and "_" in fault:
            raise by_code(fault)
        return fault

    async def _answer(self, fault: str) -> None:
        if fault == "after":
            raise DeliveryError("the answer was lost")
        if fault == "killed":
            self.dead = True
            raise Dead


def words(count: int, start: int = 0) -> list[str]:
    return [f"w{number} " for number in range(start, start + count)]


def said_on(stage: Stage) -> list[int]:
    """The words that can be read, in the order in which they stand there."""
    return [int(number) for number in re.findall(r"\bw(\d+)", "\n".join(stage.screen))]


async def speak(stage: Stage, pieces: list[str], *, every: float = 0.1, end: str = "stop") -> None:
    async with stage.native() as stream:
        for piece in pieces:
            await stream.write(Text(piece))
            await stage.clock.sleep(every)
        await stream.write(Done("stop"))
    stage.budgets.close()


def never_backwards(stage: Stage) -> bool:
    """Each look of a message goes on where the one before ended, but for what closed that."""
    return all(
        after.startswith(before.rstrip("`\n"))
        for post in stage.posts.values()
        for (_, before), (_, after) in pairwise(post.seen)
    )
