"""What the Slack adapter says with, on the fake Slack and without ears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from adapters.slack.budgets import SlackBudgets
from adapters.slack.calls import Calls, client_of
from adapters.slack.faces import Faces
from adapters.slack.hearing import Hearing
from adapters.slack.home import Home
from adapters.slack.people import People
from adapters.slack.places import place_of
from adapters.slack.sending import Sending
from adapters.slack.testing import Channel, FakeSlack, Message
from adapters.slack.threads import Threads
from adapters.slack.uploads import Uploads
from adapters.slack.workspace import asked
from bot.api import AnyEvent, Clock, Reply, Route, SentId, Shelf, SystemClock


class HastyClock(SystemClock):
    """Fifty times as fast as everybody else's."""

    def monotonic(self) -> float:
        return 50 * super().monotonic()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 50)


class PatientClock(SystemClock):
    """Its time goes by when somebody waits, and at once."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.0)
        await super().sleep(0)


def hasty(**more: Any) -> FakeSlack:
    """For bots in a hurry: nothing is refused but what a test says."""
    slack = FakeSlack(**more)
    slack.limits.enforced = False
    return slack


@dataclass(slots=True)
class Mouth:
    """The bot, as far as it speaks."""

    slack: FakeSlack
    sending: Sending
    faces: Faces
    threads: Threads
    calls: Calls
    clock: Clock

    def route(self, channel: Channel | None = None, thread: Message | None = None, /, **data: JsonValue) -> Route:
        """To Ada, unless `user` is another."""
        where = channel or (thread.channel if thread is not None else self.slack.general)
        place = place_of(self.slack.world.team, where.id, thread.ts if thread is not None else None)
        return Route(place, {"user": self.slack.ada.id, **data})

    async def says(self, text: str = "", /, *, to: Route | None = None, **reply: Any) -> tuple[SentId, ...]:
        return await self.sending.send(to or self.route(), Reply(text, **reply))


@asynccontextmanager
async def speaking(
    slack: FakeSlack, *, shelf: Shelf | None = None, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Mouth]:
    """A bot that only speaks; start another one for what the next process says."""
    time = clock or (SystemClock() if slack.limits.enforced else HastyClock())
    budgets = SlackBudgets(time)
    given = slack.settings(**settings)
    calls = Calls(client_of(given, slack.token), budgets, time)
    workspace = await asked(calls.client)
    people, threads = People(calls, workspace, time), Threads(shelf)
    hearing = Hearing(given, workspace, people, threads, ())
    faces = Faces(given, workspace, shelf)

    async def handle(event: AnyEvent) -> None:
        raise AssertionError("nothing is heard here")

    hearing = Hearing(given, workspace, people, threads, ())
    home = Home(given, workspace, calls, people, hearing, (), handle, time)
    sending = Sending(given, workspace, calls, people, faces, Uploads(calls, time), threads, home, time)
    try:
        yield Mouth(slack, sending, faces, threads, calls, time)
    finally:
        await people.close()
        budgets.close()
