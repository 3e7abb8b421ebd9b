"""The commands as adapters get them: suggestions are asked for with an event, and names told in all languages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import structlog
from pydantic import JsonValue

from bot.commands import Command, Commands, Complete, Fills, Parameter
from bot.events import AnyEvent
from bot.handler import Context
from bot.words import Languages

log = structlog.get_logger(__name__)

# What platforms allow as a name in other languages.
NAME = re.compile(r"[\w-]{1,32}")
# Seconds.
FILLED_WITHIN = 1.0

WhoMay: TypeAlias = Literal["anyone", "moderators"]
MakeContext = Callable[[AnyEvent, str], Awaitable[Context]]


def for_adapters(
    commands: Commands, make_context: MakeContext, languages: Languages, who: Mapping[str, WhoMay]
) -> Commands:
    """The same commands, whose `complete` and `fills` take the unfinished CommandCall instead of a Context; they never
    raise. `who` is what the settings say about them, by name or first word."""
    return Commands(
        replace(
            command,
            parameters=tuple(_bound(command, each, make_context, languages) for each in command.parameters),
            names=_names(command, languages),
            descriptions=_told(command.description, languages),
            fills=_filling(command, make_context),
            who=who.get(command.name, who.get(command.name.split()[0], command.who)),
        )
        for command in commands
    )


def _names(command: Command, languages: Languages) -> Mapping[str, str]:
    """A menu has a title; a typed command is called otherwise where a catalog says so: `"/help" = "/hilfe"`."""
    if command.target is not None:
        return _told(command.title, languages)
    told = {code: name.removeprefix("/") for code, name in _told(f"/{command.name}", languages).items()}
    words = command.name.count(" ") + 1
    return {
        code: name
        for code, name in told.items()
        if name.count(" ") + 1 == words and all(NAME.fullmatch(word) and word == word.lower() for word in name.split())
    }


def _told(text: str, languages: Languages) -> Mapping[str, str]:
    """By language, where a catalog has it."""
    return {code: language.sentences[text] for code, language in languages.known.items() if text in language.sentences}


def _bound(command: Command, parameter: Parameter, make_context: MakeContext, languages: Languages) -> Parameter:
    parameter = replace(parameter, descriptions=_told(parameter.description, languages))
    complete = parameter.arg.complete
    if complete is None:
        return parameter
    return replace(parameter, arg=replace(parameter.arg, complete=_safely(complete, command, make_context)))


def _filling(command: Command, make_context: MakeContext) -> Fills | None:
    fills = command.fills
    if fills is None:
        return None

    async def fill(event: AnyEvent) -> Mapping[str, JsonValue]:
        try:
            # No platform waits for long until a form is opened.
            async with asyncio.timeout(FILLED_WITHIN):
                context = await make_context(event, command.plugin)
                if all(allowed.name != command.name for allowed in context.commands):
                    return {}
                return await fills(context)
        except Exception:  # an empty form is better than none
            log.exception("a form could not be filled in", command=command.name)
            return {}

    return fill


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
