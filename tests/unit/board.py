"""A platform for live answers in virtual time, and ways to write one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from hypothesis import strategies as st

from bot.errors import DeliveryError, DeliveryRefused, TargetGone
from bot.replies import Button, File, Piece, Resume, SentId
from bot.streaming import Call, EditedStream, OpenLane, Outcome, Shown
from bot.testing.clock import VirtualClock, run_virtual
from bot.text import split


class Wrong(BaseException):
    """A stream did what none may do; not an Exception, or it would pass for one of the platform's."""


def demand(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Wrong(otherwise)


class Dead(BaseException):
    """The process is gone: nothing that it would still do happens."""


class Board:
    """A surface that strips white space as platforms do, is slow, and fails as told.

    `keeps` says that nothing may be deleted. While it is `watched`, no two messages may have buttons.
    """

    def __init__(self, *, latency: float = 0.08, faults: Sequence[str] = (), seed: int = 0) -> None:
        self.messages: dict[str, str] = {}
        self.buttons: dict[str, list[str]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.keeps = False
        self.watched = False
        self.history: list[tuple[str, str]] = []
        self.limit = 10_000
        self.closed = False
        self.dead = False
        self._latency = latency
        self._faults = list(faults)
        self._random = random.Random(seed)
        self._busy: set[str] = set()
        self._unsure: SentId | None = None

    @property
    def screen(self) -> list[str]:
        return list(self.messages.values())

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        fault = await self._meet("post")
        if self._unsure is not None:
            # The same post again, by its idempotency key: it is returned as it was.
            sent, self._unsure = self._unsure, None
            return Shown(sent, self.messages[sent.id])
        sent = SentId(str(len(self.history)))
        shown = self._show(sent, text, buttons)
        if fault == "lost":
            self._unsure = sent
            raise DeliveryError("the answer was lost")
        return shown

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        demand(sent.id not in self._busy, "two edits of one message may overtake each other")
        self._busy.add(sent.id)
        try:
            fault = await self._meet("edit")
        finally:
            self._busy.discard(sent.id)
        if sent.id not in self.messages:
            raise TargetGone
        shown = self._show(sent, text or self.messages[sent.id], buttons)
        if fault == "lost":
            raise DeliveryError("the answer was lost")
        return shown

    async def delete(self, sent: SentId) -> None:
        await self._meet("delete")
        if self.keeps:
            raise DeliveryRefused
        self.messages.pop(sent.id, None)
        self.buttons.pop(sent.id, None)

    def _show(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        demand(bool(text.strip()), "an empty message")
        demand(len(text) <= self.limit, "a message that is too long")
        self.messages[sent.id] = text.strip()
        if buttons is not None:
            self.buttons[sent.id] = [button.label for button in buttons]
        if self.watched:
            demand(len(list(filter(None, self.buttons.values()))) <= 1, "two messages with buttons")
        self.history.append((sent.id, text))
        return Shown(sent, text.strip())

    async def _meet(self, method: str) -> str:
        demand(not self.closed, "a call after the stream was left")
        await asyncio.sleep(self._latency * self._random.random())
        if self.dead:
            raise Dead
        fault = self._faults.pop(0) if self._faults else ""
        if fault:
            match fault:
                case "pass":
                    raise DeliveryError("500")
                case "odd":
                    raise KeyError("odd")
                case "gone" if method == "edit" and self.messages:
                    self.messages.popitem()
                    raise TargetGone
                case "refused":
                    raise DeliveryRefused
        return fault


class FileBoard(Board):
    """One that takes files, unless it `refuses` them."""

    refuses = False

    async def attach(self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File]) -> Shown:
        if self.refuses:
            await self._meet("attach")
            raise DeliveryRefused
        shown = await self.edit(sent, text, buttons)
        self.files[sent.id] = {file.name: file.content for file in files}
        return shown


class SlowLane(OpenLane):
    """Lets calls through after random times and checks that it is told of every one."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.streams = 0
        self.out: set[Call] = set()

    def opened(self) -> None:
        self.streams += 1

    def closed(self) -> None:
        self.streams -= 1

    async def admit(self, call: Call) -> None:
        await asyncio.sleep(self._random.random() * 2)
        self.out.add(call)

    def told(self, call: Call, outcome: Outcome) -> None:
        self.out.remove(call)


def live(
    board: Board, *, limit: int = 2000, lane: OpenLane | None = None, resume: Resume | None = None, most: int = 0
) -> EditedStream:
    """`most` is how many messages the answer may take before it becomes a file."""
    board.limit = limit
    lane = lane or OpenLane()
    return EditedStream(board, lane, max_chars=limit, clock=VirtualClock(), resume=resume, max_messages=most)


def say(
    board: Board, *pieces: Piece | float, limit: int = 2000, resume: Resume | None = None, most: int = 0
) -> EditedStream:
    """Write pieces, waiting where a number stands between them."""

    async def main() -> EditedStream:
        async with live(board, limit=limit, resume=resume, most=most) as stream:
            for piece in pieces:
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    await stream.write(piece)
        board.closed = True
        await asyncio.sleep(100)
        return stream

    return run_virtual(main())


def as_seen(text: str, limit: int) -> list[str]:
    return [part.strip() for part in split(text, limit)]


def old_answer(board: Board, text: str, limit: int) -> tuple[SentId, ...]:
    """An answer that stands there already, with a button under its last message."""
    sent: list[SentId] = []
    for page in split(text, limit):
        sent.append(SentId(f"old-{len(sent)}"))
        board.messages[sent[-1].id], board.buttons[sent[-1].id] = page.strip(), []
    board.buttons[sent[-1].id] = ["Old"]
    return tuple(sent)


CHUNKS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "word ",
                "a",
                ". ",
                "\n\n",
                "```py\n",
                "\n```\n",
                "x = 1\n",
                "**bold** ",
                "`c` ",
                "y" * 90,
                " ",
                "``",
                "- i\n",
            ]
        ),
        st.sampled_from([0.0, 0.01, 0.3, 2.0]),
    ),
    max_size=80,
)
FAULTS = st.lists(st.sampled_from(["", "", "", "pass", "odd", "lost"]), max_size=12)
