"""The terminal as a platform: one person who asks, and waits for the answer before asking again."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TextIO
from uuid import uuid4

from adapters.terminal.answer import Display, TerminalStream
from adapters.terminal.files import Unusable, listed
from adapters.terminal.hearing import Hearing
from adapters.terminal.keeping import keep_file, new_session
from adapters.terminal.keyboard import interrupts, unechoed
from adapters.terminal.lines import Called, Hint, Leave, Lines, Said, understand
from adapters.terminal.outlet import Outlet
from adapters.terminal.plain import JsonDisplay, PlainDisplay
from adapters.terminal.settings import TerminalSettings
from bot.api import (
    Attachment,
    BotError,
    Capabilities,
    Clock,
    Command,
    CommandCall,
    DeliveryError,
    DeliveryRefused,
    File,
    Handle,
    Message,
    Online,
    Place,
    Posted,
    Reply,
    ReplyStream,
    Resume,
    Route,
    SentId,
    Speaker,
    SystemClock,
    User,
    phrase,
    say,
)

if TYPE_CHECKING:
    from adapters.terminal.prompt import Prompt
    from adapters.terminal.screen import ScreenDisplay

LEAVE_HINT = phrase("Press Ctrl-C once more, or Ctrl-D, to leave.")
TOO_LONG = phrase("A line longer than 4 MB was left out.")
LEFT = phrase(
    "Your last conversation was left in the middle of something: `duologue chat --resume` goes on there "
    "(`make chat ARGS=--resume`)."
)
NOTHING_EARLIER = phrase("There is no earlier conversation to go on with, so this is a new one.")
LARGEST_FILE = 100_000_000

log = logging.getLogger(__name__)


class TerminalAdapter:
    """Built without touching the terminal; `run` returns when the person leaves or the input ends.

    Each event's route carries the id of its exchange. The exchange is over when the stream opened on that route was
    left, or a reply was sent to it: then the next line is read.
    """

    def __init__(
        self,
        settings: TerminalSettings,
        *,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._stdin = stdin or sys.stdin
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self._clock = clock or SystemClock()
        user = User("local", settings.name, permissions=frozenset({"admin"}))
        self._hearing = Hearing(user, Place("terminal", "local", settings.session or "default"), self._clock)
        self._display: Display | None = None
        self._open: dict[str, asyncio.Event] = {}
        self._unheard: set[str] = set()
        self._failed = False
        self._begins_anew = False
        self._handling: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return "terminal"

    async def run(self, handle: Handle, commands: Sequence[Command]) -> None:
        self._hearing.commands = commands
        self._hearing.place = await self._choose_place()
        try:
            if self._interactive:
                await self._talk(handle)
            else:
                await self._work_off(handle)
        finally:
            for task in self._handling:
                task.cancel()
            await asyncio.gather(*self._handling, return_exceptions=True)

    async def _choose_place(self) -> Place:
        settings = self._settings
        if settings.resume and not settings.session:
            last = await settings.last() if settings.last is not None else None
            if last is not None:
                return last
            self._begins_anew = True
        return Place("terminal", "local", settings.session or new_session(self._clock))

    @property
    def _interactive(self) -> bool:
        dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
        return self._stdin.isatty() and self._stdout.isatty() and not self._settings.json_lines and not dumb

    @property
    def _question(self) -> str:
        """The one question of the command line, if there is one."""
        return self._settings.once if self._settings.once != "-" else ""

    async def _talk(self, handle: Handle) -> None:
        screen, prompt = await self._open_screen()
        # What is written while somebody types, such as a line of a scene, can be stopped too.
        prompt.stops = lambda: screen.busy and self._stop(handle, screen)
        if self._begins_anew:
            await screen.remark(say(NOTHING_EARLIER))
        if question := self._question:
            await self._hear(question, handle, screen)
            return
        if self._settings.greeting:
            await screen.remark(self._settings.greeting)
        if self._settings.resume and self._settings.earlier is not None:
            await screen.recall(list(await self._settings.earlier(self._hearing.place)))
        elif not self._settings.session and self._settings.left is not None and await self._settings.left():
            await screen.remark(say(LEFT))
        self._is_back(handle, screen)
        impatient = False
        while not screen.closed.is_set():
            try:
                typed = await prompt.ask()
            except EOFError:
                return
            except KeyboardInterrupt:
                if impatient:
                    return
                impatient = True
                await screen.remark(say(LEAVE_HINT))
                continue
            impatient = False
            screen.typed()
            if not await self._hear(typed, handle, screen) or self._settings.once:
                return

    async def _open_screen(self) -> tuple[ScreenDisplay, Prompt]:
        """rich and prompt_toolkit take a while to import: only where they are used."""
        from adapters.terminal.prompt import make_prompt
        from adapters.terminal.render import Renderer
        from adapters.terminal.screen import ScreenDisplay

        hearing = self._hearing
        history = self._settings.folder / "terminal_history"
        prompt = await make_prompt(hearing.commands, hearing.call, history, self._stdin, self._stdout)
        screen = ScreenDisplay(
            Outlet(self._stdout),
            Renderer(self._size, self._settings.code_theme),
            self._clock,
            prompt.aside,
            footer=self._settings.footer,
        )
        self._display = screen
        return screen, prompt

    def _is_back(self, handle: Handle, display: Display) -> None:
        """What was left in the middle in this conversation can be told of now."""
        if self._begins_anew or not (self._settings.resume or self._settings.session):
            return
        place, user = self._hearing.place, User("", "")
        event = Online(id=uuid4().hex, user=user, route=Route(place), at=self._clock.now())
        self._start(handle, event, display)

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._stdout.fileno())
        except (OSError, ValueError):
            return 80, 24
        return (size.columns or 80, size.lines or 24)

    async def _work_off(self, handle: Handle) -> None:
        display = self._shown()
        if self._begins_anew:
            await display.remark(say(NOTHING_EARLIER))
        if question := self._question:
            await self._hear(question, handle, display)
            return
        self._is_back(handle, display)
        async for line in Lines(self._stdin, whole=bool(self._settings.once)):
            if line is None:
                await display.remark(say(TOO_LONG))
            elif not await self._hear(line, handle, display):
                return
            if display.closed.is_set():
                return

    async def _hear(self, typed: str, handle: Handle, display: Display) -> bool:
        """One line and all of its answer. False when it is time to leave."""
        match understand(typed, self._hearing.commands):
            case Leave():
                return False
            case Hint(text):
                await display.remark(text)
            case Said() | Called() as meant:
                try:
                    event = await self._event(meant, display)
                except Unusable as unusable:
                    await display.remark(str(unusable))
                    return True
                return await self._exchange(event, handle, display)
        return True

    async def _event(self, meant: Said | Called, display: Display) -> Message | CommandCall:
        if not self._interactive:
            return self._hearing.without_files(meant)
        event, files = await self._hearing.with_files(meant)
        if files:
            await display.remark("\n".join(listed(files)))
        return event

    async def _exchange(self, event: Message | CommandCall, handle: Handle, display: Display) -> bool:
        patience = _Patience(lambda: self._stop(handle, display), lambda: display.busy)
        self._open[event.id] = patience.over
        self._failed = False
        self._start(handle, event, display)
        try:
            if self._interactive:
                with interrupts(patience.press), unechoed(self._stdin):
                    await _either(patience.over, display.closed)
            else:
                await _either(patience.over, display.closed)
        finally:
            del self._open[event.id]
        if self._settings.ended is not None and (self._settings.once or not self._interactive):
            self._settings.ended(self._failed)
        if display.closed.is_set():
            self._stop(handle, display)
        return not (patience.lost or display.closed.is_set())

    def _stop(self, handle: Handle, display: Display) -> bool:
        """Ask for it as a person would, with the command. What it replies is not shown: one sees that it stopped."""
        if not any(command.name == "stop" for command in self._hearing.commands):
            return False
        call = self._hearing.call("stop", "")
        self._unheard.add(call.id)
        self._start(handle, call, display)
        return True

    def _start(self, handle: Handle, event: Message | CommandCall | Online, display: Display) -> None:
        task = asyncio.create_task(self._hand_over(handle, event, display), name="terminal-event")
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _hand_over(self, handle: Handle, event: Message | CommandCall | Online, display: Display) -> None:
        try:
            await handle(event)
        except Exception as error:
            log.exception("a line could not be handled")
            public = error.public if isinstance(error, BotError) else BotError().public
            await display.show(Reply(say(public), failed=True))
            self._settle(event.route, failed=True)

    def _settle(self, route: Route, *, failed: bool = False) -> None:
        exchange = str(route.data.get("exchange", ""))
        self._unheard.discard(exchange)
        if exchange in self._open:
            self._failed = self._failed or failed
            self._open[exchange].set()

    def _shown(self) -> Display:
        """The display of this run; without a screen it is a pipe."""
        if self._display is None:
            out = Outlet(self._stdout)
            self._display = JsonDisplay(out) if self._settings.json_lines else PlainDisplay(out, Outlet(self._stderr))
        return self._display

    def capabilities(self, route: Route) -> Capabilities:
        return Capabilities(
            appends=True, speakers=True, private=True, max_file_bytes=LARGEST_FILE, direct=True, footer=True
        )

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        try:
            if str(route.data.get("exchange", "")) in self._unheard:
                return ()
            if not reply.text.strip() and not reply.files:
                return ()
            await self._shown().show(reply)
            for file in reply.files:
                await self._receive(file)
            return (SentId(uuid4().hex, "terminal"),)
        finally:
            self._settle(route, failed=reply.failed)

    async def _receive(self, file: File) -> None:
        try:
            path = await asyncio.to_thread(keep_file, self._settings.folder / "files", file)
        except OSError as error:
            raise DeliveryError(str(error), public=phrase("The file could not be written.")) from error
        await self._shown().remark(say("Saved {path}", path=path))

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> ReplyStream:
        def left(failed: bool) -> None:
            self._settle(route, failed=failed)

        return TerminalStream(self._shown(), speaker, resume, before_post, left)

    async def edit(self, route: Route, sent: SentId, reply: Reply) -> None:
        """What is printed stays; the new text is shown below it."""
        await self.send(Route(route.place), reply)

    async def delete(self, route: Route, sent: SentId) -> None:
        raise DeliveryRefused(
            "a terminal keeps what it printed", public=phrase("What a terminal has shown stays there.")
        )

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        return await self._hearing.fetch(attachment, max_bytes)

    async def history(self, route: Route, after: str | None, limit: int) -> tuple[Posted, ...]:
        return self._hearing.history(route.place, limit) if after is None else ()


class _Patience:
    """What Ctrl-C does during an exchange: stop the answer, then no longer wait for one that has not begun,
    and leave when an answer does not stop."""

    def __init__(self, stop: Callable[[], bool], busy: Callable[[], bool]) -> None:
        self.over = asyncio.Event()
        self.lost = False
        self._stop = stop
        self._busy = busy
        self._presses = 0

    def press(self) -> None:
        self._presses += 1
        stoppable = self._stop()
        if self._presses == 1 and stoppable:
            return
        if not self._busy():
            self.over.set()
        elif self._presses > 2:
            self.lost = True
            self.over.set()


async def _either(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
