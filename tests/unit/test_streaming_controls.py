"""Buttons under a live answer, and answers that are written anew, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import DeliveryError
from bot.replies import Button, Controls, Done, Notice, Resume, SentId, Text, ToolEnd, ToolStart
from bot.streaming import Call, OpenLane, Urgency
from bot.testing.clock import run_virtual
from bot.text import split
from tests.unit.board import CHUNKS, FAULTS, Board, SlowLane, as_seen, live, old_answer, say

STOP, AGAIN = Button("stop", "Stop"), Button("again", "Again")
LONG = "Sentence one is here. " * 12


def labels(board: Board) -> list[list[str]]:
    return list(board.buttons.values())


def test_the_first_text_brings_the_buttons_and_the_end_changes_both_in_one_edit() -> None:
    board = Board()
    say(board, Controls((STOP,)), Text("Hello"), 1.0, Text(" there"), Controls((AGAIN,)), Done("stop"))
    assert board.history == [("0", "Hello"), ("0", "Hello there")]
    assert labels(board) == [["Again"]]


def test_above_buttons_nobody_is_told_to_say_that_it_should_go_on() -> None:
    told = Board()
    say(told, Text("Hello"), Done("length"))
    assert told.screen == ["Hello\n-# ⚠️ cut off — say “go on” to continue"]
    board = Board()
    say(board, Controls((STOP,)), Text("Hello"), Controls((AGAIN,)), Done("length"))
    assert board.screen == ["Hello\n-# ⚠️ cut off"]


def test_buttons_alone_are_no_answer() -> None:
    board = Board()
    assert say(board, Controls((STOP,)), 1.0, Controls((AGAIN,)), Done("stop")).sent == ()
    assert board.history == []


def test_a_notice_without_an_answer_carries_the_buttons() -> None:
    board = Board()
    say(board, Controls((STOP,)), Notice("The model is gone."), Controls((AGAIN,)), Done("failed"))
    assert board.screen == ["-# The model is gone."]
    assert labels(board) == [["Again"]]


def test_buttons_change_while_the_answer_pauses() -> None:
    async def main() -> None:
        board = Board()
        async with live(board) as stream:
            await stream.write(Text("Hello"))
            await asyncio.sleep(1)
            assert labels(board) == [[]]
            await stream.write(Controls((STOP,)))
            await asyncio.sleep(1)
            assert labels(board) == [["Stop"]]
            await stream.write(Controls())
            await asyncio.sleep(1)
            assert labels(board) == [[]]
        assert len(board.history) == 3

    run_virtual(main())


def test_only_one_message_has_buttons_at_every_moment_and_in_the_end_the_last() -> None:
    async def main() -> None:
        board = Board()
        board.watched = True
        async with live(board, limit=100) as stream:
            await stream.write(Controls((STOP,)))
            for word in LONG.split(" "):
                await stream.write(Text(word + " "))
                await asyncio.sleep(0.1)
                # A full message keeps them until it has given up its last words.
                assert sum(map(bool, labels(board))) <= 1
                assert not any(labels(board)[:-2])
            await asyncio.sleep(1)
            assert labels(board)[-1] == ["Stop"]
            await stream.write(Controls((AGAIN,)))
        assert labels(board) == [[], [], ["Again"]]
        assert board.screen == as_seen(LONG, 100)

    run_virtual(main())


def test_a_change_of_buttons_is_an_edit_like_any_other_and_at_the_end_the_most_urgent() -> None:
    class Asked(OpenLane):
        urgencies: list[Urgency]

        async def admit(self, call: Call) -> None:
            self.urgencies.append(call.urgency)

    async def main() -> list[Urgency]:
        lane = Asked()
        lane.urgencies = []
        async with live(Board(), lane=lane) as stream:
            await stream.write(Controls((STOP,)))
            await stream.write(Text("Hello"))
            await asyncio.sleep(1)
            await stream.write(Controls((AGAIN,)))
            await asyncio.sleep(1)
            await stream.write(Controls())
        return lane.urgencies

    assert run_virtual(main()) == [Urgency.FIRST, Urgency.INTERIM, Urgency.FINAL]


@given(
    CHUNKS,
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from([(), (STOP,), (STOP, AGAIN)])), max_size=5),
    FAULTS,
    st.integers(0, 5),
    st.sampled_from([50, 120, 2000]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_nothing_is_lost_and_the_buttons_end_under_the_last_message(
    chunks: list[tuple[str, float]],
    changes: list[tuple[int, tuple[Button, ...]]],
    faults: list[str],
    seed: int,
    limit: int,
) -> None:
    board = Board(faults=faults, seed=seed)
    # A call whose answer was lost may have shown them where nobody knows of it.
    board.watched = not any(faults)
    controls: tuple[Button, ...] | None = None

    async def main() -> None:
        nonlocal controls
        async with live(board, limit=limit, lane=SlowLane(seed)) as stream:
            for number, (chunk, pause) in enumerate(chunks):
                for at, buttons in changes:
                    if at == number:
                        controls = buttons
                        await stream.write(Controls(buttons))
                await stream.write(Text(chunk))
                await asyncio.sleep(pause)
            board.watched = False
        parts = as_seen("".join(chunk for chunk, _ in chunks), limit)
        assert board.screen == parts
        wanted = [[button.label for button in controls or ()]] if parts else []
        assert labels(board) == [*([] for _ in parts[1:]), *wanted]

    try:
        run_virtual(main())
    except DeliveryError:
        assert len([fault for fault in faults if fault]) > 4


def test_an_edit_that_came_through_although_it_failed_is_not_forgotten() -> None:
    board = Board(faults=["", "lost"])
    say(board, Controls((STOP,)), Text("Hello"), 1.0, Controls((AGAIN,)), 0.2, Controls((STOP,)), Done("stop"))
    assert labels(board) == [["Stop"]]


def test_buttons_that_a_crash_left_behind_are_taken_away() -> None:
    board = Board()
    sent = old_answer(board, LONG, 100)
    board.buttons[sent[0].id] = ["Old"]
    say(board, Controls((AGAIN,)), Done("stop"), limit=100, resume=Resume(sent, LONG))
    assert labels(board) == [[], [], ["Again"]]


def test_a_taken_up_answer_takes_its_old_buttons_along() -> None:
    board = Board()
    said = "Sentence one is here. " * 4
    sent = old_answer(board, said, 100)
    board.watched = True
    stream = say(board, Controls((STOP,)), Text(LONG), 5.0, limit=100, resume=Resume(sent, said, tuple(board.screen)))
    assert board.screen == as_seen(said + LONG, 100)
    assert labels(board) == [*([] for _ in stream.sent[1:]), ["Stop"]]


def test_a_taken_up_answer_without_buttons_leaves_those_that_are_there() -> None:
    board = Board()
    sent = old_answer(board, "It began", 100)
    say(board, Text(" and ended."), resume=Resume(sent, "It began"))
    assert labels(board) == [["Old"]]


# Written anew.


def test_a_new_version_replaces_the_first_message_at_once_and_the_rest_is_deleted_at_the_end() -> None:
    async def main() -> None:
        board = Board()
        old = old_answer(board, LONG, 100)
        before = board.screen
        async with live(board, limit=100, resume=Resume(old, "")) as stream:
            await stream.write(Controls((STOP,)))
            await asyncio.sleep(1)
            assert board.screen == before
            assert labels(board) == [[], [], ["Stop"]]
            await stream.write(Text("Now"))
            await asyncio.sleep(0.2)
            assert board.screen == ["Now", *before[1:]]
            assert labels(board) == [["Stop"], [], []]
            await stream.write(Controls((AGAIN,)))
        assert board.screen == ["Now"]
        assert labels(board) == [["Again"]]
        assert stream.sent == old[:1]
        assert stream.shown == ("Now",)

    run_virtual(main())


def test_a_new_version_that_is_longer_goes_on_in_new_messages() -> None:
    board = Board()
    old = old_answer(board, "Short.", 100)
    stream = say(
        board, *(part for word in LONG.split() for part in (Text(f"{word} "), 0.1)), limit=100, resume=Resume(old, "")
    )
    assert board.screen == as_seen(" ".join(LONG.split()), 100)
    assert stream.sent[0] == old[0]


def test_a_new_version_that_never_comes_leaves_the_old_one() -> None:
    board = Board()
    old = old_answer(board, LONG, 100)
    before = board.screen
    stream = say(
        board,
        Controls((STOP,)),
        ToolStart("1", "roll", "{}"),
        5.0,
        ToolEnd("1", "roll", "6"),
        Controls((AGAIN,)),
        Done("stopped"),
        limit=100,
        resume=Resume(old, ""),
    )
    assert board.screen == before
    assert labels(board)[-1] == ["Again"]
    assert stream.sent == old


def test_a_new_version_that_failed_is_told_of_in_place_of_the_old_one() -> None:
    board = Board()
    old = old_answer(board, LONG, 100)
    say(board, Notice("The model is gone."), Done("failed"), limit=100, resume=Resume(old, ""))
    assert board.screen == ["-# The model is gone."]


def test_what_is_left_over_and_cannot_be_deleted_is_made_small() -> None:
    board = Board()
    board.keeps = True
    old = old_answer(board, LONG, 100)
    stream = say(board, Text("Now"), Controls((AGAIN,)), limit=100, resume=Resume(old, ""))
    assert board.screen == ["Now", "-# …", "-# …"]
    assert labels(board) == [["Again"], [], []]
    assert stream.sent == old


def test_what_is_left_over_and_was_deleted_already_is_no_error() -> None:
    board = Board()
    old = old_answer(board, LONG, 100)
    gone = (*old, *(SentId(f"gone-{number}") for number in range(5)))
    stream = say(board, Controls((STOP,)), 1.0, Text("Now"), 5.0, limit=100, resume=Resume(gone, ""))
    assert board.screen == ["Now"]
    assert stream.sent == old[:1]


def test_a_message_for_which_no_text_is_left_is_taken_back() -> None:
    board = Board()
    stream = say(
        board, Text("x" * 99), 1.0, ToolStart("1", "roll", "{}"), Text("\n"), 5.0, ToolEnd("1", "roll", "6"), limit=100
    )
    assert board.screen == ["x" * 99]
    assert len(stream.sent) == 1


@given(CHUNKS, st.integers(1, 40), FAULTS, st.integers(0, 5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_new_version_leaves_nothing_of_the_old_one(
    chunks: list[tuple[str, float]], old_words: int, faults: list[str], seed: int, keeps: bool
) -> None:
    board = Board(faults=faults, seed=seed)
    board.keeps = keeps
    old = old_answer(board, "older words " * old_words, 60)
    before = board.screen
    text = "".join(chunk for chunk, _ in chunks)

    async def main() -> None:
        board.limit = 60
        async with live(board, limit=60, lane=SlowLane(seed), resume=Resume(old, "")) as stream:
            await stream.write(Controls((STOP,)))
            for chunk, pause in chunks:
                await stream.write(Text(chunk))
                await asyncio.sleep(pause)
            await stream.write(Controls((AGAIN,)))
        parts = as_seen(text, 60) or before
        left = board.screen[len(parts) :]
        assert board.screen == parts + ["-# …"] * len(left)
        if keeps:
            assert len(left) == max(len(old) - len(parts), 0)
        elif len([fault for fault in faults if fault]) <= 4:
            assert left == []
        assert labels(board) == [*([] for _ in parts[1:]), ["Again"], *([] for _ in left)]
        assert len(stream.sent) == len(parts) + len(left)

    try:
        run_virtual(main())
    except DeliveryError:
        assert len([fault for fault in faults if fault]) > 4


def test_switching_versions_back_and_forth_ends_with_the_chosen_one() -> None:
    board = Board()
    sent = old_answer(board, LONG, 100)
    for version in ("Short.", LONG, "Middle " * 20, "Short."):
        board.closed = False
        sent = say(board, Text(version), Controls((AGAIN,)), limit=100, resume=Resume(sent, "")).sent
        assert board.screen == as_seen(version, 100)
        assert len(sent) == len(split(version, 100))


@pytest.mark.parametrize("faults", [["lost"], ["lost", "pass"]])
def test_a_post_that_came_through_although_it_failed_gets_the_newest_buttons(faults: list[str]) -> None:
    board = Board(faults=faults)
    say(board, Controls((STOP,)), Text("Hello"), 0.2, Controls((AGAIN,)), Done("stop"))
    assert board.screen == ["Hello"]
    assert labels(board) == [["Again"]]
