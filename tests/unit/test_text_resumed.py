"""An answer that is taken up again: what was repeated goes, what is new stays."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.text import Rejoin, join_resumed

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat,", "and", "ha", "row.", "no"]), min_size=1)


@pytest.mark.parametrize(
    ("said", "continuation", "joined"),
    [
        ("The quick bro", "wn fox", "The quick brown fox"),
        ("The quick bro", "brown fox", "The quick brown fox"),
        ("The quick brown fox jum", "The quick brown fox jumps over", "The quick brown fox jumps over"),
        ("First. The second sentence is", "The second sentence is here.", "First. The second sentence is here."),
        ("First line.\n\nSecond one said.\n", "Second one said.\nThird.", "First line.\n\nSecond one said.\nThird."),
        ("It ends here", "…it ends", "It ends here…it ends"),
        ("he has a", " apple", "he has a apple"),
        ("ha ha ha ", "ha ha!", "ha ha ha ha ha!"),
        ("very ", "very good", "very very good"),
        ("", "anything", "anything"),
        ("anything", "", "anything"),
        ("これはとても長い文章です。", "これはとても長い文章です。次", "これはとても長い文章です。次"),
    ],
)
def test_overlaps(said: str, continuation: str, joined: str) -> None:
    assert join_resumed(said, continuation) == joined


@given(WORDS, WORDS)
@settings(max_examples=300)
def test_a_repetitive_text_loses_nothing_where_nothing_was_repeated(before: list[str], after: list[str]) -> None:
    said, continuation = " ".join(before) + " ", " ".join(after)
    # A phrase of this size that a text says twice running, for the first time, at the seam itself, is a repetition.
    assume(not any(said.strip().endswith(continuation[:size].strip()) for size in range(12, len(continuation) + 1)))
    assert join_resumed(said, continuation) == said + continuation


@given(st.lists(st.text("abcdefghijklm", min_size=2, max_size=9), min_size=8, max_size=40, unique=True), st.data())
def test_repeating_the_end_changes_nothing(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    cut = data.draw(st.integers(40, len(text)) if len(text) > 40 else st.just(len(text)))
    said = text[:cut]
    back = said.rfind(" ", 0, max(cut - 26, 0)) + 1
    assert join_resumed(said, text[back:]) == text


@given(WORDS, WORDS, st.integers(0, 40), st.lists(st.integers(1, 9), min_size=1))
def test_pieces_join_like_the_whole(before: list[str], after: list[str], back: int, sizes: list[int]) -> None:
    said = " ".join(before)
    continuation = said[max(len(said) - back, 0) :] + " ".join(after)
    rejoin = Rejoin(said)
    joined, at = said, 0
    while at < len(continuation):
        size = sizes[at % len(sizes)]
        joined += rejoin.feed(continuation[at : at + size])
        at += size
    assert joined + rejoin.finish() == join_resumed(said, continuation)


def test_new_text_is_not_held_back() -> None:
    rejoin = Rejoin("A long answer that was broken off in the mid")
    assert rejoin.feed("answer") == ""
    assert rejoin.feed(" this") == "answer this"
    assert rejoin.feed(" at once") == " at once"
