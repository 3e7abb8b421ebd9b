"""Which pictures of a conversation go along with the prompt."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import JsonValue

from bot.pictures import Picture
from bot.prompts import Assembled, Frame, Limits, assemble
from bot.store.records import Remembered
from bot.turn import Prompt, PromptMessage

FRAME = Frame("Be kind.", datetime(2026, 11, 21, tzinfo=UTC))


def count(text: str) -> int:
    return len(text) // 4 + 1


def said(id: int, text: str, *names: str, size: int = 1000, side: int = 512) -> Remembered:
    images: list[JsonValue] = [
        {"blob": f"b-{name}", "name": name, "media_type": "image/png", "size": size, "width": side, "height": side}
        for name in names
    ]
    whole = "\n\n".join([text, *(f"(picture: {name})" for name in names)])
    return Remembered(
        id=id, conversation=1, parent=id - 1 or None, role="user", text=whole, author_id="u", author="Ann",
        speaker=None, parts={"images": images} if images else {}, tokens=None, status="complete", model=None,
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
    )  # fmt: skip


def assembled(*rows: Remembered, budget: int = 16_000, sees: bool = True) -> Assembled:
    return assemble(rows, FRAME, Limits(budget, budget // 4, sees=sees), count)


def names(prompt: Prompt) -> list[str]:
    return [picture.name for message in prompt.messages for picture in message.images]


def test_pictures_stay_with_their_message() -> None:
    prompt = assembled(said(1, "look", "cat.png"), said(2, "and this?", "dog.png", "cow.png")).prompt
    assert [[each.name for each in message.images] for message in prompt.messages] == [
        [],
        ["cat.png"],
        ["dog.png", "cow.png"],
    ]
    assert prompt.messages[1].images == (Picture("cat.png", "image/png", 1000, "b-cat.png", 512, 512),)
    assert "(picture: cat.png)" in prompt.messages[1].text


def test_only_the_newest_go_along_and_older_ones_keep_their_name() -> None:
    rows = [said(id, "look", f"{id}.png") for id in range(1, 10)]
    prompt = assembled(*rows).prompt
    assert names(prompt) == ["4.png", "5.png", "6.png", "7.png", "8.png", "9.png"]
    assert prompt.messages[1].text == "look\n\n(picture: 1.png)"


def test_they_are_bounded_in_bytes() -> None:
    prompt = assembled(*[said(id, "look", f"{id}.png", size=8_000_000) for id in range(1, 5)]).prompt
    assert names(prompt) == ["3.png", "4.png"]


def test_they_count_and_leave_room_for_what_is_said() -> None:
    plain, pictured = assembled(said(1, "look")), assembled(said(1, "look", "cat.png"))
    spoken = [next(part.tokens for part in each.report.parts if part.name == "messages") for each in (plain, pictured)]
    assert spoken[1] - spoken[0] > 255
    small = assembled(said(1, "word " * 400, "cat.png", "dog.png"), budget=1000)
    assert names(small.prompt) == ["dog.png"]
    assert "word word" in small.prompt.messages[-1].text


def test_they_cost_nothing_where_they_are_not_seen() -> None:
    rows = [said(id, "look " * 300, "a.png", side=2000) for id in range(1, 9)]
    seeing, blind = assembled(*rows, budget=6000), assembled(*rows, budget=6000, sees=False)
    assert len(blind.prompt.messages) == 1 + len(rows) > len(seeing.prompt.messages)


def test_malformed_parts_are_no_pictures() -> None:
    for images in ("x", 3, [None], [{"name": "a"}], [{"blob": 1, "name": "a", "media_type": "b"}]):
        row = said(1, "look")
        broken = Remembered(**{**{name: getattr(row, name) for name in row.__slots__}, "parts": {"images": images}})
        assert names(assembled(broken).prompt) == []


def test_a_picture_in_a_prompt_of_ones_own_needs_no_store() -> None:
    picture = Picture("a.png", "image/png", content=b"secret bytes")
    assert "secret bytes" not in repr(PromptMessage("user", "look", images=(picture,)))
