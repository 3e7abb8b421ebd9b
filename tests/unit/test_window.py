"""The token window: what it keeps, when it moves, and that it never breaks what belongs together."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.window import Entry, Window, cut_middle, window


def user(id: int, tokens: int = 10) -> Entry:
    return Entry(id, "user", tokens)


def bot(id: int, tokens: int = 10, calls: tuple[str, ...] = ()) -> Entry:
    return Entry(id, "assistant", tokens, calls)


def result(id: int, answers: str, tokens: int = 10) -> Entry:
    return Entry(id, "tool", tokens, answers=answers)


def chat(turns: int, tokens: int = 10) -> list[Entry]:
    return [user(id, tokens) if id % 2 else bot(id, tokens) for id in range(1, 2 * turns + 1)]


def words(text: str) -> int:
    return len(text.split())


def test_everything_is_kept_below_the_high_water() -> None:
    assert window(chat(4), 100) == Window(None, tuple(range(1, 9)), moved=False)


def test_past_the_high_water_it_falls_to_the_low_water_at_a_persons_message() -> None:
    entries = [*chat(4), user(9)]
    chosen = window(entries, 100)
    assert chosen.moved
    # Ninety tokens are over eighty; fifty are left, from the message of a person on.
    assert chosen.kept == (5, 6, 7, 8, 9)
    assert chosen.start == 5


def test_the_stored_start_holds_until_the_next_high_water() -> None:
    entries = [*chat(4), user(9), bot(10), user(11)]
    chosen = window(entries, 100, start=5)
    assert chosen == Window(5, (5, 6, 7, 8, 9, 10, 11), moved=False)


def test_a_start_that_is_gone_means_the_next_message_of_a_person() -> None:
    chosen = window([user(1), bot(2), bot(4), user(5)], 100, start=3)
    assert chosen.kept == (5,)
    assert chosen.start == 5
    assert chosen.moved


def test_once_something_has_left_it_begins_with_a_person() -> None:
    entries = [bot(1), bot(2, calls=("a",)), result(3, "a"), user(4), bot(5)]
    assert window(entries, 100, start=2).kept == (4, 5)


def test_what_was_said_before_anybody_spoke_is_read() -> None:
    """A scene in an empty channel, or a talk that was taken in from elsewhere."""
    entries = [bot(1), bot(2, calls=("a",)), result(3, "a"), user(4), bot(5)]
    assert window(entries, 100).kept == (1, 2, 3, 4, 5)


def test_only_the_bot_spoke() -> None:
    assert window([bot(1)], 100).kept == ()
    assert window([], 100).kept == ()


def test_tool_results_stay_with_their_calls() -> None:
    entries = [user(1), bot(2, calls=("a", "b")), result(3, "b"), result(4, "a"), bot(5)]
    assert window(entries, 100).kept == (1, 2, 3, 4, 5)


def test_orphaned_results_and_unanswered_calls_are_left_out() -> None:
    entries = [user(1), result(2, "x"), bot(3, calls=("a", "b")), result(4, "a"), user(5)]
    chosen = window(entries, 100)
    assert chosen.kept == (1, 3, 5)
    assert chosen.bare == {3}


def test_a_newest_message_that_is_too_large_is_cut_and_stays() -> None:
    chosen = window([user(1), bot(2), user(3, 500)], 100)
    assert chosen.kept == (3,)
    assert chosen.cut == 100


def test_what_follows_a_too_large_question_keeps_its_newest_part() -> None:
    entries = [user(1, 500), bot(2, 30, ("a",)), result(3, "a", 40), bot(4, 20)]
    chosen = window(entries, 100)
    assert chosen.kept == (1, 4)
    assert chosen.cut == 80


def test_a_crowd_without_an_answer_of_the_bot_can_be_cut_between_messages() -> None:
    assert window([user(id) for id in range(1, 101)], 100).kept == (96, 97, 98, 99, 100)


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    entries: list[Entry] = []
    for _ in range(draw(st.integers(0, 60))):
        kind = draw(st.sampled_from(["user", "user", "assistant", "tools", "broken", "orphan"]))
        tokens = draw(st.integers(1, 60))
        id = len(entries) + 1
        match kind:
            case "user":
                entries.append(user(id, tokens))
            case "assistant":
                entries.append(bot(id, tokens))
            case "orphan":
                entries.append(result(id, "nobody asked", tokens))
            case _:
                calls = tuple(f"{id}-{n}" for n in range(draw(st.integers(1, 3))))
                entries.append(bot(id, tokens, calls))
                for call in calls[: len(calls) - (kind == "broken")]:
                    entries.append(result(len(entries) + 1, call, draw(st.integers(1, 60))))
    return entries


@given(histories(), st.integers(8, 400), st.booleans())
def test_invariants_hold_while_a_conversation_grows(entries: list[Entry], budget: int, ends_with_user: bool) -> None:
    if ends_with_user:
        entries = [*entries, user(len(entries) + 1, 5)]
    by_id = {entry.id: entry for entry in entries}
    start: int | None = None
    before: Window | None = None
    for end in range(len(entries) + 1):
        chosen = window(entries[:end], budget, start)
        kept = [by_id[id] for id in chosen.kept]
        people = [entry.id for entry in entries[:end] if entry.role == "user"]
        if chosen.cut is not None:
            assert 0 < chosen.cut < by_id[people[-1]].tokens
            kept = [replace(e, tokens=chosen.cut) if e.id == people[-1] else e for e in kept]
        assert sum(entry.tokens for entry in kept) <= budget
        assert bool(kept) == bool(people)
        if people:
            assert kept[0].role == "user" or (chosen.start is None and kept[0].role == "assistant")
            assert people[-1] in chosen.kept
        _pairs_are_whole(kept, chosen)
        assert list(chosen.kept) == sorted(chosen.kept)
        if before is not None and start is not None:
            assert chosen.start is not None
            assert chosen.start >= start
        fits = sum(entry.tokens for entry in entries[:end] if entry.id >= (chosen.kept or (0,))[0]) <= budget
        if before is not None and not chosen.moved and fits and before.cut is None:
            assert chosen.kept[: len(before.kept)] == before.kept
        start, before = chosen.start, chosen


def _pairs_are_whole(kept: list[Entry], chosen: Window) -> None:
    open_calls: list[str] = []
    for entry in kept:
        if entry.role == "tool":
            assert entry.answers in open_calls
            open_calls.remove(str(entry.answers))
        else:
            assert open_calls == []
            open_calls = [] if entry.id in chosen.bare else list(entry.calls)
    assert open_calls == []


@given(histories(), st.integers(8, 400))
def test_the_same_history_gives_the_same_window_and_settles_at_once(entries: list[Entry], budget: int) -> None:
    chosen = window(entries, budget)
    again = window(entries, budget, chosen.start)
    assert again.kept == chosen.kept
    assert again.start == chosen.start


def test_it_moves_rarely() -> None:
    moves, start, kept_sizes = 0, None, []
    for end in range(1, 401):
        chosen = window(chat(200)[:end], 1000, start)
        moves += chosen.moved
        start = chosen.start
        kept_sizes.append(len(chosen.kept))
    # First past 80 messages, then whenever the thirty per cent between the waters have filled up again.
    assert moves == 10
    assert max(kept_sizes) == 80


def test_past_so_many_messages_it_falls_as_far_however_short_they_are() -> None:
    assert window(chat(5), 10_000, most=10) == Window(None, tuple(range(1, 11)), moved=False)
    entries = [*chat(5), user(11)]
    assert window(entries, 10_000, most=10).kept == (7, 8, 9, 10, 11), "six are left at most, from a person's on"
    assert window(entries, 10_000, most=1).kept == (11,)
    assert window(entries, 10_000).kept == tuple(range(1, 12))
    calls = [user(1), bot(2, calls=("a", "b")), result(3, "a"), result(4, "b"), bot(5), user(6)]
    assert window(calls, 10_000, most=4).kept == (1, 2, 3, 4, 5, 6), "results belong to what called for them"


@given(histories(), st.integers(8, 400), st.integers(1, 20))
def test_so_many_messages_and_no_more_while_a_conversation_grows(entries: list[Entry], budget: int, most: int) -> None:
    start: int | None = None
    for end in range(len(entries) + 1):
        chosen = window(entries[:end], budget, start, most=most)
        kept = [entry for entry in entries[:end] if entry.id in chosen.kept]
        newest = max((entry.id for entry in kept if entry.role == "user"), default=0)
        before = [entry for entry in kept if entry.role != "tool" and entry.id < newest]
        # What follows the newest question is still being answered.
        assert len(before) < most
        start = chosen.start


def test_the_middle_is_cut_with_a_note() -> None:
    text = " ".join(f"word{n}" for n in range(1000))
    cut = cut_middle(text, 100, words)
    assert cut.startswith("word0 word1 ")
    assert cut.endswith(" word999")
    assert "left out" in cut
    assert 60 < words(cut) <= 100


def test_a_text_that_fits_is_not_touched() -> None:
    assert cut_middle("as it is", 3, words) == "as it is"


@given(st.text(max_size=2000), st.integers(0, 300))
def test_a_cut_text_always_fits(text: str, allowance: int) -> None:
    def count(text: str) -> int:
        # Dense and thin stretches, as tokenizers make them.
        return sum(3 if ord(char) > 127 else 1 for char in text)

    assert count(cut_middle(text, allowance, count)) <= max(allowance, 0)


def test_cutting_is_linear() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return len(text) // 4

    cut_middle("x" * 1_000_000 + " " + "y" * 1_000_000, 10_000, count)
    assert counted < 2_500_000
