"""Markdown that stays Markdown: what was said is quoted, so that only what is not quoted is the transcript's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO
from urllib.parse import unquote

from markdown_it import MarkdownIt

from bot.api import phrase, say
from plugins.export.formats import telling
from plugins.export.formats.parts import Calling
from plugins.export.formats.said import CONTROLS, MOST_MARKDOWN
from plugins.export.formats.stretches import Step, Walk
from plugins.export.transcript import Entry, Format, Header, Scene

_MEANS_SOMETHING = re.compile(r"([\\`*_\[\]<>#&~|!$:])")
# What could reach beyond its message, load something or lead to something that runs; a plain link to a page does not.
_RISKY = re.compile(r"<[A-Za-z/!?]|!\[|\](?!\(https?://[\w./?=#%+~,;@-]+\))\s*[(:\[]")
_FENCE = re.compile(r"[ \t>*+\-\d.)]*(`{3,}|~{3,})")
_TAG = re.compile(r"(?<!\\)<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"(?<!\\)!(?=\[)")
_DEFINED = re.compile(r"(?<!\\)\[(?=[^\[\]\n]*\]:)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_BLANKS = re.compile(r"[\x00-\x20]+")
_TICKS = re.compile(r"`+")
# YAML wants these escaped.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    """What was counted stands above what it was counted from, so that is written beside first."""
    totals = telling.Totals()
    pages = _Pages(header)
    with TemporaryFile() as beside:
        for entry in entries:
            totals.add(entry)
            beside.write(pages.entry(entry).encode(errors="replace"))
        beside.write(pages.end().encode(errors="replace"))
        out.write(_top(header, totals).encode(errors="replace"))
        beside.seek(0)
        copyfileobj(beside, out, 1 << 20)


MARKDOWN = Format("md", ".md", "text/markdown", phrase("Markdown, for notes and for other programs"), write)


def _top(header: Header, totals: telling.Totals) -> str:
    matter = "".join(f"{name}: {_yaml(value)}\n" for name, value in _matter(header, totals))
    system = f"\n## {say('Instructions')}\n\n{quoted(header.system)}" if header.system else ""
    summary = f"\n## {say('What was said before')}\n\n{quoted(header.summary)}" if header.summary else ""
    title = one_line(header.title) or say("A conversation")
    told = totals.told() if totals.messages else say("Nothing was said here.")
    return f"---\n{matter}---\n\n# {title}\n\n{told}\n{system}{summary}"


def _matter(header: Header, totals: telling.Totals) -> Iterator[tuple[str, object]]:
    yield "title", header.title
    yield "place", header.place
    people = [{"name": one.name, "kind": one.kind, "messages": count} for one, count in telling.among(header, totals)]
    yield "people", people
    yield "messages", totals.messages
    if totals.first and totals.last:
        yield "first", totals.first.isoformat(timespec="seconds")
        yield "last", totals.last.isoformat(timespec="seconds")
    if header.ways:
        yield "branches", [way.name for way in header.ways]
    if header.scenes:
        yield "scenes", [_scene(header, one) for one in header.scenes]
    if totals.answers:
        yield "tokens", totals.tokens
        yield "cost", None if totals.unpriced else str(totals.cost)
    if header.pseudonymised:
        yield "pseudonymised", True
    if header.exported_at is not None:
        yield "exported", header.exported_at.isoformat(timespec="seconds")


def _scene(header: Header, scene: Scene) -> dict[str, object]:
    cast = [
        {"name": header.speaker(one.speaker).name} | ({"player": header.speaker(one.player).name} if one.player else {})
        for one in scene.cast
    ]
    told = {
        "title": scene.title,
        "cast": cast,
        "lines": scene.lines,
        "began": scene.began.isoformat(timespec="seconds") if scene.began is not None else "",
        "ended": scene.ended_at.isoformat(timespec="seconds") if scene.ended_at is not None else "",
        "why": scene.ended,
    }
    return {name: value for name, value in told.items() if value}


def _yaml(value: object) -> str:
    """JSON is YAML, apart from a few signs."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


class _Pages:
    def __init__(self, header: Header) -> None:
        self._header = header
        self._walk = Walk(header)
        self._calling = Calling()

    def entry(self, entry: Entry) -> str:
        step = self._walk.step(entry)
        told = [*self._between(step)]
        if entry.role == "system":
            told.append(f"### {say('Instructions')}\n\n{quoted(entry.text)}")
        elif entry.variant_of is not None:
            told.append(f"*{_which(entry)}*\n\n{self._said(entry)}")
        else:
            if not step.goes_on:
                told.append(f"### {one_line(step.speaker.name) or '—'} · {telling.clock(entry.at)}\n")
            told.append(self._said(entry) + self._foot(step))
        return "".join(f"\n{each}" for each in told)

    def end(self) -> str:
        return f"\n{_curtain(self._walk.scene)}" if self._walk.scene is not None else ""

    def _between(self, step: Step) -> Iterator[str]:
        if step.ends is not None:
            yield _curtain(step.ends)
        if step.stretch:
            name = one_line(step.way.name) if step.way is not None and step.way.name else say("Another branch")
            yield f"# ⑂ {name}\n"
        if step.begins is not None:
            yield f"## ❦ {one_line(step.begins.title) or say('A scene')}\n"
            yield from self._staged(step.begins)
        if step.day:
            yield f"## {telling.weekday(step.entry.at)}\n"

    def _staged(self, scene: Scene) -> Iterator[str]:
        if told := telling.staged(scene):
            yield f"*{told}*\n"
        parts = (telling.part(self._header, one) for one in scene.cast)
        if cast := [f"- {one_line(one.name)}{f' ({one_line(player)})' if player else ''}\n" for one, player in parts]:
            yield "".join(cast)

    def _said(self, entry: Entry) -> str:
        told = [quoted(entry.text)] if entry.text and entry.role != "tool" else []
        told += [f"⚙ {one_line(call.name)}\n\n{fenced(call.arguments, 'json')}" for call in self._calling.calls(entry)]
        if entry.role == "tool":
            name = one_line(self._calling.answered(entry)) or say("Tool")
            told.append(f"↩ {name}\n\n{fenced(entry.text)}")
        if entry.status != "complete":
            told.append(f"*{telling.ended(entry.status)}*\n")
        return "\n".join(told) or "> \n"

    def _foot(self, step: Step) -> str:
        entry = step.entry
        told = [_which(entry)] if entry.variants > 1 else []
        told += [f"⑂ {one_line(way.name)}" for way in step.leaving]
        told += [one_line(entry.model)] if entry.model else []
        told += [telling.used(entry.used)] if entry.used is not None else []
        return f"\n*{' · '.join(told)}*\n" if told else ""


def _which(entry: Entry) -> str:
    return say("Version {variant} of {variants}", variant=entry.variant, variants=entry.variants)


def _curtain(scene: Scene) -> str:
    told = telling.curtain(scene, one_line)
    return f"❧ *{told}*\n" if told else "❧\n"


def one_line(text: str) -> str:
    """A name that means nothing but itself."""
    return _MEANS_SOMETHING.sub(r"\\\1", " ".join(CONTROLS.sub("\ufffd", text).split()))


def fenced(text: str, language: str = "") -> str:
    text = CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def quoted(text: str) -> str:
    """A quotation ends where it is not quoted any more, whatever was left open in it."""
    text = CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    if _RISKY.search(text):
        text = _tamed(text)
    return "> " + text.replace("\n", "\n> ") + "\n"


def _tamed(text: str) -> str:
    """No raw HTML, no pictures, no definitions that hold for other messages, no links but to pages and to mail. What
    cannot be tamed is shown as it was typed."""
    for code_too in (False, True):
        tame = _escaped(text, code_too=code_too)
        if _is_tame(tame):
            return tame
    return fenced(text).rstrip("\n")


def _escaped(text: str, *, code_too: bool) -> str:
    found, fence = [], ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and line.strip(" \t>") == mark[1]:
            fence = ""
        elif not fence or code_too:
            pieces = [line] if code_too or "\\" in line else re.split(r"((?<!`)`[^`]+`(?!`))", line)
            line = "".join(piece if at % 2 else _escaped_line(piece) for at, piece in enumerate(pieces))
        found.append(line)
    return "\n".join(found)


def _escaped_line(line: str) -> str:
    return _DEFINED.sub(r"\\[", _PICTURE.sub(r"\\!", _TAG.sub(r"\\<", line)))


class _Lenient(MarkdownIt):
    """Sees what laxer readers of Markdown would see."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 (the parser's name for it)
        return True


@cache
def _lax() -> MarkdownIt:
    return _Lenient("commonmark", {"html": True, "maxNesting": 20}).enable("table")


def _is_tame(text: str) -> bool:
    if len(text) > MOST_MARKDOWN:
        return False
    env: dict[str, object] = {}
    tokens = _lax().parse(text, env)
    inside = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in (*tokens, *inside)}
    links = (str(token.attrs.get("href", "")) for token in inside if token.type == "link_open")
    return (
        not kinds & {"html_block", "html_inline", "image"}
        and not env.get("references")
        and all(map(_leads_to_a_page, links))
    )


def _leads_to_a_page(href: str) -> bool:
    """Or to somebody's mail. Readers of links pass over blanks, so blanks hide nothing."""
    scheme = _SCHEME.match(_BLANKS.sub("", unquote(href)))
    return scheme is None or scheme[1].lower() in ("http", "https", "mailto")
