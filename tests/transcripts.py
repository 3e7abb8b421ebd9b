"""Transcripts to export: a talk with all that a message can bear, a scene, and the worst that people can say."""
# ruff: noqa: E501 (the worst that people can say is long)

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import JsonValue

from plugins.export.transcript import Entry, Header, Part, Role, Scene, Speaker, Used, Way
from tests.samples import png

BEGAN = datetime(2026, 3, 14, 18, 30, tzinfo=UTC)
ANN = Speaker("u1", "Ann", "person", "4711")
BEN = Speaker("u2", "Ben Čapek", "person", "4712")
BOT = Speaker("bot", "Duologue", "bot")
MARA = Speaker("p1", "Mara Voss", "persona")
OLD_TOM = Speaker("p2", "Old Tom", "persona")
NARRATOR = Speaker("p3", "Narrator", "persona")
BEGAN_ON_STAGE = datetime(2026, 11, 1, 20, 57, tzinfo=UTC)
MAIN = Way(1, "main", None, None, BEGAN, True)


@dataclass(frozen=True, slots=True)
class Transcript:
    header: Header
    entries: Sequence[Entry]


class Telling:
    """Puts one message after the other, a minute apart."""

    def __init__(self, at: datetime = BEGAN) -> None:
        self.at = at
        self.entries: list[Entry] = []
        self.last: int | None = None

    def __call__(self, speaker: Speaker, text: str, *, minutes: float = 1, **more: object) -> Entry:
        self.at += timedelta(minutes=minutes)
        role: Role = "user" if speaker.kind == "person" else "assistant"
        # No model says what the narrator tells.
        model = "gpt-6-luna" if speaker.kind == "persona" and speaker is not NARRATOR else ""
        entry = replace(
            Entry(len(self.entries) + 1, self.last, role, speaker.key, text, self.at, model=model),
            **more,  # type: ignore[arg-type]  # any of an entry's fields
        )
        self.entries.append(entry)
        if entry.variant_of is None:
            self.last = entry.id
        return entry


PLAN = """Here is a plan for the **long weekend**, with the prices I found:

| Day | Where | Walk | Price |
|:----|:------|-----:|------:|
| Friday | Bad Schandau | 4 km | 12.40 € |
| Saturday | Bastei, then *Amselgrund* | 14 km | – |
| Sunday | Lilienstein | 9 km | 3.00 € |

1. Take the S1 from the main station, it leaves twice an hour.
2. Bring water: there is no spring above the river.
   - two litres each
   - more if it is hot

> The path over the Schwedenlöcher is closed until May.

See https://example.org/bastei_(rock) and the [timetable](https://example.org/s1?day=sat&dir=out "S1").

- [x] tent
- [ ] stove
"""
CODE = """You can count them in two lines:

```python
from collections import Counter

def most(words: list[str], n: int = 3) -> list[tuple[str, int]]:
    \"\"\"The commonest first.\"\"\"
    return Counter(w.lower() for w in words).most_common(n)  # ties: first seen

print(most("a b a c a".split()))
```

Or in the shell, with `sort` and `uniq -c`:

```sh
tr ' ' '\\n' < words.txt | sort | uniq -c | sort -rn | head -3
```
"""


def friendly() -> Transcript:
    """A talk over two days with branches, variants, tools and files."""
    say = Telling()
    say(ANN, "Where should we go for the long weekend? Ben wants to *walk*, I want to see the river.")
    say(
        BOT, "", parts={"tool_calls": [{"id": "c1", "name": "weather", "arguments": '{"place": "Dresden", "days": 3}'}]}
    )
    say(BOT, '{"friday": "sunny", "saturday": "18 °C"}', role="tool", parts={"tool_call_id": "c1"})
    spent = Used(1204, 310, 1024, Decimal("0.002140"), 3.24)
    plan = say(BOT, PLAN, model="gpt-6-luna", used=spent, variant=2, variants=2)
    say(
        BOT,
        "What about the **sea**?",
        variant_of=plan.id,
        variant=1,
        variants=2,
        model="gpt-6-luna",
        parent=plan.parent,
    )
    say(BEN, "Sounds good.")
    say(BEN, "I have the tent already.", minutes=2)
    say(ANN, "Here is the map, can you read it?\n\n(picture: map.png)", minutes=30,
        parts={"said": 33, "images": [{"name": "map.png", "size": 48_211, "media_type": "image/png", "blob": "x"}]})  # fmt: skip
    say(BOT, "It shows the gorge between Rathen and Wehlen.", model="gpt-6-luna",
        used=Used(2210, 64, 0, None, 1.1, estimated=True))  # fmt: skip
    say(BEN, "How do I find the commonest words in a text, by the way?", minutes=60 * 16)
    say(BOT, CODE, model="gpt-6-luna", used=Used(2500, 240, 2048, Decimal("1.25"), 4.0))
    fork = say(ANN, "שלום! מה שלומך היום?\n\nAnd in English: how are you? 👋🏽 👩‍👩‍👧")
    say(BOT, "I was about to", status="interrupted")
    say(ANN, "", status="forgotten")
    main_tip = say(BOT, "\n\n".join(f"{n}. line of a very long answer, which is folded." for n in range(1, 260)))
    say.last = fork.id
    say(BOT, "Very well, thank you – and you?", model="gpt-6-terra")
    other_tip = say(ANN, "Better than ever.")
    ways = (
        replace(MAIN, tip=main_tip.id),
        Way(2, "In another tone", other_tip.id, fork.id, BEGAN, False),
    )
    header = Header(
        "terminal:home/desk",
        "A weekend by the river",
        (ANN, replace(BEN, face=_face()), BOT),
        ways,
        exported_at=BEGAN + timedelta(days=20),
        system="You are a helpful companion. Answer **briefly**.",
        summary="They know each other from school, and went to the sea last year.",
    )
    return Transcript(header, say.entries)


def _face() -> str:
    return "data:image/png;base64," + b64encode(png()).decode()


def scene() -> Transcript:
    say = Telling(datetime(2026, 11, 1, 20, 55, tzinfo=UTC))
    say(ANN, "I would love to see the lighthouse again.")
    first = say(NARRATOR, "*Rain beats against the glass of the lantern room. Below, the sea.*")
    inside = {"scene": first.id}
    say.entries[-1] = replace(first, scene=first.id)
    say(MARA, "You said the light has never failed. Not once in forty years.", **inside)
    say(
        OLD_TOM,
        "*He wipes his hands, slowly.* I said it never failed while I was awake. That's another thing.",
        **inside,
    )
    say(MARA, "And tonight?", **inside)
    say(MARA, "Tom. *Tonight?*", **inside, minutes=0.5)
    best = say(OLD_TOM, "Tonight I was listening to the radio.\n\n*The lamp turns. Its beam finds nothing, and goes on.*",
               **inside, variant=2, variants=3)  # fmt: skip
    for number, text in ((1, "Tonight I slept."), (3, "Tonight? Ask the sea.")):
        say(OLD_TOM, text, **inside, variant=number, variants=3, variant_of=best.id, parent=best.parent)
    say(ANN, "(I knew it.)", **inside)
    say(NARRATOR, "*A horn sounds, very near. Then the rocks.*", **inside)
    say(MARA, "Light it. Light it now!", **inside)
    say(ANN, "That was wonderful. Again tomorrow?", minutes=12)
    header = Header(
        "terminal:home/stage",
        "The keeper of Skerry Point",
        (ANN, NARRATOR, replace(MARA, face=_face()), OLD_TOM),
        (replace(MAIN, tip=say.last),),
        scope=1,
        scenes=(
            Scene(
                first.id,
                "The light that failed",
                "it came to its end",
                BEGAN_ON_STAGE + timedelta(minutes=14),
                BEGAN_ON_STAGE,
                7,
                (Part(MARA.key), Part(OLD_TOM.key, ANN.key)),
            ),
        ),
    )
    return Transcript(header, say.entries)


def nasty(server: str = "http://192.0.2.1") -> Transcript:
    """All that must not get through. `server` is where things would be loaded from."""
    say = Telling()
    evil = replace(ANN, name='</style><script>document.title="pwned"</script>" onmouseover="alert(1)')
    style = replace(BEN, name=f"}} body {{ background: url({server}/name.png) }} /*", face=f"{server}/face.png")
    turned = Speaker("u3", "\u202egnihtemos\u202c \u2066x", "person", "4713", face="data:text/html,<script>1</script>")
    long = Speaker("u4", "W" * 300, "person", "4714", face='data:image/png;base64,AA");}*{background:url(//x/)}')
    speakers = (evil, style, turned, long, BOT)
    for number, text in enumerate(_nasty_texts(server)):
        say(speakers[number % len(speakers)], text, minutes=0.2 + 3 * (number % 3), model=f"<img src={server}/model>")
    header = Header(
        f'"><img src="{server}/place">',
        f'</title><script>document.title="pwned"</script><img src="{server}/title" onerror="document.title=1">',
        speakers,
        (MAIN, Way(2, f'"><img src={server}/way onerror=alert(1)>', None, 2, BEGAN, False)),
        exported_at=BEGAN,
        system=f"![]({server}/system.png) <script>document.title='pwned'</script>",
        summary=f"<iframe src='{server}/frame'></iframe>",
        language='en" onload="alert(1)',
        scenes=(
            Scene(3, f"<img src={server}/scene>", f"<img src={server}/ended>", cast=(Part("u2", "u1"), Part("<b>"))),
        ),
    )
    entries = [replace(each, scene=3) if 3 <= each.id <= 6 else each for each in say.entries]
    bad: list[JsonValue] = [{"id": "<", "name": "<script>", "arguments": '{"a": "<script>document.title=1</script>"}'}]
    more = Entry(len(entries) + 1, say.last, "assistant", "bot", "", say.at, parts={"tool_calls": bad})
    result = Entry(more.id + 1, more.id, "tool", "bot", "</pre><script>document.title=1</script>", say.at,
                   parts={"tool_call_id": "<"})  # fmt: skip
    unread = Entry(result.id + 1, result.id, "user", "nobody known", "see", say.at, status="partial",
                   parts={"said": 3, "unread": [{"name": f"<img src={server}/file>.png", "size": -1}, "?"]})  # fmt: skip
    return Transcript(header, [*entries, more, result, unread])


def _nasty_texts(server: str) -> Iterator[str]:
    yield f"<script>document.title='pwned'</script><script src='{server}/a.js'></script>"
    yield f"<img src={server}/x.png onerror=\"document.title='pwned'\"> <svg/onload=alert(1)> <body onload=alert(1)>"
    yield f"![a pixel]({server}/pixel.png) ![ref][r] [![in]({server}/in.png)](https://example.org)\n\n[r]: {server}/r.png"
    yield "[click](javascript:document.title=1) [me](JaVaScRiPt&colon;alert(1)) [or](data:text/html,<script>1</script>)"
    yield "[tab](java\tscript:alert(1)) [vb](vbscript:x) [file](file:///etc/passwd) [rel](//example.org/x) <javascript:x>"
    yield f"<style>@import '{server}/s.css';</style><link rel=stylesheet href={server}/l.css><base href={server}>"
    yield f'<meta http-equiv=refresh content="0;url={server}/go"><form action={server}><input autofocus onfocus=alert(1)>'
    yield f"```html\n<img src={server}/fence.png>\n```\n\n````\n```\ninside\n```\n````\n\n```\nnever closed <script>x</script>"
    yield f'```"><img src={server}/lang.png>\ncode\n```\n\n~~~ js onload=alert(1)\nlet a = "</code></pre><script>1</script>"\n~~~'
    yield f"| a | b |\n|---|---|\n| <img src={server}/t.png> | [x](javascript:1) |\n| `|` | ![]({server}/cell.png) |"
    yield f'[title](https://example.org "\' onmouseover=alert(1) \\" x=") [q](https://example.org/"onclick="x) {server}/"x'
    yield "W" * 3_000
    yield "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞ " * 5 + "o" + "\u0301" * 400
    yield "\u202eright to left override \u2066 never closed \u2067 \u202d"
    yield "مرحبا **بالعالم** https://example.org/عالم `code` 123\n\n- قائمة\n- ثانية"
    yield "NUL \0 here, bell \a, escape \x1b[31mred\x1b[0m, \x85 and \x9b, vertical\vtab, form\ffeed, lone \ud800 half"
    yield "x" * 100_000
    yield "a line, " * 2_000 + "<script>document.title='pwned'</script>"
    yield "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪🇫🇷👋🏿" * 40
    yield "<!-- --><![CDATA[x]]><?php x ?></article></div></main></body></html>"
    yield "&lt;script&gt; &#x3c;script&#x3e; &amp;amp; &NotAnEntity; &#0; &#x110000;"
    yield f'=HYPERLINK("{server}/csv")\n---\n# Not a heading of the page\n---\n**Somebody** · 12:00\n> quoted'
    yield f"http://[::1 {server}:99999/x http:// https://user:pass@example.org javascript:alert(1) data:text/html,x"
