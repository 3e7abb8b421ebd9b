"""A scene and its transcript: who speaks next, and what each speaker is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.api import Remembered
from plugins.roleplay.order import next_role
from plugins.roleplay.scene import (
    NARRATOR,
    Role,
    Scene,
    SceneLine,
    forced,
    joined,
    left,
    lines_of,
    swapped,
    whispered,
)
from plugins.roleplay.views import BEGINS, LEAVE_AT_ONCE, view

ADA = Role(id="a", name="Ada Lovelace", prompt="You are {{char}}, who counts. You like {{user}}.", description="counts")
BO = Role(id="b", name="Bo", prompt="You are Bo, who doubts.")
SCENE = Scene(roles=(ADA, BO), setting="A study at night. {{char}} has an idea.", root=10, opener_by="a")


def row(id: int, text: str, **more: Any) -> Remembered:
    given: dict[str, Any] = {
        "role": "assistant",
        "author_id": None,
        "author": None,
        "speaker": None,
        "scene": 10,
        **more,
    }
    return Remembered(
        id=id,
        conversation=1,
        parent=None,
        text=text,
        parts={},
        tokens=None,
        status=given.pop("status", "complete"),
        model=None,
        created_at=datetime.now(UTC),
        **given,
    )


def said(*names_and_texts: str) -> list[SceneLine]:
    """`a: text`"""
    found = []
    for id, each in enumerate(names_and_texts, 11):
        who, _, text = each.partition(": ")
        role = SCENE.role(who)
        found.append(SceneLine(id, role.name if role else who, text, role=who if role else "", generated=bool(role)))
    return found


def sent(scene: Scene, who: str, lines: list[SceneLine], room: int = 4000) -> list[tuple[str, str]]:
    role = scene.role(who)
    assert role is not None
    prompt = view(scene, role, lines, room=room, count=lambda text: len(text.split()))
    return [(message.role, message.text) for message in prompt.messages]


def test_a_transcript_is_the_scene_and_what_people_said_in_it() -> None:
    path = [
        row(5, "Before.", role="user", author="Ann", author_id="u-ann", scene=None),
        row(10, "Good evening.", speaker="Ada Lovelace", scene=None),
        row(11, "Is it?", speaker="Bo"),
        row(12, "Hello!", role="user", author="Ann", author_id="u-ann", scene=None),
        row(13, "I answer beside the scene.", scene=None),
        row(14, "A clock strikes.", speaker=NARRATOR),
        row(15, "It is l", speaker="Ada Lovelace", status="interrupted"),
        row(16, "In character.", role="user", author="Cy", author_id="u-cy", scene=None),
    ]
    scene = SCENE.with_role("b", player="u-cy")
    found = lines_of(scene, path)
    assert [(line.name, line.role, line.generated) for line in found] == [
        ("Ada Lovelace", "a", False),
        ("Bo", "b", True),
        ("Ann", "", False),
        (NARRATOR, "", False),
        ("Ada Lovelace", "a", True),
        ("Bo", "b", False),
    ]
    assert [line.cut for line in found] == [False, False, False, False, True, False]
    assert found[3].narrated


def test_each_speaker_sees_the_same_from_their_side() -> None:
    lines = said("a: Good evening.", "b: Is it?", "Ann: Hello!", "a: It is late.")
    assert sent(SCENE, "a", lines)[1:] == [
        ("user", BEGINS),
        ("assistant", "Good evening."),
        ("user", "Bo: Is it?\n\nAnn: Hello!"),
        ("assistant", "It is late."),
        ("user", "[Continue the scene as Ada Lovelace.]"),
    ]
    assert sent(SCENE, "b", lines)[1:] == [
        ("user", f"{BEGINS}\n\nAda Lovelace: Good evening."),
        ("assistant", "Is it?"),
        ("user", "Ann: Hello!\n\nAda Lovelace: It is late."),
    ]


def test_a_small_model_is_sent_a_talk_of_two_and_few_rules() -> None:
    lines = said("a: Good evening.", "b: Is it?", "Ann: Hello!", "a: It is late.")
    role = SCENE.role("b")
    assert role is not None
    prompt = view(SCENE, role, lines, room=4000, count=lambda text: len(text.split()), small=True)
    system, *rest = [message.text for message in prompt.messages]
    assert system == (
        "A study at night. Bo has an idea.\n\nYou are Bo, who doubts.\n\n"
        "Say only what Bo says next to Ada Lovelace: one or two short sentences, something new each time."
    )
    assert rest == ["Good evening.", "Is it?", "Ann: Hello!\n\nIt is late."]


def test_the_beginning_stays_the_same_while_the_scene_goes_on() -> None:
    lines = said("a: One.", "b: Two.", "a: Three.")
    noted = whispered("b", "You are cold.")(SCENE)
    assert noted is not None
    before, after = sent(SCENE, "b", lines[:1]), sent(noted, "b", lines)
    assert after[: len(before) - 1] == before[:-1]
    assert after[0][1].startswith("You are Bo, who doubts.\n\nThe scene: A study at night. Bo has an idea.")
    assert "- Ada Lovelace: counts" in after[0][1]
    assert after[-1][1].endswith("[A note for Bo alone: You are cold.]")
    assert "cold" not in str(sent(noted, "a", lines))


def test_macros_and_knowledge_reach_the_one_they_belong_to() -> None:
    book = {"entries": [{"keys": ["engine"], "content": "{{char}} built the engine."}]}
    scene = SCENE.with_role("a", book=book, examples="<START>\n{{char}}: So.", knows=("a secret",))
    told = sent(scene, "a", said("b: The engine stopped."))
    assert told[0][1].startswith("You are Ada Lovelace, who counts. You like Bo.")
    assert "Ada Lovelace: So." in told[0][1]
    assert "[Ada Lovelace remembers: Ada Lovelace built the engine.]" in told[-1][1]
    assert "[Ada Lovelace alone knows: a secret]" in told[-1][1]
    other = str(sent(scene, "b", said("b: The engine stopped.")))
    assert "built" not in other
    assert "secret" not in other


def test_old_lines_leave_in_steps_and_the_summary_takes_their_place() -> None:
    lines = said(*(f"{'ab'[at % 2]}: line number {at}" for at in range(60)))
    scene = SCENE.changed(summary="They met.")
    told = [sent(scene, "a", lines[:count], room=400) for count in range(40, 60)]
    assert all("[What happened before: They met.]" in each[1][1] for each in told)
    beginnings = {each[2][1] for each in told}
    assert 1 < len(beginnings) <= 20 // LEAVE_AT_ONCE * 2 + 2
    assert "line number 59" in str(sent(scene, "b", lines, room=1))
    assert "They met" not in str(sent(scene, "a", lines[:4]))


def test_two_take_turns_and_more_go_round() -> None:
    lines = said("a: One.", "b: Two.")
    assert [next_role(SCENE, lines[:count]) for count in range(3)] == [BO, BO, ADA]
    three = SCENE.changed(roles=(ADA, BO, Role(id="c", name="Cy", prompt="")), order="round-robin")
    assert [role.id if (role := next_role(three, lines[:count])) else "" for count in range(3)] == ["a", "b", "c"]
    interrupted = [*lines, *said("Ann: Wait!")]
    assert next_role(SCENE, interrupted) == ADA


def test_who_is_named_or_forced_speaks() -> None:
    named = SCENE.changed(order="mention")
    assert next_role(named, said("b: What do you say, ada?")) == ADA
    assert next_role(named, said("a: I, Ada, ask Bo and not Ada.")) == BO
    assert next_role(named, said("Ann: Nobody here.")) == ADA
    assert next_role(SCENE.changed(order="manual"), said("a: One.")) is None
    again = forced("a")(SCENE.changed(order="manual"))
    assert again is not None
    assert next_role(again, said("a: One.")) == ADA


def test_people_join_leave_and_swap() -> None:
    scene = joined("a", "u-ann", "Ann")(SCENE)
    assert scene is not None
    assert [role.player for role in scene.roles] == ["u-ann", ""]
    changed = swapped(scene)
    assert changed is not None
    assert [(role.name, role.player, role.prompt) for role in changed.roles] == [
        ("Bo", "", ADA.prompt),
        ("Ada Lovelace", "u-ann", BO.prompt),
    ]
    gone = left("u-ann")(changed)
    assert gone is not None
    assert not any(role.player for role in gone.roles)


@pytest.mark.parametrize(("asked", "found"), [("ada", "a"), ("@Bo", "b"), ("a", "a"), ("x", None), ("", None)])
def test_roles_are_found_by_a_part_of_their_name(asked: str, found: str | None) -> None:
    role = SCENE.named(asked)
    assert (role.id if role else None) == found


def test_a_scene_survives_the_way_through_a_database() -> None:
    assert Scene.model_validate(SCENE.model_dump(mode="json")) == SCENE
