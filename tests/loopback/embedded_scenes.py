"""Scenes that the embedded model plays, with a real bot that is killed in the middle, watched from inside the model."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.events import Place
from bot.store import Remembered, Store
from plugins.roleplay.cards import as_png, card_of
from tests.loopback.bot_process import Setup

LINES = 8
# The line during which somebody interjects, and the one during which the bot is killed.
HEARS, DIES = 2, 5
INTERJECTION = "I bring a parrot!"
PATIENCE = 120.0  # seconds; only what is broken takes so long

# Tells which prompts the model got, and stops in the middle of an answer until the test says so. Lines that are as long
# as they may be count as complete, so that no mark stands below them.
WATCHING = """
import asyncio, json, os
from dataclasses import replace
from pathlib import Path

from bot.api import Done, Plugin, Text

plugin = Plugin("watching", "Watches the model.")
folder = Path(os.environ["WATCHED"])
holds = json.loads(os.environ["HOLDS"])


@plugin.filter
async def watch(turn, model):
    with (folder / "sent.jsonl").open("a+") as sent:
        sent.write(json.dumps([message.text for message in turn.prompt.messages]) + "\\n")
        sent.seek(0)
        number = len(sent.readlines())
    said = 0
    async for piece in model(turn):
        said += isinstance(piece, Text)
        if (said == 4 or isinstance(piece, Done)) and number in holds and not (folder / f"held {number}").exists():
            (folder / f"held {number}").touch()
            while not (folder / f"go {number}").exists():
                await asyncio.sleep(0.01)
        yield replace(piece, reason="stop") if isinstance(piece, Done) else piece
"""


@dataclass(frozen=True, slots=True)
class Play:
    """What is played: `start` is what people type after `/roleplay start`, `cards` what they drop before."""

    start: str
    cast: tuple[str, str]
    cards: Mapping[str, bytes]

    @property
    def command(self) -> str:
        return f"roleplay start {self.start} --turns={LINES} --pace=0 --ends_itself=no"


def _card(name: str, about: str, greeting: str = "") -> Mapping[str, object]:
    return {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {"name": name, "description": about, "first_mes": greeting, "personality": "", "scenario": ""},
    }


WANDA = _card("Wanda", "Wanda is an old witch who sells potions and scolds everybody.", "Close the door. What is it?")
BRUNO = _card("Bruno", "Bruno is a shy knight who has lost his sword and asks for help.")
TEMPLATE = Play('"Three Weeks on the Sofa"', ("Ravi Kurian", "Beatriz Carvalho"), {})
CARDS = Play(
    "Wanda and Bruno",
    ("Bruno", "Wanda"),
    {"wanda the witch.png": as_png(card_of(json.loads(json.dumps(WANDA)))), "bruno.json": json.dumps(BRUNO).encode()},
)


def embedded(folder: Path) -> dict[str, str]:
    """The model that is installed with the bot, with short lines so that it is quick, and the one who watches it."""
    (folder / "watching.py").write_text(WATCHING, encoding="utf-8")
    return {
        "DUOLOGUE_MODEL__PROVIDER": "local",
        "DUOLOGUE_MODEL__PARAMETERS": json.dumps({"temperature": 0.6, "seed": 5, "max_tokens": 14}),
        "DUOLOGUE_MODEL__LOCAL__CONTEXT": "1024",
        "DUOLOGUE_PLUGINS__ENABLED": json.dumps(["commands", "roleplay", str(folder / "watching.py")]),
        "WATCHED": str(folder),
        "HOLDS": json.dumps([HEARS, DIES]),
    }


class Watched:
    """What the model was sent, and what is remembered of a scene."""

    def __init__(self, folder: Path, place: Place, play: Play) -> None:
        self.folder = folder
        self.place = place
        self.play = play

    @property
    def sent(self) -> list[str]:
        """The prompts, in order."""
        file = self.folder / "sent.jsonl"
        return ["\n".join(json.loads(line)) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def holds(self, number: int) -> bool:
        return (self.folder / f"held {number}").exists()

    def goes_on(self, number: int) -> None:
        (self.folder / f"go {number}").touch()

    async def remembered(self) -> Sequence[Remembered]:
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            return await store.tree(self.place)

    async def is_heard(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while not any(text == each.text for each in await self.remembered()):
            assert time.monotonic() < end, f"{text} is not remembered"
            await asyncio.sleep(0.02)

    async def performed(self) -> list[tuple[str, str]]:
        """Who said what, the opener first, once everything is over: exactly so many lines, in turn and nothing else,
        and whoever was asked after the interjection knew of it."""
        kept = await self.remembered()
        opener, *lines = [each for each in kept if each.role == "assistant"]
        first, second = self.play.cast
        assert [each.speaker for each in lines] == [first, second] * (LINES // 2)
        assert {each.status for each in lines} == {"complete"}
        assert all(each.text.strip() for each in lines)
        assert (opener.speaker, {each.scene for each in lines}) == (second, {opener.id})
        assert [each.text for each in kept if each.role == "user" and each.id > opener.id] == [INTERJECTION]

        heard = next(each.id for each in kept if each.text == INTERJECTION)
        said_before = sum(each.id < heard for each in lines)
        told = [INTERJECTION in prompt for prompt in self.sent]
        untold = told.index(True)
        assert told == [False] * untold + [True] * (len(told) - untold)
        assert 0 <= untold - said_before <= 1, "only the line that was being said knew nothing of it"
        # Each line, and the one that was broken off once more; seldom one of them twice, as nothing was left of it.
        assert LINES < len(told) <= LINES + 3
        return [(each.speaker or "", each.text) for each in (opener, *lines)]


def words(text: str) -> str:
    """Without marks and breaks, which each platform has its own of."""
    return " ".join(re.findall(r"\w+", text))


class Embedded(Setup):
    def environment(self) -> dict[str, str]:
        given = super().environment()
        own = {name: value for name, value in given.items() if not name.startswith("OPENAI_")}
        return own | embedded(self.database.parent)
