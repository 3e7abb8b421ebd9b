"""Discord's markup and Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.markup import Names, as_text, from_discord, length, plain_name, quote, to_discord, to_markdown

NAMES = Names(
    users={1: "Ada", 2: "Olga"},
    role=lambda id: "Staff" if id == 5 else None,
    channel=lambda id: "general" if id == 7 else None,
    me=frozenset({9, 99}),
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("hi <@1> and <@!2>", "hi @Ada and @Olga"),
        ("who is <@3>?", "who is @somebody?"),
        ("<@9> what now", "what now"),
        ("what <@!9> now", "what now"),
        ("what now <@9>?", "what now?"),
        ("<@&99> go, <@&5> and <@&6>", "go, @Staff and @role"),
        ("see <#7> or <#8>", "see #general or #channel"),
        ("<:party:123> <a:wave:456>", ":party: :wave:"),
        ("<t:0> <t:86400:R>", "1970-01-01 00:00 UTC 1970-01-02 00:00 UTC"),
        ("<t:999999999999>", "<t:999999999999>"),
        ("use </roll dice:123>", "use /roll dice"),
        ("a < b > c <@x> <https://example.org>", "a < b > c <@x> <https://example.org>"),
        ("**bold** `<@1>`", "**bold** `@Ada`"),
        ("half \ud83d a pair", "half � a pair"),
        ("<@9>", ""),
    ],
)
def test_what_people_write_becomes_markdown(written: str, read: str) -> None:
    assert to_markdown(written, NAMES) == read


@pytest.mark.parametrize("text", ["@everyone", "hey @here!", "@EVERYONE", "<@&5>", "@everyone@here"])
def test_nothing_the_bot_says_can_ring(text: str) -> None:
    safe = to_discord(text)
    assert safe != text
    assert safe.replace("\u200b", "") == text
    assert not any(ping in safe.lower() for ping in ("@everyone", "@here", "<@&5"))
    assert from_discord(safe) == text


@given(st.text())
def test_what_was_made_safe_can_be_read_back(text: str) -> None:
    text = text.replace("\u200b", "")
    assert from_discord(to_discord(text)) == text


@given(st.text(st.characters(), max_size=50))
def test_everything_is_text_in_the_end(text: str) -> None:
    as_text(text).encode()
    assert to_discord(to_discord(text)) == to_discord(text)
    assert length(text) >= len(to_discord(text))


def test_length_counts_what_is_sent() -> None:
    assert length("abc") == 3
    assert length("@everyone") == 10
    assert length("😀") == 2


def test_names_are_one_bearable_line() -> None:
    assert plain_name("A\nB\u202e  C") == "A B C"
    assert plain_name("\u200b\n") == "somebody"
    assert len(plain_name("x" * 500)) == 80


def test_quotes_are_bounded() -> None:
    assert quote("Ada", "one\ntwo", 100) == "> Ada: one\n> two"
    assert quote("Ada", "x" * 200, 100) == "> Ada: " + "x" * 100 + " …"
