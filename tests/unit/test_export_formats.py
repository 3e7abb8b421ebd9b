"""Each format of exports: what stands in it, that nothing breaks out of it, and that it is the same each time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from weakref import WeakSet

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from plugins.export.formats.csv import CSV, cell
from plugins.export.formats.html import HTML
from plugins.export.formats.jsonl import JSONL, MOST_LINES
from plugins.export.formats.markdown import MARKDOWN, quoted
from plugins.export.formats.our_json import JSON
from plugins.export.formats.selfplay import SELFPLAY
from plugins.export.formats.sillytavern import SILLYTAVERN
from plugins.export.formats.text import TEXT
from plugins.export.transcript import Entry, Format, Header, Part, Speaker
from tests.transcripts import ANN, BEN, BOT, MAIN, MARA, NARRATOR, OLD_TOM, Telling, Transcript, friendly, nasty, scene

ALL = (HTML, MARKDOWN, JSON, JSONL, CSV, TEXT, SILLYTAVERN, SELFPLAY)
each_format = pytest.mark.parametrize("format", ALL, ids=lambda format: format.name)


def written(format: Format, transcript: Transcript) -> str:
    out = io.BytesIO()
    format.write(transcript.header, iter(transcript.entries), out)
    return out.getvalue().decode()


def talk(*said: tuple[Speaker, str], **header: object) -> Transcript:
    say = Telling()
    for speaker, text in said:
        say(speaker, text)
    about = Header("terminal:a/b", "Talk", (ANN, BEN, BOT, MARA, OLD_TOM), (MAIN,))
    return Transcript(replace(about, **header), say.entries)  # type: ignore[arg-type]  # any of a header's fields


@each_format
@pytest.mark.parametrize("made", [friendly, scene, nasty])
def test_the_same_transcript_gives_the_same_bytes(format: Format, made: Callable[[], Transcript]) -> None:
    assert written(format, made()) == written(format, made())


@each_format
def test_an_empty_transcript_is_a_whole_file(format: Format) -> None:
    text = written(format, talk())
    if format.media_type == "application/json":
        assert json.loads(text)
    assert text or format is JSONL


class Tracked(Entry):
    __slots__ = ("__weakref__",)
    __hash__ = object.__hash__


@each_format
def test_no_format_holds_more_than_a_few_entries(format: Format) -> None:
    alive: WeakSet[Tracked] = WeakSet()
    most = 0

    def entries() -> Iterator[Entry]:
        nonlocal most
        at = datetime(2026, 1, 1, tzinfo=UTC)
        for number in range(1, 301):
            one = Tracked(number, number - 1 or None, "assistant", MARA.key, "*Hm.*", at + timedelta(minutes=number))
            alive.add(one)
            most = max(most, len(alive))
            yield one

    format.write(talk().header, entries(), io.BytesIO())
    assert most <= 4


# Markdown

MARKS = st.sampled_from([*"`~<>[]()!#*_-=|\\ \n\t:/a1&\"'", "```", "~~~", "![", "](", "]: ", "<!--", "<b", "http://a/"])


def tops(tokens: Sequence[Token]) -> list[str]:
    """What stands at the top of the page, where only the transcript's own words may be."""
    return [token.type for token in tokens if token.level == 0 and token.nesting >= 0]


@settings(max_examples=300, deadline=None)
@given(st.lists(MARKS, max_size=60).map("".join))
def test_nothing_that_was_said_gets_out_of_its_quotation(said: str) -> None:
    page = f"{quoted(said)}\n### Ann · 12:00\n\n> next [a]\n"
    tokens = MarkdownIt("commonmark", {"html": True}).parse(page)
    assert tops(tokens) == ["blockquote_open", "heading_open", "blockquote_open"]
    inside = [child.type for token in tokens for child in token.children or ()]
    assert not {"html_block", "html_inline", "image"} & {*inside, *(token.type for token in tokens)}
    # No definition in it gave the next message a link.
    assert tokens[-3].content == "next [a]"
    assert [child.type for child in tokens[-3].children or ()] == ["text"]


def test_markdown_stays_markdown_where_it_is_harmless() -> None:
    said = "# Plan\n\n1. **walk**\n2. [map](https://example.org)\n\n```py\nprint('<b>')\n```\n`<i>`"
    assert quoted(said) == "".join(f"> {line}\n" for line in said.split("\n"))


@pytest.mark.parametrize(
    "link", ["https://a.org", "HTTP://a.org", "mailto:a@b.org", "docs/a.md", "#top", "", "//a.org"]
)
def test_links_to_pages_stay(link: str) -> None:
    assert quoted(f"See [this]({link}).") == f"> See [this]({link}).\n"


@pytest.mark.parametrize(
    "link", ["javascript:1", "JavaScript&colon;1", "java%09script:1", "data:text/html,1", "vbscript:1", "file:///etc"]
)
def test_links_that_do_something_are_shown_as_they_were_typed(link: str) -> None:
    assert quoted(f"See [this]({link}).") == f"> ```\n> See [this]({link}).\n> ```\n"


def test_markdown_of_the_worst_has_only_its_own_headings() -> None:
    text = written(MARKDOWN, nasty())
    _, front, page = text.split("---\n", 2)
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert len([line for line in headings if line.startswith("### ")]) >= 20
    assert all(re.match(r"#{1,3} ", line) for line in headings)
    assert all(re.match(r"[a-z]+: [\[\"{\dnt]", line) for line in front.splitlines())
    assert not {"html_block", "html_inline", "image"} & {
        token.type for top in MarkdownIt().parse(page) for token in (top, *(top.children or ()))
    }


def test_fences_of_tools_are_longer_than_any_in_them() -> None:
    say = Telling()
    say(BOT, "a\n`````\nb", role="tool", parts={"tool_call_id": "c"})
    assert "``````\na\n`````\nb\n``````\n" in written(MARKDOWN, Transcript(talk().header, say.entries))


def test_markdown_tells_branches_scenes_and_variants() -> None:
    text = written(MARKDOWN, friendly())
    assert text.count("# ⑂ main\n") == 1
    assert text.count("\n# ⑂ In another tone\n") == 1
    assert "*Version 2 of 2 · gpt-6-luna · 1,204 tokens in, 310 out · 3.2 s · $0.0021*" in text
    assert "\n*Version 1 of 2*\n\n> What about the **sea**?\n" in text
    play = written(MARKDOWN, scene())
    assert play.index("## ❦ The light that failed") < play.index("Light it") < play.index("❧ *The scene is over: it")


SCENE = replace(
    scene().header.scenes[0], title="[x](javascript:1)", ended="<script>", cast=(Part("p1"), Part("p2", "u1"))
)


@pytest.mark.parametrize("format", [MARKDOWN, TEXT, SILLYTAVERN], ids=lambda one: one.name)
def test_a_scene_is_told_with_its_cast_and_its_end(format: Format) -> None:
    text = written(format, scene())
    assert text.index("The light that failed") < text.index("Rain beats against the glass")
    assert "The scene is over: it came to its end. 1 November 2026, 21:11" in text
    assert text.index("Light it now!") < text.index("The scene is over") < text.index("That was wonderful.")
    if format is not SILLYTAVERN:
        assert "1 November 2026, 20:57 · 7 lines" in text
        assert "Old Tom (played by Ann)" in text


def test_markdown_tells_scenes_to_other_programs() -> None:
    matter = written(MARKDOWN, scene()).split("---\n")[1]
    (told,) = (line for line in matter.splitlines() if line.startswith("scenes: "))
    assert json.loads(told.removeprefix("scenes: ")) == [
        {
            "title": "The light that failed",
            "cast": [{"name": "Mara Voss"}, {"name": "Old Tom", "player": "Ann"}],
            "lines": 7,
            "began": "2026-11-01T20:57:00+00:00",
            "ended": "2026-11-01T21:11:00+00:00",
            "why": "it came to its end",
        }
    ]


def test_a_table_tells_the_titles_of_scenes() -> None:
    rows = [*csv.DictReader(io.StringIO(written(CSV, scene()).removeprefix("\ufeff"), newline=""))]
    assert [row["scene_title"] for row in rows[:3]] == ["", "The light that failed", "The light that failed"]
    assert rows[-1]["scene_title"] == ""


def test_what_is_told_of_a_scene_is_markup_nowhere() -> None:
    made = scene()
    nasty_one = Transcript(replace(made.header, scenes=(SCENE,)), made.entries)
    text = written(MARKDOWN, nasty_one).split("---\n", 2)[2]
    assert "\\[x\\](javascript\\:1)" in text
    assert "<script>" not in text.replace("\\<script\\>", "")


# CSV


def test_a_table_is_read_back_as_it_was() -> None:
    made = friendly()
    raw = written(CSV, made)
    assert raw.startswith('\ufeff"id","parent",')
    assert raw.count("\r\n") == len(made.entries) + 1
    rows = [*csv.DictReader(io.StringIO(raw.removeprefix("\ufeff"), newline=""), strict=True)]
    assert [row["text"] for row in rows] == [each.text for each in made.entries]
    assert rows[3]["cost_usd"] == "0.002140"
    assert rows[0]["speaker"] == "Ann"
    assert rows[7]["files"] == "map.png (48 kB)"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =1",
        "\n=1",
        "＝1",
        "|calc",
        "%1",
        "\ufeff=1",
        "\u200b\u202e@a",
        " \x01+1",
    ],
)
def test_no_cell_becomes_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


@given(st.text())
def test_a_cell_loses_nothing(text: str) -> None:
    assert cell(text).removeprefix("'") == text.replace("\0", "\ufffd").removeprefix("'")
    assert cell(text)[:1] not in set("=+-@\t\r\n")


def test_no_row_of_the_worst_is_a_formula() -> None:
    rows = csv.reader(io.StringIO(written(CSV, nasty()).removeprefix("\ufeff"), newline=""), strict=True)
    assert not [text for row in rows for text in row if text[:1] in set("=+-@\t\r\n")]


# Plain text


def test_nobody_can_write_somebody_elses_line() -> None:
    text = written(
        TEXT, talk((ANN, "hi\n18:59 Ben Čapek\n    no\r18:59 Ben\u202818:59 Ben\x0b18:59 Ben"), (BEN, "yes"))
    )
    starts = [line for line in re.split(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", text) if line[:1].isdigit()]
    assert starts[1:] == ["18:31 Ann", "18:32 Ben Čapek"]


def test_text_reads_like_a_play() -> None:
    assert "21:00 Mara Voss\n    And tonight?\n    Tom. *Tonight?*\n" in written(TEXT, scene())


# Training data


def samples(format: Format, transcript: Transcript) -> list[list[dict[str, str]]]:
    return [json.loads(line)["messages"] for line in written(format, transcript).splitlines()]


def test_training_data_hold_nothing_that_people_said_or_were_answered() -> None:
    assert written(JSONL, friendly()) == ""
    told = written(JSONL, scene())
    assert "Ann" not in told
    assert "lighthouse" not in told
    assert "I knew it" not in told
    assert "The light has never failed" not in told  # nor in other words than were said
    assert "You said the light has never failed" in told


def test_each_persona_learns_its_own_lines() -> None:
    lines = [(MARA, "One."), (OLD_TOM, "Two."), (MARA, "Three."), (OLD_TOM, "Four.")]
    assert samples(JSONL, talk(*lines)) == [
        [
            {"role": "assistant", "content": "One.", "name": "Mara_Voss"},
            {"role": "user", "content": "Two.", "name": "Old_Tom"},
            {"role": "assistant", "content": "Three.", "name": "Mara_Voss"},
        ],
        [
            {"role": "user", "content": "One.", "name": "Mara_Voss"},
            {"role": "assistant", "content": "Two.", "name": "Old_Tom"},
            {"role": "user", "content": "Three.", "name": "Mara_Voss"},
            {"role": "assistant", "content": "Four.", "name": "Old_Tom"},
        ],
    ]


def test_who_agreed_is_in_it_with_the_answers_and_who_did_not_is_not() -> None:
    lines = [(ANN, "Why?"), (BOT, "So."), (BEN, "No."), (BOT, "But Ben said no."), (ANN, "Ah."), (BOT, "Yes.")]
    speakers = (replace(ANN, trains=True), BEN, BOT)
    found = samples(JSONL, talk(*lines, speakers=speakers, system="Be short."))
    assert found == [
        [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Why?", "name": "Ann"},
            {"role": "assistant", "content": "So.", "name": "Duologue"},
        ],
        [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Ah.", "name": "Ann"},
            {"role": "assistant", "content": "Yes.", "name": "Duologue"},
        ],
    ]


def test_nobody_who_did_not_agree_is_quoted_in_it() -> None:
    secret = "My number is five four seven eight"
    speakers = (replace(ANN, trains=True), BEN, BOT, MARA, OLD_TOM)
    said = written(
        JSONL,
        talk(
            (BEN, secret),
            (MARA, f"“{secret.upper()}”, you say?"),
            (OLD_TOM, "I did not listen."),
            (MARA, "Neither did I."),
            (ANN, "He said: my *number* is five, four, seven, eight!"),
            (BOT, "Who did?"),
            (ANN, "What did Ben say?"),
            (BOT, f"{secret}."),
            speakers=speakers,
        ),
    )
    assert "five" not in said.lower()
    assert "Neither did I." in said


def test_what_somebody_wrote_for_the_narrator_is_not_the_narrators() -> None:
    told = written(
        JSONL, talk((NARRATOR, "A topic."), (MARA, "One."), (OLD_TOM, "Two."), speakers=(NARRATOR, MARA, OLD_TOM))
    )
    assert "A topic." not in told
    assert "Two." in told


def test_a_long_scene_is_several_chats() -> None:
    lines = [(MARA if number % 2 else OLD_TOM, f"{number}") for number in range(3 * MOST_LINES)]
    found = samples(JSONL, talk(*lines))
    assert len(found) == 6
    assert all(len(each) <= MOST_LINES and each[-1]["role"] == "assistant" for each in found)


# Others' programs


def test_sillytavern_opens_it_with_its_swipes() -> None:
    head, *messages = (json.loads(line) for line in written(SILLYTAVERN, scene()).splitlines())
    assert (head["user_name"], head["character_name"], head["chat_metadata"]) == ("Ann", "Narrator", {})
    notes = [message["mes"] for message in messages if message["is_system"]]
    assert notes == ["❦ The light that failed", "❧ The scene is over: it came to its end. 1 November 2026, 21:11"]
    messages = [message for message in messages if not message["is_system"]]
    assert [message["name"] for message in messages[:3]] == ["Ann", "Narrator", "Mara Voss"]
    assert [message["is_user"] for message in messages[:3]] == [True, False, False]
    (swiped,) = (message for message in messages if "swipes" in message)
    assert swiped["swipe_id"] == 1
    assert swiped["swipes"][1] == swiped["mes"]
    assert [swiped["swipes"][0], swiped["swipes"][2]] == ["Tonight I slept.", "Tonight? Ask the sea."]
    assert len(swiped["swipe_info"]) == 3


def test_selfplays_shape_can_be_had() -> None:
    told = json.loads(written(SELFPLAY, scene()))
    assert told["metadata"]["turns"] == len(told["conversation"]) == 11
    assert told["metadata"]["initial_prompt"] == "I would love to see the lighthouse again."
    assert [each["name"] for each in told["metadata"]["participants"]] == ["Ann", "Narrator", "Mara Voss", "Old Tom"]
    assert told["conversation"][1] == {
        "turn": 2,
        "speaker": "Narrator",
        "message": "*Rain beats against the glass of the lantern room. Below, the sea.*",
        "previous_message": "I would love to see the lighthouse again.",
    }


def test_days_are_those_of_the_zone_that_is_told() -> None:
    late = datetime(2026, 3, 14, 23, 30, tzinfo=UTC).astimezone(timezone(timedelta(hours=1), "CET"))
    say = Telling(late)
    say(ANN, "Good night")
    text = written(TEXT, Transcript(talk().header, say.entries))
    assert "Sunday, 15 March 2026\n\n00:31 Ann\n" in text
