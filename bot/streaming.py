"""Live answers by editing: post once, edit at a pace in a task of its own, page at the limit, finish at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, runtime_checkable

from bot.clock import Clock
from bot.errors import DeliveryError, DeliveryRefused, TargetGone
from bot.lanes import Call, Lane, Method, OpenLane, Outcome, Urgency
from bot.marks import end_mark
from bot.replies import Button, Controls, Done, File, Notice, Piece, Reason, Resume, SentId, Text, ToolEnd, ToolStart
from bot.screen import AttachesFiles, Look, Part, Screen, Shown, Surface
from bot.text import Measure, Page, Pager, clip, same_text, split
from bot.words import phrase, say

__all__ = [
    "AttachesFiles",
    "Call",
    "EditedStream",
    "Lane",
    "Method",
    "OpenLane",
    "Outcome",
    "Shown",
    "Surface",
    "Urgency",
    "Watchable",
]

# A tool that is quicker than this is not worth a line that disappears again.
_TOOL_PATIENCE = 0.7
_NOTE_CHARS = 400
_FILE_NAME = "answer.md"
_FILE_COMES = phrase("… the rest comes as a file")
_FILE_IS_HERE = phrase("📄 the whole answer is in {file}")
# Messages that hold less than this have no room for such a line.
_ROOM_FOR_FILE_LINE = 100


@runtime_checkable
class Watchable(Protocol):
    """A stream that tells when `sent` has grown: `changed` is set then, whoever watches clears it."""

    @property
    def changed(self) -> asyncio.Event: ...


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A message and how it should look; `behind` is how the next one must look before."""

    index: int
    look: Look
    behind: Look | None = None


class EditedStream:
    """A ReplyStream over a Surface. `on_change` is called whenever `sent` has changed.

    `before_post` is awaited before every new message. `measure` counts as the platform counts. `small` begins
    a line of small print: marks, notices, the tool that runs. An answer longer than `max_messages` is given as a file
    below the last of them, where the surface is one that AttachesFiles; 0 = it never is.
    """

    def __init__(
        self,
        surface: Surface,
        lane: Lane,
        *,
        max_chars: int,
        clock: Clock,
        before_post: Callable[[], Awaitable[None]] | None = None,
        resume: Resume | None = None,
        on_change: Callable[[], None] | None = None,
        measure: Measure = len,
        small: str = "-# ",
        max_messages: int = 0,
    ) -> None:
        self._lane = lane
        self._limit = max_chars
        self._clock = clock
        self._on_change = on_change
        self._measure = measure
        self._small = small
        can_attach = isinstance(surface, AttachesFiles) and max_chars >= _ROOM_FOR_FILE_LINE
        self._most = max_messages if can_attach else 0
        self._screen = Screen(surface, lane, clock, self._grown, before_post, leftover=f"{small}…")
        self._pager = Pager(max_chars, measure)
        self._said: list[str] = []
        self._unpaged: list[str] = []
        self._unseen_since: float | None = None
        # Under the last message; None: whatever stands there stays.
        self._controls: tuple[Button, ...] | None = None
        # Whether anything of this answer can be read yet.
        self._begun = False
        # So many messages at the beginning will not change any more.
        self._settled = 0
        self._notices: list[str] = []
        self._told_why = False
        self._reason: Reason | None = None
        self._tools: dict[str, ToolStart] = {}
        self._tools_shown = False
        self._tool_timer: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._first_shown = asyncio.Event()
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._admission: asyncio.Future[None] | None = None
        self._finishing = False
        self._resumed = resume is not None and bool(resume.sent)
        self._rewrites = resume is not None and bool(resume.sent) and not resume.text
        if resume is not None:
            self._take_up(resume)

    @property
    def sent(self) -> tuple[SentId, ...]:
        """The messages of this answer that exist, in order."""
        return tuple(part.sent for part in self._screen.parts if part.sent is not None)

    @property
    def shown(self) -> tuple[str, ...]:
        """What each of them shows, as the platform returned it."""
        return tuple(part.shown for part in self._screen.parts if part.sent is not None)

    @property
    def text(self) -> str:
        """All that was said, marks and notices not included."""
        if len(self._said) > 1:
            self._said = ["".join(self._said)]
        return self._said[0] if self._said else ""

    @property
    def changed(self) -> asyncio.Event:
        """Set whenever `sent` has changed."""
        return self._changed

    @property
    def first_shown(self) -> asyncio.Event:
        """Set when the first text is on the platform: typing ends here."""
        return self._first_shown

    async def __aenter__(self) -> EditedStream:
        self._lane.opened()
        self._pump = asyncio.create_task(self._run())
        return self

    async def write(self, piece: Piece) -> None:
        match piece:
            case Text(text):
                if not text:
                    return
                self._said.append(text)
                self._unpaged.append(text)
                self._told_why = False
            case ToolStart():
                self._tools[piece.id] = piece
                if self._tool_timer is None:
                    self._tool_timer = asyncio.create_task(self._show_tools_later())
                return
            case ToolEnd():
                self._tools.pop(piece.id, None)
                self._tools_shown = self._tools_shown and bool(self._tools)
            case Notice(text):
                self._notices.append(text)
                self._told_why = True
                return
            case Controls(buttons):
                self._controls = buttons
                if not self._screen.parts:
                    return
            case Done():
                self._reason = piece.reason
                return
        if self._unseen_since is None:
            self._unseen_since = self._clock.monotonic()
        self._wake.set()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pump is not None, "the stream was never entered"
        self._finishing = True
        self._tools.clear()
        try:
            self._wake.set()
            if self._admission is not None:
                self._admission.cancel()
            await self._pump
            if self._screen.failed is None:
                await self._screen.show_all(self._final_looks(error))
                if self._screen.refused_files and self._screen.failed is None:
                    self._most, self._screen.refused_files = 0, False
                    await self._screen.show_all(self._final_looks(error))
        finally:
            for task in (self._pump, self._tool_timer):
                if task is not None:
                    task.cancel()
            self._lane.closed()
        if self._screen.failed is not None and error is None:
            raise self._screen.failed

    def _take_up(self, resume: Resume) -> None:
        self._said.append(resume.text)
        self._pager.feed(resume.text)
        pages = split(resume.text, self._limit, self._measure)
        for index, sent in enumerate(resume.sent):
            seen = resume.shown[index] if index < len(resume.shown) else ""
            page = pages[index] if index < len(pages) else None
            is_last = index + 1 == len(resume.sent)
            if page is not None and (same_text(page, seen) or (not seen and not is_last)):
                # Unseen, but most likely complete when there is a next one: the end makes sure of it.
                self._screen.parts.append(Part(sent, page, seen, None if is_last else ()))
            else:
                self._screen.parts.append(Part(sent, None, seen))
        if resume.sent:
            self._first_shown.set()
            self._begun = bool(resume.text)

    def _grown(self) -> None:
        self._changed.set()
        if self._on_change is not None:
            self._on_change()

    async def _run(self) -> None:
        """Shows what there is, as often as the lane allows, until the stream is left."""
        while not self._finishing:
            await self._wake.wait()
            self._wake.clear()
            while not self._finishing and self._screen.failed is None and await self._step():
                pass

    async def _step(self) -> bool:
        """Bring one message up to date; False when all show what they can."""
        wanted = self._wanted()
        if wanted is None:
            return False
        index = wanted.index
        since = self._unseen_since if self._unseen_since is not None else self._clock.monotonic()
        urgency = Urgency.INTERIM if self._begun else Urgency.FIRST
        call = Call(self._screen.method_for(index), urgency, since)
        if not await self._admitted(call):
            return False
        latest = self._wanted()
        if self._finishing or latest is None or latest.index != index:
            self._lane.told(call, "unused")
            return latest is not None
        self._unseen_since = None
        if latest.behind is not None:
            # In the same step: what is posted now can only grow with the next edit.
            post = Call("post", urgency, since)
            if not (await self._admitted(post) and await self._made(post, index + 1, latest.behind, since)):
                self._lane.told(call, "unused")
                return True
        await self._made(call, index, latest.look, since)
        return True

    async def _made(self, call: Call, index: int, look: Look, since: float) -> bool:
        """Whether the message looks like this now."""
        try:
            await self._screen.make(call, index, look)
        except (TargetGone, DeliveryRefused):
            self._unseen_since = since
        except DeliveryError as error:
            self._unseen_since = since
            await self._unless_left(self._screen.rest(error))
        else:
            self._first_shown.set()
            self._begun = self._begun or bool(look.text)
            return True
        return False

    async def _admitted(self, call: Call) -> bool:
        """Wait for the lane, unless the stream is left in the meantime."""
        return await self._unless_left(self._lane.admit(call))

    async def _unless_left(self, waiting: Awaitable[None]) -> bool:
        self._admission = asyncio.ensure_future(waiting)
        try:
            await self._admission
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._finishing or (task is not None and task.cancelling()):
                raise
            return False
        finally:
            self._admission = None
        return True

    def _wanted(self) -> _Wanted | None:
        """The first message that does not look as it should."""
        if self._unpaged:
            self._pager.feed("".join(self._unpaged))
            self._unpaged.clear()
        count = self._pager.count
        text = self._with_status(self._pager.live())
        last = count if text else next((i for i in reversed(range(count)) if not self._pager.page(i).is_blank), -1)
        if self._most and last >= self._most:
            last = self._most - 1
            text = self._head(self._pager.page(last), self._small + say(_FILE_COMES))
        # Right after its first words: what is left of an earlier version is not to be acted on any more.
        if self._begun and self._rewrites and (old := self._wanted_beyond(last)):
            return old
        for index in range(self._settled, last + 1):
            shown = text if index == last and text else self._pager.page(index).visible
            look = Look(shown, () if index < last else self._controls)
            if shown and not self._screen.shows(index, look):
                return _Wanted(index, look, self._behind(index, look, last, text))
            if index < last:
                self._settled = index + 1
        return self._wanted_beyond(last)

    def _behind(self, index: int, look: Look, last: int, text: str) -> Look | None:
        """A message that is full may have to give up its last lines to the next one, which is shown first: what people
        can read never becomes less."""
        behind = index + 1
        if behind > last or self._screen.has(behind) or not self._screen.shows_more(index, look):
            return None
        following = text if behind == last and text else self._pager.page(behind).visible
        # Buttons stand under one message at a time: those of the full one go when it is changed.
        return Look(following, ()) if following else None

    def _wanted_beyond(self, last: int) -> _Wanted | None:
        """Buttons under what an earlier version of this answer left."""
        old = next((i for i in reversed(range(last + 1, len(self._screen.parts))) if self._screen.has(i)), None)
        if old is None or self._controls is None:
            return None
        look = Look("", self._controls if last < 0 else ())
        return None if self._screen.shows(old, look) else _Wanted(old, look)

    def _with_status(self, text: str) -> str:
        if not self._tools_shown or (self._rewrites and not text):
            return text
        names = ", ".join(dict.fromkeys(tool.name for tool in self._tools.values()))
        status = f"{self._small}🔧 {clip(names, 100)} …"
        joined = f"{text}\n{status}" if text else status
        return joined if self._measure(joined) <= self._limit else text

    async def _show_tools_later(self) -> None:
        await self._clock.sleep(_TOOL_PATIENCE)
        self._tool_timer = None
        if self._tools:
            self._tools_shown = True
            self._wake.set()

    def _final_looks(self, error: BaseException | None) -> list[Look | None]:
        self._pager.feed("".join(self._unpaged))
        self._unpaged.clear()
        pages = self._pager.finish()
        texts = [page.visible for page in pages]
        while texts and not texts[-1]:
            texts.pop()
        notes = self._notes(error, bool(texts))
        files: tuple[File, ...] | None = None
        if self._most and len(texts) > self._most:
            files = (File(_FILE_NAME, self.text.encode(errors="replace"), "text/markdown"),)
            del texts[self._most :]
            lines = self._small + say(_FILE_IS_HERE, file=_FILE_NAME) + (f"\n{notes}" if notes else "")
            texts[-1] = self._head(pages[len(texts) - 1], lines)
        elif notes:
            joined = f"{texts[-1].rstrip()}\n{notes}" if texts else notes
            if texts and self._measure(joined) <= self._limit:
                texts[-1] = joined
            else:
                texts.append(notes)
        if not texts and self._resumed:
            # Nothing came of it: what stood there before stays.
            return [*(Look("") for _ in self._screen.parts[1:]), Look("", self._controls)]
        looks: list[Look | None] = [Look(text, ()) if text else None for text in texts]
        if texts:
            if len(texts) == self._most and self._rewrites:
                # A longer version of this answer may have left its file there.
                files = files or ()
            looks[-1] = Look(texts[-1], self._controls, files)
        return looks

    def _head(self, page: Page, lines: str) -> str:
        """The beginning of a page with lines of small print below."""
        lines = clip(lines, self._limit // 2, self._measure)
        parts = split(page.opening + page.body, self._limit - self._measure(lines) - 1, self._measure)
        return f"{parts[0].rstrip()}\n{lines}" if parts else lines

    def _notes(self, error: BaseException | None, spoke: bool) -> str:
        notes = list(self._notices)
        if spoke and not self._told_why:
            notes.append(end_mark(error, self._reason, buttons=bool(self._controls)))
        lines = [line for note in notes for line in clip(note, _NOTE_CHARS).splitlines() if line.strip()]
        text = "\n".join(self._small + line for line in lines)
        return clip(text, self._limit, self._measure)
