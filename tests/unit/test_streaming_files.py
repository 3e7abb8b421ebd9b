"""Answers that are too long for a chat and are given as a file, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import DeliveryError
from bot.events import Place, Route, User
from bot.platform import Posted
from bot.recovery import with_shown
from bot.replies import Button, Controls, Done, Resume, SentId, Text
from bot.store import Draft
from bot.streaming import EditedStream, OpenLane
from bot.testing.clock import VirtualClock, run_virtual
from bot.text import split
from tests.unit.board import CHUNKS, FAULTS, Board, FileBoard, SlowLane, as_seen, live, old_answer, say

STOP, AGAIN = Button("stop", "Stop"), Button("again", "Again")
BOT, NOW = User("bot", "bot", is_bot=True), datetime(2026, 1, 1, tzinfo=UTC)
LONG = "".join(f"Sentence {number} says something. " for number in range(60))
COMES, IS_HERE = "-# … the rest comes as a file", "-# 📄 the whole answer is in answer.md"


def test_past_so_many_messages_the_rest_comes_as_a_file() -> None:
    async def main() -> None:
        board = FileBoard()
        async with live(board, limit=200, most=2) as stream:
            for word in LONG.split(" "):
                await stream.write(Text(word + " "))
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            assert len(board.screen) == 2
            assert board.screen[1].endswith(f".\n{COMES}")
            await stream.write(Controls((AGAIN,)))
            await stream.write(Done("length"))
        first, last = board.screen
        assert first == as_seen(LONG, 200)[0]
        assert last.split("\n")[1:] == [IS_HERE, "-# ⚠️ cut off"]
        assert board.files == {stream.sent[1].id: {"answer.md": (LONG + " ").encode()}}
        assert list(board.buttons.values()) == [[], ["Again"]]

    run_virtual(main())


def test_code_that_is_cut_for_a_file_keeps_its_fences() -> None:
    board = FileBoard()
    text = "```py\n" + "".join(f"line_{number} = {number}\n" for number in range(200)) + "```"
    say(board, Text(text), 2.0, limit=200, most=3)
    assert len(board.screen) == 3
    assert all(message.count("```") == 2 for message in board.screen)
    assert list(board.files.values()) == [{"answer.md": text.encode()}]


def test_an_answer_that_just_fits_is_no_file() -> None:
    board = FileBoard()
    text = ("word " * 40).rstrip() + "  \n\n  "
    say(board, Text(text), 2.0, limit=100, most=2)
    assert board.screen == as_seen(text, 100)
    assert len(board.screen) == 2
    assert board.files == {}


def test_a_refused_file_is_written_out_in_messages() -> None:
    board = FileBoard()
    board.refuses = True
    say(board, Text(LONG), 2.0, Controls((AGAIN,)), limit=200, most=2)
    assert board.screen == as_seen(LONG, 200)
    assert list(board.buttons.values())[-2:] == [[], ["Again"]]


def test_a_surface_that_takes_no_files_gets_messages() -> None:
    board = Board()
    say(board, Text(LONG), limit=200, most=2)
    assert board.screen == as_seen(LONG, 200)


def test_an_answer_taken_up_ends_with_the_same_file() -> None:
    once = FileBoard()
    say(once, Text(LONG), limit=200, most=2)
    board = FileBoard()
    half = LONG[:1000]
    broken = say(board, Text(half), 2.0, limit=200, most=2)
    board.closed = False
    again = say(board, Text(LONG[1000:]), limit=200, most=2, resume=Resume(broken.sent, half, broken.shown))
    assert board.screen == once.screen
    assert again.sent == broken.sent
    assert list(board.files.values()) == [{"answer.md": LONG.encode()}]


def test_a_shorter_version_takes_the_file_away() -> None:
    board = FileBoard()
    first = say(board, Text(LONG), limit=200, most=1)
    board.closed = False
    say(board, Text("Short."), limit=200, most=1, resume=Resume(first.sent, ""))
    assert board.screen == ["Short."]
    assert list(board.files.values()) == [{}]


@given(CHUNKS, FAULTS, st.integers(0, 5), st.integers(1, 3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_character_arrives_in_messages_or_in_the_file(
    chunks: list[tuple[str, float]], faults: list[str], seed: int, most: int, refuses: bool
) -> None:
    board = FileBoard(faults=faults, seed=seed)
    board.refuses = refuses
    text = "".join(chunk for chunk, _ in chunks) * 3

    async def main() -> None:
        async with live(board, limit=100, lane=SlowLane(seed), most=most) as stream:
            for chunk, pause in chunks * 3:
                await stream.write(Text(chunk))
                await asyncio.sleep(pause)
        parts = as_seen(text, 100)
        files = [content for files in board.files.values() for content in files.values()]
        if files:
            assert len(board.screen) == most < len(parts)
            assert board.screen[:-1] == parts[: most - 1]
            assert board.screen[-1].endswith(IS_HERE)
            assert files == [text.encode()]
        else:
            assert board.screen == parts
            assert refuses or len(parts) <= most or len([fault for fault in faults if fault]) > 4

    try:
        run_virtual(main())
    except DeliveryError:
        assert len([fault for fault in faults if fault]) > 4


def test_messages_beyond_a_refused_file_stay() -> None:
    board = FileBoard()
    board.refuses = True
    old = old_answer(board, LONG, 200)
    stream = say(board, Controls((AGAIN,)), Done("stop"), limit=200, most=2, resume=Resume(old, LONG))
    assert board.screen == as_seen(LONG, 200)
    assert stream.sent == old
    assert [labels for labels in board.buttons.values() if labels] == [["Again"]]


@pytest.mark.parametrize("seen", [True, False])
def test_messages_beyond_the_file_are_taken_back(seen: bool) -> None:
    board = FileBoard()
    old = old_answer(board, LONG, 200)
    shown = split(LONG, 200) if seen else ()
    stream = say(board, Done("stop"), limit=200, most=2, resume=Resume(old, LONG, shown))
    assert len(board.screen) == 2
    assert stream.sent == old[:2]
    assert board.files[old[1].id] == {"answer.md": LONG.encode()}


BLOCK = "```py\n" + "".join(f"line_{number} = {number}\n" for number in range(12)) + "```\n\n"


@given(
    st.lists(st.sampled_from(["One short sentence. ", "Another, **bold** one.\n\n", BLOCK]), min_size=1, max_size=20),
    st.floats(0.0, 12.0),
    st.integers(0, 3),
    st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_a_crash_at_any_moment_changes_nothing_in_the_end(said: list[str], moment: float, most: int, seed: int) -> None:
    """As recovery does it: what was journaled and what the channel shows, and the model says the rest."""
    text = "".join(said)
    tokens = [text[at : at + 7] for at in range(0, len(text), 7)]
    whole, board = FileBoard(seed=seed), FileBoard(seed=seed)
    journal: tuple[str, tuple[SentId, ...]] = ("", ())

    async def speak() -> None:
        nonlocal journal

        async def before_post() -> None:
            nonlocal journal
            journal = (stream.text, stream.sent)

        stream = EditedStream(
            board,
            OpenLane(),
            max_chars=200,
            clock=VirtualClock(),
            max_messages=most,
            before_post=before_post,
            small="-# ",
        )
        async with stream:
            await stream.write(Controls((STOP,)))
            for token in tokens:
                await stream.write(Text(token))
                await asyncio.sleep(0.1)
            await stream.write(Controls((AGAIN,)))

    async def killed() -> None:
        speaking = asyncio.create_task(speak())
        await asyncio.wait({speaking}, timeout=moment)
        board.dead = True
        speaking.cancel()
        await asyncio.wait({speaking})
        if not speaking.cancelled():
            # It ended before, or with Dead.
            speaking.exception()

    say(whole, *(Text(token) for token in tokens), Controls((AGAIN,)), limit=200, most=most)
    run_virtual(killed())
    board.dead = False
    draft = Draft(1, 1, Route(Place("p", "w", "c")), "q", 1, journal[0], journal[1], 0, NOW)
    posted = [Posted(id, BOT, shown, NOW, own=True, in_reply_to="q") for id, shown in board.messages.items()]
    found = with_shown(draft, posted)
    assert text.startswith(found.text)
    rest = Text(text[len(found.text) :])
    say(board, rest, Controls((AGAIN,)), limit=200, most=most, resume=Resume(found.sent, found.text))
    assert board.screen == whole.screen
    assert list(board.buttons.values()) == list(whole.buttons.values())
    assert [list(each.values()) for each in board.files.values()] == [
        list(each.values()) for each in whole.files.values()
    ]
