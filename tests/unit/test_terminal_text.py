"""What is typed and what is shown, as text: meaning, safety, footers, blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from adapters.terminal.blocks import Chunk, cut, presentable
from adapters.terminal.lines import Called, Hint, Leave, Said, understand
from adapters.terminal.safe import Cleaner, clean, readable
from adapters.terminal.words import tool_ended, tool_running
from bot.api import Command, ToolEnd, ToolStart


async def nothing() -> None:
    return None


COMMANDS = tuple(Command(name, "", (), nothing, "test") for name in ("help", "system show", "system set", "stop"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", None),
        ("  \t \n", None),
        ("hello", Said("hello")),
        ("  two\nlines \n", Said("two\nlines")),
        ("/help", Called("help", "")),
        ("/HELP  ", Called("help", "")),
        ("/help me out", Called("help", "me out")),
        ("/unknown 1 2", Called("unknown", "1 2")),
        ("/system set be kind\nalways", Called("system set", "be kind\nalways")),
        ("/System SHOW", Called("system show", "")),
        ("/system", Called("system", "")),
        ("/system nonsense x", Called("system nonsense", "x")),
        ("/usr/bin/env is a path", Said("/usr/bin/env is a path")),
        ("//comment", Said("//comment")),
        ("/5 of them", Said("/5 of them")),
        ("/help? what", Said("/help? what")),
        ("/", Hint("Type /help to see the commands.")),
        ("/quit", Leave()),
        ("/EXIT now", Leave()),
        ("a\x1b[31mb\x00c", Said("a[31mbc")),
        ("bad \udcff byte", Said("bad \ufffd byte")),
    ],
)
def test_what_is_typed_is_understood(typed: str, meant: object) -> None:
    assert understand(typed, COMMANDS) == meant


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain\ttext\nnext", "plain\ttext\nnext"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;c3VkbyBybSAtcmYgLw==\x07", ""),
        ("\x9b2Jgone", "gone"),
        ("\x1bcreset", "reset"),
        ("over\rwritten\r\nline", "overwritten\nline"),
        ("bell\x07 back\x08", "bell back"),
        ("\u202egnp.exe", "gnp.exe"),
        ("family \U0001f468\u200d\U0001f469\u200d\U0001f467 and \u05e9\u05dc\u05d5\u05dd", None),
        ("lone \ud800", "lone \ufffd"),
    ],
)
def test_control_sequences_never_reach_the_terminal(said: str, shown: str | None) -> None:
    assert clean(said) == (said if shown is None else shown)


HOSTILE = st.text(st.sampled_from("ab \n\x1b[]0;31mPX\\\x07\x9b\x9d\x9c\r\u202e?("), max_size=60)


@given(HOSTILE, st.integers(1, 7))
def test_a_sequence_cut_anywhere_is_still_found(said: str, size: int) -> None:
    cleaner = Cleaner()
    parts = [cleaner.feed(said[at : at + size]) for at in range(0, len(said), size)]
    shown = "".join(parts) + cleaner.finish()
    assert not set(shown) & set("\x1b\x07\x9b\x9c\x9d\r\u202e")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"]) | st.just("\n"), max_size=80), st.integers(1, 9))
def test_ordinary_text_passes_unchanged(said: str, size: int) -> None:
    cleaner = Cleaner()
    shown = "".join(cleaner.feed(said[at : at + size]) for at in range(0, len(said), size)) + cleaner.finish()
    assert shown == said


def test_a_sequence_without_an_end_is_held_only_so_long() -> None:
    cleaner = Cleaner()
    shown = "".join(cleaner.feed(piece) for piece in ["\x1b]0;", *["x" * 100] * 50])
    assert shown.endswith("x" * 100)
    assert "\x1b" not in shown


def test_typed_text_keeps_its_lines() -> None:
    assert readable("a\r\nb\rc") == "a\nb\nc"


def test_tool_lines_are_short_and_safe() -> None:
    start = ToolStart("1", "roll", '{"sides": 20, "note": "\\u001b[31m"}')
    assert "roll(sides=20" in tool_running(start)
    assert tool_ended(start, ToolEnd("1", "roll", "x\n" * 100)).endswith("…")
    assert tool_ended(None, ToolEnd("1", "ro\x1b[1mll", "no", failed=True)) == "✗ roll → no"
    assert tool_running(ToolStart("1", "odd", "[not json")) == "· odd([not json) …"


def parser() -> MarkdownIt:
    return MarkdownIt().enable(["strikethrough", "table"]).disable(["html_block", "html_inline"])


def test_finished_blocks_are_told_from_the_open_one() -> None:
    parted = cut(parser(), Chunk("# Title\n\nOne.\n\n- a\n- b\n  more\n- c"))
    assert parted.finished == (Chunk("# Title\n\n"), Chunk("One.\n\n"), Chunk("- a\n"))
    assert parted.rest == Chunk("- b\n  more\n- c", joined=True)


def test_a_half_line_decides_nothing() -> None:
    assert cut(parser(), Chunk("Text\n#")) == cut(parser(), Chunk("Text\n#"))
    assert cut(parser(), Chunk("Text\n#")).finished == ()
    assert cut(parser(), Chunk("Text\n# T\n")).finished == (Chunk("Text\n"),)


@given(st.text(st.sampled_from("ab*`#|- \n>1.~_\u2028\x0c"), max_size=80))
def test_no_character_is_lost_between_blocks(source: str) -> None:
    parted = cut(parser(), Chunk(source))
    assert "".join(chunk.source for chunk in parted.finished) + parted.rest.source == source


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("some **bold", "some **bold**"),
        ("some **bold ", "some **bold**"),
        ("some `code", "some `code`"),
        ("**done** and", "**done** and"),
        ("5 * 3 and 2*3", "5 * 3 and 2*3"),
        ("snake_case", "snake_case"),
        ("see [the page](https://exa", "see the page"),
        ("Text\n--", "Text\n"),
        ("Text\n``", "Text\n"),
        ("```py\nx = 1\n``", "```py\nx = 1\n"),
        ("```py\nx = 2**", "```py\nx = 2**"),
        ("| a | b |\n|--", ""),
        ("| a | b |\n|---|---|\n| 1", "| a | b |\n|---|---|\n| 1"),
    ],
)
def test_an_open_part_is_shown_without_flicker(source: str, shown: str) -> None:
    assert presentable(source) == shown
