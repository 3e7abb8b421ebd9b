"""Transcripts from files: what we wrote comes back equal, others' chats are understood, and all else is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.api import UsageError
from plugins.export.formats.our_json import JSON
from plugins.export.formats.selfplay import SELFPLAY
from plugins.export.formats.sillytavern import SILLYTAVERN
from plugins.export.imported import UNKNOWN, Imported, parse
from plugins.export.transcript import Entry, Format, Header, Part, Scene, Speaker, Told, Used, Way
from tests.transcripts import Transcript, friendly, nasty, scene


def written(format: Format, header: Header, entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    format.write(header, iter(entries), out)
    return out.getvalue()


def refused(content: bytes | str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(content if isinstance(content, bytes) else content.encode())
    return caught.value.public


# Our own JSON

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
IDS = st.integers(1, 2**53)
ZONES = st.builds(timezone, st.integers(-720, 720).map(lambda minutes: timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 (zones are given)
COSTS = st.none() | st.decimals(0, 1000, allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
USED = st.builds(Used, IDS, IDS, IDS, COSTS, st.floats(0, 1e6), st.booleans())
ENTRIES = st.builds(
    Entry,
    id=IDS,
    parent=st.none() | IDS,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    speaker=TEXT,
    text=TEXT,
    at=MOMENTS,
    status=st.sampled_from(["complete", "partial", "interrupted", "failed", "forgotten"]),
    model=TEXT,
    tokens=st.none() | IDS,
    variant_of=st.none() | IDS,
    variant=IDS,
    variants=IDS,
    scene=st.none() | IDS,
    used=st.none() | USED,
    parts=st.dictionaries(TEXT, VALUES, max_size=3),
)
SUMMARIES = st.none() | st.builds(Told, IDS, TEXT, MOMENTS, TEXT)
PINS = st.lists(IDS, max_size=3).map(tuple)
WAYS = st.builds(Way, IDS, TEXT, st.none() | IDS, st.none() | IDS, MOMENTS, st.booleans(), PINS, SUMMARIES)
CAST = st.lists(st.builds(Part, TEXT, TEXT), max_size=3).map(tuple)
SCENES = st.builds(Scene, IDS, TEXT, TEXT, st.none() | MOMENTS, st.none() | MOMENTS, IDS, CAST)
HEADERS = st.builds(
    Header,
    place=TEXT,
    title=TEXT,
    speakers=st.lists(
        st.builds(Speaker, TEXT, TEXT, st.sampled_from(["person", "bot", "persona"]), TEXT, TEXT), max_size=3
    ).map(tuple),
    ways=st.lists(WAYS, max_size=3).map(tuple),
    exported_at=st.none() | MOMENTS,
    system=st.none() | TEXT,
    summary=TEXT,
    scope=st.none() | IDS,
    scene=st.none() | IDS,
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    pseudonymised=st.booleans(),
    language=TEXT,
    scenes=st.lists(SCENES, max_size=3).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(HEADERS, st.lists(ENTRIES, max_size=4))
def test_our_json_comes_back_equal(header: Header, entries: list[Entry]) -> None:
    content = written(JSON, header, entries)
    found = parse(content)
    assert found == Imported(header, tuple(entries))
    assert written(JSON, found.header, [*found.entries]) == content


def test_a_file_of_the_first_version_is_read() -> None:
    wanted = scene()
    content = written(JSON, wanted.header, [*wanted.entries])
    old = parse(content.replace(b'"version": 2', b'"version": 1'))
    # Its scenes were only numbered.
    assert old == Imported(replace(wanted.header, scenes=()), tuple(wanted.entries))


@pytest.mark.parametrize("made", [friendly, scene])
def test_a_whole_transcript_comes_back_equal(made: Callable[[], Transcript]) -> None:
    wanted = made()
    assert parse(written(JSON, wanted.header, [*wanted.entries])) == Imported(wanted.header, tuple(wanted.entries))


def test_halves_of_signs_are_the_only_thing_that_is_lost() -> None:
    wanted = nasty()
    found = parse(written(JSON, wanted.header, [*wanted.entries])).entries
    assert [each.text for each in found] == [each.text.replace("\ud800", "?") for each in wanted.entries]


def test_each_message_is_a_line_that_can_be_compared() -> None:
    wanted = friendly()
    lines = written(JSON, wanted.header, [*wanted.entries]).decode().split("\n")
    assert lines[:3] == ["{", '"format": "duologue",', '"version": 2,']
    assert [json.loads(line.rstrip(","))["id"] for line in lines[5:-3]] == [each.id for each in wanted.entries]


def ours(**changed: object) -> str:
    message = {"id": 1, "parent": None, "role": "user", "speaker": "p1", "text": "hi", "at": "2026-01-01T00:00:00Z"}
    header = {"place": "a", "title": "b", "speakers": [], "ways": []}
    whole = {"format": "duologue", "version": 1, "header": header, "messages": [message, {**message, "id": 2}]}
    for path, value in changed.items():
        *way, last = path.split("__")
        at: object = whole
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]  # type: ignore[index]  # made above
        if value is ...:
            del at[last]  # type: ignore[attr-defined]
        else:
            at[last] = value  # type: ignore[index]
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "This file is empty."),
        (" \n\ufeff", "This file is no JSON: expected value at line 1 column 1."),
        (b"{\xff", "This file is no text in UTF-8 (byte 2)."),
        (b"\xff\xfe{\0", "This file is no text in UTF-8 (byte 1)."),
        ("<html>", "This file is no JSON: expected value at line 1 column 1."),
        ('{"a": NaN}', "This file is no JSON: expected value at line 1 column 7."),
        ("[" * 100_000, "This file is no JSON: recursion limit exceeded at line 1 column 202."),
        ('{"format": "other"}', "I do not know what this file is."),
        ("[]", "I do not know what this file is."),
        ("17", "I do not know what this file is."),
        (ours(version=3), "This file is of version 3, and I know versions up to 2."),
        (ours(version="1"), "In this file `version` is not what it must be."),
        (ours(version=0), "In this file `version` is not what it must be."),
        (ours(header=...), "In this file `header` is missing."),
        (ours(header__speakers=[{"key": "a"}]), "In this file `header.speakers.0.name` is missing."),
        (ours(messages={"1": 2}), "In this file `messages` is not what it must be."),
        (ours(messages=[1]), "Message 1 in this file: `message` is not what it must be."),
        (ours(messages__1__text=...), "Message 2 in this file: `text` is missing."),
        (ours(messages__1__text=17), "Message 2 in this file: `text` is not what it must be."),
        (ours(messages__1__role="boss"), "Message 2 in this file: `role` is not what it must be."),
        (ours(messages__1__at="soon"), "Message 2 in this file: `at` is not what it must be."),
        (ours(messages__0__at="0001-01-01T00:00:00+14:00"), "Message 1 in this file: `at` is not what it must be."),
        (ours(messages__0__used={"cost": "NaN"}), "Message 1 in this file: `used.input` is missing."),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(content: bytes | str, why: str) -> None:
    assert refused(content).startswith(why)


def test_a_moment_without_a_zone_is_in_utc_and_what_is_not_known_is_passed_over() -> None:
    found = parse(ours(messages__0__at="2026-01-01T00:00:00", messages__0__mood="fine", new=1).encode())
    assert found.entries[0].at == datetime(2026, 1, 1, tzinfo=UTC)


NOISE = st.binary(max_size=60) | st.text(max_size=60).map(
    lambda text: f'{{"mes":"{text}"}}\n{{{text}'.encode(errors="replace")
)


@given(NOISE)
def test_no_file_breaks_the_reader(content: bytes) -> None:
    with suppress(UsageError):
        parse(content)


# SillyTavern


def chat(*messages: object, head: object = None) -> bytes:
    known = {"user_name": "Ann", "character_name": "Mara", "create_date": "2024-9-12@14h33m05s"}
    first = head if head is not None else known
    return "\r\n".join(json.dumps(each) for each in (first, *messages)).encode()


def line(text: str = "Hi", **more: object) -> dict[str, object]:
    return {"name": "Mara", "is_user": False, "is_system": False, "mes": text, **more}


def test_our_own_chat_for_sillytavern_comes_back() -> None:
    wanted = scene()
    found = parse(written(SILLYTAVERN, wanted.header, [*wanted.entries]))
    assert found.origin == "sillytavern"
    assert [(each.text, each.at, each.variant, each.variants) for each in found.entries if not each.variant_of] == [
        (each.text, each.at, each.variant, each.variants) for each in wanted.entries if not each.variant_of
    ]
    assert sorted(each.text for each in found.entries) == sorted(each.text for each in wanted.entries)
    assert [(one.name, one.kind) for one in found.header.speakers] == [
        ("Ann", "person"), ("Narrator", "persona"), ("Mara Voss", "persona"), ("Old Tom", "persona"),
    ]  # fmt: skip


def test_a_chat_becomes_one_branch_with_its_swipes_as_variants() -> None:
    found = parse(
        chat(
            line("Hello.", send_date="September 12, 2024 2:33pm", extra={"model": "m"}),
            line("Hi!", name="Ann", is_user=True, send_date="2024-09-12T12:40:00.500Z"),
            line("two", swipes=["one", "two", "three"], swipe_id=1),
            line("Bye.", name="Ann", is_user=True),
        )
    )
    assert found.header.title == "Mara"
    told = [
        (one.id, one.parent, one.role, one.text, one.variant_of, one.variant, one.variants) for one in found.entries
    ]
    assert told == [
        (1, None, "assistant", "Hello.", None, 1, 1),
        (2, 1, "user", "Hi!", None, 1, 1),
        (3, 2, "assistant", "two", None, 2, 3),
        (4, 2, "assistant", "one", 3, 1, 3),
        (5, 2, "assistant", "three", 3, 3, 3),
        (6, 3, "user", "Bye.", None, 1, 1),
    ]  # fmt: skip
    assert found.entries[0].model == "m"
    assert found.header.ways == (Way(1, "", 6, None, found.entries[0].at, True),)


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("September 12, 2024 2:33pm", datetime(2024, 9, 12, 14, 33, tzinfo=UTC)),
        ("Sep 1, 2024 12:05AM", datetime(2024, 9, 1, 0, 5, tzinfo=UTC)),
        ("2024-9-12@14h33m05s", datetime(2024, 9, 12, 14, 33, 5, tzinfo=UTC)),
        ("2023-7-3 @14h 3m 5s 12ms", datetime(2023, 7, 3, 14, 3, 5, 12_000, tzinfo=UTC)),
        ("2024-09-12T14:33:05.250Z", datetime(2024, 9, 12, 14, 33, 5, 250_000, tzinfo=UTC)),
        (1726151585000, datetime(2024, 9, 12, 14, 33, 5, tzinfo=UTC)),
        ("1726151585000", datetime(2024, 9, 12, 14, 33, 5, tzinfo=UTC)),
        ("yesterday", UNKNOWN),
        ("Foo 1, 2024 1:00pm", UNKNOWN),
        ("2024-13-40@99h99m99s", UNKNOWN),
        (10**30, UNKNOWN),
        (None, UNKNOWN),
        (True, UNKNOWN),
    ],
)
def test_dates_as_sillytavern_wrote_them_over_the_years(told: object, moment: datetime) -> None:
    found = parse(chat(line(send_date=told), head={"user_name": "Ann"}))
    assert found.entries[0].at == moment


def test_notes_of_the_program_are_left_out_and_counted() -> None:
    found = parse(chat(line("hint", is_system=True), line("Hi")))
    assert (len(found.entries), found.left_out) == (1, 1)


@pytest.mark.parametrize(
    "swipes",
    [
        {"swipes": ["a"], "swipe_id": 3},
        {"swipes": "a", "swipe_id": 0},
        {"swipes": ["a", 1]},
        {"swipes": [], "swipe_id": 0},
        {"swipes": ["a", "b"], "swipe_id": True},
    ],
)
def test_swipes_that_make_no_sense_leave_what_was_shown(swipes: dict[str, object]) -> None:
    (one,) = parse(chat(line("shown", **swipes))).entries
    assert (one.text, one.variants) == ("shown", 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (chat(line(), {"name": "x"}), "Line 3 of this chat: `mes` is missing."),
        (chat(line(), [1]), "Line 3 of this chat is no JSON object."),
        (chat(line()) + b"\n{", "Line 3 of this chat is no JSON object."),
        (chat(line(mes=1)), "Line 2 of this chat: `mes` is not what it must be."),
        (chat(line(name=None)), "Line 2 of this chat: `name` is not what it must be."),
        (chat(), "There are no messages in this file."),
        (chat(line(is_system=True)), "There are no messages in this file."),
    ],
)
def test_a_chat_that_is_damaged_is_refused_with_the_line(content: bytes, why: str) -> None:
    assert refused(content) == why


# SelfPlay


def test_our_own_file_for_selfplay_comes_back() -> None:
    wanted = scene()
    content = written(SELFPLAY, replace(wanted.header, exported_at=wanted.entries[0].at), [*wanted.entries])
    found = parse(content)
    assert found.origin == "selfplay"
    assert [each.text for each in found.entries] == [each.text for each in wanted.entries if each.variant_of is None]
    assert found.header.title == "Ann · Narrator · Mara Voss · Old Tom"
    assert found.entries[1].at == wanted.entries[0].at + timedelta(seconds=1)


def test_two_bots_talk() -> None:
    told = {
        "metadata": {"timestamp": "2025-06-01 10:00:00", "participants": [{"name": "Doctor", "model": "gpt-4"}, 1]},
        "conversation": [
            {"turn": 1, "speaker": "Doctor", "message": "How are you?", "previous_message": ""},
            {"turn": 2, "speaker": "Patient", "message": "Ill.", "previous_message": "How are you?"},
        ],
    }
    found = parse(json.dumps(told, indent=2).encode())
    assert [(one.role, one.speaker, one.text, one.model) for one in found.entries] == [
        ("assistant", "c1", "How are you?", "gpt-4"),
        ("assistant", "c2", "Ill.", ""),
    ]
    assert found.entries[1].at == datetime(2025, 6, 1, 10, 0, 1, tzinfo=UTC)


def test_a_saved_memory_is_a_talk_of_a_person_with_a_bot() -> None:
    told = [
        {"role": "system", "content": "x"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yo"},
    ]
    found = parse(json.dumps(told).encode())
    assert [(one.role, one.text) for one in found.entries] == [("user", "Hi"), ("assistant", "Yo")]
    assert found.left_out == 1


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"conversation": [{"speaker": "a"}]}, "Message 1 in this file: `message` is not what it must be."),
        ({"conversation": [1]}, "Message 1 in this file: `speaker` is not what it must be."),
        ({"conversation": []}, "There are no messages in this file."),
        ([{"role": "user", "content": 1}], "Message 1 in this file: `content` is not what it must be."),
        ([{"role": "boss", "content": ""}], "Message 1 in this file: `role` is not what it must be."),
    ],
)
def test_what_selfplay_never_wrote_is_refused(told: object, why: str) -> None:
    assert refused(json.dumps(told)) == why


def test_decimals_keep_their_zeros() -> None:
    wanted = friendly()
    (first, *_) = (each.used for each in wanted.entries if each.used)
    assert first is not None
    found = parse(written(JSON, wanted.header, [*wanted.entries]))
    assert str(next(each.used.cost for each in found.entries if each.used)) == str(first.cost) == "0.002140"
    assert first.cost == Decimal("0.00214")
