"""Which piece of an answer each of its messages holds, told by what they show."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.resuming import beginnings, parts_of
from bot.api import SentId

words = st.text("abcdefghij", min_size=6, max_size=12).map(lambda word: word + " ")
paragraphs = st.lists(words, min_size=4, max_size=12).map("".join)
blocks = paragraphs.map(lambda text: "```py\n" + text.replace(" ", "\n") + "```")
markdown = st.lists(paragraphs | blocks | paragraphs.map("**{}**".format), min_size=2, max_size=6, unique=True)


def cut(text: str, *ends: int) -> list[str]:
    return [text[begin:end] for begin, end in zip((0, *ends), (*ends, len(text)), strict=True)]


def test_messages_begin_where_their_words_do() -> None:
    text = "Once upon a time\n\n- **there** was\n- a king\n\nThe end."
    shown = ["Once upon a time", "• *there* was\n• a king", "The end."]
    assert beginnings(text, shown) == [0, text.index("- **there"), text.index("The end")]


def test_a_block_that_was_opened_again_begins_inside() -> None:
    text = "Look:\n```py\none = 1\ntwo = 2\nthree = 3\n```\nDone."
    for shown in ("```py\nthree = 3\n```\nDone.", "```\npy\nthree = 3\n```\nDone."):
        assert beginnings(text, ["Look:\n```py\none = 1\ntwo = 2\n```", shown]) == [0, text.index("three")]


def test_a_block_that_begins_a_message_begins_with_its_fence() -> None:
    text = "Look:\n```\none = 1\n```\nDone."
    assert beginnings(text, ["Look:", "```\none = 1\n```\nDone."]) == [0, text.index("```")]


def test_what_is_not_found_is_not_guessed() -> None:
    assert beginnings("Once upon a time there was", ["Once upon", "Something else"]) is None
    assert beginnings("Once upon a time there was", ["Once upon", ""]) is None
    assert beginnings("one two one two", ["one two one two", "one two one"]) is None
    sent = (SentId("1"), SentId("2"))
    assert parts_of("word " * 5000 + "end of it", sent, ["word word", "end of it"]) is None


@given(markdown, st.data())
def test_the_pieces_make_up_the_whole_text(pieces: list[str], data: st.DataObject) -> None:
    text = "\n\n".join(pieces)
    breaks = [found.end() for found in re.finditer(r"\n\n", text)]
    ends = sorted(data.draw(st.sets(st.sampled_from(breaks), min_size=1)))
    shown = cut(text, *ends)
    parts = parts_of(text, [SentId(str(number)) for number in range(len(shown))], shown)
    # Equal words may stand in several places; then nothing is told apart, or somewhere else.
    if parts is not None:
        assert "".join(part.body for part in parts) == text
        assert [part.at for part in parts] == sorted({part.at for part in parts})
        if len({*re.findall(r"\w+", text)}) == len(re.findall(r"\w+", text)):
            assert [part.at for part in parts] == [0, *ends]
