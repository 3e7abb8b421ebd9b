"""Plain text: a name and a time at the edge, and what was said indented, so that nobody's words pass for a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO

from bot.api import phrase, say
from plugins.export.formats import telling
from plugins.export.formats.parts import Calling
from plugins.export.formats.said import CONTROLS
from plugins.export.formats.stretches import Step, Walk
from plugins.export.transcript import Entry, Format, Header, Scene

INDENT = "    "
# What ends a line for some readers of text.
_LINE_ENDS = str.maketrans(dict.fromkeys("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", "\n"))


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    totals = telling.Totals()
    walk, calling = Walk(header), Calling()
    with TemporaryFile() as beside:
        for entry in entries:
            totals.add(entry)
            beside.write("".join(_told(header, walk.step(entry), calling)).encode(errors="replace"))
        if walk.scene is not None:
            beside.write(_curtain(walk.scene).encode(errors="replace"))
        out.write("".join(_top(header, totals)).encode(errors="replace"))
        beside.seek(0)
        copyfileobj(beside, out, 1 << 20)


TEXT = Format("txt", ".txt", "text/plain", phrase("Plain text"), write)


def _top(header: Header, totals: telling.Totals) -> Iterator[str]:
    title = _line(header.title) or say("A conversation")
    yield f"{title}\n{'=' * min(len(title), 72)}\n"
    yield f"{totals.told() if totals.messages else say('Nothing was said here.')}\n"
    if cast := telling.among(header, totals):
        yield ", ".join(f"{_line(one.name)} ({count})" for one, count in cast) + "\n"
    if header.place:
        yield f"{_line(header.place)}\n"
    for name, text in ((say("Instructions"), header.system), (say("What was said before"), header.summary)):
        if text:
            yield f"\n{name}\n{_indented(text)}"


def _told(header: Header, step: Step, calling: Calling) -> Iterator[str]:
    entry = step.entry
    if step.ends is not None:
        yield _curtain(step.ends)
    if step.stretch:
        name = _line(step.way.name) if step.way is not None and step.way.name else say("Another branch")
        yield f"\n\n⑂ {name}\n"
    if step.begins is not None:
        yield f"\n❦ {_line(step.begins.title) or say('A scene')}\n"
        yield from _staged(header, step.begins)
    if step.day:
        yield f"\n{telling.weekday(entry.at)}\n"
    if entry.variant_of is not None:
        yield f"{INDENT}{say('Version {variant} of {variants}', variant=entry.variant, variants=entry.variants)}\n"
    elif not step.goes_on:
        name = say("Instructions") if entry.role == "system" else _line(step.speaker.name) or "—"
        yield f"\n{telling.clock(entry.at)} {name}\n"
    for call in calling.calls(entry):
        yield f"{INDENT}⚙ {_line(call.name)} {_line(call.arguments)}\n"
    if entry.role == "tool":
        yield f"{INDENT}↩ {_line(calling.answered(entry)) or say('Tool')}\n"
    if entry.text:
        yield _indented(entry.text)
    if entry.status != "complete":
        yield f"{INDENT}({telling.ended(entry.status)})\n"


def _staged(header: Header, scene: Scene) -> Iterator[str]:
    if told := telling.staged(scene):
        yield f"{INDENT}{told}\n"
    for one in scene.cast:
        speaker, player = telling.part(header, one)
        yield f"{INDENT}{_line(speaker.name)}{f' ({_line(player)})' if player else ''}\n"


def _curtain(scene: Scene) -> str:
    return f"\n❧ {_line(telling.curtain(scene))}".rstrip() + "\n"


def _line(text: str) -> str:
    return " ".join(CONTROLS.sub("\ufffd", text).split())


def _indented(text: str) -> str:
    lines = CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").translate(_LINE_ENDS)).strip("\n").split("\n")
    return "".join(f"{INDENT}{line}\n" if line else "\n" for line in lines)
