"""The assistant pane: what it suggests, what its talks are called, and Slack's own stop button."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any, TypeAlias

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.errors import NotTaken
from adapters.slack.inline import plain
from adapters.slack.people import People
from adapters.slack.places import is_direct, place_of
from adapters.slack.reading_markup import message_text, to_markdown
from adapters.slack.threads import Threads
from adapters.slack.workspace import ASSISTANT, Workspace
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

Told: TypeAlias = Mapping[str, Any]

TITLE = "assistant.threads.setTitle"
# Each is said for whoever presses it.
PROMPTS = (
    (phrase("What can you do?"), phrase("What can you do for me?")),
    (phrase("Explain something"), phrase("I would like to understand something better. Ask me what.")),
    (phrase("Help me write"), phrase("Help me write a message. Ask me to whom, and what it should say.")),
    (phrase("Find ideas"), phrase("Help me find ideas. Ask me what for.")),
)
MAX_PROMPT_TITLE, MAX_TITLE = 70, 60
# What a talk begins with, and how many messages show whether anybody has said something in it.
ROOT, FIRST = "assistant_app_thread", 10
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
        self._me = workspace.user
        self._may = workspace.may(ASSISTANT)
        self._begins_below = settings.reply_in_threads and settings.direct_messages and workspace.is_assistant
        # Apps that are assistants still, and no agents, have no titles there.
        self._may_name_below = True
        self._titled: OrderedDict[Place, bool] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def event(self, body: Told) -> None:
        """Returns once what it means is safely claimed. What Slack tells of the channel beside the pane is not used."""
        event = body["event"]
        match event.get("type"):
            case "assistant_thread_started":
                await self._started(event)
            case "app_home_opened":
                self._opened(event)
            case "agent_session_stopped":
                await self._stopped(event, str(body.get("event_id") or event.get("event_ts") or ""))

    async def before(self, event: Told) -> None:
        """The first thing that somebody says in a talk becomes its title, beside whatever else is done about it."""
        place = self._talk(event)
        if place is None or not self._may or not _is_said(event):
            return
        begins = place.thread == event.get("ts")
        titled = self._titled.get(place, False if begins else None)
        # Of a talk that began before this process did, Slack knows whether it has a title.
        if titled or (titled is None and (event.get("parent_user_id") != self._me or self._settings.distributed)):
            return
        if begins and not self._may_name_below:
            return
        if not self._is_command(message_text(event)):
            self._note(place, True)
            self._beside(self._name(place, event, known=titled is not None))
        elif titled is not None:
            self._note(place, False)

    def _talk(self, event: Told) -> Place | None:
        """The talk in which something is said; an agent's begin with what somebody writes to it."""
        ts, thread = event.get("ts"), event.get("thread_ts")
        if thread in (None, ts):
            thread = ts if self._begins_below else None
        place = place_of(self._workspace.team, str(event.get("channel") or ""), str(thread or ""))
        return place if is_direct(place) and place.thread is not None else None

    # A talk begins

    async def _started(self, event: Told) -> None:
        thread = event.get("assistant_thread")
        if not isinstance(thread, Mapping) or not thread.get("channel_id") or not thread.get("thread_ts"):
            return
        place = place_of(self._workspace.team, str(thread["channel_id"]), str(thread["thread_ts"]))
        await self._threads.join(place)
        self._note(place, False)
        if self._settings.direct_messages:
            self._beside(self._suggest(place, str(thread.get("user_id") or "")))

    def _opened(self, event: Told) -> None:
        """The messages of an agent, as all apps are that were made since June 2026: there is no talk yet, and what is
        suggested stands above them all."""
        if self._settings.direct_messages and event.get("channel"):
            place = place_of(self._workspace.team, str(event["channel"]))
            self._beside(self._suggest(place, str(event.get("user") or "")))

    async def _suggest(self, place: Place, user: str) -> None:
        with speaking_to(await self._people.locale(user)):
            own = [(prompt, prompt) for prompt in self._settings.suggested_prompts if prompt.strip()]
            listed = own or [(say(title), say(message)) for title, message in PROMPTS]
            greeting = say("How can I help?")
        prompts = [{"title": clip(title, MAX_PROMPT_TITLE), "message": message} for title, message in listed]
        await self._tell("assistant.threads.setSuggestedPrompts", place, prompts=prompts, title=greeting)

    def _is_command(self, text: str) -> bool:
        """It says nothing about the talk."""
        prefix = self._settings.text_prefix
        return text.startswith("/") or (bool(prefix) and text.startswith(prefix))

    async def _name(self, place: Place, event: Told, *, known: bool) -> None:
        """`known` says that nobody has said anything before."""
        raw, files = message_text(event), event.get("files")
        said = plain(to_markdown(raw, await self._people.names(raw)))
        if not said and isinstance(files, list):
            said = ", ".join(str(each.get("name") or "") for each in files)
        title = clip(" ".join(said.split()), MAX_TITLE)
        if title and (known or await self._is_first(place, str(event["ts"]))):
            await self._tell(TITLE, place, title=title)

    async def _is_first(self, place: Place, ts: str) -> bool:
        try:
            answer = await self._calls.in_turn(
                "conversations.replies", channel=place.channel, ts=place.thread, latest=ts, limit=FIRST
            )
        except DeliveryError as error:
            log.info("whether a talk has a title is unknown: %s", error)
            return False
        root, *before = [each for each in answer.get("messages") or () if str(each.get("ts")) < ts] or [{}]
        return root.get("subtype") == ROOT and all(each.get("user") == self._me for each in before)

    # A talk is stopped

    async def _stopped(self, event: Told, id: str) -> None:
        """Slack shows its button to whoever may stop the answer, and has stopped its streams by now."""
        channel, thread = str(event["channel"]), str(event.get("thread_ts") or "")
        place, user, at = (
            place_of(self._workspace.team, channel, thread),
            str(event.get("user") or ""),
            event["event_ts"],
        )
        streams = event.get("streaming_message_ts")
        stopped = str(streams[-1]) if isinstance(streams, list) and streams else ""
        await self._handle(
            ButtonPressed(
                id=id,
                user=await self._people.person(user, place),
                route=Route(place, {"user": user, "at": at}),
                at=self._clock.now(),
                locale=await self._people.locale(user),
                action=STOP,
                message=stopped,
            )
        )
        # Slack leaves it to the app to say that nothing is at work any more.
        if place.thread is not None:
            self._beside(self._tell("agents.sessions.setStatus", place, status="active"))

    # Inside

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
            if method == TITLE and isinstance(error, NotTaken):
                self._may_name_below = False

    def _note(self, place: Place, titled: bool) -> None:
        self._titled[place] = titled
        self._titled.move_to_end(place)
        if len(self._titled) > KEPT:
            self._titled.popitem(last=False)

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("what belongs to the pane could not be done", exc_info=error)


def _is_said(event: Told) -> bool:
    """Whether somebody says it now. Of what is shown to one person alone Slack tells no such events."""
    return event.get("type") == "message" and event.get("subtype") in (None, "file_share") and not event.get("bot_id")
