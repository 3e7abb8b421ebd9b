"""The assistant pane: what it suggests, what its talks are called, and Slack's own stop button."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.people import People
from adapters.slack.places import place_of
from adapters.slack.threads import Threads
from adapters.slack.workspace import Workspace
from bot.api import (
    STOP,
    ButtonPressed,
    Clock,
    DeliveryError,
    DeliveryRefused,
    Handle,
    Place,
    Route,
    clip,
    phrase,
    say,
    speaking_to,
)

log = logging.getLogger(__name__)

SCOPE = "assistant:write"
# Each is said for whoever presses it.
PROMPTS = (
    (phrase("What can you do?"), phrase("What can you do for me?")),
    (phrase("Explain something"), phrase("I would like to understand something better. Ask me what.")),
    (phrase("Help me write"), phrase("Help me write a message. Ask me to whom, and what it should say.")),
    (phrase("Find ideas"), phrase("Help me find ideas. Ask me what for.")),
)
MAX_PROMPT_TITLE, MAX_TITLE = 70, 60
# Talks whose title is known to be set, or to be missing.
KEPT = 1000


class Pane:
    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        people: People,
        threads: Threads,
        handle: Handle,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._calls = calls
        self._people = people
        self._threads = threads
        self._handle = handle
        self._clock = clock
        self._may = workspace.may(SCOPE)
        self._titled: OrderedDict[Place, bool] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def event(self, body: Mapping[str, Any]) -> None:
        event = body["event"]
        match event.get("type"):
            case "assistant_thread_started":
                await self._started(event)
            case "agent_session_stopped":
                await self._stopped(event, str(body.get("event_id", "")))

    async def before(self, event: Mapping[str, Any]) -> None:
        """The first thing that somebody says in the pane becomes the title of the talk."""

    async def _started(self, event: Mapping[str, Any]) -> None:
        thread = event.get("assistant_thread")
        if not isinstance(thread, dict):
            return
        place = place_of(self._workspace.team, str(thread["channel_id"]), str(thread["thread_ts"]))
        await self._threads.join(place)
        self._note(place, False)
        self._beside(self._suggest(place, str(thread.get("user_id", ""))))

    async def _suggest(self, place: Place, user: str) -> None:
        with speaking_to(await self._people.locale(user)):
            own = [(prompt, prompt) for prompt in self._settings.suggested_prompts]
            listed = own or [(say(title), say(message)) for title, message in PROMPTS]
            prompts = [{"title": clip(title, MAX_PROMPT_TITLE), "message": message} for title, message in listed]
            title = say("How can I help?")
        await self._tell("assistant.threads.setSuggestedPrompts", place, prompts=prompts, title=title)

    async def _stopped(self, event: Mapping[str, Any], id: str) -> None:
        channel, thread = str(event["channel"]), event.get("thread_ts")
        place = place_of(self._workspace.team, channel, thread)
        user = str(event.get("user", ""))
        streams = event.get("streaming_message_ts") or [thread]
        await self._handle(
            ButtonPressed(
                id=id,
                user=await self._people.person(user, place),
                route=Route(place, {"user": user, "at": str(event.get("event_ts", ""))}),
                at=self._clock.now(),
                action=STOP,
                message=str(streams[-1]),
            )
        )
        self._beside(self._tell("agents.sessions.setStatus", place, status="active"))

    async def _tell(self, method: str, place: Place, **arguments: Any) -> None:
        if not self._may:
            return
        try:
            await self._calls.in_turn(method, channel_id=place.channel, thread_ts=place.thread, **arguments)
        except DeliveryRefused as error:
            self._may = False
            log.warning("%s is refused (%s): the pane goes without it", method, error)
        except DeliveryError as error:
            log.info("%s failed: %s", method, error)

    def _note(self, place: Place, titled: bool) -> None:
        self._titled[place] = titled
        self._titled.move_to_end(place)
        if len(self._titled) > KEPT:
            self._titled.popitem(last=False)

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
