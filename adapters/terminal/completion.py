"""Completion of commands, sub-commands and their arguments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from bot.api import Command, CommandCall, Parameter

# A provider may be asked for its models; typing goes on meanwhile.
PATIENCE = 2.0
_LEAVING = {"quit": "Leave.", "exit": "Leave."}

log = logging.getLogger(__name__)


Call = Callable[[str, str], CommandCall]


class CommandCompleter(Completer):
    """`call` makes the unfinished call of a command, from its name and the text so far: suggestions depend on it."""

    def __init__(self, commands: Sequence[Command], call: Call) -> None:
        self._call = call
        self._commands = {command.name: command for command in commands if command.target is None}
        self._groups = {name.split(" ")[0] for name in self._commands if " " in name}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        return []

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        typed = document.text_before_cursor
        if not typed.startswith("/") or "\n" in typed:
            return
        first, space, rest = typed[1:].partition(" ")
        if not space:
            for completion in self._first_words(first.lower()):
                yield completion
            return
        name = first.lower()
        if name in self._groups:
            second, space, after = rest.lstrip().partition(" ")
            if not space:
                for completion in self._second_words(name, second.lower()):
                    yield completion
                return
            name, rest = f"{name} {second.lower()}", after
        command = self._commands.get(name)
        if command is not None:
            async for completion in _arguments(command, rest, self._call(command.name, rest)):
                yield completion

    def _first_words(self, typed: str) -> Iterable[Completion]:
        said = {name: command.description for name, command in self._commands.items() if " " not in name} | _LEAVING
        for group in self._groups:
            words = sorted(name.split(" ")[1] for name in self._commands if name.startswith(f"{group} "))
            said.setdefault(group, ", ".join(words))
        for name in sorted(said):
            if name.startswith(typed):
                yield Completion(
                    f"/{name}", start_position=-len(typed) - 1, display=f"/{name}", display_meta=said[name]
                )

    def _second_words(self, group: str, typed: str) -> Iterable[Completion]:
        for name, command in sorted(self._commands.items()):
            first, _, second = name.partition(" ")
            if first == group and second and second.startswith(typed):
                yield Completion(second, start_position=-len(typed), display_meta=command.description)


async def _arguments(command: Command, rest: str, call: CommandCall) -> AsyncGenerator[Completion, None]:
    *done, current = rest.split(" ")
    if current.startswith("--") and "=" not in current:
        for parameter in command.parameters:
            option = f"--{parameter.name}="
            if option.startswith(current):
                yield Completion(option, start_position=-len(current), display_meta=parameter.description)
        return
    if current.startswith("--"):
        name, _, current = current[2:].partition("=")
        asked = next((parameter for parameter in command.parameters if parameter.name == name), None)
    else:
        given = [word for word in done if word and not word.startswith("--")]
        asked = command.parameters[len(given)] if len(given) < len(command.parameters) else None
        last = command.parameters[-1] if command.parameters else None
        if last is not None and last.arg.rest and len(given) >= len(command.parameters) - 1:
            asked, current = last, " ".join(rest.split(" ")[len(command.parameters) - 1 :])
    if asked is None:
        return
    for value in await _values(asked, current, call):
        yield Completion(value, start_position=-len(current), display_meta=asked.description)


async def _values(parameter: Parameter, typed: str, call: CommandCall) -> Sequence[str]:
    if parameter.choices or parameter.kind == "bool":
        choices = parameter.choices or ("true", "false")
        return [choice for choice in choices if choice.lower().startswith(typed.lower())]
    if parameter.arg.complete is None:
        return []
    try:
        return list(await asyncio.wait_for(parameter.arg.complete(call, typed), PATIENCE))[:50]
    except Exception:
        # A plugin's suggestion that fails is no reason to disturb somebody who types.
        log.debug("no suggestions for %s", parameter.name, exc_info=True)
        return []
