"""The adapter contract on the terminal, with pipes: what is typed goes in, what people read comes out."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from adapters.terminal import TerminalAdapter, TerminalSettings
from bot.api import (
    AnyEvent,
    Attachment,
    Reply,
    ReplyStream,
    Resume,
    Route,
    SentId,
    Speaker,
    User,
)
from bot.testing.adapter_contract import AdapterContract, Seen, Stage, contract_commands

Kind = TypeVar("Kind", bound=AnyEvent)


class WatchedTerminal(TerminalAdapter):
    """Notes where in the output each answer begins, since a terminal has no messages."""

    def __init__(self, settings: TerminalSettings, stdin: io.TextIOBase, out: io.StringIO) -> None:
        super().__init__(settings, stdin=stdin, stdout=out, stderr=out)  # type: ignore[arg-type]  # a text stream
        self._out = out
        self._begins: list[int] = []

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        self._begins.append(self._out.tell())
        return await super().send(route, reply)

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> ReplyStream:
        self._begins.append(self._out.tell())
        return super().stream(route, speaker, resume, before_post)

    def texts(self) -> list[str]:
        written = self._out.getvalue()
        ends = [*self._begins[1:], len(written)]
        parts = [written[begin:end] for begin, end in zip(self._begins, ends, strict=True)]
        return [part.removesuffix("\n") for part in parts if part.strip()]


class TerminalStage:
    has_own_stop = False

    def __init__(self, adapter: WatchedTerminal, keyboard: int) -> None:
        self.adapter = adapter
        self._keyboard = keyboard
        self._events: list[AnyEvent] = []
        self._grew = asyncio.Condition()

    async def handle(self, event: AnyEvent) -> None:
        async with self._grew:
            self._events.append(event)
            self._grew.notify_all()

    async def heard(self, kind: type[Kind], count: int = 1) -> Kind:
        async with self._grew:
            await asyncio.wait_for(self._grew.wait_for(lambda: self.count(kind) >= count), 10)
        return self._of(kind)[-1]

    def count(self, kind: type[Kind]) -> int:
        return len(self._of(kind))

    def _of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self._events if isinstance(event, kind)]

    async def says(self, text: str) -> None:
        await self._types(text)

    async def repeats(self) -> None:
        pytest.skip("what is typed arrives once")

    async def runs(self, command: str, arguments: Mapping[str, Any]) -> None:
        if any(isinstance(value, Attachment) for value in arguments.values()):
            pytest.skip("nothing can be attached to a line")
        await self._types(f"/{command} {' '.join(self._argument(*each) for each in arguments.items())}")

    def _argument(self, name: str, value: object) -> str:
        if isinstance(value, User):
            return "User"
        if name == "text" and '"' in str(value):
            return str(value)  # the rest of a line is taken as it is
        return f"--{name}={json.dumps(str(value))}"

    async def _types(self, line: str) -> None:
        await asyncio.to_thread(os.write, self._keyboard, f"{line}\n".encode(errors="surrogatepass"))

    async def presses(self, label: str) -> None:
        pytest.skip("a line has no buttons")

    def screen(self) -> Sequence[Seen]:
        """Nobody but the one at the keyboard sees any of it."""
        return [Seen("", (text,), public=False) for text in self.adapter.texts()]


class TestTerminal(AdapterContract):
    @pytest.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[Stage]:
        screen, keyboard = os.pipe()
        with os.fdopen(screen) as stdin:
            adapter = WatchedTerminal(TerminalSettings(folder=tmp_path), stdin, io.StringIO())
            stage = TerminalStage(adapter, keyboard)
            running = asyncio.create_task(adapter.run(stage.handle, contract_commands()))
            yield stage
            os.close(keyboard)
            running.cancel()
            await asyncio.wait({running})
