"""Where settings come from: command line, environment, `.env`, `config/bot.toml`, each value with its origin."""

from __future__ import annotations

import json
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "DUOLOGUE_"
CONFIG_NAME = "DUOLOGUE_CONFIG"
# How much two names must have in common to be taken for each other.
NEAR = 0.7
Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as it may be written. `names` are its environment variables, our own first; `open` says that it is
    a table with free keys, of which each may be a section like `item`."""

    path: Steps
    field: FieldInfo
    names: tuple[str, ...]
    secret: bool
    listed: bool
    open: bool
    item: type[BaseModel] | None = None

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Found:
    """A value as one source has it. `name` is what stands there, `where` names the source."""

    path: Steps
    value: Any
    name: str
    where: str

    @property
    def origin(self) -> str:
        return f"{self.name} {self.where}"


def entries(model: type[BaseModel], path: Steps = ()) -> Iterator[Entry]:
    """Every setting that a model declares, in reading order."""
    for name, field in model.model_fields.items():
        if field.exclude:  # handed over by the program for one run, nothing that can be written down
            continue
        here = (*path, name)
        kinds = tuple(_kinds(field.annotation))
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if section is not None:
            yield from entries(section, here)
            continue
        origins = {get_origin(kind) or kind for kind in kinds}
        yield Entry(
            path=here,
            field=field,
            names=(PREFIX + "__".join(here).upper().replace("-", "_"), *_aliases(field)),
            secret=SecretStr in kinds,
            listed=bool(origins & {list, tuple, set, frozenset, Sequence}),
            open=bool(origins & {dict, Mapping}),
            item=_item(kinds),
        )


def _item(kinds: Sequence[Any]) -> type[BaseModel] | None:
    """The section that each value of a table is."""
    for kind in kinds:
        value = get_args(kind)[-1:] if get_origin(kind) is dict else ()
        if value and isinstance(value[0], type) and issubclass(value[0], BaseModel):
            return value[0]
    return None


def _kinds(annotation: Any) -> Iterator[Any]:
    """The members of a union, without Annotated and None."""
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _kinds(member)
    elif hasattr(annotation, "__metadata__"):
        yield from _kinds(get_args(annotation)[0])
    elif annotation is not type(None):
        yield annotation


def _aliases(field: FieldInfo) -> tuple[str, ...]:
    extra = field.json_schema_extra
    names = extra.get("env", ()) if isinstance(extra, dict) else ()
    return tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else ()


class Source(PydanticBaseSettingsSource):
    """What one place says, sorted into settings; what is wrong with it is collected in `problems`."""

    def __init__(self, model: type[BaseSettings]) -> None:
        super().__init__(model)
        self.known = tuple(entries(model))
        self.found: dict[Steps, Found] = {}
        self.problems: list[str] = []

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # whole sections are handed over by __call__

    def __call__(self) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for found in self.found.values():
            level = tree
            for step in found.path[:-1]:
                level = level.setdefault(step, {})
            level[found.path[-1]] = found.value
        return tree

    def nearest(self, wrong: str, names: Sequence[str]) -> str:
        """A hint, if one is near; what all names begin with makes none of them near."""
        whole = {name.removeprefix(PREFIX): name for name in names}
        close = get_close_matches(wrong.removeprefix(PREFIX), whole, 1, cutoff=NEAR)
        return f" Did you mean {whole[close[0]]}?" if close else ""


class Variables(Source):
    """Environment variables or the lines of `.env`: `DUOLOGUE_SECTION__KEY` and the names that SDKs use."""

    def __init__(self, model: type[BaseSettings], values: Mapping[str, tuple[str, str]], *, strict: bool) -> None:
        """`values` maps a name to its text and where it stands; `strict` also refuses near misses of foreign names."""
        super().__init__(model)
        self._names = {name: entry for entry in self.known for name in entry.names}
        self._open = [entry for entry in self.known if entry.open]
        filled = {name: found for name, found in values.items() if found[0].strip()}
        for entry in self.known:
            for name in entry.names:
                self._take(entry, name, filled)
        for name, (text, where) in filled.items():
            if name.startswith(PREFIX) and name not in self._names and name != CONFIG_NAME:
                self._take_unlisted(name, text, where)
            elif strict and name not in self._names and get_close_matches(name, self._names, 1, cutoff=0.88):
                self.problems.append(f"{name} {where} is not a setting.{self.nearest(name, list(self._names))}")

    def _take(self, entry: Entry, name: str, filled: Mapping[str, tuple[str, str]]) -> None:
        if entry.path in self.found:
            return
        if name in filled:
            text, where = filled[name]
            self.found[entry.path] = Found(entry.path, _read(entry, text), name, where)
        elif entry.secret and f"{name}_FILE" in filled:
            path, where = filled[f"{name}_FILE"]
            try:
                secret = Path(path).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.problems.append(f"{name}_FILE {where} names {path}, which cannot be read.")
            else:
                self.found[entry.path] = Found(entry.path, secret, f"{name}_FILE", where)

    def _take_unlisted(self, name: str, text: str, where: str) -> None:
        """A key of an open table, a secret's file, or a mistake."""
        if name.endswith("_FILE") and (entry := self._names.get(name.removesuffix("_FILE"))) and entry.secret:
            return
        steps = tuple(name.removeprefix(PREFIX).lower().split("__"))
        for entry in self._open:
            if steps[: len(entry.path)] == entry.path:
                self.found[steps] = Found(steps, _literal(text), name, where)
                return
        self.problems.append(f"{name} {where} is not a setting.{self.nearest(name, [*self._names, CONFIG_NAME])}")


class Toml(Source):
    """The tables of `config/bot.toml`. Secrets are refused: the file is meant to be shared."""

    def __init__(self, model: type[BaseSettings], table: Mapping[str, Any], file: str) -> None:
        super().__init__(model)
        self._by_path = {entry.path: entry for entry in self.known}
        self._where = f"in {file}"
        self._walk(table, ())

    def _walk(self, table: Mapping[str, Any], path: Steps) -> None:
        for key, value in table.items():
            here = (*path, key)
            entry = self._by_path.get(here)
            if entry is not None:
                self._take(entry, value)
            elif not any(known.path[: len(here)] == here for known in self.known):
                self._unknown(here)
            elif isinstance(value, dict):
                self._walk(value, here)
            else:
                self.problems.append(f"{'.'.join(here)} {self._where} is a section: write [{'.'.join(here)}].")

    def _take(self, entry: Entry, value: Any) -> None:
        if entry.secret:
            self.problems.append(
                f"{entry.dotted} {self._where} is a secret, and secrets do not belong in this file. "
                f"Remove it there and set {entry.names[:2][-1]} in the environment or in .env."
            )
        elif entry.open and isinstance(value, dict):
            for key, inner in value.items():
                self._put((*entry.path, key), self._without_secrets(entry, key, inner))
        elif value != "" or isinstance(entry.field.default, str):
            self._put(entry.path, value)

    def _without_secrets(self, entry: Entry, key: str, value: Any) -> Any:
        if entry.item is None or not isinstance(value, dict):
            return value
        secrets = {each.path[0] for each in entries(entry.item) if each.secret} & value.keys()
        for name in secrets:
            self.problems.append(
                f"{entry.dotted}.{key}.{name} {self._where} is a secret, and secrets do not belong in this file. "
                f"Put it into the environment or into .env, and its name there into {name}_env."
            )
        return {name: inner for name, inner in value.items() if name not in secrets}

    def _put(self, path: Steps, value: Any) -> None:
        self.found[path] = Found(path, value, ".".join(path), self._where)

    def _unknown(self, path: Steps) -> None:
        beside = {entry.path[: len(path)] for entry in self.known if entry.path[: len(path) - 1] == path[:-1]}
        near = self.nearest(path[-1], sorted(steps[-1] for steps in beside))
        self.problems.append(f"{'.'.join(path)} {self._where} is not a setting.{near}")


class Flags(Source):
    """Options of the command line: flag → (dotted setting, value)."""

    def __init__(self, model: type[BaseSettings], flags: Mapping[str, tuple[str, Any]]) -> None:
        super().__init__(model)
        for flag, (dotted, value) in flags.items():
            path = tuple(dotted.split("."))
            self.found[path] = Found(path, value, flag, "on the command line")


class Fallback(Source):
    """A default that depends on the circumstances."""

    def __init__(self, model: type[BaseSettings], path: Steps, value: str, why: str) -> None:
        super().__init__(model)
        self.found[path] = Found(path, value, "default", why)


def _read(entry: Entry, text: str) -> Any:
    """Lists may be written as JSON or with commas, tables as JSON; pydantic turns texts into numbers and switches."""
    if entry.listed and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    return _literal(text) if entry.listed or entry.open else text.strip()


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def read_env_file(file: Path, shown: str, problems: list[str]) -> dict[str, tuple[str, str]]:
    """Name → (text, where). Values are taken as they stand, without `${…}`: a password may contain anything."""
    from dotenv.parser import parse_stream

    values: dict[str, tuple[str, str]] = {}
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for binding in parse_stream(stream):
                line = binding.original.line + _leading_lines(binding.original.string)
                if binding.error:
                    problems.append(f"{shown} line {line} cannot be read: write NAME=value.")
                elif binding.key is not None and binding.value is not None:
                    values[binding.key] = (binding.value, f"in {shown} line {line}")
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{shown} cannot be read: {error}.")
    return values


def _leading_lines(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def read_toml(file: Path, shown: str, problems: list[str], *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        if required:
            problems.append(f"{CONFIG_NAME} names {shown}, and there is no such file.")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{shown} cannot be read: {error}.")
    except tomllib.TOMLDecodeError as error:
        twice = " A section may stand only once: write below the one that is there." if "twice" in str(error) else ""
        problems.append(f"{shown} is not valid TOML: {error}.{twice}")
    return {}
