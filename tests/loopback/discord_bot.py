"""The Discord adapter on the fake Discord, with a handler that a test writes itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord
from bot.api import AnyEvent, ButtonPressed, Clock, Command, CommandCall, FormSubmitted, Message, Online, Reply, Shelf

Event = TypeVar("Event", bound=AnyEvent)
QUICK = Timing(ready_after=0.02, identify_again=0.0, reconnect_after=4.5)


class Listener:
    """Keeps what the adapter heard and answers messages, commands, presses and forms with `answer`."""

    def __init__(self, adapter: DiscordAdapter, answer: Callable[[Any], Awaitable[None]] | None) -> None:
        self.adapter = adapter
        self.events: list[AnyEvent] = []
        self.errors: list[BaseException] = []
        self._answer = answer
        self._heard = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, event: AnyEvent) -> None:
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


@asynccontextmanager
async def connected(
    discord: FakeDiscord,
    answer: Callable[[DiscordAdapter, Any], Awaitable[None]] | None = None,
    *,
    commands: Sequence[Command] = (),
    timing: Timing = QUICK,
    clock: Clock | None = None,
    shelf: Shelf | None = None,
    **settings: Any,
) -> AsyncIterator[Listener]:
    """A bot that is online; `answer(adapter, event)` is run beside it for every message and command."""
    adapter = DiscordAdapter(discord.settings(**settings), timing=timing, clock=clock)
    if shelf is not None:
        adapter.use(shelf)
    listener = Listener(adapter, (lambda event: answer(adapter, event)) if answer is not None else None)
    running = asyncio.create_task(adapter.run(listener.handle, commands))
    try:
        online = asyncio.ensure_future(listener.heard(Online))
        await asyncio.wait((online, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            online.cancel()
            running.result()
        if commands:
            await discord.wait_until(lambda: discord.world.commands[None])
        yield listener
        assert discord.rings_without_leave == []
    finally:
        await listener.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def echo(adapter: DiscordAdapter, event: Message) -> None:
    if isinstance(event, Message) and event.addressed:
        await adapter.send(event.route, Reply(f"You said: {event.text}"))
