"""Takes the README's picture of a real chat with the embedded model: `python -m tests.docs.picture`."""

from __future__ import annotations

import io
import itertools
import os
import re
import sys
import tempfile
import time

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.docs.reference import ROOT

COLUMNS, LINES = 90, 40
SAID = ("What is the largest ocean?", "What is the capital of Japan?", "Write hello world in Python.", "/context")
ANSWER_SECONDS = 60
QUIET_SECONDS = 2.5


def take(said: tuple[str, ...]) -> pyte.Screen:
    """The screen after these lines were typed, each when the answer before it was over."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.Stream(screen)
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "DUOLOGUE"))}
        environment |= {"HOME": folder, "XDG_DATA_HOME": folder, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        chat = pexpect.spawn(
            sys.executable, ["-m", "bot", "chat"], cwd=folder, env=environment, encoding="utf-8",
            dimensions=(LINES, COLUMNS),
        )  # fmt: skip
        try:
            _read(chat, stream, screen)
            for line in said:
                chat.send(line)
                _read(chat, stream, screen, settle=0.3)
                chat.send("\r")
                _read(chat, stream, screen)
        finally:
            chat.close(force=True)
    return screen


def _read(chat: pexpect.spawn[str], stream: pyte.Stream, screen: pyte.Screen, settle: float = QUIET_SECONDS) -> None:
    """Until the prompt is back and nothing has come for a while."""
    until, quiet_since = time.monotonic() + ANSWER_SECONDS, time.monotonic()
    while time.monotonic() < until:
        if time.monotonic() - quiet_since > settle and screen.display[screen.cursor.y].startswith("›"):
            return
        try:
            stream.feed(chat.read_nonblocking(4096, 0.1))
            quiet_since = time.monotonic()
        except pexpect.TIMEOUT:
            pass


def svg(screen: pyte.Screen) -> str:
    lines = [_line(screen, number) for number in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line)
    # Fonts from elsewhere are not loaded by those who show the README, and nobody should be asked for them.
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="duologue chat"), flags=re.DOTALL)


def _line(screen: pyte.Screen, number: int) -> Text:
    text = Text()
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    for style, run in itertools.groupby(cells, _style):
        text.append("".join(cell.data for cell in run), style)
    text.rstrip()
    return text


def _style(cell: pyte.screens.Char) -> Style:
    return Style(color=_color(cell.fg), bold=cell.bold, italic=cell.italics, underline=cell.underscore)


def _color(name: str) -> str | None:
    """pyte's names in rich's words."""
    if name == "default":
        return None
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return name.replace("brown", "yellow").replace("bright", "bright_")


if __name__ == "__main__":
    screen = take(tuple(sys.argv[1:]) or SAID)
    print("\n".join(line.rstrip() for line in screen.display).rstrip())
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "chat.svg").write_text(svg(screen), "utf-8")
