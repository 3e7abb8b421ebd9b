"""What people find in blocks: buttons by their label, choices, inputs; and what a client sends when they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.slack.testing.world import Json

CHOICES = frozenset({"static_select", "overflow", "radio_buttons"})


class NotOffered(Exception):
    """The client would not let anybody do this."""


def elements(blocks: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """Every interactive element with its block."""
    for block in blocks:
        if block["type"] in ("actions", "context_actions"):
            for each in block.get("elements", []):
                yield block, each
        for name in ("accessory", "element"):
            if block.get(name):
                yield block, block[name]


def labels(blocks: Sequence[Json]) -> list[str]:
    """What stands on the buttons, in order."""
    found: list[str] = []
    for _, element in elements(blocks):
        if element["type"] in ("button", "icon_button"):
            found.append(element["text"]["text"])
        if element["type"] == "feedback_buttons":
            found += [element[half]["text"]["text"] for half in ("positive_button", "negative_button")]
    return found


def press(blocks: Sequence[Json], label: str, ts: str) -> Json:
    """The action of a button that bears this label, action id or value."""
    for block, element in elements(blocks):
        told = {"action_id": element.get("action_id", "auto"), "block_id": block.get("block_id", ""), "action_ts": ts}
        is_button = element["type"] in ("button", "icon_button")
        if is_button and label in (element["text"]["text"], element.get("action_id"), element.get("value")):
            kept: Json = {name: element[name] for name in ("text", "value", "style") if name in element}
            return {"type": element["type"], **kept, **told}
        if element["type"] == "feedback_buttons":
            for half in (element["positive_button"], element["negative_button"]):
                if label in (half["text"]["text"], half.get("value")):
                    return {"type": "feedback_buttons", "text": half["text"], "value": half.get("value"), **told}
    raise NotOffered(f"no button {label!r}, only {labels(blocks)}")


def choose(blocks: Sequence[Json], action_id: str, wanted: str, ts: str) -> Json:
    """The action of somebody who picks from a menu, by an option's label or value."""
    for block, element in elements(blocks):
        if element.get("action_id") == action_id:
            told = {"action_id": action_id, "block_id": block.get("block_id", ""), "action_ts": ts}
            return {"type": element["type"], **told, **picked(element, wanted)}
    raise NotOffered(f"no menu {action_id!r}")


def look_up(blocks: Sequence[Json], action_id: str, typed: str) -> Json:
    """What a client asks the app while somebody types into a menu whose choices the app knows."""
    for block, element in elements(blocks):
        if element.get("action_id") == action_id and element["type"] in ("external_select", "multi_external_select"):
            if len(typed) < int(element.get("min_query_length", 3)):
                raise NotOffered(f"{action_id!r} asks for more characters first")
            return {"action_id": action_id, "block_id": block.get("block_id", ""), "value": typed}
    raise NotOffered(f"no menu {action_id!r} that looks for its choices")


def picked(element: Json, wanted: Any) -> Json:
    """An element's state when somebody gave it this value."""
    kind = element["type"]
    if kind in CHOICES:
        return {"selected_option": _option(element, wanted)}
    if kind == "external_select":
        return {"selected_option": wanted}
    if kind in ("checkboxes", "multi_static_select"):
        return {"selected_options": [_option(element, each) for each in wanted]}
    if kind in ("users_select", "conversations_select", "channels_select"):
        return {f"selected_{kind.removesuffix('s_select')}": wanted}
    if kind in ("datepicker", "timepicker"):
        return {f"selected_{kind.removesuffix('picker')}": wanted}
    if kind == "file_input":
        if len(wanted or ()) > int(element.get("max_files", 10)):
            raise NotOffered(f"at most {element.get('max_files', 10)} files go into {element.get('action_id')!r}")
        return {"files": [*(wanted or ())]}
    text = None if wanted is None else str(wanted)
    if kind == "number_input":
        _check_number(element, text)
    if text is not None and len(text) > int(element.get("max_length", 3_000)):
        raise NotOffered(f"at most {element.get('max_length', 3_000)} characters go into {element.get('action_id')!r}")
    if text is not None and len(text) < int(element.get("min_length", 0)):
        raise NotOffered(f"at least {element['min_length']} characters go into {element.get('action_id')!r}")
    return {"value": text}


def fill(blocks: Sequence[Json], values: Mapping[str, Any]) -> Json:
    """`state.values` of a form, with values by action id or block id; the others stay as they are shown."""
    state: Json = {}
    left = {*values}
    for block in blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        name, action_id = str(block.get("block_id", "")), str(element.get("action_id", "auto"))
        given = next((key for key in (action_id, name) if key in values), None)
        value = _initial(element) if given is None else values[given]
        left.discard(given or "")
        if value in (None, "", []):
            if not block.get("optional"):
                raise NotOffered(f"{action_id!r} must be filled in")
            empty: list[str] | None = [] if element["type"] in ("checkboxes", "multi_static_select") else None
            told = {"selected_option": None} if element["type"] in CHOICES else picked(element, empty)
        else:
            told = picked(element, value)
        state.setdefault(name, {})[action_id] = {"type": element["type"], **told}
    if left:
        raise NotOffered(f"the form has no {sorted(left)}")
    return {"values": state}


def _check_number(element: Json, text: str | None) -> None:
    if text is None:
        return
    number = r"-?\d+(\.\d+)?" if element.get("is_decimal_allowed") else r"-?\d+"
    low, high = float(element.get("min_value", "-inf")), float(element.get("max_value", "inf"))
    if not re.fullmatch(number, text) or not low <= float(text) <= high:
        raise NotOffered(f"{text!r} is no number that {element.get('action_id')!r} takes")


def _initial(element: Json) -> Any:
    if element["type"] == "external_select":
        return element.get("initial_option")
    if "initial_option" in element:
        return element["initial_option"]["value"]
    if "initial_options" in element:
        return [each["value"] for each in element["initial_options"]]
    return next((value for name, value in element.items() if name.startswith("initial_")), None)


def _option(element: Json, wanted: str) -> Json:
    groups = [*element.get("option_groups", []), element]
    options: list[Json] = [option for group in groups for option in group.get("options", [])]
    for option in options:
        if wanted in (option["text"]["text"], option["value"]):
            return option
    raise NotOffered(f"no choice {wanted!r}, only {[each['text']['text'] for each in options]}")
