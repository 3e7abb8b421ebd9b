"""What somebody typed as a slash command, as a command of the registry and its line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.slack import SlackSettings
from adapters.slack.escaping import as_text, plain_name, unescape
from adapters.slack.reading_markup import Names
from bot.api import Command, Commands, User

HELP = "help"

_WORDS = re.compile(r"\s*/?(?P<first>\S*)\s*(?P<rest>.*)", re.DOTALL)
_PERSON = re.compile(r"<@(?P<id>[A-Z][A-Z0-9]+)(?:\|(?P<name>[^<>|]*))?>")
_SIGN = re.compile(
    r"<(?:#(?P<channel>[A-Z][A-Z0-9]+)(?:\|(?P<called>[^<>|]*))?"
    r"|!subteam\^[A-Z0-9]+\|@?(?P<group>[^<>|]*)"
    r"|!(?P<everybody>[a-z]+)(?:\|[^<>|]*)?"
    r"|(?P<address>(?:https?://|mailto:|tel:)[^<>|\s]+)(?:\|(?P<label>[^<>|]*))?)>"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What was called: a command of the registry and the rest of the line, or what nobody knows. `people` are those
    whom the line mentions, called as Slack calls them."""

    command: Command | None
    name: str
    rest: str
    people: tuple[User, ...] = ()


def called(settings: SlackSettings, commands: Commands, typed: str, text: str) -> Line:
    """`/duologue roll 6` and `/roll 6` are the same line; nothing behind the one command asks for help."""
    word, text = typed.removeprefix("/").lower(), as_text(text).strip()
    lines = [f"{word} {text}"]
    if word == settings.command:
        # It may be called like one of the commands that it stands for.
        lines = [text or HELP, *(lines if commands.match(lines[0]) else ())]
    for line in lines:
        if found := commands.match(line):
            command, rest = found
            return Line(command, command.name, rest, _people(rest))
    words = _WORDS.fullmatch(lines[0])
    assert words is not None, "it matches everything"
    return Line(None, unescape(words["first"]) or HELP, words["rest"], _people(words["rest"]))


def with_names(line: Line, people: Sequence[User], names: Names) -> Line:
    """As it is read: entities taken back, what Slack made a sign of as it was typed, people by these names."""
    known = {each.id: each for each in (*line.people, *people)}
    rest = _PERSON.sub(lambda found: f"@{known[found['id']].name}", line.rest)
    rest = unescape(_SIGN.sub(lambda found: _as_typed(found, names), rest))
    return replace(line, rest=rest, people=tuple(known[each.id] for each in line.people))


def usage(settings: SlackSettings, command: Command) -> str:
    """`/duologue roll [sides]`."""
    return f"/{settings.command} {command.usage.removeprefix('/')}"


def _people(text: str) -> tuple[User, ...]:
    found = {each["id"]: User(each["id"], plain_name(each["name"] or each["id"])) for each in _PERSON.finditer(text)}
    return tuple(found.values())


def _as_typed(found: re.Match[str], names: Names) -> str:
    if channel := found["channel"]:
        # Of a private one Slack does not say how it is called.
        return f"#{found['called'] or names.channel(channel) or channel}"
    if found["group"] is not None:
        return f"@{found['group']}"
    if found["everybody"] is not None:
        return f"@{found['everybody']}"
    return found["label"] or str(found["address"])
