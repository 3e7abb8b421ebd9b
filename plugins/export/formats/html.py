"""One page of HTML to keep: it works offline, loads nothing, runs nothing, and is good to print."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO

from bot.api import phrase, say
from plugins.export.formats import telling
from plugins.export.formats.colours import COLOURS, face, shares
from plugins.export.formats.page import MOST_NAME, Body, portrait, way_name, words
from plugins.export.transcript import Entry, Format, Header, Way

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    """Dates and counts stand above what they are counted from, so that is written beside first."""
    totals = telling.Totals()
    with TemporaryFile() as beside:
        body = Body(header, beside)
        for entry in entries:
            totals.add(entry)
            body.entry(entry)
        body.close()
        out.write(_top(header, totals, body).encode(errors="replace"))
        beside.seek(0)
        copyfileobj(beside, out, 1 << 20)
    out.write(_bottom(header, totals).encode(errors="replace"))


HTML = Format(
    "html",
    ".html",
    "text/html",
    phrase("A page to read, keep and print"),
    write,
    faces=True,
    pictures=True,
)


@cache
def _own_style() -> str:
    return Path(__file__).with_name("style.css").read_text("utf-8")


def _style(header: Header) -> str:
    """Colours and faces stand in the one style of the page, which is all the style that the page allows."""
    rules = [_own_style().rstrip()]
    classes = {one.key: f".s{at}" for at, one in enumerate(header.speakers)}
    for key, at in shares(header.speakers):
        light, dark = COLOURS[at]
        rules.append(f"{classes[key]}{{--light:{light};--dark:{dark}}}")
    for one in header.speakers:
        if picture := face(one):
            rules.append(f'{classes[one.key]} .face{{background-image:url("{picture}")}}')
    return "\n".join(rules) + "\n"


def _policy(style: str) -> str:
    known = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{known}'; img-src data:; base-uri 'none'; form-action 'none'"


def _top(header: Header, totals: telling.Totals, body: Body) -> str:
    style = _style(header)
    title = words(header.title) or say("A conversation")
    language = header.language if _LANGUAGE.fullmatch(header.language) else "en"
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">\n'
        '<meta name="referrer" content="no-referrer">\n<meta http-equiv="x-dns-prefetch-control" content="off">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n'
        f'<body>\n<header class="top">\n<h1 dir="auto">{title}</h1>\n'
        + "".join(_about(header, totals, body))
        + "</header>\n<main>\n"
    )


def _about(header: Header, totals: telling.Totals, body: Body) -> Iterator[str]:
    told = escape(totals.told()) if totals.messages else say("Nothing was said here.")
    yield f'<p class="when">{told}</p>\n'
    if limits := _limits(header):
        yield f'<p class="when">{limits}</p>\n'
    classes = {one.key: f"s{at}" for at, one in enumerate(header.speakers)}
    cast = telling.among(header, totals)
    if cast:
        listed = (
            f'<li class="{classes[one.key]}">{portrait(one)}<bdi class="name">{words(one.name, MOST_NAME)}</bdi> '
            f'<span class="count">{count}</span></li>'
            for one, count in cast
        )
        yield f'<ul class="cast">{"".join(listed)}</ul>\n'
    if len(body.told) > 1:
        yield f'<nav class="ways"><ul>{"".join(map(_way, body.told))}</ul></nav>\n'
    if header.system:
        yield body.aside(say("Instructions"), header.system)
    if header.summary:
        yield body.aside(say("What was said before"), header.summary)


def _way(way: Way) -> str:
    return f'<li><a href="#way-{way.id}">⑂ <bdi>{way_name(way)}</bdi></a></li>'


def _limits(header: Header) -> str:
    told = [
        say("From {day}", day=telling.spelled(header.since)) if header.since else "",
        say("Until {day}", day=telling.spelled(header.until)) if header.until else "",
        say("Names were replaced") if header.pseudonymised else "",
    ]
    return " · ".join(filter(None, told))


def _bottom(header: Header, totals: telling.Totals) -> str:
    told = [
        words(header.place),
        say("Times are in {zone}", zone=words(telling.zone(totals.last))) if totals.last else "",
        say("Exported on {day}", day=telling.spelled(header.exported_at)) if header.exported_at else "",
    ]
    return (
        f"</main>\n<footer>\n<p>{' · '.join(filter(None, told))}</p>\n"
        f"<p>{say('Made with Duologue. This page loads nothing and runs nothing.')}</p>\n</footer>\n</body>\n</html>\n"
    )
