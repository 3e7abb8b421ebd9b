"""Splitting loses nothing, keeps the limit, keeps fences whole, and does not depend on how a text arrives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.text import Measure, Page, Pager, clip, close_markers, same_text, split, utf16_length

PIECES = st.sampled_from(
    [
        *("word ", "a", "longer-word ", "Sentence ends. ", "\n", "\n\n", "```py\n", "```\n", "```", "~~~\n"),
        *(
            "    code()\n",
            "`inline` ",
            "**bold** ",
            "- item\n",
            "> quote\n",
            "é",
            "e\u0301",
            "👩‍👩‍👧 ",
            "🇩🇪🇫🇷",
            "漢字。",
        ),
        *("x" * 70, " ", "\t", "````md\n", "text ```js\n", "\ud83d", "\u200f", "#" * 3, "> ```\n"),
    ]
)
TEXTS = st.lists(PIECES, max_size=120).map("".join)
LIMITS = st.sampled_from([1, 2, 7, 20, 40, 100, 250])


def pages_of(text: str, limit: int, *, cuts: Sequence[int] = (), measure: Measure = len) -> tuple[Page, ...]:
    pager = Pager(limit, measure)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    sealed: tuple[Page, ...] = ()
    for start, end in pairwise(edges):
        pager.feed(text[start:end])
        assert pager.sealed[: len(sealed)] == sealed
        sealed = pager.sealed
        assert measure(pager.live()) <= limit
    return pager.finish()


@given(TEXTS, LIMITS, st.lists(st.integers(0, 10_000), max_size=30))
@settings(max_examples=300, deadline=None)
@example("x" * 200, 1, [50, 97, 98])
def test_no_character_is_lost_the_limit_holds_and_arrival_does_not_matter(
    text: str, limit: int, cuts: list[int]
) -> None:
    whole = pages_of(text, limit)
    assert "".join(page.body for page in whole) == text
    assert all(len(page.text) <= limit for page in whole)
    assert pages_of(text, limit, cuts=cuts) == whole


@given(TEXTS, st.sampled_from([20, 64, 200]))
@settings(max_examples=100, deadline=None)
def test_other_measures_hold_too(text: str, limit: int) -> None:
    pages = pages_of(text, limit, measure=utf16_length)
    assert "".join(page.body for page in pages) == text
    assert all(utf16_length(page.text) <= limit for page in pages)


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=30), min_size=1, max_size=200), st.integers(30, 120))
@settings(deadline=None)
def test_words_are_never_cut(words: list[str], limit: int) -> None:
    parts = split(" ".join(words), limit)
    assert [word for part in parts for word in part.split()] == words


def blocks(parts: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The lines inside and outside of code as each part alone shows them."""
    inside: list[str] = []
    outside: list[str] = []
    for part in parts:
        is_code = False
        for line in part.split("\n"):
            if line.startswith("```"):
                is_code = not is_code
            elif line.strip():
                (inside if is_code else outside).append(line)
        assert not is_code, part
    return inside, outside


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 12)), min_size=1, max_size=12), st.integers(60, 300))
@settings(deadline=None)
def test_every_line_stays_on_its_side_of_the_fence(shape: list[tuple[int, int]], limit: int) -> None:
    text, code, prose = "", [], []
    for number, (said, lines) in enumerate(shape):
        for line in range(said):
            prose.append(f"prose {number} {line}")
            text += prose[-1] + "\n"
        text += "```python\n"
        for line in range(lines):
            code.append(f"    call_{number}({line})")
            text += code[-1] + "\n"
        text += "```\n"
    parts = split(text, limit)
    inside, outside = blocks(parts)
    assert (inside, outside) == (code, prose)
    assert not any("```python\n```" in part for part in parts)


def test_the_language_comes_back_in_the_next_part() -> None:
    parts = split("```py\n" + "print(1)\n" * 20 + "```\nDone.", 80)
    assert len(parts) > 2
    assert all(part.startswith("```py\nprint(1)\n") for part in parts[:-1])
    assert parts[-1].endswith("Done.")


def test_paragraphs_are_better_cuts_than_words() -> None:
    text = "First paragraph here.\n\n" + "Second one is here and it is longer than the rest. " * 2
    assert split(text, 80)[0].strip() == "First paragraph here." or len(split(text, 80)[0]) > 40
    assert split("One two three.\n\nFour five six seven eight nine.", 30)[0] == "One two three.\n\n"


def test_letters_and_emoji_stay_whole() -> None:
    for cluster in ("e\u0301", "👩‍👩‍👧", "🇩🇪", "👍🏽", "\ud83d\ude00"):
        parts = split(cluster * 50, 20)
        assert "".join(parts) == cluster * 50
        assert all(part == cluster * (len(part) // len(cluster)) for part in parts)


def test_the_work_grows_with_the_text_and_no_faster() -> None:
    def work(size: int) -> int:
        looked_at = 0

        def measure(text: str) -> int:
            nonlocal looked_at
            looked_at += len(text)
            return len(text)

        text = ("Words and `code` and more words.\n" * (size // 33 + 1))[:size]
        pager = Pager(2000, measure)
        for at in range(0, size, 5):
            pager.feed(text[at : at + 5])
        assert "".join(page.body for page in pager.finish()) == text
        return looked_at

    assert work(100_000) < 12 * work(10_000)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a **bol", "a **bol**"),
        ("a **bold*", "a **bold**"),
        ("a **", "a "),
        ("a *it", "a *it*"),
        ("a `co", "a `co`"),
        ("a `", "a "),
        ("2 * 3", "2 * 3"),
        ("2**3 and", "2**3 and"),
        ("snake_case_na", "snake_case_na"),
        ("* item one", "* item one"),
        ("a ~~gone", "a ~~gone~~"),
        ("a ||secret", "a ||secret||"),
        ("**a *b", "**a *b***"),
        ("text\n`", "text"),
        ("text\n``", "text"),
        ("text\n```", "text"),
        ("text\n```py", "text"),
        ("text\n```py\n", "text"),
        ("text\n```py\nx", "text\n```py\nx\n```"),
        ("text\n```py\nx\n`", "text\n```py\nx\n```"),
        ("text\n```py\nx\n```", "text\n```py\nx\n```"),
        ("text\n```py\nx\n```\n", "text\n```py\nx\n```\n"),
        ("see [the docs](https://exa", "see the docs"),
        ("see [the docs](https://example.org)", "see [the docs](https://example.org)"),
        ("\\*not bold", "\\*not bold"),
        ("# ", ""),
        ("Title\n---", "Title"),
    ],
)
def test_half_arrived_markers_do_not_show(text: str, shown: str) -> None:
    assert close_markers(text) == shown


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_closing_adds_marks_only(text: str) -> None:
    letters = [char for char in close_markers(text) if char.isalnum()]
    assert letters == [char for char in text if char.isalnum()][: len(letters)] or "](" in text or "```" in text


def test_clip_and_same_text() -> None:
    assert clip("short", 10) == "short"
    assert clip("a longer text", 8) == "a longe…"
    assert clip("👩‍👩‍👧👩‍👩‍👧", 7) == "👩‍👩‍👧…"
    assert clip("anything", 0) == ""
    assert same_text("a \nb\n\n", "a\nb")
    assert not same_text("a b", "a  b")
