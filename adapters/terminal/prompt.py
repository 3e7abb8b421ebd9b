"""The prompt: a line editor with history and completion that keeps a pasted text together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.styles import Style

from adapters.terminal.completion import Call, CommandCompleter
from adapters.terminal.keeping import private_file
from adapters.terminal.keyboard import unechoed
from bot.api import Command

_STYLE = Style.from_dict(
    {
        "prompt": "ansicyan bold",
        "completion-menu": "bg:default default",
        "completion-menu.completion": "bg:default default",
        "completion-menu.completion.current": "noreverse bg:default ansicyan bold",
        "completion-menu.meta.completion": "bg:default ansibrightblack",
        "completion-menu.meta.completion.current": "noreverse bg:default ansicyan",
        "scrollbar.background": "bg:default",
        "scrollbar.button": "bg:ansibrightblack",
    }
)


class Prompt:
    """`stops` is asked first when Ctrl-C is pressed: whether it stopped something that is being written."""

    def __init__(self, completer: CommandCompleter, history: History, stdin: TextIO, stdout: TextIO) -> None:
        self._stdin = stdin
        self.stops: Callable[[], bool] = lambda: False
        self._session: PromptSession[str] = _session(
            completer, history, create_input(stdin), create_output(stdout), self._stopped
        )

    def _stopped(self) -> bool:
        return self.stops()

    async def ask(self) -> str:
        """What was typed. Raises KeyboardInterrupt for Ctrl-C on an empty line and EOFError for Ctrl-D."""
        return await self._session.prompt_async([("class:prompt", "› ")])

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Room for output; a prompt that is being edited comes back below it."""
        if not self._session.app.is_running:
            yield
            return
        # What is typed meanwhile is shown by the prompt that comes back.
        async with in_terminal():
            with unechoed(self._stdin):
                yield


def _history(file: Path) -> History:
    try:
        return FileHistory(str(private_file(file)))
    except OSError:
        return InMemoryHistory()


def _session(
    completer: CommandCompleter, history: History, source: Input, out: Output, stops: Callable[[], bool]
) -> PromptSession[str]:
    def typing_command() -> bool:
        buffer: Document = session.default_buffer.document
        return buffer.text.startswith("/") and "\n" not in buffer.text

    def continued(width: int, line: int, wraps: int) -> StyleAndTextTuples:
        return [("", "  ")]

    session: PromptSession[str] = PromptSession(
        history=history,
        completer=completer,
        # Room for the menu is kept below the prompt only where there is something to complete.
        complete_while_typing=Condition(typing_command),
        multiline=True,
        prompt_continuation=continued,
        key_bindings=_keys(stops),
        style=_STYLE,
        input=source,
        output=out,
    )
    return session


def _keys(stops: Callable[[], bool]) -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    @keys.add("c-j")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text.strip():
            event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    @keys.add("<sigint>")
    def _(event: KeyPressEvent) -> None:
        if stops():
            return
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt(), style="class:aborting")

    return keys


async def make_prompt(commands: Sequence[Command], call: Call, history: Path, stdin: TextIO, stdout: TextIO) -> Prompt:
    """The history's folder may be slow, so it is touched beside the loop."""
    kept = await asyncio.to_thread(_history, history)
    return Prompt(CommandCompleter(commands, call), kept, stdin, stdout)
