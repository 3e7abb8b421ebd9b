"""The messages of one answer on the platform: what they should show, what they do show, and getting there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

import structlog

from bot.clock import Clock
from bot.errors import BotError, DeliveryError, DeliveryRefused, TargetGone
from bot.lanes import Call, Lane, Method, Urgency
from bot.replies import Button, File, SentId
from bot.text import same_text

_log = structlog.get_logger(__name__)

# Seconds to wait before the next try of a call that may pass.
_WAITS = (0.5, 1.0, 2.0, 4.0)
# How often messages may vanish under an answer before it is given up, and how often one is put right.
_MAX_LOST = 3
_MAX_REPAIRS = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the platform keeps it.

    `text` is what it returned, so that it can be compared with what was sent. Where the adapter itself changed the
    text on the way (mentions) and the platform kept that, it is the text as it was given.
    """

    sent: SentId
    text: str


class Surface(Protocol):
    """The calls a live answer needs, for one target. Each returns as soon as the platform has answered.

    Raise TargetGone (the message or its channel no longer exists), DeliveryRefused (no permission), any other
    DeliveryError for what may pass (5xx, connection lost). `text` has at most `max_chars`. Posts never overlap, and
    a post after a failed one is the same post tried again: keep its idempotency key until one succeeds.
    `buttons` stand below the text; None leaves those that are there. A platform without buttons ignores them.
    An edit with an empty text leaves the text as it is and returns it.
    """

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown: ...

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown: ...

    async def delete(self, sent: SentId) -> None:
        """One that is gone already is no error."""
        ...


@runtime_checkable
class AttachesFiles(Protocol):
    """A surface whose messages can carry files."""

    async def attach(self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File]) -> Shown:
        """An edit that also gives the message these files, instead of those that it has. Raises DeliveryRefused where
        they are not taken."""
        ...


Buttons: TypeAlias = tuple[Button, ...]
Files: TypeAlias = tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What a message should show. An empty text leaves its text as it is, None its buttons or files."""

    text: str
    buttons: Buttons | None = None
    files: Files | None = None


@dataclass(slots=True)
class Part:
    """One message: `asked` is what it was last told to show, `buttons` and `files` what to carry, None = nobody knows;
    `shown` is what the platform said. `tried` is a post that may have landed although it failed."""

    sent: SentId | None = None
    asked: str | None = None
    shown: str = ""
    buttons: Buttons | None = None
    files: Files | None = None
    tried: Look | None = None

    def forget(self) -> None:
        """The message is gone."""
        self.sent, self.asked, self.shown, self.buttons, self.files = None, None, "", None, None

    def doubt(self, look: Look) -> None:
        """A call failed that may have landed all the same."""
        self.asked = None
        if look.buttons is not None:
            self.buttons = None
        if self.sent is None and self.tried is None:
            self.tried = look

    def landed(self, look: Look, shown: Shown) -> None:
        is_new = self.sent is None
        self.sent, self.shown = shown.sent, shown.text
        self.asked = look.text or self.asked
        if is_new or look.buttons is not None:
            self.buttons = look.buttons or ()
        if is_new or look.files is not None:
            self.files = () if is_new else look.files
        if is_new and self.tried is not None and self.tried != look:
            # A platform that knows a post again may return the first one as it was.
            self.asked, self.buttons = None, None
        self.tried = None

    def looks(self, look: Look) -> bool:
        """Whether it was told to look exactly like this."""
        return (
            self.sent is not None
            and (not look.text or self.asked == look.text)
            and look.buttons in (None, self.buttons)
            and look.files in (None, self.files)
        )


class Screen:
    def __init__(
        self,
        surface: Surface,
        lane: Lane,
        clock: Clock,
        grown: Callable[[], None],
        before_post: Callable[[], Awaitable[None]] | None = None,
        *,
        leftover: str = "…",
    ) -> None:
        """`leftover` is what a message shows that is not needed any more and cannot be deleted."""
        self._before_post = before_post
        self._leftover = leftover
        self.parts: list[Part] = []
        self.failed: DeliveryError | None = None
        # Files that the platform did not take.
        self.refused_files = False
        self._surface = surface
        self._lane = lane
        self._clock = clock
        self._grown = grown
        self._posting = asyncio.Lock()
        self._lost = 0
        self._strikes = 0

    def shows(self, index: int, look: Look) -> bool:
        return index < len(self.parts) and self.parts[index].looks(look)

    def shows_more(self, index: int, look: Look) -> bool:
        """Whether a message would lose something that can be read there now."""
        if not self.has(index):
            return False
        return len(self.parts[index].shown.rstrip()) > len(look.text.rstrip()) > 0

    def has(self, index: int) -> bool:
        return index < len(self.parts) and self.parts[index].sent is not None

    def method_for(self, index: int) -> Method:
        return "edit" if self.has(index) else "post"

    async def make(self, call: Call, index: int, look: Look) -> None:
        """Make an admitted call. Raises DeliveryError; what is final is remembered in `failed`."""
        landed = False
        while len(self.parts) <= index:
            self.parts.append(Part())
        part = self.parts[index]
        try:
            shown = await self._call(part, look)
            landed = True
        except TargetGone as gone:
            self._lost += bool(look.text)
            if part.sent is None or self._lost > _MAX_LOST:
                self.failed = gone
            part.forget()
            raise
        except DeliveryRefused as refused:
            if look.files is None or part.sent is None:
                self.failed = refused
            raise
        except DeliveryError:
            part.doubt(look)
            raise
        finally:
            self._lane.told(call, "landed" if landed else "failed")
        is_new = part.sent is None
        part.landed(look, shown)
        self._strikes = 0
        if is_new:
            self._grown()

    async def _call(self, part: Part, look: Look) -> Shown:
        try:
            if part.sent is not None:
                # What seems to be there already is being repaired, so nothing is taken for granted.
                buttons = None if look.buttons == part.buttons and not part.looks(look) else look.buttons
                if look.files not in (None, part.files) and isinstance(self._surface, AttachesFiles):
                    return await self._surface.attach(part.sent, look.text, buttons, look.files or ())
                return await self._surface.edit(part.sent, look.text, buttons)
            async with self._posting:
                if self._before_post is not None:
                    await self._before_post()
                return await self._surface.post(look.text, look.buttons or ())
        except BotError:
            raise
        except Exception as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from error

    async def show_now(self, index: int, look: Look) -> None:
        """Bring one message to its final look, whatever it takes; returns early when the screen has failed."""
        repairs = 0
        tries = 0
        while self.failed is None:
            if not look.text and not self.has(index):
                return
            if self.shows(index, look):
                part = self.parts[index]
                if not look.text or same_text(look.text, part.shown):
                    return
                if repairs == _MAX_REPAIRS:
                    _log.warning("message_differs", sent=part.sent, wanted=len(look.text), shown=len(part.shown))
                    return
                repairs += 1
            call = Call(self.method_for(index), Urgency.FINAL, self._clock.monotonic())
            await self._lane.admit(call)
            try:
                await self.make(call, index, look)
            except TargetGone:
                continue
            except DeliveryError as error:
                is_final = tries == len(_WAITS) or isinstance(error, DeliveryRefused)
                if is_final and look.files:
                    _log.warning("files_refused", error=repr(error))
                    self.refused_files = True
                    return
                if is_final and look.files is not None:
                    look = replace(look, files=None)
                    continue
                if is_final:
                    self.failed = error
                    return
                await self._clock.sleep(_WAITS[tries])
                tries += 1
            else:
                # What comes next, such as putting right what was doubtful, has all its tries.
                tries = 0

    async def show_all(self, looks: Sequence[Look | None]) -> None:
        """The final state: edits at once and side by side, new messages behind each other. A message that nothing is
        left for is deleted, when all the others show what they should.

        With `refused_files` afterwards, the message that was to carry them is as it was before, and nothing is deleted.
        """
        wanted = {index: look for index, look in enumerate(looks) if look is not None}
        posts = [index for index in wanted if not self.has(index)]
        # What a message gives up to the next one is shown there first.
        shrinking = [index for index in wanted if index + 1 in posts and self.shows_more(index, wanted[index])]
        edits = [index for index in wanted if self.has(index) and index not in shrinking]

        async def post() -> None:
            for index in posts:
                # Buttons stand under one message at a time.
                look = wanted[index]
                await self.show_now(index, replace(look, buttons=()) if shrinking and look.buttons else look)
            for index in shrinking:
                await self.show_now(index, wanted[index])
            if shrinking and wanted[posts[-1]].buttons:
                await self.show_now(posts[-1], wanted[posts[-1]])

        if len(edits) + bool(posts) == 1:
            # The usual case costs no task.
            await (post() if posts else self.show_now(edits[0], wanted[edits[0]]))
        else:
            async with asyncio.TaskGroup() as group:
                for index in edits:
                    group.create_task(self.show_now(index, wanted[index]))
                if posts:
                    group.create_task(post())
        for index, part in enumerate(self.parts):
            if index not in wanted and part.sent is not None and self.failed is None and not self.refused_files:
                await self._take_back(part, part.sent)

    async def _take_back(self, part: Part, sent: SentId) -> None:
        """Delete a message, or make it small where that is not possible. The answer itself is shown: nothing fails."""

        async def make_small() -> None:
            call = Call("edit", Urgency.FINAL, self._clock.monotonic())
            await self._lane.admit(call)
            landed = False
            try:
                part.shown = (await self._surface.edit(sent, self._leftover, ())).text
                landed = True
            finally:
                self._lane.told(call, "landed" if landed else "failed")

        if await self._insist(lambda: self._surface.delete(sent)):
            part.forget()
            self._grown()
        elif not await self._insist(make_small):
            _log.warning("surplus_left", sent=sent)

    async def _insist(self, act: Callable[[], Awaitable[None]]) -> bool:
        """Whether it could be done, or the message is gone anyway."""
        for wait in (*_WAITS, None):
            try:
                await act()
            except TargetGone:
                return True
            except DeliveryRefused:
                return False
            except Exception as error:
                _log.info("surplus_stays", error=repr(error), wait=wait)
                if wait is not None:
                    await self._clock.sleep(wait)
            else:
                return True
        return False

    async def rest(self, error: DeliveryError) -> None:
        """After an interim call failed: wait a little longer each time."""
        wait = _WAITS[min(self._strikes, len(_WAITS) - 1)]
        self._strikes += 1
        _log.info("interim_failed", error=type(error).__name__, wait=wait)
        await self._clock.sleep(wait)
