"""A typed line becomes arguments by name: quotes, `--name=value`, mentions, and a tail that is taken as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import JsonValue

from bot.arguments import NO, YES, Parameter, one_of, shown
from bot.errors import UsageError
from bot.events import User
from bot.words import say

# A quote opens only at the start of a word and closes only before a space, so that apostrophes are just letters.
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|\'([^\']*)\'(?=\s|$)|“([^”]*)”(?=\s|$)', re.DOTALL)
# Phones turn two hyphens into a dash.
OPTION = re.compile(r"(--|—)([A-Za-z][\w-]*)(=|(?=\s)|$)")
WORD = re.compile(r"\S+")
# How alike a misspelt name must be.
NEAR = 0.8
ESCAPED = re.compile(r'\\(["\\])')
MENTION = re.compile(r"<@[!&]?([^>|\s]+)(?:\|[^>]*)?>")


def parse_line(parameters: Sequence[Parameter], text: str, mentions: Sequence[User] = ()) -> dict[str, JsonValue]:
    """Raises UsageError, and nothing else, for whatever cannot be understood."""
    return _Line(parameters, text, mentions).arguments()


@dataclass(slots=True)
class _Word:
    text: str
    end: int
    quoted: bool


class _Line:
    def __init__(self, parameters: Sequence[Parameter], text: str, mentions: Sequence[User]) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._text = text.rstrip()
        self._mentions = sorted(mentions, key=lambda user: len(user.name), reverse=True)
        self._at = 0
        self._found: dict[str, JsonValue] = {}

    def arguments(self) -> dict[str, JsonValue]:
        options = True
        while self._skip_spaces():
            if options and self._word_at(self._at).text == "--":
                self._at += 2
                options = False
            elif not (options and self._option()):
                self._positional()
        return self._found

    def _skip_spaces(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _option(self) -> bool:
        match = OPTION.match(self._text, self._at)
        if match is None:
            return False
        name = match[2].replace("-", "_").lower()
        parameter = self._parameters.get(name)
        if parameter is None:
            if match[1] == "—":
                return False
            known = one_of([f"--{known}" for known in self._parameters])
            unknown = shown("--" + match[2])
            if known:
                raise UsageError(say("I do not know {unknown}. There is {known}.", unknown=unknown, known=known))
            raise UsageError(say("I do not know {unknown}.", unknown=unknown))
        if name in self._found:
            raise UsageError(say("`{name}` was given twice.", name=name))
        self._at = match.end()
        self._found[name] = self._option_value(parameter, glued=match[3] == "=")
        return True

    def _option_value(self, parameter: Parameter, *, glued: bool) -> JsonValue:
        if glued:
            if self._at >= len(self._text) or self._text[self._at].isspace():
                return ""
            return self._value(parameter)
        there_is_more = self._skip_spaces()
        if parameter.kind == "bool":
            word = self._word_at(self._at) if there_is_more else None
            if word is None or word.text.casefold() not in YES | NO:
                return True
        if not there_is_more:
            raise UsageError(
                say("`--{name}` needs a value: {allowed}.", name=parameter.name, allowed=parameter.allowed)
            )
        return self._value(parameter)

    def _positional(self) -> None:
        for parameter in self._parameters.values():
            if parameter.name in self._found or parameter.kind == "attachment":
                continue
            if parameter.kind == "bool" and self._word_at(self._at).text.casefold() not in YES | NO:
                # Only yes and no are ever meant for it, so anything else is not explained as a wrong yes or no.
                continue
            if parameter.choices and self._is_meant_for_later(parameter):
                continue
            if parameter.arg.rest:
                end = self._end_of_rest(parameter)
                self._found[parameter.name] = self._text[self._at : end].rstrip()
                self._at = end
            else:
                self._found[parameter.name] = self._value(parameter)
            return
        raise self._too_many()

    def _is_meant_for_later(self, parameter: Parameter) -> bool:
        """Whether a word that this parameter cannot be is one of the choices of a later one, as in `/cost today`."""
        word = self._word_at(self._at).text
        names = [*self._parameters]
        later = [self._parameters[each] for each in names[names.index(parameter.name) + 1 :] if each not in self._found]
        return (
            not parameter.required
            and not _is_choice_of(parameter, word)
            and any(_is_choice_of(each, word) for each in later)
        )

    def _end_of_rest(self, parameter: Parameter) -> int:
        """The end of the line, or where one of the parameters behind it is given by name. What is nearly one of them
        is no text."""
        names = [*self._parameters]
        behind = {*names[names.index(parameter.name) + 1 :]}
        for found in OPTION.finditer(self._text, self._at):
            begins = found.start() == self._at or self._text[found.start() - 1].isspace()
            name = found[2].replace("-", "_").lower()
            if begins and name in behind:
                return found.start()
            options = [each for each in behind if self._parameters[each].kind != "attachment"]
            if begins and found[1] == "--" and found[3] == "=" and (near := get_close_matches(name, options, 1, NEAR)):
                unknown, known = shown("--" + found[2]), one_of([f"--{near[0]}"])
                raise UsageError(say("I do not know {unknown}. There is {known}.", unknown=unknown, known=known))
        return len(self._text)

    def _too_many(self) -> UsageError:
        left = shown(self._text[self._at :])
        if not self._parameters:
            return UsageError(
                say("This command takes no arguments, so I do not know what to do with {text}.", text=left)
            )
        if any(parameter.kind == "str" and not parameter.choices for parameter in self._parameters.values()):
            hint = say('That is more than I expected: {text}. Put "quotes" around a text with spaces.', text=left)
            return UsageError(hint)
        return UsageError(say("That is more than I expected: {text}.", text=left))

    def _value(self, parameter: Parameter) -> JsonValue:
        if parameter.kind == "user":
            return self._user(parameter)
        if parameter.kind == "attachment":
            raise UsageError(say("`{name}` must be {allowed}.", name=parameter.name, allowed=parameter.allowed))
        word = self._word_at(self._at)
        self._at = word.end
        return word.text

    def _user(self, parameter: Parameter) -> JsonValue:
        word = self._word_at(self._at)
        # A display name may have spaces, so the longest one that stands here wins.
        start = self._at + (self._text[self._at] == "@")
        for user in self._mentions:
            end = start + len(user.name)
            if user.name and self._text[start:end].casefold() == user.name.casefold() and self._ends_at(end):
                self._at = end
                return {"id": user.id, "name": user.name, "is_bot": user.is_bot}
        self._at = word.end
        by_id = MENTION.fullmatch(word.text)
        typed = by_id[1] if by_id else word.text.removeprefix("@")
        for user in self._mentions:
            if user.id == typed or user.name.casefold() == typed.casefold():
                return {"id": user.id, "name": user.name, "is_bot": user.is_bot}
        raise UsageError(
            say(
                "I do not know who {typed} is. `{name}` must be {allowed}.",
                typed=shown(word.text),
                name=parameter.name,
                allowed=parameter.allowed,
            )
        )

    def _ends_at(self, end: int) -> bool:
        return end >= len(self._text) or self._text[end].isspace()

    def _word_at(self, at: int) -> _Word:
        if quoted := QUOTED.match(self._text, at):
            double, single, curly = quoted.groups()
            text = ESCAPED.sub(r"\1", double) if double is not None else single if single is not None else curly
            return _Word(text, quoted.end(), True)
        match = WORD.match(self._text, at)
        return _Word(match[0], match.end(), False) if match else _Word("", at, False)


def _is_choice_of(parameter: Parameter, word: str) -> bool:
    return word.casefold() in [choice.casefold() for choice in parameter.choices]
