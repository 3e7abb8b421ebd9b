"""Suggested values of arguments: plugins write them for a Context, adapters ask for them with an event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from bot.commands import Command, Commands, Complete, Parameter
from bot.events import AnyEvent
from bot.handler import Context

log = structlog.get_logger(__name__)

MakeContext = Callable[[AnyEvent, str], Awaitable[Context]]


def for_adapters(commands: Commands, make_context: MakeContext) -> Commands:
    """The same commands, whose `complete` takes the unfinished CommandCall instead of a Context. It never raises."""
    return Commands(
        replace(command, parameters=tuple(_bound(command, parameter, make_context) for parameter in command.parameters))
        for command in commands
    )


def _bound(command: Command, parameter: Parameter, make_context: MakeContext) -> Parameter:
    complete = parameter.arg.complete
    if complete is None:
        return parameter
    return replace(parameter, arg=replace(parameter.arg, complete=_safely(complete, command, make_context)))


def _safely(complete: Complete, command: Command, make_context: MakeContext) -> Complete:
    async def suggest(event: AnyEvent, typed: str) -> Sequence[str]:
        try:
            context = await make_context(event, command.plugin)
            if all(allowed.name != command.name for allowed in context.commands):
                return ()  # who may not run the command learns nothing from it either
            return await complete(context, typed)
        except Exception:  # a missing suggestion is no reason to disturb anyone
            log.exception("suggestions failed", command=command.name)
            return ()

    return suggest
