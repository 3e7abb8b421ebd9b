"""Takes the README's moving picture of a real answer on Discord: `python -m tests.docs.discord_picture`.

The whole bot answers over the real discord.py and openai clients; Discord and the model are servers on this machine.
What each message showed, and when, is drawn as it was.
"""

from __future__ import annotations

import asyncio
import html
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord, Message
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.docs.reference import ROOT
from tests.loopback.whole_bot import whole_bot

ASKED = "how do I turn a linked list around in Python?"
ANSWER = """Walk along the list once and turn every arrow to the node **before** it:

```python
def turned(head):
    before = None
    while head:
        head.next, before, head = before, head, head.next
    return before
```

- `before` is the part that is turned already.
- The three names change in *one* step, so nothing gets lost.
- It takes one pass, and no memory beside the list itself.

Would you like to see it with a doubly linked list?"""
TOKENS_A_SECOND = 12
LATENCY = 0.08
# Seconds that the finished answer stays before the picture begins anew.
REST = 4.0

WIDTH, LINE, LEFT, TOP = 720, 21, 76, 22
CHARS = 78
FONT = "'gg sans','Noto Sans','Helvetica Neue',Helvetica,Arial,sans-serif"
MONO = "Consolas,'Liberation Mono',Menlo,monospace"
BACK, TEXT, DIM, CODE, BUTTON = "#313338", "#dbdee1", "#949ba4", "#2b2d31", "#4e5058"


@dataclass(frozen=True)
class Moment:
    """What the answer showed from `at` on, in seconds since the question."""

    at: float
    text: str
    buttons: tuple[str, ...]


async def take(folder: Path) -> Sequence[Moment]:
    """The real thing, once from the question to the last button."""
    moments: list[Moment] = []
    model = FakeOpenAI(FakeAnswer(ANSWER, rate=TOKENS_A_SECOND))
    async with (
        model,
        FakeDiscord(latency=LATENCY) as discord,
        whole_bot(folder, discord, model, timing=Timing()) as bot,
    ):
        began = time.monotonic()
        await discord.says(f"@bot {ASKED}")

        def changed() -> bool:
            if not (own := own_messages(discord)):
                return False
            now = Moment(time.monotonic() - began, own[-1].text, tuple(labels(own[-1])))
            if moments and (moments[-1].text, moments[-1].buttons) == (now.text, now.buttons):
                return False
            moments.append(now)
            return True

        while not (moments and moments[-1].text == ANSWER and "🔄 Again" in moments[-1].buttons):
            await bot.until(changed)
    return moments


def own_messages(discord: FakeDiscord) -> list[Message]:
    return [message for message in discord.screen(discord.general) if message.author is discord.bot]


def labels(message: Message) -> Iterator[str]:
    for row in message.components:
        for button in row.get("components", ()):
            yield str(button.get("label", ""))


def svg(moments: Sequence[Moment]) -> str:
    """Every state is drawn, and shown for the share of the whole time in which it was seen."""
    total = moments[-1].at + REST
    last = lines_of(moments[-1].text)
    height = TOP + 64 + 30 + len(last) * LINE + 62
    styles, groups = [], []
    for number, moment in enumerate(moments):
        start = moment.at / total * 100
        end = moments[number + 1].at / total * 100 if number + 1 < len(moments) else 100.0
        styles.append(frames(number, start, end, total))
        groups.append(f'<g class="m m{number}">{drawn(moment, TOP + 64)}</g>')
    # Whoever wants no motion sees the finished answer.
    still = f"@media (prefers-reduced-motion:reduce){{.m{{animation:none}}.m{len(moments) - 1}{{opacity:1}}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="An answer grows on Discord" font-family="{FONT}" font-size="15" fill="{TEXT}">'
        f"<style>.m{{opacity:0}}{''.join(styles)}{still}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>'
        + person(TOP, "Ada", "#3ba55d", f'<tspan fill="#c9cdfb">@Duologue</tspan> {html.escape(ASKED)}')
        + face(TOP + 64, "Duologue", "#5865f2", app=True)
        + "".join(groups)
        + "</svg>\n"
    )


def frames(number: int, start: float, end: float, total: float) -> str:
    before = f"0%,{max(start - 0.01, 0):.2f}%{{opacity:0}}" if start > 0.01 else ""
    after = f"{end:.2f}%,100%{{opacity:0}}" if end < 100 else "100%{opacity:1}"
    shown = f"{start:.2f}%,{end - 0.01:.2f}%{{opacity:1}}"
    return f"@keyframes k{number}{{{before}{shown}{after}}}.m{number}{{animation:k{number} {total:.2f}s infinite}}"


def person(top: int, name: str, colour: str, said: str) -> str:
    return face(top, name, colour) + f'<text x="{LEFT}" y="{top + 38}">{said}</text>'


def face(top: int, name: str, colour: str, *, app: bool = False) -> str:
    badge = ""
    if app:
        at = LEFT + 9 * len(name) + 12
        badge = (
            f'<rect x="{at}" y="{top + 3}" width="34" height="16" rx="4" fill="#5865f2"/>'
            f'<text x="{at + 17}" y="{top + 15}" font-size="10.5" font-weight="600" text-anchor="middle" fill="#fff">'
            "APP</text>"
        )
    return (
        f'<circle cx="44" cy="{top + 20}" r="20" fill="{colour}"/>'
        f'<text x="44" y="{top + 26}" font-size="17" font-weight="600" text-anchor="middle" fill="#fff">'
        f"{name[0]}</text>"
        f'<text x="{LEFT}" y="{top + 16}" font-weight="600" fill="#f2f3f5">{name}</text>{badge}'
    )


def drawn(moment: Moment, top: int) -> str:
    y = top + 38
    parts = []
    lines = lines_of(moment.text)
    for at, (kind, line) in enumerate(lines):
        if kind == "code":
            opens = at == 0 or lines[at - 1][0] != "code"
            closes = at + 1 == len(lines) or lines[at + 1][0] != "code"
            parts.append(
                f'<rect x="{LEFT - 4}" y="{y - 15 - 5 * opens}" width="{WIDTH - LEFT - 30}" '
                f'height="{LINE + 1 + 5 * opens + 5 * closes}" fill="{CODE}"/>'
                f'<text x="{LEFT + 6}" y="{y}" font-family="{MONO}" font-size="13.5" xml:space="preserve">'
                f"{coloured(line)}</text>"
            )
        elif line:
            parts.append(f'<text x="{LEFT}" y="{y}" xml:space="preserve">{marked(line)}</text>')
        y += LINE
    x = LEFT
    for label in moment.buttons:
        width = 22 + 8 * len(label)
        parts.append(
            f'<rect x="{x}" y="{y - 6}" width="{width}" height="30" rx="4" fill="{BUTTON}"/>'
            f'<text x="{x + width / 2}" y="{y + 14}" font-size="13.5" text-anchor="middle" fill="#fff">'
            f"{html.escape(label)}</text>"
        )
        x += width + 8
    return "".join(parts)


def lines_of(text: str) -> list[tuple[str, str]]:
    """The text as it stands on the screen: kind and content of each line."""
    lines: list[tuple[str, str]] = []
    code = False
    for line in text.split("\n"):
        if line.startswith("```"):
            code = not code
        elif code:
            lines.append(("code", line))
        else:
            lines += [("text", wrapped) for wrapped in folded(re.sub(r"^- ", "•  ", line))]
    return lines


def folded(line: str) -> Iterator[str]:
    while len(line) > CHARS:
        at = line.rfind(" ", 0, CHARS)
        at = at if at > 0 else CHARS
        yield line[:at]
        line = line[at:].lstrip()
    yield line


def marked(line: str) -> str:
    text = html.escape(line)
    text = re.sub(r"\*\*(.+?)\*\*", r'<tspan font-weight="700">\1</tspan>', text)
    text = re.sub(r"\*(.+?)\*", r'<tspan font-style="italic">\1</tspan>', text)
    return re.sub(r"`(.+?)`", rf'<tspan font-family="{MONO}" font-size="13.5" fill="#e3c9a8">\1</tspan>', text)


def coloured(line: str) -> str:
    return re.sub(r"\b(def|while|return|None)\b", r'<tspan fill="#c586c0">\1</tspan>', html.escape(line))


def main(arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        moments = asyncio.run(take(Path(folder)))
    for moment in moments:
        print(f"{moment.at:6.2f} s  {len(moment.text):5} characters  {' '.join(moment.buttons)}")
    file = Path(arguments[0]) if arguments else ROOT / "docs" / "discord.svg"
    file.write_text(svg(moments), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
