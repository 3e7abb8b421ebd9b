"""Exported pages in a real browser: nothing is loaded, nothing runs, all can be read, on a screen and on paper."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from pypdf import PdfReader

from plugins.export.formats.html import HTML
from plugins.roleplay.cards.png import plain
from tests.browser.chromium import Page, chromium, installed, tab
from tests.transcripts import Transcript, friendly, nasty, scene

PROGRAM = installed()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="There is no Chromium here (Debian: apt-get install chromium).")

Made = Callable[[], Transcript]
Exported = Callable[[Transcript], Path]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert PROGRAM is not None
    with chromium(PROGRAM, tmp_path_factory.mktemp("browser")) as address:
        yield address


@pytest.fixture
async def page(browser: str) -> AsyncIterator[Page]:
    async with tab(browser) as page:
        yield page


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    def write(transcript: Transcript) -> Path:
        file = tmp_path / "transcript.html"
        with file.open("wb") as out:
            HTML.write(transcript.header, transcript.entries, out)
        return file

    return write


@asynccontextmanager
async def world() -> AsyncIterator[tuple[str, list[str]]]:
    """A server from which a page might load something, and what it was asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="", content_type="text/plain")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", asked
    finally:
        await runner.cleanup()


# What may not stand in a page, by whatever way it came there.
DANGEROUS = """
[...document.querySelectorAll('*')].flatMap(one => [
  ...(/^(script|img|iframe|frame|object|embed|form|input|base|link|audio|video|svg|math|template|portal)$/i
    .test(one.tagName) ? [one.outerHTML.slice(0, 200)] : []),
  ...[...one.attributes]
    .filter(each => /^(on|style$|src|srcset$|action$|formaction$|ping$|background$)/i.test(each.name))
    .map(each => one.tagName + ' ' + each.name),
  ...(one.tagName === 'META' && /refresh/i.test(one.httpEquiv) ? ['refresh'] : []),
  ...(one.tagName === 'A' && !/^(https?:|mailto:|#)/i.test(one.getAttribute('href')) ? [one.getAttribute('href')] : []),
])
"""


async def test_the_worst_that_people_can_say_loads_nothing_and_runs_nothing(page: Page, exported: Exported) -> None:
    async with world() as (server, asked):
        file = exported(nasty(server))
        await page.open(file, until="networkIdle")

        assert page.loaded == [file.as_uri()]
        assert page.told("Page.javascriptDialogOpening") == []
        assert page.told("Runtime.consoleAPICalled") == []
        # Nor did the page try what its policy would have stopped.
        assert [event["entry"]["text"] for event in page.told("Log.entryAdded")] == []
        assert await page.js(DANGEROUS) == []
        assert str(await page.js("document.title")).startswith("</title><script>document.title=")
        assert await page.js("document.querySelectorAll('main').length") == 1
        assert await page.js("document.querySelectorAll('body > footer').length") == 1
        assert asked == []


async def test_what_got_into_a_page_all_the_same_would_be_stopped_by_its_policy(page: Page, exported: Exported) -> None:
    async with world() as (server, asked):
        await page.open(exported(scene()))
        stopped = await page.js(
            f"""new Promise(done => {{
                const stopped = [];
                document.addEventListener('securitypolicyviolation', event => {{
                    stopped.push(event.effectiveDirective);
                    if (stopped.length === 6) done(stopped.sort());
                }});
                const put = (name, more) => document.body.append(Object.assign(document.createElement(name), more));
                put('script', {{textContent: 'document.title = "pwned"'}});
                put('script', {{src: '{server}/a.js'}});
                put('img', {{src: '{server}/a.png'}});
                put('style', {{textContent: 'body {{ display: none }}'}});
                put('iframe', {{src: '{server}/frame'}});
                put('link', {{rel: 'stylesheet', href: '{server}/a.css'}});
            }})"""
        )
        assert stopped == [
            "frame-src",
            "img-src",
            "script-src-elem",
            "script-src-elem",
            "style-src-elem",
            "style-src-elem",
        ]
        assert await page.js("document.title") == "The keeper of Skerry Point"
        assert asked == []


async def test_a_page_without_all_this_would_be_noticed(page: Page, tmp_path: Path) -> None:
    async with world() as (server, asked):
        file = tmp_path / "unsafe.html"
        said = "\n".join(each.text for each in nasty(server).entries[:2])
        file.write_text(f"<!DOCTYPE html><title>safe</title>{said}", errors="replace")
        await page.open(file, until="networkIdle")

        assert await page.js("document.title") == "pwned"
        assert f"{server}/a.js" in page.loaded
        assert "/a.js" in asked
        assert "IMG src" in await page.js(DANGEROUS)


@pytest.mark.parametrize("made", [friendly, nasty, scene])
async def test_nothing_reaches_beyond_the_edge(page: Page, exported: Exported, made: Made) -> None:
    await page.open(exported(made()))
    await page.js("document.querySelectorAll('details').forEach(each => each.open = true)")
    for width in (340, 1100):
        await page.see(width=width)
        assert await page.js("document.documentElement.scrollWidth") == width


CONTRASTS = """
(() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(c => c / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!/^rgba\\(.*, 0\\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('body *')].filter(one =>
    [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()) && one.checkVisibility());
  return Math.min(...texts.map(one => {
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => x - y);
    return (b + 0.05) / (a + 0.05);
  }));
})()
"""


@pytest.mark.parametrize("made", [friendly, scene])
async def test_all_can_be_read_by_day_and_by_night(page: Page, exported: Exported, made: Made) -> None:
    await page.open(exported(made()))
    for scheme, colour in (("light", "rgb(251, 250, 247)"), ("dark", "rgb(25, 24, 22)")):
        await page.see(scheme=scheme)
        assert await page.js("getComputedStyle(document.documentElement).backgroundColor") == colour
        # What accessible pages need for small text.
        assert await page.js(CONTRASTS) >= 4.5, scheme


async def test_faces_are_shown_and_come_with_the_page(page: Page, exported: Exported) -> None:
    file = exported(friendly())
    await page.open(file, until="networkIdle")
    assert all(each == file.as_uri() or each.startswith("data:image/png;base64,") for each in page.loaded)
    faces = """[...document.querySelectorAll('.cast .face')].map(
        one => [one.textContent, getComputedStyle(one).backgroundImage.slice(0, 10)])"""
    assert await page.js(faces) == [["A", "none"], ["", 'url("data:'], ["D", "none"]]


async def test_pictures_that_people_sent_come_with_the_page_and_stay_inside_it(page: Page, exported: Exported) -> None:
    made = friendly()
    wide = "data:image/png;base64," + b64encode(plain(1600, 900, (30, 90, 160))).decode()
    entries = [replace(each, pictures=(wide,)) if "images" in each.parts else each for each in made.entries]
    file = exported(Transcript(made.header, entries))
    await page.open(file, until="networkIdle")
    assert all(each == file.as_uri() or each.startswith("data:image/png;base64,") for each in page.loaded)
    shown = "[...document.images].map(one => [one.alt, one.complete, one.naturalWidth, one.width <= innerWidth])"
    for width in (340, 1100):
        await page.see(width=width)
        assert await page.js(shown) == [["map.png", True, 1600, True]]
        assert await page.js("document.documentElement.scrollWidth") == width


async def test_the_cast_of_a_scene_stands_below_its_title_with_its_faces(page: Page, exported: Exported) -> None:
    await page.open(exported(scene()), until="networkIdle")
    cast = """[...document.querySelectorAll('.scene > .cast > li')].map(one => [
        one.querySelector('.face').textContent,
        getComputedStyle(one.querySelector('.face')).backgroundImage.slice(0, 10),
        one.innerText.trim().split(/\\s*\\n\\s*/).slice(-2).join(' ')])"""
    found = await page.js(cast)
    assert [each[:2] for each in found] == [["", 'url("data:'], ["OT", "none"]]
    assert "Mara Voss" in found[0][2]
    assert "played by Ann" in found[1][2]


async def test_paper_is_white_and_shows_what_is_folded_on_a_screen(page: Page, exported: Exported) -> None:
    await page.see(media="print", scheme="dark")
    await page.open(exported(friendly()))
    assert await page.js("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert await page.js(CONTRASTS) >= 4.5

    printed = PdfReader(io.BytesIO(await page.pdf()))
    text = " ".join(" ".join(sheet.extract_text() for sheet in printed.pages).split())
    assert "259. line of a very long answer" in text
    assert '"place": "Dresden"' in text
    assert "They know each other from school" in text
    assert "https://example.org/s1?day=sat&dir=out" in text
    assert "Show all" not in text
