"""One argument of a command: what it allows, and how an untrusted value becomes it."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypeAlias

from pydantic import JsonValue

from bot.errors import UsageError
from bot.events import Attachment, User
from bot.words import counted, in_english, say

Complete: TypeAlias = Callable[[Any, str], Awaitable[Sequence[str]]]
Kind: TypeAlias = Literal["str", "int", "float", "bool", "user", "attachment"]

YES = frozenset({"true", "yes", "on", "1", "y"})
NO = frozenset({"false", "no", "off", "0", "n"})
# What every platform and JSON can carry exactly.
BIGGEST_INT = 2**53
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True, slots=True)
class Arg:
    """Put into `Annotated[...]`. `rest` takes the whole tail of the line; those behind it can only be given by
    name. `ge`/`le` bound numbers, `min_length`/`max_length` texts. `complete(ctx, typed)` suggests values."""

    description: str = ""
    ge: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    rest: bool = False
    complete: Complete | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument as platforms need to know it. `choices` are the texts that a Literal or Enum allows.

    `descriptions` are by language, for those that a catalog has.
    """

    name: str
    kind: Kind
    description: str
    required: bool
    default: Any
    choices: tuple[str, ...]
    arg: Arg
    enum: type[Enum] | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def bind(self, value: JsonValue) -> Any:
        """The typed value. Raises UsageError that says what was given and what is allowed."""
        if self.choices:
            return self._choice(value)
        match self.kind:
            case "str":
                return self._text(value)
            case "int":
                return self._in_range(self._whole(value), value)
            case "float":
                return self._in_range(self._number(value), value)
            case "bool":
                return self._yes_or_no(value)
            case "user":
                return self._user(value)
            case "attachment":
                return self._attachment(value)

    @property
    def allowed(self) -> str:
        """What may be given, to be read after "It must be"."""
        if self.choices:
            return one_of(self.choices)
        match self.kind:
            case "str":
                return self._allowed_text()
            case "int":
                return self._allowed_whole()
            case "float":
                return self._allowed_number()
            case "bool":
                return say("yes or no")
            case "user":
                return say("a person, mentioned with @")
            case "attachment":
                return say("a file that you attach")

    def _choice(self, value: JsonValue) -> Any:
        typed = str(value).strip().casefold() if isinstance(value, str | int) and not isinstance(value, bool) else None
        for choice in self.choices:
            if typed == choice.casefold():
                if self.enum is not None:
                    return next(member for member in self.enum if choice_of(member) == choice)
                return int(choice) if self.kind == "int" else choice
        raise self._wrong(value)

    def _text(self, value: JsonValue) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(value)
        text = str(value)
        shortest, longest = self.arg.min_length, self.arg.max_length
        if (shortest is not None and len(text) < shortest) or (longest is not None and len(text) > longest):
            raise UsageError(
                say(
                    "`{name}` has {count:,} characters. It must be {allowed}.",
                    name=self.name,
                    count=len(text),
                    allowed=self.allowed,
                )
            )
        return text

    def _whole(self, value: JsonValue) -> int:
        if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()):
            value = int(value.strip())
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > BIGGEST_INT:
            raise self._wrong(value)
        return value

    def _number(self, value: JsonValue) -> float:
        if isinstance(value, str) and len(value) <= 40:
            typed = value.strip()
            # Half of the world writes 0,5.
            typed = typed.replace(",", ".") if typed.count(",") == 1 and "." not in typed else typed
            try:
                value = float(typed)
            except ValueError:
                raise self._wrong(value) from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(value)
        if isinstance(value, int) and abs(value) > BIGGEST_INT:
            raise self._wrong(value)
        if not math.isfinite(value):
            raise self._wrong(value)
        return float(value)

    def _in_range(self, number: Any, given: JsonValue) -> Any:
        if (self.arg.ge is not None and number < self.arg.ge) or (self.arg.le is not None and number > self.arg.le):
            raise self._wrong(given)
        return number

    def _yes_or_no(self, value: JsonValue) -> bool:
        if isinstance(value, bool):
            return value
        typed = str(value).strip().casefold() if isinstance(value, str | int) else ""
        if typed in YES:
            return True
        if typed in NO:
            return False
        raise self._wrong(value)

    def _user(self, value: JsonValue) -> User:
        if isinstance(value, Mapping):
            id, name = value.get("id"), value.get("name")
            if isinstance(id, str) and id and isinstance(name, str | None):
                return User(id, name or id, is_bot=value.get("is_bot") is True)
        raise self._wrong(value)

    def _attachment(self, value: JsonValue) -> Attachment:
        if isinstance(value, Mapping):
            name, media_type, size, url = (value.get(key) for key in ("name", "media_type", "size", "url"))
            if (
                isinstance(name, str)
                and isinstance(media_type, str)
                and isinstance(size, int)
                and not isinstance(size, bool)
                and isinstance(url, str)
            ):
                return Attachment(name, media_type, size, url)
        raise self._wrong(value)

    def _wrong(self, value: JsonValue) -> UsageError:
        return UsageError(
            say(
                "`{name}` cannot be {value}. It must be {allowed}.",
                name=self.name,
                value=shown(value),
                allowed=self.allowed,
            )
        )

    def _allowed_whole(self) -> str:
        low, high = self.arg.ge, self.arg.le
        if low is not None and high is not None:
            return say("a whole number from {low:,.10g} to {high:,.10g}", low=low, high=high)
        if low is not None:
            return say("a whole number of at least {low:,.10g}", low=low)
        return say("a whole number of at most {high:,.10g}", high=high) if high is not None else say("a whole number")

    def _allowed_number(self) -> str:
        low, high = self.arg.ge, self.arg.le
        if low is not None and high is not None:
            return say("a number from {low:,.10g} to {high:,.10g}", low=low, high=high)
        if low is not None:
            return say("a number of at least {low:,.10g}", low=low)
        return say("a number of at most {high:,.10g}", high=high) if high is not None else say("a number")

    def _allowed_text(self) -> str:
        low, high = self.arg.min_length, self.arg.max_length
        if low is not None and high is not None:
            return say("a text of {low:,} to {high:,} characters", low=low, high=high)
        if low is not None:
            return counted(low, "a text of at least {count} character", "a text of at least {count:,} characters")
        return say("a text of at most {high:,} characters", high=high) if high is not None else say("a text")

    @property
    def schema(self) -> dict[str, JsonValue]:
        """In the subset of JSON Schema that providers accept as strict: what is optional may be null, and limits on
        the length of texts stand in the description."""
        types: dict[Kind, JsonValue] = {"int": "integer", "float": "number", "bool": "boolean"}
        kind = types.get(self.kind, "object" if self.kind in ("user", "attachment") else "string")
        schema: dict[str, JsonValue] = {"type": kind if self.required else [kind, "null"]}
        if self.choices:
            values: list[JsonValue] = [int(choice) if self.kind == "int" else choice for choice in self.choices]
            schema["enum"] = values if self.required else [*values, None]
        for key, limit in (("minimum", self.arg.ge), ("maximum", self.arg.le)):
            if limit is not None:
                schema[key] = int(limit) if self.kind == "int" else limit
        if kind == "object":
            schema |= _object_schema(self.kind)
        if text := self._schema_text():
            schema["description"] = text
        return schema

    def _schema_text(self) -> str:
        sentences = [self.description.rstrip(".")] if self.description else []
        if self.kind == "str" and (self.arg.min_length is not None or self.arg.max_length is not None):
            # Tools are described in one language, so that caches of prompts work.
            with in_english():
                sentences.append(self._allowed_text().capitalize())
        if not self.required and self.default is not None:
            default = choice_of(self.default) if isinstance(self.default, Enum) else self.default
            sentences.append(f"Default: {default}")
        return ". ".join(sentences)


def _object_schema(kind: Kind) -> dict[str, JsonValue]:
    fields = ("id", "name") if kind == "user" else ("name", "media_type", "size", "url")
    properties: dict[str, JsonValue] = {field: {"type": "integer" if field == "size" else "string"} for field in fields}
    return {"properties": properties, "required": list(fields), "additionalProperties": False}


def choice_of(member: Enum) -> str:
    """The text that stands for a member: its value where that is a text, its name otherwise."""
    return member.value if isinstance(member.value, str) else member.name.lower()


def one_of(words: Sequence[str]) -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{word}`" for word in words]
    if len(quoted) < 2:
        return "".join(quoted)
    return say("{several} or {last}", several=", ".join(quoted[:-1]), last=quoted[-1])


def shown(value: JsonValue) -> str:
    """What somebody gave, short enough and harmless inside a sentence."""
    text = value if isinstance(value, str) else say("that") if isinstance(value, list | dict) else str(value)
    text = " ".join(text.replace("`", "'").split())
    if not text:
        return say("empty")
    return f"`{text[:40]}…`" if len(text) > 40 else f"`{text}`"
