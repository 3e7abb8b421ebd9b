"""What Discord takes as buttons under a message and as a form, and what its client makes people fill in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.discord.testing import payloads
from adapters.discord.testing.server import ApiError
from adapters.discord.testing.world import Account, Json

ROW, BUTTON, SELECT, TEXT_INPUT, USER_SELECT, LABEL, UPLOAD = 1, 2, 3, 4, 5, 18, 19
LINK = 5
MAX_ROWS, MAX_BUTTONS, MAX_CUSTOM_ID, MAX_LABEL = 5, 5, 100, 80
MAX_TITLE, MAX_FIELDS, MAX_FIELD_LABEL, MAX_DESCRIPTION, MAX_TYPED, MAX_OPTIONS = 45, 5, 45, 100, 4000, 25


class NotOffered(LookupError):
    """Discord's own client would not have let anybody send this."""


def check_components(components: Sequence[Json]) -> None:
    """Classic rows of buttons and selects; newer layouts pass unchecked."""
    if len(components) > MAX_ROWS and all(row.get("type") == ROW for row in components):
        raise _wrong("components", "Must be 5 or fewer in length.")
    for row in components:
        inner = row.get("components") or []
        if row.get("type") == ROW and not 1 <= len(inner) <= MAX_BUTTONS:
            raise _wrong("components", "Must be between 1 and 5 in length.")
        for component in inner:
            if component.get("type") == BUTTON:
                _check_button(component)
    _check_ids([component for row in components for component in row.get("components") or []])


def check_form(form: Json) -> None:
    _check_length("title", form.get("title"), 1, MAX_TITLE)
    _check_length("custom_id", form.get("custom_id"), 1, MAX_CUSTOM_ID)
    labels = form.get("components") or []
    if not 1 <= len(labels) <= MAX_FIELDS:
        raise _wrong("components", "Must be between 1 and 5 in length.")
    for label in labels:
        if label.get("type") != LABEL:
            raise _wrong("type", 'Value of field "type" must be one of (18,).')
        _check_length("label", label.get("label"), 1, MAX_FIELD_LABEL)
        _check_length("description", label.get("description", ""), 0, MAX_DESCRIPTION)
        _check_field(label.get("component") or {})
    _check_ids([label["component"] for label in labels])


def button_data(components: Sequence[Json], label: str) -> Json:
    """The press of the button with this label or custom id."""
    for row in components:
        for component in row.get("components", []):
            if label in (component.get("label"), component.get("custom_id")) and component.get("custom_id"):
                if component.get("disabled"):
                    raise NotOffered(f"the button {label!r} is disabled")
                return {"custom_id": component["custom_id"], "component_type": component["type"]}
    shown = ", ".join(repr(each.get("label")) for row in components for each in row.get("components", []))
    raise NotOffered(f"no button {label!r}, only {shown or 'none'}")


def form_data(form: Json, values: Mapping[str, Any]) -> Json:
    """A form as it is sent off, with `values` by custom id or label; what is not named stays as it is shown."""
    resolved: Json = {}
    filled = []
    left = dict(values)
    for number, label in enumerate(form["components"], 1):
        component = label["component"]
        named = next((key for key in (component["custom_id"], label["label"]) if key in left), None)
        given = left.pop(named) if named is not None else _shown(component)
        entry = {"type": component["type"], "id": 2 * number, "custom_id": component["custom_id"]}
        entry |= _entered(component, label["label"], given, resolved)
        filled.append({"type": LABEL, "id": 2 * number - 1, "component": entry})
    if left:
        raise NotOffered(f"the form has no field {', '.join(left)}")
    return {"custom_id": form["custom_id"], "components": filled, "resolved": resolved}


def fields(form: Json) -> dict[str, Json]:
    """The fields of a form by their label."""
    return {label["label"]: label["component"] for label in form["components"]}


def _check_button(button: Json) -> None:
    style = button.get("style")
    if style not in range(1, 7):
        raise _wrong("style", 'Value of field "style" must be one of (1, 2, 3, 4, 5, 6).')
    if not button.get("label") and not button.get("emoji"):
        raise _wrong("label", "A button must have a label or emoji.")
    _check_length("label", button.get("label", ""), 0, MAX_LABEL)
    if style == LINK:
        _check_length("url", button.get("url"), 1, 512)
    else:
        _check_length("custom_id", button.get("custom_id"), 1, MAX_CUSTOM_ID)


def _check_field(field: Json) -> None:
    _check_length("custom_id", field.get("custom_id"), 1, MAX_CUSTOM_ID)
    kind = field.get("type")
    if kind == TEXT_INPUT:
        if field.get("style") not in (1, 2):
            raise _wrong("style", 'Value of field "style" must be one of (1, 2).')
        least, most = field.get("min_length", 0), field.get("max_length", MAX_TYPED)
        if not 0 <= least <= MAX_TYPED or not 1 <= most <= MAX_TYPED or least > most:
            raise _wrong("max_length", "int value should be between 1 and 4000.")
        _check_length("value", field.get("value", ""), 0, most)
        _check_length("placeholder", field.get("placeholder", ""), 0, 100)
    elif kind == SELECT:
        options = field.get("options") or []
        values = [option["value"] for option in options]
        if not 1 <= len(options) <= MAX_OPTIONS or len({*values}) < len(values):
            raise _wrong("options", "Must be between 1 and 25 in length, with unique values.")
        if sum(bool(option.get("default")) for option in options) > field.get("max_values", 1):
            raise _wrong("options", "More options are default than max_values allows.")
        for option in options:
            _check_length("label", option.get("label"), 1, 100)
            _check_length("value", option.get("value"), 1, 100)
    elif kind not in (USER_SELECT, UPLOAD):
        raise _wrong("type", "This component cannot stand in a label.")
    if kind != TEXT_INPUT and field.get("required", True) and field.get("min_values", 1) < 1:
        raise _wrong("min_values", "A required component needs at least one value.")


def _check_ids(components: Sequence[Json]) -> None:
    seen: set[str] = set()
    for component in components:
        custom_id = component.get("custom_id")
        if custom_id is None:
            continue
        _check_length("custom_id", custom_id, 1, MAX_CUSTOM_ID)
        if custom_id in seen:
            raise _wrong("custom_id", "Component custom ids must be unique")
        seen.add(custom_id)


def _check_length(name: str, text: Any, least: int, most: int) -> None:
    if not isinstance(text, str) or not least <= len(text) <= most:
        raise _wrong(name, f"Must be between {least} and {most} in length.")


def _wrong(name: str, says: str) -> ApiError:
    return ApiError(400, 50035, "Invalid Form Body", {name: says})


def _shown(component: Json) -> Any:
    """What a field holds that nobody touches."""
    if component["type"] == TEXT_INPUT:
        return component.get("value", "")
    picked = [option["value"] for option in component.get("options", ()) if option.get("default")]
    return picked[0] if picked else (component.get("default_values") or [None])[0]


def _entered(component: Json, label: str, given: Any, resolved: Json) -> Json:
    """What the client sends for a field; raises NotOffered for what it would not send off."""
    required = component.get("required", True)
    if component["type"] == TEXT_INPUT:
        least, most = component.get("min_length", 0), component.get("max_length", MAX_TYPED)
        if (required and not given.strip()) or (given and not least <= len(given) <= most):
            raise NotOffered(f"{label} does not take {given[:40]!r}")
        return {"value": given}
    values = [*_picked(component, label, given, resolved)]
    if required and not values:
        raise NotOffered(f"{label} must be filled in")
    return {"values": values}


def _picked(component: Json, label: str, given: Any, resolved: Json) -> Iterator[str]:
    if given is None:
        return
    if component["type"] == SELECT:
        if given not in [option["value"] for option in component["options"]]:
            raise NotOffered(f"{label} does not offer {given!r}")
        yield given
    elif isinstance(given, Account):
        resolved.setdefault("users", {})[str(given.id)] = payloads.user_json(given)
        yield str(given.id)
    elif component["type"] == UPLOAD:
        resolved.setdefault("attachments", {})[str(given["id"])] = given
        yield str(given["id"])
    else:
        yield str(given["id"])
