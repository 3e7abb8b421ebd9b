"""Buttons as Slack shows them, and the button that a press came from."""

from __future__ import annotations

import pytest

from adapters.slack.blocks import LABELS, MAX_LABEL, body, fallback, is_control, pressed, rows, said_in
from adapters.slack.escaping import Mention
from adapters.slack.testing import labels
from adapters.slack.testing.checking import check_blocks
from adapters.slack.testing.controls import press
from bot.api import Button

GOOD = Button("+feedback", "👍 Good answer", ("good",), who="anyone", look="good")
BAD = Button("+feedback", "👎 Bad answer", ("bad",), who="anyone", look="bad")


def test_buttons_stand_in_a_row_with_their_styles() -> None:
    (block,) = rows((Button("a", "A"), Button("b", "B", look="primary"), Button("c", "C", look="danger")), "U1")
    assert [element.get("style") for element in block["elements"]] == [None, "primary", "danger"]
    assert block["elements"][0]["text"] == {"type": "plain_text", "text": "A", "emoji": True}
    assert rows((), "U1") == []


def test_a_press_brings_back_what_a_button_carries() -> None:
    mine, anyones = Button("pick", "Mine", ("a/b", "ü 1")), Button("pick", "Anyone's", who="anyone")
    (block,) = blocks = check_blocks(rows((mine, anyones), "U1"))
    told = pressed(press(blocks, "Mine", "1"))
    assert told is not None
    assert (told.action, told.args, told.who, told.asker) == ("pick", ("a/b", "ü 1"), "asker", "U1")
    told = pressed(press(blocks, "Anyone's", "1"))
    assert told is not None
    assert (told.who, told.asker) == ("anyone", "")
    assert is_control(block)
    for other in ({}, {"type": "button"}, {"action_id": "somebody's"}, {"type": "feedback_buttons", "value": None}):
        assert pressed(other) is None


def test_two_thumbs_are_slacks_own_element() -> None:
    blocks = check_blocks(rows((Button("again", "Again"), GOOD, BAD, Button("x", "X")), "U1"))
    assert [block["type"] for block in blocks] == ["actions", "context_actions"]
    assert labels(blocks) == ["Again", "X", "Good answer", "Bad answer"]
    for label, args in (("Good answer", ("good",)), ("Bad answer", ("bad",))):
        told = pressed(press(blocks, label, "1"))
        assert told is not None
        assert (told.action, told.args, told.who) == ("+feedback", args, "anyone")
    assert all(map(is_control, blocks))


def test_one_thumb_alone_is_a_button() -> None:
    for buttons in ((GOOD,), (BAD, GOOD), (GOOD, Button("x", "X"), BAD)):
        (block,) = check_blocks(rows(buttons, "U1"))
        assert block["type"] == "actions"
        assert labels([block]) == [button.label for button in buttons]


def test_what_cannot_be_pressed_is_a_label_or_nothing() -> None:
    variants = (
        Button("v", "◀", ("1",), enabled=False),
        Button("shown", "1/3", enabled=False),
        Button("v", "▶", ("2",)),
    )
    label, buttons = blocks = check_blocks(rows(variants, "U1"))
    assert (label["block_id"], [each["text"] for each in label["elements"]]) == (LABELS, ["1/3"])
    assert labels([buttons]) == ["▶"]
    assert all(map(is_control, blocks))
    assert rows((Button("v", "◀", enabled=False),), "U1") == []
    many = [Button("x", str(number), enabled=False) for number in range(40)]
    assert len(check_blocks(rows(many, "U1"))[0]["elements"]) == 10


def test_slack_takes_them_all_however_many_alike_and_long_they_are() -> None:
    many = [Button("same", "🦊" * 100, ("x" * 60,)) for _ in range(40)]
    (block,) = blocks = check_blocks(rows(many, "U1"))
    assert len(block["elements"]) == 25
    assert len({element["action_id"] for element in block["elements"]}) == 25
    assert {pressed(element) for element in block["elements"]} == {pressed(block["elements"][0])}
    assert all(len(label.encode("utf-16-le")) // 2 <= MAX_LABEL for label in labels(blocks))
    assert labels(check_blocks(rows((Button("a", "  "),), "U1"))) == ["…"]


@pytest.mark.parametrize("said", ["plain", "**bold** & <b>", "```\nx < 1\n```", "- a\n- b", "@here\n> quoted"])
def test_what_was_said_can_be_read_back(said: str) -> None:
    assert said_in({"text": fallback(said), "blocks": [*body(said), *rows((GOOD, BAD), "U1")]}) == said


def test_emoji_are_read_back_as_they_were_said() -> None:
    said = {"type": "rich_text_section", "elements": [{"type": "emoji", "name": "tada", "unicode": "1f389"}]}
    waved = {"type": "emoji", "name": "wave", "skin_tone": 3, "unicode": "1f44b-1f3fc"}
    theirs = {"type": "emoji", "name": "own_one"}
    wrong = {"type": "emoji", "name": "odd", "unicode": "110000"}
    blocks = [{"type": "rich_text", "elements": [said, {"type": "x", "elements": [waved, theirs, wrong]}]}]
    message = {"text": "*hi* :tada: :wave::skin-tone-3: :own_one: :odd: 10:30:15", "blocks": blocks}
    assert said_in(message) == "**hi** 🎉 👋🏼 :own_one: :odd: 10:30:15"


def test_a_mention_stands_above_what_begins_a_block() -> None:
    mention = Mention("U1")
    assert [each["text"] for each in body("- a\n- b", mention)] == ["<@U1> \n- a\n- b"]
    assert fallback("- a\n- b", (), mention) == "<@U1> \n• a\n• b"
    assert [each["text"] for each in body("text", mention)] == ["<@U1> text"]


def test_a_fallback_is_never_too_long_and_its_code_is_closed() -> None:
    shown = fallback("```\n" + "a & b\n" * 2_000 + "```", (), Mention("U1"))
    assert len(shown) <= 4_000
    assert shown.count("```") == 2


@pytest.mark.parametrize(
    "piece",
    ["- größer\n", "больше *\n", "| a | 漢字 |\n|---|---|\n| 1 | 2 |\n\n", "2 * 3\n", "---\n", "`a` @here 👩‍👩‍👧\n"],
)
def test_what_stands_beside_blocks_is_never_too_long_for_an_edit(piece: str) -> None:
    told = fallback(piece * 900)
    assert 1_500 < len(told.encode()) <= 4_000
