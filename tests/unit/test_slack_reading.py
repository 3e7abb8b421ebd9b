"""What people write on Slack reads like Markdown for everybody else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.markup import to_mrkdwn
from adapters.slack.reading_markup import Names, mentions, message_text, to_markdown

NAMES = Names(
    user={"U1": "Ann", "U2": "Bo\n<b>"}.get,
    channel={"C1": "tea"}.get,
    group={"S1": "brewers"}.get,
    me=frozenset({"UBOT"}),
)


@pytest.mark.parametrize(
    ("wrote", "read"),
    [
        ("<@UBOT> what is &lt;b&gt; &amp; co?", "what is <b> & co?"),
        ("tell me, <@UBOT>!", "tell me,!"),
        ("hi <@UBOT|bot> and <@U1>, <@U2>, <@U9|nine>, <@U8>", "hi and @Ann, @Bo <b>, @nine, @somebody"),
        ("in <#C1|old> or <#C9|nine> or <#C8>", "in #tea or #nine or #channel"),
        ("<!subteam^S1> <!subteam^S9|@nine> <!here> <!channel|channel>", "@brewers @nine @here @channel"),
        ("see <https://x.y/a?b=1&amp;c=2> or <http://x.org|x.org>", "see https://x.y/a?b=1&c=2 or x.org"),
        ("<https://x.y/(a)|the [guide]>", r"[the \[guide\]](https://x.y/%28a%29)"),
        ("<mailto:me@x.org|me@x.org> <tel:+123>", "me@x.org +123"),
        ("at <!date^1392734382^{date_num} {time}|Feb 18>, <!date^0^{date}>", "at Feb 18, 1970-01-01 00:00 UTC"),
        ("<!date^999999999999^{date}>", "{date}"),
        ("*bold* _it_ ~no~ 2*3*4 snake_case :smile:", "**bold** _it_ ~~no~~ 2*3*4 snake_case :smile:"),
        ("&gt; quoted\n&gt;next\nnot", "> quoted\n> next\nnot"),
        ("so:\n&gt;&gt;&gt; all\nof it", "so:\n> all\n> of it"),
        ("• one\n    ◦ two", "- one\n    - two"),
        ("`a &lt; *b*` and ```if a &lt; b:\n    *c*```ok", "`a < *b*` and \n```\nif a < b:\n    *c*\n```\nok"),
        ("<@U1|`x`> says `one` and `two`", "@Ann says `one` and `two`"),
        ("```<https://x.y|x.y> <mailto:a@b.c|a@b.c> <@U1>```", "```\nx.y a@b.c @Ann\n```"),
        ("&amp;lt; <not a thing", "&lt; <not a thing"),
        ("@\u200bhere un\u200b*x*", "@here un**x**"),
        ("", ""),
    ],
)
def test_messages_become_markdown(wrote: str, read: str) -> None:
    assert to_markdown(wrote, NAMES) == read


def test_text_goes_before_blocks() -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "*block*"}}
    assert message_text({"text": "said", "blocks": [block]}) == "said"
    assert message_text({"text": " ", "blocks": [block, "?", {"type": "divider"}]}) == "*block*"
    assert message_text({"text": None}) == ""


def test_rich_text_is_read_where_nothing_else_is() -> None:
    def run(*elements: object, kind: str = "section") -> dict[str, object]:
        return {"type": f"rich_text_{kind}", "elements": list(elements)}

    words = run(
        {"type": "text", "text": "a <b> "},
        {"type": "text", "text": "x=1", "style": {"code": True}},
        {"type": "user", "user_id": "U1"},
        {"type": "link", "url": "https://x.y", "text": "l"},
        {"type": "emoji", "name": "tea"},
    )
    rich = [
        words,
        run(run({"type": "text", "text": "one"}), kind="list"),
        run({"type": "text", "text": "q"}, kind="quote"),
        run({"type": "text", "text": "1 < 2"}, kind="preformatted"),
    ]
    text = message_text({"blocks": [{"type": "rich_text", "elements": rich}]})
    assert to_markdown(text, NAMES) == "a <b> `x=1`@Ann[l](https://x.y):tea:\n- one\n> q\n```\n1 < 2\n```"


def test_who_is_called_is_not_read_from_code() -> None:
    assert mentions("<@U1> and `<@U2>` and ```\n<@U3>\n``` <@U4|x>") == {"U1", "U4"}


@given(st.text(st.sampled_from("ab *_~`<>&|@#!^\n:/.•") | st.characters(), max_size=60))
def test_anything_can_be_read(wrote: str) -> None:
    to_markdown(wrote, NAMES).encode()
    mentions(wrote)


@given(st.lists(st.sampled_from(["word", "a & b", "<b>", "2*3*4", "x_y", "1 > 0", "&lt;", "été"]), min_size=1))
def test_what_was_sent_can_be_read_back(words: list[str]) -> None:
    said = " ".join(words).replace("&lt;", "<")
    assert to_markdown(to_mrkdwn(said), NAMES) == said


@given(st.text(st.sampled_from("ab<>&*_ \n#-|") | st.characters(blacklist_categories=["Cs"]), max_size=80))
def test_code_comes_back_as_it_went(body: str) -> None:
    body = re.sub(r"[`~\r\0\u200b\u02cb]", "", body).strip("\n")
    if body.strip():
        assert to_markdown(to_mrkdwn(f"```\n{body}\n```"), NAMES) == f"```\n{body}\n```".strip()
