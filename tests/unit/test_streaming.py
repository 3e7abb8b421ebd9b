"""Live answers in virtual time: whatever the platform does, the screen ends with exactly what was said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import DeliveryError, DeliveryRefused, ModelTimeout, TargetGone
from bot.lanes import Call, OpenLane
from bot.replies import Button, Done, Notice, Resume, SentId, Text, ToolEnd, ToolStart
from bot.streaming import EditedStream, Shown
from bot.testing.clock import run_virtual
from bot.text import Pager, split
from tests.unit.board import CHUNKS, FAULTS, Board, SlowLane, as_seen, live, say


@given(CHUNKS, FAULTS, st.integers(0, 5), st.sampled_from([50, 120, 2000]))
@settings(max_examples=150, deadline=None)
def test_the_screen_ends_with_the_text(
    chunks: list[tuple[str, float]], faults: list[str], seed: int, limit: int
) -> None:
    board, lane = Board(faults=faults, seed=seed), SlowLane(seed)
    text = "".join(chunk for chunk, _ in chunks)
    tries = [fault for fault in faults if fault]

    async def main() -> EditedStream:
        stream = live(board, limit=limit, lane=lane)
        try:
            async with stream:
                assert lane.streams == 1
                for chunk, pause in chunks:
                    await stream.write(Text(chunk))
                    if pause:
                        await asyncio.sleep(pause)
                await stream.write(Done("stop"))
        except DeliveryError:
            assert len(tries) > 4
            return stream
        assert board.screen == as_seen(text, limit)
        assert [board.messages[sent.id] for sent in stream.sent] == list(stream.shown)
        return stream

    stream = run_virtual(main())
    assert stream.text == text
    assert lane.streams == 0
    assert not lane.out


@given(CHUNKS, st.lists(st.sampled_from(["", "", "gone"]), max_size=4), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_deleted_messages_come_back_with_all_that_was_said(
    chunks: list[tuple[str, float]], faults: list[str], seed: int
) -> None:
    board = Board(faults=faults, seed=seed)
    text = "".join(chunk for chunk, _ in chunks)
    try:
        stream = say(board, *(part for chunk, pause in chunks for part in (Text(chunk), pause)), limit=100)
    except TargetGone:
        assert faults.count("gone") > 3
        return
    assert stream.text == text
    assert sorted(stream.shown) == sorted(as_seen(text, 100))


def test_the_first_text_comes_at_once_and_a_pause_shows_what_there_is() -> None:
    async def main() -> None:
        board = Board(latency=0.0)
        async with live(board) as stream:
            await stream.write(Text("Hello"))
            await stream.first_shown.wait()
            assert board.screen == ["Hello"]
            assert stream.changed.is_set()
            await stream.write(Text(" there"))
            await asyncio.sleep(5)
            assert board.screen == ["Hello there"]

    run_virtual(main())


def test_writing_never_waits_and_the_latest_text_wins() -> None:
    async def main() -> None:
        board = Board(latency=2.0)
        loop = asyncio.get_running_loop()
        async with live(board) as stream:
            before = loop.time()
            for number in range(1000):
                await stream.write(Text(f"{number} "))
            assert loop.time() == before
            await asyncio.sleep(10)
        assert len(board.history) <= 3

    run_virtual(main())


def test_nothing_written_posts_nothing() -> None:
    board = Board()
    assert say(board, Text(""), Text("  \n"), Done("stop")).sent == ()
    assert board.history == []


@pytest.mark.parametrize(
    ("reason", "mark"),
    [("stopped", "⏹ stopped"), ("length", "cut off"), ("truncated", "broke off"), ("filtered", "filter")],
)
def test_how_it_ended_is_said_under_the_answer(reason: str, mark: str) -> None:
    board = Board()
    stream = say(board, Text("An answer"), 1.0, Done(reason))  # type: ignore[arg-type]  # each is a Reason
    first, last = board.screen[0].split("\n")
    assert first == "An answer"
    assert last.startswith("-# ")
    assert mark in last
    assert stream.text == "An answer"


def test_notices_stand_under_the_answer_and_replace_the_mark() -> None:
    board = Board()
    stream = say(board, Text("Half"), Notice("The model is gone.\nTry again."), Done("failed"))
    assert board.screen == ["Half\n-# The model is gone.\n-# Try again."]
    assert stream.text == "Half"


def test_a_notice_that_does_not_fit_gets_a_message_of_its_own() -> None:
    board = Board()
    say(board, Text("x" * 95), Notice("a notice"), limit=100)
    assert board.screen == ["x" * 95, "-# a notice"]


@pytest.mark.parametrize(
    ("error", "mark"),
    [
        (asyncio.CancelledError(), "as soon as I am back"),
        (ModelTimeout(), "took too long"),
        (ValueError(), "went wrong"),
    ],
)
def test_an_error_in_the_block_shows_what_there_is_and_a_mark(error: BaseException, mark: str) -> None:
    async def main() -> None:
        board = Board()

        async def fail() -> None:
            async with live(board) as stream:
                await stream.write(Text("Said so far ```py\nx"))
                raise error

        with pytest.raises(type(error)):
            await fail()
        assert board.screen[0].startswith("Said so far ```py\nx\n```\n-# ")
        assert mark in board.screen[0]

    run_virtual(main())


def test_a_slow_tool_is_shown_while_it_runs() -> None:
    board = Board()
    say(
        board,
        Text("Let me see."),
        1.0,
        ToolStart("1", "roll", "{}"),
        2.0,
        ToolEnd("1", "roll", "6"),
        1.0,
        Text(" Six."),
    )
    assert any("🔧 roll" in text for _, text in board.history)
    assert board.screen == ["Let me see. Six."]


def test_a_quick_tool_is_not() -> None:
    board = Board()
    say(board, ToolStart("1", "roll", "{}"), 0.1, ToolEnd("1", "roll", "6"), 1.0, Text("Six."))
    assert board.history == [("0", "Six.")]


def test_a_refusal_is_raised_at_the_end_and_what_was_said_is_kept() -> None:
    async def main() -> None:
        board = Board(faults=["", "refused"])
        stream = live(board)

        async def answer() -> None:
            async with stream:
                for word in ("all ", "of ", "it"):
                    await stream.write(Text(word))
                    await asyncio.sleep(1)

        with pytest.raises(DeliveryRefused):
            await answer()
        assert stream.text == "all of it"
        assert len(board.history) == 1

    run_virtual(main())


def test_what_the_platform_changed_is_put_right() -> None:
    class Forgetful(Board):
        def _show(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
            shown = super()._show(sent, text, buttons)
            if len(self.history) == 2:
                self.messages[sent.id] = text[:5]
                return Shown(sent, text[:5])
            return shown

    board = Forgetful()
    say(board, Text("Hello"), 1.0, Text(" my friend"))
    assert board.screen == ["Hello my friend"]
    assert len(board.history) == 3


def test_a_platform_that_always_differs_does_not_loop() -> None:
    class Shouting(Board):
        def _show(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
            super()._show(sent, text, buttons)
            return Shown(sent, text.upper())

    board = Shouting()
    say(board, Text("Hello"))
    assert len(board.history) <= 4


def test_a_resumed_answer_goes_on_in_its_last_message() -> None:
    said = "Sentence one is here. " * 9
    pager = Pager(100)
    pager.feed(said)
    pages = [page.text for page in pager.finish()]
    board = Board()
    sent = tuple(SentId(f"old-{number}") for number in range(len(pages)))
    board.messages = {each.id: page.strip() for each, page in zip(sent, pages, strict=True)}
    board.messages[sent[-1].id] = "half"
    resume = Resume(sent, said, shown=(*pages[:-1], "half"))
    stream = say(board, Text("And more."), Done("stop"), limit=100, resume=resume)
    assert board.screen == as_seen(said + "And more.", 100)
    assert stream.sent[: len(sent)] == sent
    assert {id for id, _ in board.history} <= {sent[-1].id, *(each.id for each in stream.sent[len(sent) :])}


def test_what_the_messages_of_a_resumed_answer_show_is_made_sure_of_where_nobody_saw_it() -> None:
    said = "Sentence one is here. " * 9
    sent = tuple(SentId(f"old-{number}") for number in range(len(split(said, 100))))
    board = Board()
    board.messages = {each.id: "nobody knows" for each in sent}
    say(board, Done("stop"), limit=100, resume=Resume(sent, said))
    assert board.screen == as_seen(said, 100)
    assert len(board.history) == len(sent)


def test_a_resumed_message_that_was_seen_to_differ_is_put_right() -> None:
    said = "Sentence one is here. " * 9
    pages = split(said, 100)
    sent = tuple(SentId(f"old-{number}") for number in range(len(pages)))
    board = Board()
    board.messages = {each.id: page.strip() for each, page in zip(sent, pages, strict=True)}
    board.messages[sent[0].id] = "cut"
    resume = Resume(sent, said, shown=("cut", *pages[1:]))
    say(board, Done("stop"), limit=100, resume=resume)
    assert board.screen == as_seen(said, 100)
    assert {id for id, _ in board.history} == {sent[0].id}


def test_leaving_while_cancelled_again_leaves_no_task_behind() -> None:
    async def main() -> None:
        board = Board(latency=50.0)

        async def answer() -> None:
            async with live(board) as stream:
                await stream.write(Text("Hello"))
                await asyncio.sleep(1)

        task = asyncio.create_task(answer())
        await asyncio.sleep(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


@pytest.mark.parametrize("seed", range(6))
def test_what_can_be_read_never_becomes_less(seed: int) -> None:
    """Also where a full message gives up its last lines to the next one."""
    dice = random.Random(seed)
    words = ["a", "tree", "grows", "where", "nobody", "waters", "it.\n\n", "Then", "leaves", "fall.\n"]
    said = " ".join(dice.choices(words, k=200))

    async def main() -> None:
        board = Board()
        board.watched = True
        most = 0
        async with live(board, limit=120) as stream:
            for at in range(0, len(said), 7):
                await stream.write(Text(said[at : at + 7]))
                await asyncio.sleep(0.1 + dice.random() / 5)
                read = readable(said, board.screen)
                assert read >= most
                most = read
        assert board.screen == as_seen(said, 120)

    run_virtual(main())


class OneEditASecond(OpenLane):
    """Each edit waits until a second after the one before it."""

    def __init__(self) -> None:
        self._free = 0.0

    async def admit(self, call: Call) -> None:
        if call.method == "edit":
            now = asyncio.get_running_loop().time()
            self._free = max(self._free, now) + 1.0
            await asyncio.sleep(self._free - 1.0 - now)


@pytest.mark.parametrize("seed", range(4))
def test_turning_over_a_page_costs_no_more_than_an_edit(seed: int) -> None:
    dice = random.Random(seed)
    said = " ".join(f"{number}" + "." * (dice.random() < 0.2) for number in range(400))

    async def main() -> None:
        board = Board()
        seen = 0
        async with live(board, limit=200, lane=OneEditASecond()) as stream:
            for at in range(0, len(said), 6):
                await stream.write(Text(said[at : at + 6]))
                await asyncio.sleep(0.1)
                if at % 72 == 0 and at:
                    # 1.2 seconds later there is more to read.
                    read = readable(said, board.screen)
                    assert read > seen
                    seen = read
        assert board.screen == as_seen(said, 200)

    run_virtual(main())


def readable(said: str, screen: Sequence[str]) -> int:
    """How many letters of the beginning of a text can be read, from one message to the next."""
    plain, end = "".join(said.split()), 0
    for shown in ("".join(text.split()) for text in screen):
        begin = next((at for at in range(end, -1, -1) if plain[at:].startswith(shown)), None)
        if begin is None:
            break
        end = max(end, begin + len(shown))
    return end
