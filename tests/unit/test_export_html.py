"""The page of an export: safe whatever was said, grouped like a chat, in colours that can be told apart."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from plugins.export.formats.colours import COLOURS, face, initials, shares
from plugins.export.formats.html import HTML
from plugins.export.formats.said import MOST_MARKDOWN, Said, is_marked_up, paragraphs
from plugins.export.transcript import Entry, Header, Speaker, Used, Way
from tests.samples import png
from tests.transcripts import ANN, BEGAN, BEN, BOT, MAIN, MARA, Telling, Transcript, friendly, nasty, scene

PAPERS = ("#fbfaf7", "#191816")
"""Light and dark, as style.css has them."""
SAFE = {
    "a", "blockquote", "br", "code", "del", "div", "em", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "span",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"href", "rel", "class", "title", "dir", "data-language", "start"}


def page(transcript: Transcript) -> str:
    out = io.BytesIO()
    HTML.write(transcript.header, iter(transcript.entries), out)
    return out.getvalue().decode()


def talk(say: Telling, **header: object) -> Transcript:
    about = Header("terminal:a/b", "Talk", (ANN, BEN, BOT, MARA), (MAIN,))
    return Transcript(replace(about, **header), say.entries)  # type: ignore[arg-type]  # any of a header's fields


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data!r}")


# What was said


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*"`~<>[]()!#*_-=|\\ \n\t:/a1&\"'\0", "```", "![", "](", "]: ", "<!--", "<script>", "onload=", "http://a/",
             "javascript:", "data:text/html,", "| - |\n", "&#x6a;", "    ", "1. ", "<a@b.c>", "https://[::1", "\u202e"]
        ),
        max_size=50,
    ).map("".join)
)  # fmt: skip
def test_whatever_is_said_only_harmless_elements_come_of_it(said: str) -> None:
    elements = Elements(Said().html(said))
    assert elements.open == []
    for tag, attributes in elements.found:
        assert tag in SAFE
        assert attributes.keys() <= ATTRIBUTES
        if "href" in attributes:
            assert re.match(r"(https?://|mailto:)\S", attributes["href"], re.IGNORECASE)
            assert attributes["rel"] == "noopener noreferrer nofollow"


PLAIN = [*"ab.,!?()'\"-+1:;%$€ \n\n", "so ", "2. ", "ok\n", "é", "\u05d0"]


@given(st.lists(st.sampled_from(PLAIN), max_size=40).map("".join).filter(lambda said: not is_marked_up(said)))
def test_what_needs_no_parser_looks_as_if_it_had_been_parsed(said: str) -> None:
    assert paragraphs(said) == Said().parsed(said).replace("&quot;", '"')


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("see https://a.org/x_(y).", 'see <a href="https://a.org/x_(y)" rel="…" class="bare">https://a.org/x_(y)</a>.'),
        ("(https://a.org)", '(<a href="https://a.org" rel="…" class="bare">https://a.org</a>)'),
        (
            "**https://a.org/b**!",
            '<strong><a href="https://a.org/b" rel="…" class="bare">https://a.org/b</a></strong>!',
        ),
        ("![cat](https://a.org/cat.png)", '<a href="https://a.org/cat.png" rel="…">🖼 cat</a>'),
        ("[![cat](https://a.org/c.png)](https://b.org)", '<a href="https://b.org" rel="…">🖼 cat</a>'),
        ("![cat](data:image/png;base64,AA)", "![cat](data:image/png;base64,AA)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](//evil.org)", "[x](//evil.org)"),
        ("[x]()", "x"),
        ("<me@a.org>", '<a href="mailto:me@a.org" rel="…" class="bare">me@a.org</a>'),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
        ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
    ],
)
def test_links_pictures_and_html(said: str, shown: str) -> None:
    html = Said().html(said).replace("noopener noreferrer nofollow", "…")
    assert html == f"<p>{shown}</p>\n"


def test_lists_that_are_ticked_off_and_headings_below_those_of_the_page() -> None:
    assert '<li class="task">☑ tent</li>\n<li class="task">☐ stove</li>\n<li>map</li>' in Said().html(
        "- [x] tent\n- [ ] stove\n- map"
    )
    assert Said().html("# One\n###### Six") == "<h4>One</h4>\n<h6>Six</h6>\n"


def test_code_is_coloured_without_a_style_of_its_own() -> None:
    html = Said().html('```python\ndef f(): return "<a>"\n```')
    assert '<pre dir="ltr" data-language="python"><code><span class="c-k">def</span>' in html
    assert "&lt;a&gt;" in html
    assert "style" not in html
    assert Said().html("```no-such-language\n<x>\n```").endswith("<code>&lt;x&gt;\n</code></pre>\n")


@pytest.mark.parametrize(
    ("language", "code"),
    [("autohotkey", "\n" * 19_000), ("objective-c++", " " * 19_000), ("c", " " * 3_900), ("python", "a." * 9_000)],
)
def test_code_that_would_take_minutes_stays_in_one_colour(language: str, code: str) -> None:
    assert "<span" not in Said().html(f"```{language}\nx{code}x\n```")


def test_a_line_with_a_wide_gap_is_told_at_once() -> None:
    assert Said().html("a" + " " * 1_000_000 + "b \n c") == f"<p>a{' ' * 1_000_000}b<br>\nc</p>\n"


def test_what_is_too_long_to_be_parsed_is_shown_as_it_was_typed() -> None:
    html = Said().html("[" * (MOST_MARKDOWN + 1) + "<b>")
    assert html.startswith('<div class="typed">[[[')
    assert html.endswith("[[[&lt;b&gt;</div>\n")


# Who said it


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("light", "dark"), COLOURS)
def test_every_colour_is_easy_to_read(light: str, dark: str) -> None:
    assert contrast(light, PAPERS[0]) >= 6
    assert contrast(light, "#ffffff") >= 6  # the letters on it
    assert contrast(dark, PAPERS[1]) >= 6


def test_a_speaker_has_the_same_colour_in_every_transcript_where_nobody_had_it_before() -> None:
    assert dict(shares([ANN, BEN, BOT]))["u1"] == dict(shares([ANN]))["u1"]
    renamed = replace(ANN, name="Anna", key="p7")
    assert dict(shares([renamed]))["p7"] == dict(shares([ANN]))["u1"]


@given(st.lists(st.text(min_size=1), min_size=2, max_size=len(COLOURS), unique=True))
def test_as_long_as_there_are_colours_nobody_shares_one(names: list[str]) -> None:
    found = [at for _, at in shares(Speaker(name, name, "person") for name in names)]
    assert len(set(found)) == len(names)


def test_more_speakers_than_colours() -> None:
    speakers = [Speaker(f"u{number}", f"{number}", "person") for number in range(50)]
    assert len(dict(shares(speakers))) == 50


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Ann", "A"), ("Old Tom", "OT"), ("ann de la cruz", "AC"), ("!?", "!"), ("🦊 fox", "F"), ("", "?"), ("éa", "É")],
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


@pytest.mark.parametrize(
    "address",
    ["https://a.org/a.png", "data:image/svg+xml;base64,AA", 'data:image/png;base64,A"A', "data:text/html,x",
     "data:image/png;base64," + "A" * 1_500_000, "data:image/png;base64,AA) }", "data:image/png;base64,AA\n"],
)  # fmt: skip
def test_a_face_that_could_be_anything_else_is_not_shown(address: str) -> None:
    assert face(replace(ANN, face=address)) == ""


# The page


def test_the_policy_allows_the_one_style_and_nothing_else() -> None:
    html = page(friendly())
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    known = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{known}'; img-src data:; base-uri 'none'; form-action 'none'"
    assert html.count('<meta http-equiv="Content-Security-Policy"') == 1
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in html
    assert html.index("Content-Security-Policy") < html.index("<style>")
    assert "<script" not in html
    assert "url(" not in style.replace('url("data:image/png;base64,', "")


def test_the_worst_stays_in_its_place() -> None:
    html = page(nasty())
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert "192.0.2.1" not in style
    assert {tag for tag, _ in Elements(html.split("</head>")[1].removesuffix("</html>\n")).found} <= SAFE | {
        "article", "bdi", "body", "details", "footer", "h1", "h2", "h3", "header", "main", "nav", "section", "summary",
        "time",
    }  # fmt: skip
    assert '<html lang="en">' in html


def groups(html: str) -> list[tuple[str, int]]:
    """Who speaks, and how many lines stand below the name."""
    return [
        (re.sub("<.*?>", "", re.findall(r'class="name">(.*?)</bdi>', each)[0]), each.count('class="line"'))
        for each in html.split('<article class="talk ')[1:]
    ]


def test_who_goes_on_within_seven_minutes_is_named_once() -> None:
    say = Telling()
    say(ANN, "one")
    say(ANN, "two", minutes=7)
    say(ANN, "three", minutes=7.1)
    say(BEN, "four")
    say(ANN, "five")
    assert groups(page(talk(say))) == [("Ann", 2), ("Ann", 1), ("Ben Čapek", 1), ("Ann", 1)]


def test_a_new_day_is_told_and_begins_a_new_group() -> None:
    say = Telling(BEGAN.replace(hour=23, minute=57))
    say(ANN, "late")
    say(ANN, "early", minutes=4)
    html = page(talk(say))
    assert re.findall(r'class="day"><time datetime="(.*?)">(.*?)</time>', html) == [
        ("2026-03-14", "Saturday, 14 March 2026"),
        ("2026-03-15", "Sunday, 15 March 2026"),
    ]
    assert groups(html) == [("Ann", 1), ("Ann", 1)]


def test_branches_are_told_one_after_the_other_and_point_at_each_other() -> None:
    html = page(friendly())
    first, second = html.split('<section class="way"')[1:]
    assert first.startswith(' id="way-1">\n<h2 class="fork" dir="auto">⑂ main</h2>')
    assert second.startswith(' id="way-2">\n<h2 class="fork" dir="auto">⑂ In another tone</h2>')
    assert '<a href="#m12">where it left the other one</a>' in second
    assert '<a href="#way-2">⑂ <bdi>In another tone</bdi></a>' in first.split('id="m12"')[1].split("</div>")[0]
    assert "Sunday, 15 March 2026" in second
    assert "Better than ever." in second
    assert "Sounds good." in first


def test_a_single_branch_has_no_headings_of_branches() -> None:
    made = friendly()
    html = page(Transcript(replace(made.header, scope=1), made.entries[:15]))
    assert 'class="way"' not in html
    assert "#way-" not in html


def test_three_branches_of_which_one_is_of_another() -> None:
    say = Telling()
    first = say(ANN, "root")
    say(BOT, "main goes on")
    say.last = first.id
    middle = say(BOT, "second")
    say(ANN, "second goes on")
    say.last = middle.id
    say(ANN, "third")
    ways = (
        MAIN,
        Way(2, "Second", None, first.id, BEGAN, False),
        Way(3, "Third", None, middle.id, BEGAN, False),
    )
    html = page(talk(say, ways=ways))
    assert re.findall(r'class="fork" dir="auto">⑂ (.*?)</h2>', html) == ["main", "Second", "Third"]


def test_a_branch_on_which_nothing_was_said_lends_its_name_to_no_other() -> None:
    say = Telling()
    say(ANN, "on the second")
    ways = (
        Way(1, "main", None, None, BEGAN, True),
        Way(2, "Empty", None, None, BEGAN, False),
        Way(3, "Second", say.last, None, BEGAN, False),
    )
    html = page(talk(say, ways=ways))
    assert re.findall(r'class="fork" dir="auto">⑂ (.*?)</h2>', html) == ["Second"]


def test_variants_are_counted_and_folded_below_the_answer() -> None:
    html = page(friendly())
    assert '<p class="foot"><span class="mark">Version 2 of 2</span> · gpt-6-luna · 1,204 tokens in, 310 out' in html
    assert re.search(r'<details class="variant" id="m5">.*?1 of 2.*?<strong>sea</strong>', html, re.DOTALL)


def test_tools_are_folded_and_belong_to_who_called_them() -> None:
    html = page(friendly())
    (bot,) = (each for each in html.split('<article class="talk ') if "Dresden" in each)
    assert 'class="name">Duologue</bdi>' in bot
    assert bot.count("<code>weather</code>") == 2
    assert "Here is a plan" in bot


def test_a_scene_has_its_title_and_its_end() -> None:
    html = page(scene())
    before, inside = html.split('<section class="scene">\n<h2 class="play" dir="auto">The light that failed</h2>')
    inside, after = inside.split("</section>")
    assert "see the lighthouse again" in before
    over = "The scene is over: it came to its end. 1 November 2026, 21:11"
    assert inside.endswith(f'<div class="curtain"><p class="why" dir="auto">{over}</p></div>\n')
    assert '<p class="staged">1 November 2026, 20:57 · 7 lines</p>' in inside
    cast = inside.partition('<ul class="cast">')[2].partition("</ul>")[0]
    assert re.findall(r'"name">(.*?)</bdi>(?: <span class="count">(.*?)</span>)?', cast) == [
        ("Mara Voss", ""),
        ("Old Tom", "played by Ann"),
    ]
    assert "Again tomorrow?" in after


def test_each_face_is_in_the_file_once_however_much_is_said() -> None:
    html = page(scene())
    assert html.count("data:image/png;base64,") == 1
    assert html.count('<div class="face" aria-hidden="true"></div>') > 3


def test_pictures_that_people_sent_stand_in_the_page_and_all_else_is_named() -> None:
    address = "data:image/png;base64," + b64encode(png()).decode()
    images: list[JsonValue] = [
        {"name": 'a".png', "size": 70, "width": 640, "height": 480},
        {"name": "gone.png", "size": 8_100},
        {"name": "<b>.svg", "width": "1"},
    ]
    shown = (address, "", "data:image/svg+xml;base64,AAAA")
    say = Telling()
    say(ANN, "Look!\n\n(picture: a.png)", parts={"said": 5, "images": images}, pictures=shown)
    html = page(talk(say))
    assert f'<img src="{address}" alt="a&quot;.png" width="640" height="480">' in html
    assert html.count("<img ") == 1
    assert "<bdi>gone.png (8.1 kB)</bdi>" in html
    assert "<bdi>&lt;b&gt;.svg</bdi>" in html
    assert "svg+xml" not in html


def test_a_long_line_is_folded_with_its_beginning_to_be_seen() -> None:
    say = Telling()
    say(ANN, "It began so. " + "word " * 2_000)
    html = page(talk(say))
    assert '<details class="long"><summary><span class="peek">It began so. word' in html
    assert "Show all 10,013 characters" in html


def test_files_are_named_and_their_content_is_folded() -> None:
    say = Telling()
    text = "Look:\n\nnotes.txt:\n```\nmilk <b>\n```"
    say(ANN, text, parts={"said": 5})
    say(ANN, "And?\n\n(attached file: a.exe; not read)", parts={"said": 4, "unread": [{"name": "a.exe", "size": 900}]})
    html = page(talk(say))
    assert "<p>Look:</p>" in html
    assert re.search(r'<details class="file"><summary>Files that came with it.*?milk &lt;b&gt;', html, re.DOTALL)
    assert "<li><bdi>a.exe (900 B)</bdi></li>" in html


def test_what_was_deleted_or_broken_off_says_so() -> None:
    html = page(friendly())
    assert '<p class="note">It was interrupted here.</p>' in html
    assert '<p class="note">This message was deleted.</p>' in html


def test_the_header_tells_title_dates_people_and_costs() -> None:
    top = page(friendly()).split("</header>")[0]
    assert '<h1 dir="auto">A weekend by the river</h1>' in top
    assert "14–15 March 2026 · 14 messages · 6,528 tokens · $1.25 and one answer of unknown price" in top
    assert re.findall(r'class="name">(.*?)</bdi> <span class="count">(\d+)', top) == [
        ("Ann", "5"), ("Ben Čapek", "3"), ("Duologue", "6"),
    ]  # fmt: skip
    assert "Answer <strong>briefly</strong>." in top


def test_entries_of_nobody_known_and_of_no_order_are_shown_too() -> None:
    say = Telling()
    say(ANN, "now")
    say.entries.append(Entry(9, 8, "user", "?", "then", BEGAN - timedelta(days=400), variants=3))
    html = page(talk(say))
    assert groups(html) == [("Ann", 1), ("?", 1)]
    assert "7 February 2025 – 14 March 2026" in html


def test_an_answer_that_cost_next_to_nothing() -> None:
    say = Telling()
    say(BOT, "hm", used=Used(1, 1, 0, Decimal("0.00000001"), 0.1))
    assert page(talk(say)).count("&lt;$0.0001") == 2
