"""The Slack adapter: connects, hears, answers live."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import aiohttp
from pydantic import JsonValue

from adapters.slack import SlackSettings
from adapters.slack.bolt import NotHeard, bolt_app
from adapters.slack.budgets import SlackBudgets
from adapters.slack.calls import Calls, client_of
from adapters.slack.downloads import declined
from adapters.slack.ears import BotEars
from adapters.slack.faces import Faces
from adapters.slack.hearing import Hearing
from adapters.slack.home import Home
from adapters.slack.interacting import Interacting
from adapters.slack.lengths import MAX_TEXT
from adapters.slack.listening import Listening
from adapters.slack.live import LiveAnswers
from adapters.slack.login import bot_token, log_in, warn_of_missing_scopes, warn_of_two_apps
from adapters.slack.missed import newest
from adapters.slack.pane import Pane
from adapters.slack.people import People
from adapters.slack.places import place_of
from adapters.slack.reading import Reading
from adapters.slack.sending import Sending
from adapters.slack.sockets import Links
from adapters.slack.spelling import Spelling
from adapters.slack.threads import Threads
from adapters.slack.timing import Timing
from adapters.slack.uploads import Uploads
from adapters.slack.web import Door
from adapters.slack.workspace import Workspace
from bot.api import (
    AnyEvent,
    Attachment,
    Capabilities,
    Clock,
    Command,
    DeliveryError,
    Handle,
    Online,
    Place,
    Posted,
    Reply,
    ReplyStream,
    Resume,
    Route,
    SentId,
    Shelf,
    Speaker,
    SystemClock,
    User,
    phrase,
)

log = logging.getLogger(__name__)

# For what was said meanwhile: the newest message by place.
Look: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]

# Before the bot knows who it is there, the core asks what kind of platform this is.
_NOT_YET = Capabilities(max_chars=MAX_TEXT, edits=True, buttons=True, forms=True, menus=True)
NOT_CONNECTED = phrase("I am not connected to Slack yet.")


@dataclass(frozen=True, slots=True)
class Parts:
    """What works once the bot knows who it is."""

    workspace: Workspace
    calls: Calls
    ways: Links | Door
    ears: BotEars
    sending: Sending
    live: LiveAnswers
    reading: Reading
    interacting: Interacting
    spelling: Spelling
    people: People
    closes: Sequence[Callable[[], Awaitable[None]]]


class SlackAdapter:
    name = "slack"

    def __init__(self, settings: SlackSettings, *, clock: Clock | None = None, timing: Timing | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._timing = timing or Timing()
        self._shelf: Shelf | None = None
        self._parts: Parts | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._hears = True

    def use(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @property
    def connected(self) -> bool:
        return self._parts is not None and self._parts.ways.connected

    @property
    def status(self) -> Mapping[str, JsonValue]:
        return {} if self._parts is None else self._parts.ways.status

    # Hearing

    async def run(self, handle: Handle, commands: Sequence[Command]) -> None:
        token = bot_token(self._settings)

        async def hand_over(event: AnyEvent) -> None:
            if not self._hears and not isinstance(event, Online):
                raise NotHeard("the bot is being stopped")
            await handle(event)

        budgets = SlackBudgets(self._clock)
        async with aiohttp.ClientSession() as session:
            client = client_of(self._settings, token, session)
            try:
                workspace = await log_in(client, self._clock, self._timing)
                warn_of_missing_scopes(workspace, self._settings)
                parts = self._built(Calls(client, budgets, self._clock), workspace, hand_over, commands)
                self._parts = parts
                await parts.ways.run()
            finally:
                closes, self._parts = self._parts.closes if self._parts is not None else (), None
                for close in closes:
                    await close()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                budgets.close()

    def _built(self, calls: Calls, workspace: Workspace, handle: Handle, commands: Sequence[Command]) -> Parts:
        settings, clock, timing = self._settings, self._clock, self._timing
        people = People(calls, workspace, clock, patience=timing.hear_within)
        threads = Threads(self._shelf)
        hearing = Hearing(settings, workspace, people, threads, commands)
        reading = Reading(settings, workspace, calls, people, hearing, clock)
        faces = Faces(settings, workspace, self._shelf)
        uploads = Uploads(calls, clock)
        home = Home(settings, workspace, calls, people, hearing, commands, handle, clock)
        sending = Sending(settings, workspace, calls, people, faces, uploads, threads, home, clock)
        live = LiveAnswers(workspace, calls, sending, faces, threads, clock, timing)
        pane = Pane(settings, workspace, calls, people, threads, handle, clock)
        listening = Listening(settings, workspace, hearing, people, threads, reading, handle, clock, timing)
        interacting = Interacting(
            settings, workspace, calls, hearing, people, sending, commands, handle, clock, ack_within=timing.hear_within
        )
        ears = BotEars(workspace, listening, interacting, pane, home)
        app = bolt_app(calls.client, ears)

        async def online(since: float | None) -> None:
            await self._tell_online(lambda: newest(calls, workspace, threads), workspace, handle, since)
            if since is None:
                self._beside(people.fill(timing.fill_after))
            if since is None and isinstance(ways, Links):
                self._beside(warn_of_two_apps(calls, workspace, ways.app_id))

        if settings.receive == "http":
            ways: Links | Door = Door(settings, app, faces, online)
        else:
            ways = Links(settings, app, calls, clock, timing, online)
        closes = (live.close, interacting.close, pane.close, home.close, people.close)
        spelling = Spelling(settings, workspace, commands)
        return Parts(workspace, calls, ways, ears, sending, live, reading, interacting, spelling, people, closes)

    async def _tell_online(self, look: Look, workspace: Workspace, handle: Handle, since: float | None) -> None:
        """`since` is the moment from which on something may have been missed; None after a start. What an earlier life
        left is taken up at once, and what it missed once the channels were asked."""
        log.info("online as @%s in %s", workspace.user_name, workspace.name)
        now = self._clock.now()
        online = Online(
            id=f"online:{now.timestamp()}",
            user=User(workspace.user, workspace.user_name, is_bot=True),
            route=Route(place_of(workspace.team, "")),
            at=now,
            since=None if since is None else f"{since:.6f}",
            silent=(),
        )
        await handle(online)
        # Who may read little must not be sent to read everywhere.
        if not self._settings.distributed:
            self._beside(self._tell_missed(online, look, handle))

    async def _tell_missed(self, online: Online, look: Look, handle: Handle) -> None:
        found, team = await look(), online.place.workspace
        await handle(replace(online, id=f"{online.id}:missed", latest=found, silent=(team,)))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop_hearing(self) -> None:
        self._hears = False

    # Answering

    def capabilities(self, route: Route) -> Capabilities:
        return _NOT_YET if self._parts is None else self._parts.sending.capabilities(route)

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        use = self._use
        reply = use.spelling.reply(use.interacting.given_back(route, reply), route.place)
        return await use.sending.send(route, reply)

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> ReplyStream:
        stream = self._use.live.stream(route, speaker, resume, before_post)
        return self._use.spelling.stream(stream, route.place)

    async def edit(self, route: Route, sent: SentId, reply: Reply) -> None:
        await self._use.sending.edit(route, sent, self._use.spelling.reply(reply, route.place))

    async def delete(self, route: Route, sent: SentId) -> None:
        await self._use.sending.delete(route, sent)

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        return await self._use.reading.fetch(attachment, max_bytes)

    def declines(self, attachment: Attachment) -> str:
        return declined(attachment, self._settings.api_url)

    async def history(self, route: Route, after: str | None, limit: int) -> tuple[Posted, ...]:
        return await self._use.reading.history(route, after, limit)

    async def place_name(self, place: Place) -> str:
        return "" if self._parts is None else await self._parts.people.place_name(place)

    async def open_thread(self, route: Route, name: str) -> Route:
        return self._use.sending.thread_of(route)

    @property
    def _use(self) -> Parts:
        if self._parts is None:
            raise DeliveryError("not connected", public=NOT_CONNECTED)
        return self._parts
