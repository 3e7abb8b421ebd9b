"""The two ways from the fake Slack to the bot, with ears that a test holds in its hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.slack.bolt import bolt_app
from adapters.slack.budgets import SlackBudgets
from adapters.slack.calls import Calls
from adapters.slack.sockets import Links
from adapters.slack.testing import FakeSlack
from adapters.slack.timing import Timing
from adapters.slack.web import Door
from bot.api import Clock, SystemClock

QUICK = Timing(reconnect_after=0.01)
Body = Mapping[str, Any]


class Ears:
    """Writes down what comes. `answers` does something before a thing of that name is acknowledged, which is a command,
    an action id, a callback id or an event's type; `say` is what it acknowledges with."""

    def __init__(self) -> None:
        self.heard: list[Body] = []
        self.answers: dict[str, Callable[[], Awaitable[None]]] = {}
        self.say: dict[str, Any] = {}
        self.onlines: list[float | None] = []
        self.calls: list[str] = []
        self._changed = asyncio.Event()

    @property
    def texts(self) -> list[str]:
        return [body["event"]["text"] for body in self.heard if body.get("event", {}).get("type") == "message"]

    async def event(self, body: Body) -> None:
        await self._take("event", body, body["event"]["type"])

    async def command(self, body: Body, ack: AsyncAck) -> None:
        await self._take("command", body, body["command"], ack)

    async def action(self, body: Body, ack: AsyncAck) -> None:
        await self._take("action", body, body["actions"][0]["action_id"], ack)

    async def shortcut(self, body: Body, ack: AsyncAck) -> None:
        await self._take("shortcut", body, body["callback_id"], ack)

    async def submitted(self, body: Body, ack: AsyncAck) -> None:
        await self._take("submitted", body, body["view"]["callback_id"], ack)

    async def closed(self, body: Body, ack: AsyncAck) -> None:
        await self._take("closed", body, body["view"]["callback_id"], ack)

    async def options(self, body: Body, ack: AsyncAck) -> None:
        await self._take("options", body, body["action_id"], ack)

    async def online(self, since: float | None) -> None:
        self.onlines.append(since)
        self._changed.set()

    async def came_online(self, times: int = 1) -> None:
        await self.until(lambda: len(self.onlines) >= times)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def _take(self, kind: str, body: Body, name: str, ack: AsyncAck | None = None) -> None:
        self.heard.append(body)
        self.calls.append(kind)
        self._changed.set()
        if name in self.answers:
            await self.answers[name]()
        if ack is not None and name in self.say:
            await ack(self.say[name])


class Gate:
    """Where something waits until the test lets it through."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.open = asyncio.Event()
        self.passed = asyncio.Event()

    async def __call__(self) -> None:
        self.waiting.set()
        await self.open.wait()
        self.passed.set()


async def broken() -> None:
    raise ZeroDivisionError("a mistake in the bot")


def links_of(
    slack: FakeSlack, ears: Ears, *, timing: Timing = QUICK, clock: Clock | None = None, **settings: Any
) -> Links:
    given, time = slack.settings(**settings), clock or SystemClock()
    calls = calls_of(slack, time)
    return Links(given, bolt_app(calls.client, ears), calls, time, timing, ears.online)


def calls_of(slack: FakeSlack, clock: Clock) -> Calls:
    return Calls(slack.client(retry_handlers=[]), SlackBudgets(clock), clock)


@asynccontextmanager
async def by_sockets(
    slack: FakeSlack, ears: Ears, *, timing: Timing = QUICK, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Links]:
    links = links_of(slack, ears, timing=timing, clock=clock, **settings)
    async with running(links, ears):
        await slack.online(settings.get("connections", 2))
        yield links


class NoPictures:
    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        return None


def door_of(slack: FakeSlack, ears: Ears, pictures: Any = None, **settings: Any) -> Door:
    given = slack.settings(**{"receive": "http", "port": 0, **settings})
    return Door(given, bolt_app(slack.client(), ears), pictures or NoPictures(), ears.online)


@asynccontextmanager
async def by_http(slack: FakeSlack, ears: Ears, pictures: Any = None, **settings: Any) -> AsyncIterator[Door]:
    door = door_of(slack, ears, pictures, **settings)
    async with running(door, ears):
        await slack.listens_at(f"http://127.0.0.1:{door.port}/slack/events")
        yield door


@asynccontextmanager
async def running(way: Links | Door, ears: Ears) -> AsyncIterator[None]:
    """Until it is online; then it is stopped, and what it raised is raised here."""
    task = asyncio.create_task(way.run())
    before = len(ears.onlines)
    online = asyncio.create_task(ears.came_online(before + 1))
    try:
        await asyncio.wait((task, online), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        await online
        yield
    finally:
        online.cancel()
        task.cancel()
        await asyncio.gather(task, online, return_exceptions=True)
