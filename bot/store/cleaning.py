"""Text as a database can keep it: no lone surrogates, no NUL."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue, TypeAdapter

from bot.events import AnyEvent, Route, event_to_json, route_to_json

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Neither UTF-8 nor PostgreSQL takes what is replaced here; all other text comes back as it is."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Two halves of a pair that were kept apart are joined; what stands alone is replaced.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def storable_or_none(text: str | None) -> str | None:
    return None if text is None else storable(text)


def storable_json(value: JsonValue) -> JsonValue:
    """The same for every text inside, keys included."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(key): storable_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable_json(item) for item in value]
    return value


def event_text(event: AnyEvent) -> str:
    try:
        return event_to_json(event)
    except ValueError:
        return _cleaned(TypeAdapter[AnyEvent](AnyEvent).dump_python(event, mode="json"))


def route_text(route: Route) -> str:
    try:
        return route_to_json(route)
    except ValueError:
        return _cleaned(TypeAdapter(Route).dump_python(route, mode="json"))


def _cleaned(value: JsonValue) -> str:
    return json.dumps(storable_json(value), ensure_ascii=False)
