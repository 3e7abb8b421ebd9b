"""The Slack adapter on the fake Slack, with a handler that a test writes itself."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pydantic import JsonValue

from adapters.slack.adapter import SlackAdapter
from adapters.slack.testing import FakeSlack
from adapters.slack.timing import Timing
from bot.api import (
    AnyEvent,
    ButtonPressed,
    Clock,
    Command,
    CommandCall,
    FormSubmitted,
    Message,
    Online,
    Place,
    Reply,
    Shelf,
)

Event = TypeVar("Event", bound=AnyEvent)
# Nobody is known before they say something.
QUICK = Timing(short_answer=0.05, status_after=0.05, reconnect_after=0.05, fill_after=3600)
EVENTS_PATH = "/slack/events"


class Listener:
    """Keeps what the adapter heard and answers messages, commands, presses and forms with `answer`: each once, as the
    core does, whichever way and however often Slack tells it. `told` counts every time; what is `refused` is not kept,
    as when the memory cannot be written."""

    def __init__(self, adapter: SlackAdapter, answer: Callable[[Any], Awaitable[None]] | None) -> None:
        self.adapter = adapter
        self.events: list[AnyEvent] = []
        self.told: Counter[tuple[Place, str]] = Counter()
        self.errors: list[BaseException] = []
        self.refused: Callable[[AnyEvent], bool] = lambda event: False
        self._answer = answer
        self._heard = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, event: AnyEvent) -> None:
        if self.refused(event):
            raise OSError("the disk is full")
        self.told[event.place, event.id] += 1
        if self.told[event.place, event.id] > 1:
            return
        self.events.append(event)
        self._heard.set()
        if self._answer is not None and isinstance(event, Message | CommandCall | ButtonPressed | FormSubmitted):
            task = asyncio.create_task(self._run(self._answer, event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, answer: Callable[[Any], Awaitable[None]], event: AnyEvent) -> None:
        try:
            await answer(event)
        except Exception as error:
            self.errors.append(error)
            self._heard.set()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def heard(self, kind: type[Event], count: int = 1) -> Event:
        """The newest event of a kind, once there are so many."""
        async with asyncio.timeout(10):
            while len(self.of(kind)) < count:
                self._heard.clear()
                await self._heard.wait()
        return self.of(kind)[-1]

    async def failed(self) -> BaseException:
        async with asyncio.timeout(10):
            while not self.errors:
                self._heard.clear()
                await self._heard.wait()
        return self.errors[-1]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class FakeShelf:
    """What an adapter keeps between two starts, for tests that start it twice."""

    def __init__(self) -> None:
        self.kept: dict[str, JsonValue] = {}
        self.pictures: dict[str, tuple[bytes, str]] = {}

    async def load(self, key: str) -> JsonValue | None:
        return self.kept.get(key)

    async def save(self, key: str, value: JsonValue) -> None:
        if value is None:
            self.kept.pop(key, None)
        else:
            self.kept[key] = value

    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        return self.pictures.get(blob)


@asynccontextmanager
async def connected(
    slack: FakeSlack,
    answer: Callable[[SlackAdapter, Any], Awaitable[None]] | None = None,
    *,
    commands: Sequence[Command] = (),
    timing: Timing = QUICK,
    clock: Clock | None = None,
    shelf: Shelf | None = None,
    listens: type[Listener] = Listener,
    **settings: Any,
) -> AsyncIterator[Listener]:
    """A bot that is online; `answer(adapter, event)` is run beside it for every message, command, press and form.
    With `receive="http"` it is told by HTTP."""
    by_http = settings.get("receive") == "http"
    if by_http:
        settings.setdefault("port", free_port())
    adapter = SlackAdapter(slack.settings(**settings), timing=timing, clock=clock)
    if shelf is not None:
        adapter.use(shelf)
    listener = listens(adapter, (lambda event: answer(adapter, event)) if answer is not None else None)
    running = asyncio.create_task(adapter.run(listener.handle, commands))
    try:
        online = asyncio.ensure_future(listener.heard(Online))
        await asyncio.wait((online, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            online.cancel()
            running.result()
        await online
        if by_http:
            await slack.listens_at(f"http://127.0.0.1:{settings['port']}{EVENTS_PATH}")
        yield listener
    finally:
        await listener.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def echo(adapter: SlackAdapter, event: Message) -> None:
    if isinstance(event, Message) and event.addressed:
        await adapter.send(event.route, Reply(f"You said: {event.text}"))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
