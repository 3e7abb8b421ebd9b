"""Markdown on its way to Slack: looks as it should, calls nobody, and grows only at its end."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.slack.escaping import (
    ZERO_WIDTH_SPACE,
    Mention,
    escape,
    from_markdown_text,
    plain_name,
    settled,
    to_markdown_text,
    unescape,
)
from adapters.slack.lengths import MAX_TEXT, markdown_length, mrkdwn_length, same
from adapters.slack.markup import to_mrkdwn
from bot.markers import close_markers
from bot.text import Pager, split

Z = ZERO_WIDTH_SPACE
# Every piece of Markdown that means something somewhere, and what people try.
PIECES = st.sampled_from(
    [
        *(
            "a",
            "word ",
            "2",
            " ",
            "\n",
            "\n\n",
            "*",
            "**",
            "_",
            "__",
            "~~",
            "~",
            "`",
            "``",
            "```",
            "\n```\n",
            "\n```py\n",
        ),
        *("[", "](", ")", "![", "http://x.y/z_w", "https://a.b?c=1&d", "<", ">", "&", "&lt;", "&amp;", "\\", "|", "\t"),
        *("\n- ", "\n  - ", "\n1. ", "\n# ", "\n> ", "\n>> ", "\n---\n", "| a | b |\n|--|--|\n", "| c | d |\n", "    "),
        *(
            "<!channel>",
            "<@U123>",
            "<#C1|x>",
            "<!subteam^S1>",
            "@here",
            "@channel",
            "ü",
            "漢字",
            "😀",
            "é",
            "x.",
            "(",
            "\n- [ ] ",
        ),
        *("\n~~~\n", "\n===\n", "https://", "\r\n", "\0", "\ud800", ":smile:", "•", "<br>", "<http://q.r|l>", "\n    "),
    ]
)
MARKDOWN = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60)
_EVERYBODY = re.compile(r"@(channel|here|everyone)\b")
_ANGLED = re.compile(r"<[^>]*>?")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("**bold**, *it*, __bold__, _it_, ~~no~~", "*bold*, _it_, *bold*, _it_, ~no~"),
        ("***both*** **a _b_ c** *a **b***", "*_both_ a _b_ c* _a *b*_"),
        ("**one**\n**two**", "*one*\n*two*"),
        ("2*3*4 and 2 * 3 * 4, a_b_c, ~5", f"2*3*4 and 2 * 3 * 4, a_b_c, {Z}~{Z}5"),
        ("un**believ**able `foo`s", f"un{Z}*believ*{Z}able `foo`{Z}s"),
        (r"\*not\* \_this\_", f"{Z}*{Z}not* {Z}_{Z}this_"),
        ("def f(*args, **kwargs)", f"def f({Z}*{Z}args, {Z}**{Z}kwargs)"),
        ("** a** and **a\nb**", "** a** and *a b*"),
        ("# Title with **bold** and `code`\ntext", "*Title with bold and `code`*\ntext"),
        ("## A _quiet_ one ##", "*A _quiet_ one*"),
        ("Title\n=====\nfirst\n\n---\nlast", f"*Title*\nfirst\n\n{'─' * 12}\nlast"),
        ("- a\n  - b **c**\n    - d\n* e\n1. f\n   more", "• a\n  ◦ b *c*\n    ▪ d\n• e\n1. f\n   more"),
        ("- [ ] open\n- [x] done", "☐ open\n☑ done"),
        ("> quoted **x**\n> > deeper\nafter", "> quoted *x*\n> ┃ deeper\nafter"),
        ("> see\n> ```\n> x < 1\n> ```\nend", "> see\n```\nx &lt; 1\n```\nend"),
        ("\\> no quote\n&gt; nor this", f"{Z}&gt; no quote\n{Z}&gt; nor this"),
        ("[a *b*](https://x.y/?q=1&r=2 'T')", "<https://x.y/?q=1&amp;r=2|a b>"),
        ("**[x](http://y/a(b))**, ![cat](http://c/d.png)", "*<http://y/a(b)|x>*, <http://c/d.png|cat>"),
        ("<https://a.b/c> and https://a.b/c_d_e. <me@x.org>", "<https://a.b/c> and <https://a.b/c_d_e>. me@x.org"),
        ("[run](javascript:alert) [here](slack://x) [rel](/doc)", "run (javascript:alert) here (slack://x) rel (/doc)"),
        ("```python\nif a < b and c*d*e:\n    pass\n```", "```\nif a &lt; b and c*d*e:\n    pass\n```"),
        ("half\n```js\nlet x", "half\n```\nlet x\n```"),
        ("````md\n```\nin\n```\n````", f"```\n`{Z}`{Z}`\nin\n`{Z}`{Z}`\n```"),
        ("``a`b`` and `<!here>`", "`aˋb` and `&lt;!here&gt;`"),
        (
            "text\n\n    indented *code*\n\n- item\n\n    its own",
            "text\n\n```\nindented *code*\n```\n\n• item\n\n    its own",
        ),
        ("<b>html</b> &amp; &copy; &lt;!channel&gt;", "&lt;b&gt;html&lt;/b&gt; &amp; © &lt;!channel&gt;"),
        (
            "<!channel> <!here|x> <@U1> <!subteam^S1>",
            "&lt;!channel&gt; &lt;!here|x&gt; &lt;@U1&gt; &lt;!subteam^S1&gt;",
        ),
        ("@channel @Here me@herenow", f"@{Z}channel @{Z}Here me@herenow"),
        ("**太字**です", f"*太字*{Z}です"),
        ("", ""),
    ],
)
def test_markdown_becomes_mrkdwn(said: str, shown: str) -> None:
    assert to_mrkdwn(said) == shown


def test_tables_become_aligned_code() -> None:
    table = "Look:\n\n| Name | Count |\n|:--|--:|\n| **tea** | 12 |\n| 漢字 `x` | 3 |\n\nDone."
    assert to_mrkdwn(table) == (
        "Look:\n\n```\nName   │ Count\n───────┼──────\ntea    │    12\n漢字 x │     3\n```\n\nDone."
    )


def test_a_table_of_very_uneven_cells_is_not_blown_up() -> None:
    table = "|a|b|\n|-|-|\n" + f"|{'x' * 300}|y|\n" + "|1|2|\n" * 40
    shown = to_mrkdwn(table)
    assert len(shown) < 2 * len(table) + 20
    assert "1 │ 2" in shown


def test_only_a_mention_of_ours_calls_somebody() -> None:
    assert to_mrkdwn("<@U2> hi", mention=Mention("U1A")) == "<@U1A> &lt;@U2&gt; hi"
    assert to_markdown_text("<@U2> hi", mention=Mention("U1A")) == "<@U1A> &lt;@U2&gt; hi"
    for wrong in ("", "!channel", "u1", "U1>", "subteam^S1"):
        with pytest.raises(ValueError, match="no Slack id"):
            Mention(wrong)


def test_markdown_stays_markdown_with_entities() -> None:
    said = "# T\n> quote > <!here>\n- > in a list\n`a<b` **x** & @everyone"
    assert to_markdown_text(said) == (
        f"# T\n> quote &gt; &lt;!here&gt;\n- > in a list\n`a&lt;b` **x** &amp; @{Z}everyone"
    )


@given(MARKDOWN)
def test_nothing_calls_anybody(said: str) -> None:
    for angled in _ANGLED.findall(to_mrkdwn(said)):
        assert re.fullmatch(r"<(https?://|mailto:|tel:)[^<>|\s]*(\|[^<>|]*)?>", angled, re.IGNORECASE), angled
    assert "<" not in to_markdown_text(said)
    assert not _EVERYBODY.search(to_markdown_text(said))
    if "`" not in said and "~~~" not in said and "    " not in said and "\t" not in said:
        assert not _EVERYBODY.search(_ANGLED.sub("", to_mrkdwn(said)))


@given(MARKDOWN)
def test_markdown_text_can_be_taken_back(said: str) -> None:
    sent = to_markdown_text(said)
    assert to_markdown_text(from_markdown_text(sent)) == sent
    assert unescape(escape(said)) == said


@given(MARKDOWN)
@example("\r\n    code")
@example("- Type this:" + 9 * "\n    >>> x")
def test_no_text_is_longer_than_measured(said: str) -> None:
    assert len(to_mrkdwn(said).encode("utf-16-le")) // 2 <= mrkdwn_length(said)
    assert len(to_markdown_text(said).encode()) <= markdown_length(said)


@given(MARKDOWN)
def test_no_word_is_lost(said: str) -> None:
    """Letters and digits are all there, in their order, unless they were an entity or the name of a code's language."""
    words = re.sub(r"(?m)^.*(`{3}|~{3}).*$|&\w*;?|<br>|[\\\[\]<>|]|https?:\S*", " ", said)
    if words == said.replace("\r", "").replace("\0", "") and "\ud800" not in said:
        kept = [char for char in said if char.isalnum() and char.isascii()]
        assert [char for char in to_mrkdwn(said) if char.isalnum() and char.isascii()] == kept


DOCUMENT = """# A plan for **tea**

First, *boil* water - see [the guide](https://example.org/a_b) and `kettle --on`.
Then:

- choose a **leaf** (2*3*4 grams)
  - green, _gentle_
  - black & <strong>
1. pour
2. wait ~3 minutes

> It is **not** a race.
> Nobody said so.

| leaf | minutes |
|------|--------:|
| green | 2 |
| black & bold | **4** |

```py
def brew(*args, **kwargs):
    return "<tea>" if args else `none`
```

---

Done, ***really***. ~~No milk.~~ snake_case_name stays, and so does <https://example.org>.
"""


def visible(mrkdwn: str) -> str:
    text = re.sub(r"<([^|>]*)\|([^>]*)>", r"\2", mrkdwn)
    return re.sub(r"[^\w]|_", "", unescape(text))


def test_a_growing_text_changes_only_near_its_end() -> None:
    """Whatever people have read stays; only the last line may still become something else."""
    whole = visible(to_mrkdwn(DOCUMENT))
    shown = ""
    for end in range(1, len(DOCUMENT) + 1):
        now = visible(to_mrkdwn(close_markers(DOCUMENT[:end])))
        settled_lines = visible(to_mrkdwn(DOCUMENT[: DOCUMENT.rfind("\n", 0, end) + 1]))
        assert now.startswith(settled_lines) or settled_lines.startswith(now), DOCUMENT[:end][-40:]
        assert whole.startswith(settled_lines), DOCUMENT[:end][-40:]
        assert len(now) >= len(shown) - 12, DOCUMENT[:end][-40:]
        shown = now
    assert shown == whole


@given(MARKDOWN, st.integers(0, 200))
@example("one\r\ntwo", 4)
def test_what_is_settled_of_a_growing_text_stays(said: str, end: int) -> None:
    part = said[:end]
    part = part[: settled(part)]
    assert to_markdown_text(said).startswith(to_markdown_text(part))


def test_parts_stay_within_the_limit_and_their_code_in_blocks() -> None:
    text = "".join(
        f"Paragraph {n} & co says **{n}**.\n\n```py\nif {n} < 2 && 'x':\n    pass\n```\n\n" for n in range(200)
    )
    parts = split(text, MAX_TEXT, mrkdwn_length)
    shown = [to_mrkdwn(part) for part in parts]
    assert all(len(part) < 4000 for part in shown)
    assert len(shown) <= 1.35 * sum(map(len, shown)) / MAX_TEXT + 1, "parts are left half empty"
    assert all(part.count("```") % 2 == 0 for part in shown)
    assert [int(n) for n in re.findall(r"Paragraph (\d+)", "".join(shown))] == list(range(200))


@given(MARKDOWN)
def test_live_pages_fit(said: str) -> None:
    pager = Pager(60, mrkdwn_length)
    pager.feed(said)
    assert len(to_mrkdwn(pager.live())) <= 60


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        ("a & b", "a &amp; b"),
        ("see https://x.y/z here", "see <https://x.y/z> here"),
        ("see x.org here", "see <http://x.org|x.org> here"),
        ("mail me@x.org", "mail <mailto:me@x.org|me@x.org>"),
        ("two  \nlines \n", "two\nlines"),
        (f"un{Z}*x*", "un*x*"),
        ("<https://x.y|label>", "<https://x.y|label>"),
    ],
)
def test_slack_writes_the_same_its_own_way(sent: str, returned: str) -> None:
    assert same(sent, returned)
    assert not same(sent + "x", returned)


def test_a_changed_text_or_address_is_not_the_same() -> None:
    assert not same("<https://x.y|label>", "<https://evil.z|label>")
    assert not same("one two", "one")


def test_names_fit_on_one_line() -> None:
    assert plain_name(" A\n\u202eB " + "x" * 100) == ("A B " + "x" * 100)[:80]
    assert plain_name("\n") == "somebody"


def test_hostile_text_takes_no_time() -> None:
    for piece in ("*a ", "[", "**a_", "`a``", "[a](", "_*", "> ", "\\", "<", "~~a*", "|", "- ", "![x"):
        to_mrkdwn(piece * (4_000 // len(piece)))
        mrkdwn_length(piece * (4_000 // len(piece)))
