"""The body of a page of HTML: who said what, one message after the other, written as it comes."""

from __future__ import annotations

from html import escape
from typing import BinaryIO

from bot.api import counted, say
from plugins.export.formats import telling
from plugins.export.formats.colours import face, initials, picture
from plugins.export.formats.highlighting import highlighted
from plugins.export.formats.parts import Calling, Shown, files, pictures, said_and_files
from plugins.export.formats.said import CONTROLS, Said
from plugins.export.formats.stretches import Step, Walk
from plugins.export.transcript import Entry, Header, Scene, Speaker, Way

LONG, MANY_LINES = 6_000, 120
"""From here on a message is shown by its beginning, and opens when it is pressed."""
PEEK = 600
MOST_NAME, MOST_TITLE, MOST_WHY = 80, 200, 400


def words(text: str, most: int = MOST_TITLE) -> str:
    """A name or a title on one line, safe in text and in attributes."""
    line = " ".join(CONTROLS.sub("\ufffd", text).split())
    return escape(line if len(line) <= most else line[: most - 1] + "…")


class Body:
    """Writes into `out`; `close` ends what is open."""

    def __init__(self, header: Header, out: BinaryIO) -> None:
        self._out = out
        self._header = header
        self._walk = Walk(header)
        self._said = Said()
        self._classes = {one.key: f"s{at}" for at, one in enumerate(header.speakers)}
        self._calling = Calling()
        self._talking = self._in_scene = self._in_stretch = False
        self.told: list[Way] = []

    def entry(self, entry: Entry) -> None:
        step = self._walk.step(entry)
        if step.ends is not None:
            self._end_scene(step.ends)
        if step.stretch:
            self._begin_stretch(step)
        if step.begins is not None:
            self._begin_scene(step.begins)
        if step.day:
            self._end_talk()
            self._write(f'<h3 class="day"><time datetime="{entry.at.date()}">{telling.weekday(entry.at)}</time></h3>\n')
        if entry.role == "system":
            self._end_talk()
            self._write(self.aside(say("Instructions"), entry.text))
        elif entry.variant_of is not None:
            self._write(self._variant(entry))
        elif entry.role == "tool" or "tool_calls" in entry.parts:
            self._talk(step, self._tools(entry), go_on=step.goes_on)
        else:
            self._talk(step, self._line(step), go_on=step.goes_on)

    def close(self) -> None:
        if self._walk.scene is not None:
            self._end_scene(self._walk.scene)
        self._end_talk()
        if self._in_stretch:
            self._write("</section>\n")

    def aside(self, title: str, text: str) -> str:
        """What is not said by anybody, folded."""
        html = self._said.html(text)
        return f'<details class="aside"><summary>{title}</summary>\n<div dir="auto">{html}</div></details>\n'

    def _write(self, html: str) -> None:
        self._out.write(html.encode(errors="replace"))

    def _begin_stretch(self, step: Step) -> None:
        self._end_talk()
        if self._in_stretch:
            self._write("</section>\n")
        self._in_stretch = True
        name, anchor = say("Another branch"), ""
        if step.way is not None:
            self.told.append(step.way)
            name, anchor = way_name(step.way), f' id="way-{step.way.id}"'
        after = ""
        if step.after is not None:
            link = f'<a href="#m{step.after}">{say("where it left the other one")}</a>'
            after = f'<p class="after">↰ {link}</p>'
        self._write(f'<section class="way"{anchor}>\n<h2 class="fork" dir="auto">⑂ {name}</h2>\n{after}')

    def _begin_scene(self, scene: Scene) -> None:
        self._end_talk()
        self._in_scene = True
        title = words(scene.title) or say("A scene")
        told = telling.staged(scene)
        staged = f'<p class="staged">{escape(told)}</p>\n' if told else ""
        self._write(f'<section class="scene">\n<h2 class="play" dir="auto">{title}</h2>\n{staged}{self._cast(scene)}')

    def _cast(self, scene: Scene) -> str:
        listed = []
        for one in scene.cast:
            speaker, player = telling.part(self._header, one)
            played = f' <span class="count">{words(player, MOST_NAME)}</span>' if player else ""
            name = f'<bdi class="name">{words(speaker.name, MOST_NAME)}</bdi>'
            listed.append(f'<li class="{self._classes.get(one.speaker, "s")}">{portrait(speaker)}{name}{played}</li>')
        return f'<ul class="cast">{"".join(listed)}</ul>\n' if listed else ""

    def _end_scene(self, scene: Scene) -> None:
        self._end_talk()
        if self._in_scene:
            told = telling.curtain(scene)
            why = f'<p class="why" dir="auto">{words(told, MOST_WHY)}</p>' if told else ""
            self._write(f'<div class="curtain">{why}</div>\n</section>\n')
        self._in_scene = False

    def _talk(self, step: Step, html: str, *, go_on: bool) -> None:
        """Under the name that stands there already, or under a new one."""
        if not (go_on and self._talking):
            self._end_talk()
            self._talking = True
            kind = self._classes.get(step.entry.speaker, "s")
            self._write(
                f'<article class="talk {kind}">\n{portrait(step.speaker)}<div class="said">\n'
                f'<p class="who"><bdi class="name">{words(step.speaker.name, MOST_NAME)}</bdi> '
                f'<a class="at" href="#m{step.entry.id}">{_time(step.entry)}</a></p>\n'
            )
        self._write(html)

    def _end_talk(self) -> None:
        if self._talking:
            self._write("</div></article>\n")
        self._talking = False

    def _line(self, step: Step) -> str:
        entry = step.entry
        again = f'<a class="at" href="#m{entry.id}">{_time(entry)}</a>' if step.goes_on and self._talking else ""
        foot = self._foot(step)
        return f'<div class="line" id="m{entry.id}" dir="auto">{again}{self._content(entry)}{foot}</div>\n'

    def _content(self, entry: Entry) -> str:
        said, more = said_and_files(entry)
        html = self._said.html(said)
        if len(said) > LONG or (len(said) > MANY_LINES and said.count("\n") > MANY_LINES):
            html = _folded(said, html)
        if more or "unread" in entry.parts or "images" in entry.parts:
            html += self._files(entry, more)
        if entry.status != "complete":
            html += f'<p class="note">{telling.ended(entry.status)}</p>\n'
        return html

    def _files(self, entry: Entry, more: str) -> str:
        names = "".join(f"<li><bdi>{words(name)}</bdi></li>" for name in files(entry))
        listed = "".join(map(_picture, pictures(entry))) + (f'<ul class="files">{names}</ul>\n' if names else "")
        if "```" not in more:
            # No more than the names, which are told already, or why a file was not read.
            return listed if listed or not more else f'<p class="note" dir="auto">{words(more, PEEK)}</p>\n'
        size = counted(len(more), "{count} character", "{count:,} characters")
        return (
            f'{listed}<details class="file"><summary>{say("Files that came with it")} · {size}</summary>\n'
            f"<div>{self._said.html(more)}</div></details>\n"
        )

    def _foot(self, step: Step) -> str:
        entry = step.entry
        told = [_which(entry)] if entry.variants > 1 else []
        told += [_leaving(way, told_below=way.id in step.apart) for way in step.leaving]
        if not self._in_scene:
            told += [words(entry.model)] if entry.model else []
            told += [escape(telling.used(entry.used))] if entry.used is not None else []
        return f'<p class="foot">{" · ".join(told)}</p>' if told else ""

    def _variant(self, entry: Entry) -> str:
        return (
            f'<details class="variant" id="m{entry.id}">'
            f"<summary>{_which(entry)} <span>{_time(entry)}</span></summary>\n"
            f'<div dir="auto">{self._content(entry)}</div></details>\n'
        )

    def _tools(self, entry: Entry) -> str:
        told = [self._said.html(entry.text)] if entry.role != "tool" and entry.text else []
        for call in self._calling.calls(entry):
            told.append(_folded_tool(f"⚙ <code>{words(call.name)}</code>", highlighted(_clean(call.arguments), "json")))
        if entry.role == "tool":
            name = words(self._calling.answered(entry)) or say("Tool")
            told.append(_folded_tool(f"↩ <code>{name}</code>", escape(_clean(entry.text))))
        return f'<div class="tools" id="m{entry.id}">{"".join(told)}</div>\n'


def portrait(speaker: Speaker) -> str:
    """A picture comes by the style, once for all; without one there are letters on the speaker's colour."""
    shown = "" if face(speaker) else words(initials(speaker.name))
    return f'<div class="face" aria-hidden="true">{shown}</div>'


def _picture(shown: Shown) -> str:
    """One that people sent; it stands in the page itself."""
    name = words(shown.name, MOST_NAME)
    if not (address := picture(shown.address)):
        return f'<ul class="files"><li><bdi>{name}</bdi></li></ul>\n'
    size = f' width="{shown.width}" height="{shown.height}"' if shown.width and shown.height else ""
    return f'<figure><img src="{address}" alt="{name}"{size}><figcaption><bdi>{name}</bdi></figcaption></figure>\n'


def _leaving(way: Way, *, told_below: bool) -> str:
    name = f"⑂ <bdi>{way_name(way)}</bdi>"
    return f'<a href="#way-{way.id}">{name}</a>' if told_below else name


def way_name(way: Way) -> str:
    return words(way.name, MOST_NAME) or say("Branch {number}", number=way.id)


def _time(entry: Entry) -> str:
    return f'<time datetime="{entry.at.isoformat(timespec="seconds")}">{telling.clock(entry.at)}</time>'


def _which(entry: Entry) -> str:
    told = say("Version {variant} of {variants}", variant=entry.variant, variants=entry.variants)
    return f'<span class="mark">{told}</span>'


def _clean(text: str) -> str:
    return CONTROLS.sub("\ufffd", text)


def _folded(text: str, html: str) -> str:
    peek = escape(_clean(text[:PEEK]).strip(), quote=False)
    all_of_it = say("Show all {count:,} characters", count=len(text))
    return (
        f'<details class="long"><summary><span class="peek">{peek}…</span> '
        f'<span class="more">{all_of_it}</span></summary>\n{html}</details>\n'
    )


def _folded_tool(title: str, html: str) -> str:
    return f'<details class="tool"><summary>{title}</summary>\n<pre dir="auto"><code>{html}</code></pre></details>\n'
