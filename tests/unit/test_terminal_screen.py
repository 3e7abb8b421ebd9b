"""What a screen shows while an answer grows, read back from a terminal emulator."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import pyte
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from adapters.terminal.answer import Answer
from adapters.terminal.live import LiveRegion
from adapters.terminal.outlet import Outlet
from adapters.terminal.render import Renderer, plain
from adapters.terminal.screen import COLOURS, ScreenDisplay
from adapters.terminal.view import AnswerView, after_kept
from bot.api import (
    Done,
    Notice,
    Piece,
    PromptMessage,
    Reply,
    Speaker,
    SystemClock,
    Text,
    ToolEnd,
    ToolStart,
    Usage,
)

DOCUMENT = """# Title

A paragraph with **bold words**, *others* and `code`, long enough to be wrapped at every width tried here.

1. one
2. two
   - nested
   - more
10. ten

```python
def f(x):
    return x ** 2  # not **bold**
```

| Name | Price |
|------|------:|
| Pear | 1.20 |
| Plum | 3.40 |

> quoted
> twice

Roses are red
violets <b>blue</b>

The [end](https://example.com).
"""


class Emulator:
    """A terminal with an endless memory of what scrolled away."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.HistoryScreen(width, height, history=5000, ratio=0.5)
        self.stream = pyte.Stream(self.screen)

    def feed(self, text: str) -> None:
        self.stream.feed(text)

    @property
    def text(self) -> str:
        gone = ["".join(row[at].data for at in range(self.screen.columns)) for row in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self.screen.display]).rstrip("\n")


def renderer(width: int = 60, height: int = 24) -> Renderer:
    return Renderer(lambda: (width, height), "ansi_dark")


def shown_in_pieces(source: str, sizes: Sequence[int], width: int, height: int) -> Emulator:
    emulator, region = Emulator(width, height), LiveRegion()
    view = AnswerView(renderer(width, height), 0.0, footer=False)
    view.introduce(None)
    at, step = 0, 0
    while at < len(source):
        size = sizes[step % len(sizes)]
        view.take([Text(source[at : at + size])])
        keep, live = view.frame(step / 10)
        assert len(live) < height or height <= 3
        emulator.feed(region.update(keep, live, width))
        at, step = at + size, step + 1
    emulator.feed(region.update(view.last_rows(broken=False), [], width))
    return emulator


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(sizes=[3], width=40, height=4)
@given(
    sizes=st.lists(st.integers(3, 60), min_size=1, max_size=5),
    width=st.sampled_from([24, 40, 80, 132]),
    height=st.sampled_from([4, 10, 50]),
)
def test_however_it_arrives_the_screen_ends_the_same(sizes: list[int], width: int, height: int) -> None:
    at_once = shown_in_pieces(DOCUMENT, [len(DOCUMENT)], width, 200)
    in_pieces = shown_in_pieces(DOCUMENT, sizes, width, height)
    assert in_pieces.text.split() == at_once.text.split()
    if height > 4:
        # On a tiny screen a line may scroll away before it is known where it is wrapped.
        assert in_pieces.text == at_once.text


def test_an_answer_longer_than_the_screen_scrolls_and_repeats_nothing() -> None:
    code = "\n".join(f"line_{number} = {number}" for number in range(100))
    words = " ".join(f"word{number}" for number in range(300))
    rows = "\n".join(f"| key {number} | value |" for number in range(30))
    source = f"Code:\n\n```python\n{code}\n```\n\n{words}\n\n| a | b |\n|---|---|\n{rows}\n\nend\n"
    text = shown_in_pieces(source, [23], 40, 12).text
    joined = " ".join(text.split())
    assert [joined.count(f"line_{number} = {number} ") for number in range(100)] == [1] * 100
    assert words in joined
    assert [joined.count(f"key {number} value") for number in range(30)] == [1] * 30


def test_html_and_addresses_stay_readable() -> None:
    text = shown_in_pieces(
        "<b>x</b> [here](https://a.example) https://b.example ![pic](https://c.example/p.png)\n", [9], 132, 9
    ).text
    assert text.strip() == "<b>x</b> here (https://a.example) https://b.example [pic] (https://c.example/p.png)"


def test_emphasis_never_shows_its_marks_while_it_grows() -> None:
    view = AnswerView(renderer(), 0.0, footer=False)
    for letter in "This is **very bold** and `code` text":
        view.take([Text(letter)])
        _, live = view.frame(0.0)
        assert "*" not in plain(live[0])
        assert "`" not in plain(live[0])


def test_only_what_changed_is_drawn_again() -> None:
    region = LiveRegion()
    region.update([], ["one", "two", "status 1"], 80)
    assert "one" not in region.update([], ["one", "two", "status 2"], 80)
    assert region.update([], ["one", "two", "status 2"], 80) == ""


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abc"), max_size=3), st.lists(st.sampled_from("abc"), max_size=4)),
        max_size=8,
    )
)
def test_the_live_region_shows_exactly_its_rows(frames: list[tuple[list[str], list[str]]]) -> None:
    emulator, region, kept = Emulator(10, 8), LiveRegion(), []
    for keep, live in frames:
        emulator.feed(region.update(keep, live, 10))
        kept += keep
        assert emulator.text == "\n".join([*kept, *live])


def test_a_narrower_window_leaves_nothing_of_the_old_rows() -> None:
    region = LiveRegion()
    region.update([], ["x" * 50], 60)
    assert "\x1b[2A" in region.update([], ["x" * 20], 20)


def test_rows_whose_wrapping_changed_are_found_by_their_letters() -> None:
    assert after_kept(["ab cd", "ef gh", "ij"], ["ab", "cd"]) == ["ef gh", "ij"]
    assert after_kept(["ab", "cd"], ["ab"]) == ["cd"]
    assert after_kept(["ab"], ["ab", "cd"]) == []


class Room:
    """The place above a prompt; counts how often it was made."""

    def __init__(self) -> None:
        self.made = 0

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        self.made += 1
        yield


class Watched(io.StringIO):
    """What is written, by a thread; `grew` tells the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.grew = asyncio.Event()

    def flush(self) -> None:
        self.loop.call_soon_threadsafe(self.grew.set)


class Stage:
    def __init__(self, width: int = 60, height: int = 24) -> None:
        self.out = Watched()
        self.room = Room()
        self.display = ScreenDisplay(
            Outlet(self.out), renderer(width, height), SystemClock(), self.room.aside, footer=True
        )
        self.width, self.height = width, height

    async def answer(self, *pieces: Piece, broken: bool = False, speaker: Speaker | None = None) -> None:
        answer = Answer(speaker)
        for piece in pieces:
            answer.add(piece)
        answer.end(broken=broken)
        await self.display.tell(answer)

    async def shows(self, text: str) -> None:
        while text not in self.text:
            self.out.grew.clear()
            await self.out.grew.wait()

    @property
    def text(self) -> str:
        emulator = Emulator(self.width, self.height)
        emulator.feed(self.out.getvalue())
        return emulator.text


async def test_an_answer_with_everything() -> None:
    stage = Stage()
    await stage.answer(
        Text("Let me see."),
        ToolStart("1", "roll", '{"sides": 20}'),
        ToolEnd("1", "roll", "17"),
        Notice("The connection broke."),
        Text("It is **17**."),
        Done("stop", Usage(1, 312), "m", 4.1, 0.6, Decimal("0.0004")),
        speaker=Speaker("1", "Ada\x1b[31m"),
    )
    assert stage.text.split("\n") == [
        "",
        "Ada",
        "Let me see.",
        "  ✓ roll(sides=20) → 17",
        "",
        "It is 17.",
        "  The connection broke.",
        "  312 tokens · 4.1 s · 89 tok/s · first token 0.6 s",
        "  $0.0004",
    ]
    assert stage.out.getvalue().endswith("\x1b[?25h")
    assert stage.room.made == 1


async def test_a_broken_answer_says_so() -> None:
    stage = Stage()
    await stage.answer(Text("Half a sen"), broken=True)
    assert stage.text == "\nHalf a sen\n  broken off"


async def test_an_answer_is_seen_while_it_grows() -> None:
    stage = Stage()
    answer = Answer(None)
    answer.add(Text("The first words"))
    showing = asyncio.create_task(stage.display.tell(answer))
    await stage.shows("first words")
    assert re.search(r"\d\.\d s · ~3 tokens · Ctrl-C stops", stage.text)
    assert stage.display.busy
    answer.end(broken=False)
    await showing
    assert stage.text == "\nThe first words"
    assert not stage.display.busy


async def test_what_is_said_during_an_answer_waits_for_its_next_block() -> None:
    """A tool may send something while the answer it belongs to is being written: neither may wait for the other."""
    stage = Stage()
    outer = Answer(None)
    outer.add(Text("Begin of a sentence"))
    showing = asyncio.create_task(stage.display.tell(outer))
    await stage.shows("Begin")
    await stage.display.show(Reply("sent meanwhile"))
    await stage.answer(Text("told meanwhile"))
    outer.add(Text(" and its end.\n\nNext.\n"))
    outer.end(broken=False)
    await showing
    lines = [line for line in stage.text.split("\n") if line]
    assert lines == ["Begin of a sentence and its end.", "sent meanwhile", "told meanwhile", "Next."]


async def test_replies_remarks_and_reminders() -> None:
    stage = Stage(40)
    await stage.display.remark("Hello there.")
    before = [PromptMessage("user", "How?"), PromptMessage("assistant", "Well.\n" * 50)]
    await stage.display.recall([*before, PromptMessage("assistant", "Meow.", name="Cat")])
    await stage.display.show(Reply(""))
    await stage.display.show(Reply("- one\n- two"))
    lines = stage.text.split("\n")
    assert lines[:2] == ["Hello there.", "› How?"]
    assert lines[2].startswith("  Well. Well.")
    assert "  Cat: Meow." in lines
    assert len(lines) < 13
    assert lines[-2:] == [" • one", " • two"]


async def test_a_line_below_a_list_is_no_part_of_its_last_item() -> None:
    stage = Stage(40)
    await stage.display.show(Reply("- one\n  and more\n- two\n  - three\nThat is all.\n-# Really."))
    assert stage.text.split("\n")[-7:] == [
        " • one",
        "   and more",
        " • two",
        "    • three",
        "",
        "That is all.",
        "Really.",
    ]


async def test_speakers_have_colours_of_their_own_and_keep_them() -> None:
    stage = Stage()
    cast = [Speaker(str(number), f"Name{number}") for number in range(len(COLOURS) + 1)]
    for speaker in (*cast[:2], cast[0], *cast[2:-1], cast[0], cast[-1]):
        await stage.answer(Text("words"), speaker=speaker)
    emulator = Emulator(stage.width, 100)
    emulator.feed(stage.out.getvalue())
    cells = [emulator.screen.buffer[row] for row in range(100)]
    named = [(row[4].data, row[0].fg) for row in cells if row[0].data == "N"]
    # The emulator calls it so.
    first, second, *others = ["brown" if colour == "yellow" else colour for colour in COLOURS]
    expected = [*zip("0102345", [first, second, first, *others], strict=True), ("0", first), ("6", second)]
    assert named == expected


async def test_lines_of_a_scene_stand_one_empty_row_apart() -> None:
    stage = Stage()
    for _ in range(2):
        await stage.answer(Text("words"), Done("stop", Usage(0, 0), "", 0.0, 0.0), speaker=Speaker("1", "Ada"))
    await stage.display.show(Reply("over"))
    stage.display.typed()
    await stage.display.show(Reply("typed below"))
    assert stage.text == "\nAda\nwords\n\nAda\nwords\n\nover\n\n\ntyped below"


async def test_small_lines_are_dim_and_without_their_mark() -> None:
    stage = Stage()
    await stage.display.show(Reply("**Title**\n-# small *print* here\nbig\n\n-# alone\n\na -# b\n\n`-# code`"))
    assert stage.text.strip() == "Title\nsmall print here\nbig\n\nalone\n\na -# b\n\n-# code"
    assert "\x1b[2msmall " in stage.out.getvalue()


@pytest.mark.parametrize("width", [1, 5, 12])
def test_absurd_widths_do_not_fail(width: int) -> None:
    assert "Title" in "".join(plain(row) for row in renderer(width, 2).markdown(DOCUMENT))
