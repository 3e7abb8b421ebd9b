"""What stands under a thread while there is nothing to see yet, and that somebody is at work there: beside the answer,
never in its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import replace
from typing import Any

from adapters.slack.calls import Calls
from adapters.slack.errors import Throttled
from adapters.slack.faces import Faces
from adapters.slack.timing import Timing
from adapters.slack.workspace import Workspace
from bot.api import Clock, DeliveryError, DeliveryRefused, Place, Speaker, phrase, say

log = logging.getLogger(__name__)

STATUS, SESSION = "assistant.threads.setStatus", "agents.sessions.setStatus"
# Only an app that is declared as an assistant has sessions.
ASSISTANT = "assistant:write"
AT_WORK, AT_REST = "processing", "active"
# Slack takes a status away after two minutes.
_REFRESH = 100.0
# So long it is not tried again where it was refused, and how many such places are remembered.
_REFUSED_FOR, _MOST = 600.0, 512
_LAST_MOMENT = 1.0
_THINKING = phrase("is thinking…")
_LOADING = (
    phrase("Thinking…"),
    phrase("Looking for the right words…"),
    phrase("Putting it in order…"),
    phrase("Still at it…"),
)


class Lately:
    """What was refused not long ago."""

    def __init__(self, clock: Clock, seconds: float = _REFUSED_FOR) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until: dict[Hashable, float] = {}

    def add(self, key: Hashable) -> None:
        self._until.pop(key, None)
        self._until[key] = self._clock.monotonic() + self._seconds
        if len(self._until) > _MOST:
            del self._until[next(iter(self._until))]

    def __contains__(self, key: Hashable) -> bool:
        return self._until.get(key, float("-inf")) > self._clock.monotonic()


class Thoughts:
    """Of one workspace. What Slack refuses is not asked for again for a while."""

    def __init__(self, workspace: Workspace, calls: Calls, faces: Faces, clock: Clock, timing: Timing) -> None:
        self._workspace = workspace
        self._calls = calls
        self._faces = faces
        self._refused = Lately(clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self.clock = clock
        self.timing = timing

    async def close(self) -> None:
        """What is taken back at the end of an answer has a moment to land."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_MOMENT)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def status(self, place: Place, speaker: Speaker | None, status: str, loading: Sequence[str] = ()) -> bool:
        """Whether it is shown, or taken away when it is empty."""
        if status and not self._calls.budgets.is_idle(STATUS):
            return False
        identity = self._faces.identity(speaker)
        arguments = {"status": status, "loading_messages": [*loading] or None, **identity}
        try:
            return await self._told(STATUS, place, **arguments)
        except DeliveryRefused as error:
            if identity and self._faces.refused(error):
                return await self.status(place, speaker, status, loading)
            self._refused.add(STATUS)
            log.info("no status is shown any more for a while: %s", error)
            return False

    async def session(self, place: Place, status: str) -> bool:
        needed = status == AT_REST
        if not self._workspace.may(ASSISTANT) or not (needed or self._calls.budgets.is_idle(SESSION)):
            return False
        try:
            return await self._told(SESSION, place, status=status)
        except DeliveryRefused as error:
            self._refused.add(SESSION)
            log.info("there are no sessions for a while: %s", error)
            return False

    async def _told(self, method: str, place: Place, **arguments: Any) -> bool:
        if method in self._refused or (method, place.channel) in self._refused:
            return False
        try:
            await self._calls.in_turn(method, channel_id=place.channel, thread_ts=place.thread, **arguments)
        except DeliveryRefused:
            raise
        except DeliveryError as error:
            log.info("%s failed: %s", method, error)
            if not may_pass(error):
                self._refused.add((method, place.channel))
            return False
        return True


def may_pass(error: DeliveryError) -> bool:
    """Whether the same call may succeed a moment later."""
    return isinstance(error, Throttled) or type(error) is DeliveryError


class Thought:
    """Beside one answer: a status in its thread until it shows something, and a session at work if it takes long.

    In a direct message, where an answer stands in no thread, `asked` is the message below which it is told of.
    """

    def __init__(self, thoughts: Thoughts, place: Place, speaker: Speaker | None, asked: str = "") -> None:
        self._thoughts = thoughts
        self._place = place if place.thread is not None else replace(place, thread=asked)
        self._in_thread = place.thread is not None
        self._speaker = speaker
        self._over = asyncio.Event()
        self._has_shown = False
        self._is_set = False
        self._session: asyncio.Task[bool] | None = None
        # In the language of whoever is answered.
        self._status, self._loading = say(_THINKING), [say(line) for line in _LOADING]

    def begin(self) -> None:
        self._thoughts.beside(self._show())

    def shown(self) -> None:
        """The answer shows something: Slack takes the status of its thread away by itself."""
        self._has_shown = self._in_thread
        self._over.set()

    def works(self) -> None:
        """Slack shows a stop button of its own while a session is at work."""
        if self._session is None and self._in_thread:
            self._session = asyncio.create_task(self._thoughts.session(self._place, AT_WORK))

    def end(self, *, resumed: bool = False) -> None:
        """The answer has ended. `resumed`: an earlier life may have left a session at work."""
        self._over.set()
        if (resumed and self._in_thread) or self._session is not None:
            self._thoughts.beside(self._rest())

    async def _show(self) -> None:
        thoughts = self._thoughts
        await self._unless_over(thoughts.timing.status_after)
        if not self._over.is_set():
            self.works()
        while not self._over.is_set():
            if not await thoughts.status(self._place, self._speaker, self._status, self._loading):
                return
            if self._over.is_set():
                # It may have come after what would have taken it away.
                await thoughts.status(self._place, self._speaker, "")
                return
            self._is_set = True
            await self._unless_over(_REFRESH)
        if self._is_set and not self._has_shown:
            await thoughts.status(self._place, self._speaker, "")

    async def _rest(self) -> None:
        if self._session is None or await self._session:
            await self._thoughts.session(self._place, AT_REST)

    async def _unless_over(self, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self._thoughts.clock.sleep(seconds))
        waiting = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({sleeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waiting.cancel()
