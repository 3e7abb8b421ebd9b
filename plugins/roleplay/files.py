"""Files that people write for role-play: read within bounds, written as TOML, and what is wrong with them said."""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from bot.api import say

log = logging.getLogger(__name__)

MAX_PERSONA_FILE, MOST_PERSONA_FILES = 256 * 1024, 500
# Reading `a.a.a.a…` takes time with the square of the dots.
MOST_DOTS = 24
# Longer texts are written on several lines of about this length.
WIDTH = 100
MOST_PROBLEMS = 5
_QUOTED = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\.)*+(?:"|\n|\Z)'
    r"|'[^'\n]*+(?:'|\n|\Z)"
    r"|#[^\n]*+",
    re.DOTALL,
)
_TABLE = TypeAdapter(dict[str, JsonValue])


def personas_in(folder: Path) -> Mapping[str, Mapping[str, JsonValue]]:
    """What stands in each `*.toml` file there, by the file's name without its end. A file that cannot be read is left
    out with a warning that names it; without a folder there are none."""
    found = {}
    files = sorted(each for each in folder.glob("*.toml") if not each.name.startswith("."))
    if len(files) > MOST_PERSONA_FILES:
        log.warning("%s holds more than %d personas; the others are left out", folder, MOST_PERSONA_FILES)
    for file in files[:MOST_PERSONA_FILES]:
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_PERSONA_FILE + 1)
            if len(content) > MAX_PERSONA_FILE:
                raise ValueError(f"it is larger than {MAX_PERSONA_FILE >> 10} KB")
            found[file.stem] = read_toml(content.decode("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            log.warning("The persona in %s is left out: %s", file, error)
    return found


def read_toml(text: str) -> dict[str, JsonValue]:
    """Raises ValueError or RecursionError. Dates are no values here."""
    bare = _QUOTED.sub(lambda found: "\n" if found[0].endswith("\n") else "_", text)
    if any(line.count(".") > MOST_DOTS for line in bare.splitlines()):
        raise ValueError("it has too many dots outside of texts")
    return _TABLE.validate_python(tomllib.loads(text))


def toml_of(table: Mapping[str, JsonValue]) -> str:
    """Texts, numbers, flags, lists of them, and lists of tables of them."""
    plain = [f"{key} = {_toml(value)}" for key, value in table.items() if not _is_tables(value)]
    tables = [
        "\n".join(["", f"[[{key}]]", *(f"{name} = {_toml(each)}" for name, each in one.items())])
        for key, value in table.items()
        if isinstance(value, list)
        for one in value
        if isinstance(one, dict)
    ]
    return "\n".join([*plain, *tables]) + "\n"


def _is_tables(value: JsonValue) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _toml(value: JsonValue) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return _toml_text(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
    raise TypeError(f"{type(value).__name__} is not written")


def _toml_text(text: str) -> str:
    escaped = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", lambda each: f"\\u{ord(each[0]):04X}", text.replace("\\", "\\\\"))
    if len(text) <= WIDTH and "\n" not in text:
        return '"' + escaped.replace('"', '\\"') + '"'
    escaped = escaped.replace('"""', '\\"\\"\\"')
    if escaped.endswith('"'):
        escaped = escaped[:-1] + '\\"'
    return '"""\n' + "\n".join(map(_wrapped, escaped.split("\n"))) + '"""'


def _wrapped(line: str) -> str:
    """A backslash at the end of a line takes away the break and what is blank at the beginning of the next one."""
    rows = [""]
    for word in re.findall(r"[ \t]*[^ \t]+[ \t]*", line) or [line]:
        if rows[-1] and len(rows[-1]) + len(word) > WIDTH:
            rows.append("")
        rows[-1] += word
    return "\\\n".join(rows)


def problems_of(error: ValidationError, model: type[BaseModel], parts: Mapping[str, type[BaseModel]]) -> str:
    """What is wrong, one sentence a line. `parts` are the models of the lists in `model`."""
    every = error.errors(include_url=False, include_input=False)
    told = list(dict.fromkeys(_problem(each, model, parts) for each in every))
    return "\n".join(told[:MOST_PROBLEMS])


def _problem(error: ErrorDetails, model: type[BaseModel], parts: Mapping[str, type[BaseModel]]) -> str:
    field, bounds = _named(error["loc"]), error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(bounds["error"])
        case "missing":
            return say("{field} is missing.", field=field)
        case "extra_forbidden":
            of = parts.get(str(error["loc"][0]), model) if len(error["loc"]) > 1 else model
            near = get_close_matches(str(error["loc"][-1])[:80].lower(), known_as(of), n=1, cutoff=0.5)
            if near:
                return say("{field} is not known here. Did you mean `{near}`?", field=field, near=near[0])
            return say("{field} is not known here.", field=field)
        case "string_too_long":
            return say("{field} is longer than {most} characters.", field=field, most=bounds["max_length"])
        case "too_long" if _of_text(bounds):
            return say("{field} is longer than {most} characters.", field=field, most=bounds["max_length"])
        case "too_long":
            return say("{field} has more than {most} entries.", field=field, most=bounds["max_length"])
        case "string_too_short" | "too_short":
            return say("{field} is empty.", field=field)
        case "string_type" | "string_unicode":
            return say("{field} must be a text.", field=field)
        case "greater_than_equal":
            return say("{field} must be at least {least}.", field=field, least=bounds["ge"])
        case "less_than_equal":
            return say("{field} must be at most {most}.", field=field, most=bounds["le"])
        case kind if kind.startswith("int"):
            return say("{field} must be a whole number.", field=field)
        case kind if kind.startswith("bool"):
            return say("{field} must be `true` or `false`.", field=field)
        case "tuple_type" | "list_type":
            return say("{field} must be a list.", field=field)
    return say("{field} is not what it should be.", field=field)


def _of_text(bounds: Mapping[str, object]) -> bool:
    """Where texts are tidied before they are measured, pydantic does not know that they are texts."""
    return bounds.get("field_type") == "Value"


def known_as(model: type[BaseModel]) -> Iterable[str]:
    return tuple(model.model_fields)


def _named(place: tuple[int | str, ...]) -> str:
    """`roles.2.name`: entries are counted as people do."""
    clean = (str(part + 1) if isinstance(part, int) else re.sub(r"[`\s]+", " ", part)[:40] for part in place)
    return f"`{'.'.join(clean)}`"
