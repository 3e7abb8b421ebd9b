"""The fake Discord refuses the buttons and forms that Discord refuses, and so does its client."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.discord.testing import NotOffered
from adapters.discord.testing.components import button_data, check_components, check_form, form_data
from adapters.discord.testing.server import ApiError


def button(**changes: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go", **changes}


def row(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": [*buttons]}


def text(**changes: Any) -> dict[str, Any]:
    return {"type": 4, "style": 1, "custom_id": "what", **changes}


def select(*values: str, **changes: Any) -> dict[str, Any]:
    options = [{"label": value, "value": value} for value in values]
    return {"type": 3, "custom_id": "which", "options": options, **changes}


def form(*components: dict[str, Any], **changes: Any) -> dict[str, Any]:
    labels = [{"type": 18, "label": "Question", "component": component} for component in components]
    return {"title": "Form", "custom_id": "f", "components": labels, **changes}


def test_what_discord_takes_is_taken() -> None:
    link = {"type": 2, "style": 5, "label": "There", "url": "https://example.org"}
    check_components([row(button(), button(custom_id="stop")), row(link)])
    check_form(form(text(min_length=2, max_length=20), select("a", "b")))


@pytest.mark.parametrize(
    "rows",
    [
        [row(button(label="x" * 81))],
        [row(button(label=""))],
        [row(button(style=9))],
        [row(button(custom_id="x" * 101))],
        [row(button(custom_id=""))],
        [row(button(), button())],
        [row(button()), row(button())],
        [row(*(button(custom_id=str(number)) for number in range(6)))],
        [row(button(custom_id=str(number))) for number in range(6)],
        [row()],
    ],
)
def test_buttons_that_discord_refuses(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ApiError) as refused:
        check_components(rows)
    assert (refused.value.status, refused.value.body["code"]) == (400, 50035)


@pytest.mark.parametrize(
    "wrong",
    [
        form(text(), title="x" * 46),
        form(text(), title=""),
        form(text(), custom_id="x" * 101),
        form(),
        form(*(text(custom_id=str(number)) for number in range(6))),
        form(text(), text()),
        form(text(max_length=4001)),
        form(text(min_length=9, max_length=3)),
        form(text(max_length=3, value="four")),
        form(text(placeholder="x" * 101)),
        form(text(style=3)),
        form(select()),
        form(select("a", "a")),
        form(select(*(str(number) for number in range(26)))),
        form(select("a", min_values=0, required=True)),
        form(button()),
        {**form(text()), "components": [{"type": 18, "label": "x" * 46, "component": text()}]},
        {**form(text()), "components": [{"type": 1, "components": [text()]}]},
    ],
)
def test_forms_that_discord_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        check_form(wrong)
    assert refused.value.status == 400


def test_nobody_presses_what_is_grey_or_not_there() -> None:
    assert button_data([row(button())], "Go")["custom_id"] == "go"
    for rows in ([row(button(disabled=True))], [row(button(label="Stop", custom_id="stop"))], []):
        with pytest.raises(NotOffered):
            button_data(rows, "Go")


def test_nobody_sends_off_a_form_that_is_not_filled_in() -> None:
    asked = form(text(min_length=2, max_length=4), select("a", "b", required=False, min_values=0))
    assert form_data(asked, {"what": "yes"})["components"][0]["component"]["value"] == "yes"
    for values in ({}, {"what": "x"}, {"what": "xxxxx"}, {"what": "yes", "which": "c"}, {"what": "yes", "who": "me"}):
        with pytest.raises(NotOffered):
            form_data(asked, values)
