"""Character cards: every kind that people share, the odd ones too, and nothing that breaks the bot."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.api import UsageError
from plugins.roleplay.cards import Card, as_json, as_png, card_of, read_card
from plugins.roleplay.cards.files import MAX_FILE, MAX_JSON
from plugins.roleplay.cards.lorebook import lorebook_of
from plugins.roleplay.cards.png import Chunk, chunks_of, plain, with_texts, written

PICTURE = plain(3, 2, (10, 200, 30))
V1: dict[str, Any] = {
    "name": "Ada",
    "description": "Counts.",
    "personality": "exact",
    "scenario": "A study.",
    "first_mes": "Good day.",
    "mes_example": "<START>",
}
V2: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "name": "an older copy",
    "data": {
        **V1,
        "creator_notes": "For people.",
        "system_prompt": "{{original}}",
        "post_history_instructions": "Be brief.",
        "alternate_greetings": ["Hello, you.", "Oh, hi"],
        "tags": ["maths", "history"],
        "creator": "somebody",
        "character_version": "1.2",
        "extensions": {"a/program": {"depth": [1, {"unknown": None}]}},
        "character_book": {"entries": [{"keys": ["engine"], "content": "It counts.", "insertion_order": 1}]},
    },
}
V3: dict[str, Any] = {
    "spec": "chara_card_v3",
    "spec_version": "3.0",
    "data": {**V2["data"], "nickname": "Countess", "group_only_greetings": ["All of you!"], "assets": [], "source": []},
}


def png(*texts: tuple[str, bytes], kind: bytes = b"tEXt") -> bytes:
    chunks = chunks_of(PICTURE)
    new = [Chunk(kind, name.encode() + b"\0" + content) for name, content in texts]
    return written([*chunks[:-1], *new, chunks[-1]])


def encoded(value: Any) -> bytes:
    return base64.b64encode(json.dumps(value).encode())


def archive(**files: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return held.getvalue()


def refusal(content: bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read_card(content)
    return caught.value.public


# Every kind


@pytest.mark.parametrize("card", [V1, V2, V3])
@pytest.mark.parametrize("wrap", [lambda c: json.dumps(c).encode(), lambda c: png(("chara", encoded(c)))])
def test_all_versions_say_the_same(card: dict[str, Any], wrap: Any) -> None:
    read = read_card(wrap(card))
    assert (read.name, read.description, read.greeting) == ("Ada", "Counts.", "Good day.")
    assert read.raw == card


def test_the_second_and_third_version_say_more() -> None:
    second, third = card_of(V2), card_of(V3)
    assert second.other_greetings == ("Hello, you.", "Oh, hi")
    assert (second.notes, second.after_history, second.tags) == ("For people.", "Be brief.", ("maths", "history"))
    assert second.book is not None
    assert [entry.content for entry in second.book.entries] == ["It counts."]
    assert (second.called, third.called) == ("Ada", "Countess")
    assert third.group_greetings == ("All of you!",)


def test_the_newest_text_of_a_picture_is_believed_unless_it_is_broken() -> None:
    both = png(("chara", encoded(V2)), ("CCV3", encoded(V3)))
    assert read_card(both).nickname == "Countess"
    broken = png(("ccv3", b"!!!"), ("chara", encoded(V2)))
    assert read_card(broken).raw == V2


@pytest.mark.parametrize(
    "text",
    [
        encoded(V1).rstrip(b"="),
        b"\n".join([encoded(V1)[:40], encoded(V1)[40:]]),
        base64.urlsafe_b64encode(json.dumps({**V1, "creator": "ÿþ?>"}, ensure_ascii=False).encode()),
        b"\xef\xbb\xbf" + json.dumps(V1).encode(),
        base64.b64encode(b"\xef\xbb\xbf" + json.dumps(V1).encode()),
    ],
    ids=["no padding", "line ends", "for addresses", "no base64", "a mark in front"],
)
def test_liberties_with_the_text_are_borne(text: bytes) -> None:
    assert read_card(png(("Chara", text))).description == "Counts."


def test_compressed_and_international_texts_are_read() -> None:
    packed = zlib.compress(encoded(V1))
    assert read_card(png(("chara", b"\0" + packed), kind=b"zTXt")).name == "Ada"
    assert read_card(png(("chara", b"\0\0en\0chara\0" + encoded(V1)), kind=b"iTXt")).name == "Ada"
    assert read_card(png(("chara", b"\1\0\0\0" + packed), kind=b"iTXt")).name == "Ada"


def test_the_oldest_names_of_fields_are_known() -> None:
    old = {"char_name": "Ada", "char_persona": "exact", "char_greeting": "Hi.", "world_scenario": "A study."}
    read = read_card(json.dumps(old).encode())
    assert (read.name, read.personality, read.greeting, read.scenario) == ("Ada", "exact", "Hi.", "A study.")


def test_odd_values_count_as_what_they_should_have_been() -> None:
    odd: dict[str, Any] = {"name": " Ada \n L. ", "description": None, "tags": "maths, history", "personality": 7}
    read = card_of({**odd, "scenario": ["x"], "alternate_greetings": "One, and only one.", "first_mes": "half \ud83d"})
    assert (read.name, read.description, read.personality, read.scenario) == ("Ada L.", "", "7", "")
    assert read.tags == ("maths", "history")
    assert read.other_greetings == ("One, and only one.",)
    assert read.greeting == "half ?"


def test_an_archive_brings_its_face() -> None:
    read = read_card(archive(card_dot_json=json.dumps(V3).encode(), assets__icon__a_dot_png=PICTURE))
    assert (read.name, read.picture) == ("Ada", PICTURE)


# Bad ones


def test_what_is_wrong_is_said() -> None:
    assert "no character in this picture" in refusal(PICTURE)
    assert "broken: it ends in the middle" in refusal(PICTURE[:-20])
    assert "damaged" in refusal(png(("chara", b"{not base64}"[1:])))
    assert "neither a card nor JSON" in refusal(b"Dear diary")
    assert "no name" in refusal(b'{"description": "x"}')
    assert "holds no character" in refusal(b"[1, 2]")
    assert "nested so deeply" in refusal(b'{"a":' * 100_000)
    assert "larger than 10 MB" in refusal(b"x" * (MAX_FILE + 1))
    assert "longer than 2 MB" in refusal(b'{"name": "' + b"x" * MAX_JSON + b'"}')
    assert "longer than 100 characters" in refusal(json.dumps({"name": "x" * 101}).encode())
    assert "`card.json` is missing" in refusal(archive(other_dot_json=b"{}"))
    assert "more than 50 files" in refusal(archive(**{f"f{number}": b"" for number in range(51)}))
    assert "broken and cannot be opened" in refusal(b"PK\x03\x04 and nothing else")


def test_bombs_are_not_inflated() -> None:
    bomb = zlib.compress(b"A" * 50_000_000, 9)
    assert "no character in this picture" in refusal(png(("chara", b"\0" + bomb), kind=b"zTXt"))
    assert "too large" in refusal(archive(card_dot_json=b"x" * 50_000_000))


def test_only_a_text_that_may_be_the_card_is_unpacked() -> None:
    """Ten megabytes of such a picture would take gigabytes."""
    bomb = zlib.compress(b"A" * 3_000_000, 9)
    texts = [Chunk(b"zTXt", f"text {number}".encode() + b"\0\0" + bomb) for number in range(200)]
    chunks = chunks_of(png(("chara", encoded(V2))))
    content = written((*chunks[:-1], *texts, chunks[-1]))
    tracemalloc.start()
    try:
        assert read_card(content).name == "Ada"
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cards_are_never_packed_with_is_not_unpacked(how: int) -> None:
    """A few bytes of these may ask for gigabytes, and broken ones break otherwise than all else."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", how) as file:
        file.writestr("card.json", json.dumps(V2) * 9)
    content = bytearray(packed.getvalue())
    assert "broken and cannot be opened" in refusal(bytes(content))
    content[60:90] = b"\xff" * 30
    assert "broken and cannot be opened" in refusal(bytes(content))


def test_numbers_without_end_do_not_go_out_again() -> None:
    card = read_card(b'{"name": "Ada", "description": "Counts.", "extensions": {"far": 1e999, "near": 1.5}}')
    assert card.raw["extensions"] == {"far": None, "near": 1.5}
    assert b"Infinity" not in as_json(card)


def test_lengths_of_chunks_are_not_believed() -> None:
    lying = PICTURE[:8] + struct.pack(">I", 0xFFFFFFF0) + b"tEXt" + PICTURE[16:]
    assert "broken" in refusal(lying)


@given(st.data())
def test_mutated_cards_are_read_or_refused(data: st.DataObject) -> None:
    kinds = [png(("chara", encoded(V2)), ("ccv3", encoded(V3))), json.dumps(V2).encode(), archive(card_dot_json=b"{}")]
    content = bytearray(data.draw(st.sampled_from(kinds)))
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    for _ in range(dice.randrange(1, 12)):
        at = dice.randrange(len(content))
        match dice.randrange(4):
            case 0:
                content[at] = dice.randrange(256)
            case 1:
                del content[at : at + dice.randrange(1, 40)]
            case 2:
                content[at:at] = dice.randbytes(dice.randrange(1, 40))
            case _:
                content[at:at] = content[dice.randrange(len(content)) :][:60]
    with suppress(UsageError):
        read = read_card(bytes(content))
        assert read.name
        assert read_card(as_json(read)).raw == read.raw


# There and back

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
known = st.sampled_from(sorted({*V3["data"], "unknown", "extensions"}))
cards = st.builds(
    lambda name, data, version, more: (
        {"spec": f"chara_card_v{version}", "spec_version": f"{version}.0", **more, "data": {**data, "name": name}}
        if version > 1
        else {**data, "name": name}
    ),
    st.text(min_size=1, max_size=50).filter(lambda name: name.replace("\0", "").split() != []),
    st.dictionaries(known, json_values, max_size=8),
    st.sampled_from([1, 2, 3]),
    st.dictionaries(st.sampled_from(["create_date", "fav", "name"]), json_values, max_size=2),
)


@given(cards)
@example(V1)
@example(V2)
@example(V3)
def test_a_card_goes_out_as_it_came_in(raw: dict[str, Any]) -> None:
    card = read_card(json.dumps(raw).encode())
    assert card.raw == raw
    assert read_card(as_json(card)) == card
    through_picture = read_card(as_png(card))
    assert replace(through_picture, picture=None) == card
    again = read_card(as_png(through_picture))
    assert as_png(again) == as_png(through_picture)


def test_pixels_and_other_parts_of_a_picture_stay() -> None:
    chunks = chunks_of(PICTURE)
    picture = written([*chunks[:-1], Chunk(b"tEXt", b"Software\0a brush"), Chunk(b"acTL", b"\0" * 8), chunks[-1]])
    card = read_card(written(with_texts(chunks_of(picture), [("chara", encoded(V2))])))
    kept = [chunk for chunk in chunks_of(as_png(card)) if not chunk.data.startswith((b"chara", b"ccv3"))]
    assert kept == list(chunks_of(picture))


def test_a_card_without_a_picture_gets_a_plain_one() -> None:
    first, second = as_png(card_of(V1)), as_png(card_of({**V1, "name": "Bo"}))
    assert read_card(first).name == "Ada"
    assert chunks_of(first)[1] != chunks_of(second)[1]


# Lorebooks


def book(*entries: dict[str, Any], **more: Any) -> Any:
    found = lorebook_of({"entries": list(entries), **more})
    assert found is not None
    return lambda *said: [entry.content for entry in found.found_in(said)]


def test_what_is_said_brings_things_up() -> None:
    search = book(
        {"keys": ["dragon"], "content": "It sleeps.", "insertion_order": 5},
        {"keys": ["castle", "keep"], "content": "It is old.", "insertion_order": 1},
        {"keys": ["never"], "content": "Always here.", "constant": True, "insertion_order": 9},
        {"keys": ["dragon"], "content": "Not now.", "enabled": False},
    )
    assert search("Hello.") == ["Always here."]
    assert search("A DRAGON in the keep!") == ["It is old.", "It sleeps.", "Always here."]


def test_only_the_last_messages_are_searched() -> None:
    search = book({"keys": ["dragon"], "content": "It sleeps."}, scan_depth=2)
    assert search("dragon", "one", "two") == []
    assert search("dragon", "one") == ["It sleeps."]


def test_second_keys_cases_and_patterns() -> None:
    search = book(
        {"keys": ["sun"], "secondary_keys": ["rain"], "selective": True, "content": "A rainbow."},
        {"keys": ["May"], "case_sensitive": True, "content": "A month."},
        {"keys": ["/dra(g|k)on/i"], "content": "A beast."},
        {"keys": [r"\bcat\b"], "use_regex": True, "content": "A cat."},
        {"keys": ["/(unclosed/"], "content": "Broken."},
    )
    assert search("sun, you may concatenate") == []
    assert search("sun and rain in May") == ["A rainbow.", "A month."]
    assert search("DRAKON or cat") == ["A beast.", "A cat."]


def test_a_budget_leaves_the_least_important_out() -> None:
    entries = [{"keys": ["x"], "content": f"{number}" * 40, "priority": number} for number in range(5)]
    assert [text[0] for text in book(*entries, token_budget=25)("x")] == ["3", "4"]


def test_what_was_found_may_bring_up_more_but_not_for_ever() -> None:
    circle = [
        {"keys": ["one"], "content": "two"},
        {"keys": ["two"], "content": "one and three"},
        {"keys": ["three"], "content": "four"},
        {"keys": ["four"], "content": "five"},
    ]
    assert book(*circle)("one") == ["two"]
    assert book(*circle, recursive_scanning=True)("one") == ["two", "one and three", "four"]


def test_decorators_are_heeded_or_ignored_but_never_shown() -> None:
    found = lorebook_of(
        {
            "entries": {
                "7": {
                    "key": ["x"],
                    "content": "@@depth 2\n@@role assistant\n@@unheard_of 3\n@@@fallback\nHello.",
                    "order": 3,
                },
                "8": {"key": ["x"], "content": "@@activate_only_after 3\nLate."},
                "9": {"key": ["x"], "content": "@@dont_activate\nNever."},
            }
        }
    )
    assert found is not None
    (entry,) = found.found_in(["x"])
    assert (entry.content, entry.where, entry.depth, entry.role) == ("Hello.", "depth", 2, "assistant")
    assert [each.content for each in found.found_in(["x", "x", "x"])] == ["Hello.", "Late."]


def test_patterns_cannot_hold_anybody_up() -> None:
    evil = [{"keys": [f"/(a+)+{number}$/"], "content": f"{number}"} for number in range(50)]
    search = book(*evil, {"keys": ["plain"], "content": "Found."})
    # Without a limit this takes longer than anybody lives.
    assert search("a" * 5_000 + "! plain") == ["Found."]


@pytest.mark.parametrize("pattern", ["(?:(?:a?){999}){999}b", "(?:(?:(?:a?){99}){99}){99}b", "(?:a{9999}){9999}"])
def test_a_pattern_that_is_huge_once_it_is_compiled_is_none(pattern: str) -> None:
    """Each of these takes more than half a gigabyte."""
    search = book(
        {"keys": [f"/{pattern}|x/"], "content": "Huge."},
        {"keys": [r"/^[a{9}]x{2,3}(?:no|yes){1,50}/"], "content": "Fair."},
    )
    assert search("axxyes") == ["Fair."]


def test_many_keys_cost_little_however_much_was_said() -> None:
    keys: list[Any] = [f"q{number}" for number in range(100)]
    found = lorebook_of({"scan_depth": 1_000, "entries": [{"keys": keys, "content": "x"} for _ in range(100)]})
    assert found is not None
    assert found.found_in(["Hello there."] * 199 + ["q"]) == ()
    last = lorebook_of(
        {"scan_depth": 1_000, "entries": [{"keys": ["old"], "content": "x"}, {"keys": ["NEW"], "content": "y"}]}
    )
    assert last is not None
    assert [each.content for each in last.found_in(["old" + "." * 30_000, "new"])] == ["y"]


@given(json_values)
def test_any_json_is_a_book_or_none(value: Any) -> None:
    wrapped: list[Any] = [value, {"entries": value}, {"entries": [value]}, {"entries": {"0": value}}]
    for each in wrapped:
        found = lorebook_of(each)
        if found is not None:
            found.found_in(["text"])


def test_a_name_is_enough() -> None:
    assert isinstance(card_of({"name": "Ada"}), Card)
