"""What the bot says, in the language of whoever it speaks to: the English sentence is the key, catalogs are data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

# What the core and the adapters that come with it say.
OWN = Path(__file__).with_name("locales")


class BadCatalog(ValueError):
    """A catalog that cannot be used; the text says which sentence is wrong."""


@dataclass(frozen=True, slots=True)
class Language:
    """`code` as platforms write it (`de`, `pt-BR`), `name` as those who speak it call it."""

    code: str
    name: str
    sentences: Mapping[str, str] = field(default_factory=dict)
    thousands: str = ","
    decimal: str = "."

    @property
    def separators(self) -> tuple[str, str]:
        return self.thousands, self.decimal

    def says(self, template: str, values: Mapping[str, object]) -> str:
        """A sentence that the catalog does not have is said in English."""
        text = self.sentences.get(template, template)
        if not values:
            return text
        if self.separators == (",", "."):
            return text.format_map(values)
        return _Numbers(self.thousands, self.decimal).vformat(text, (), values)


ENGLISH = Language("en", "English")


class _Numbers(Formatter):
    """Formats like `str.format`, with the separators of a language in its numbers."""

    def __init__(self, thousands: str, decimal: str) -> None:
        self._signs = str.maketrans({",": thousands, ".": decimal})

    def format_field(self, value: Any, format_spec: str) -> str:
        text = str(super().format_field(value, format_spec))
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        return text.translate(self._signs) if is_number and format_spec else text


@dataclass(frozen=True, slots=True)
class Languages:
    """All languages that the bot speaks besides English, by code. `default` is for people and places that want none."""

    known: Mapping[str, Language] = field(default_factory=dict)
    default: str = ENGLISH.code

    @property
    def all(self) -> tuple[Language, ...]:
        return (ENGLISH, *self.known.values())

    def find(self, code: str) -> Language | None:
        """`de-AT` finds `de` where there is nothing closer; `deutsch` finds it too."""
        wanted = code.strip().replace("_", "-").casefold()
        for key in (wanted, wanted.partition("-")[0]):
            for language in self.all:
                if key and key in (language.code.casefold(), language.name.casefold()):
                    return language
        return None

    def choose(self, *wanted: str) -> Language:
        """The first of these that is spoken."""
        for code in (*wanted, self.default):
            if language := self.find(code):
                return language
        return ENGLISH


@dataclass(frozen=True, slots=True)
class _Voice:
    languages: Languages
    language: Language


# Belongs to a task and those that it starts, so that conversations in several languages go on side by side.
_voice: ContextVar[_Voice] = ContextVar("voice")
_AT_FIRST = _Voice(Languages(), ENGLISH)


def say(template: str, /, **values: object) -> str:
    """The sentence in the language that is spoken here now: `say("Hello, {name}!", name="Ann")`.

    Write the template itself there, where the tests can find it; one that stands elsewhere is marked by `phrase`.
    """
    return _voice.get(_AT_FIRST).language.says(template, values)


def counted(count: int, one: str, many: str, /, **values: object) -> str:
    """`one` or `many`, as `count` wants it: `counted(2, "{count} cake", "{count:,} cakes")`."""
    return say(one if count == 1 else many, count=count, **values)


def tr(locale: str, template: str, /, **values: object) -> str:
    """The sentence in the language of a person's client, or in the one spoken here where that is not known."""
    voice = _voice.get(_AT_FIRST)
    return (voice.languages.find(locale) or voice.language).says(template, values)


def phrase(template: str) -> str:
    """Marks a sentence that is said later, such as one in a table: the same text."""
    return template


def spoken_now() -> Language:
    return _voice.get(_AT_FIRST).language


def languages_known() -> Languages:
    return _voice.get(_AT_FIRST).languages


@contextmanager
def speaking(languages: Languages, *wanted: str) -> Iterator[None]:
    """Inside, and in all tasks that are started inside, the first of these languages that is known is spoken."""
    token = _voice.set(_Voice(languages, languages.choose(*wanted)))
    try:
        yield
    finally:
        _voice.reset(token)


@contextmanager
def speaking_to(locale: str) -> Iterator[None]:
    """Outside a turn: inside, the language of a person's client is spoken where it is known."""
    with speaking(languages_known(), locale):
        yield


@contextmanager
def in_english() -> Iterator[None]:
    """For what models read."""
    token = _voice.set(_Voice(_voice.get(_AT_FIRST).languages, ENGLISH))
    try:
        yield
    finally:
        _voice.reset(token)


def switch(*wanted: str) -> None:
    """Go on in the first of these that is known, until `speaking` ends."""
    voice = _voice.get(_AT_FIRST)
    _voice.set(_Voice(voice.languages, voice.languages.choose(*wanted)))


def speak_at(settings: Mapping[str, object], locale: str) -> None:
    """Go on in the language of a place: the one chosen there, else that of whoever speaks, else what their app had."""
    switch(str(settings.get("language") or ""), locale, str(settings.get("app_language") or ""))


def read_languages(
    folders: Iterable[Path] = (), given: Iterable[tuple[str, Mapping[str, str]]] = (), *, default: str = ENGLISH.code
) -> Languages:
    """The catalogs of the core, then those in `folders`, then single sentences that were `given` for a language. Whose
    sentence was there first keeps it. Raises BadCatalog."""
    known: dict[str, Language] = {}
    for language in (*(each for folder in (OWN, *folders) for each in _in_folder(folder)), *_alone(given)):
        known[language.code] = _joined(known.get(language.code), language)
    return Languages(known, default)


def _joined(first: Language | None, second: Language) -> Language:
    if first is None:
        return second
    sentences = {**second.sentences, **first.sentences}
    name = first.name if first.name != first.code else second.name
    thousands, decimal = (second if first.separators == (",", ".") else first).separators
    return Language(first.code, name, sentences, thousands, decimal)


def _alone(given: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[Language]:
    for code, sentences in given:
        yield Language(code, code, checked(sentences, code))


@cache
def _in_folder(folder: Path) -> Sequence[Language]:
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise BadCatalog(f"{folder} holds no catalogs, such as de.toml")
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Language:
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadCatalog(f"{file.name} cannot be read: {error}") from error
    about = found.get("language", {})
    sentences = found.get("sentences", {})
    if not isinstance(about, dict) or not isinstance(sentences, dict) or found.keys() - {"language", "sentences"}:
        raise BadCatalog(f"{file.name} must have the tables [sentences] and, once for a language, [language]")
    told = {key: str(about[key]) for key in ("name", "thousands", "decimal") if key in about}
    return Language(file.stem, told.pop("name", file.stem), checked(sentences, file.name), **told)


def checked(sentences: Mapping[str, object], where: str) -> dict[str, str]:
    """Whether every translation is a text with the placeholders of its sentence. Raises BadCatalog."""
    good = {}
    for template, text in sentences.items():
        if not isinstance(text, str) or not text.strip():
            raise BadCatalog(f"{where}: {template!r} is not translated by a text")
        try:
            # An example such as {} stands in sentences that are never filled.
            differs = placeholders(template) != placeholders(text)
        except ValueError:
            differs = False
        if differs:
            raise BadCatalog(f"{where}: {template!r} and its translation must have the same {{placeholders}}")
        good[template] = text
    return good


def placeholders(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name)
