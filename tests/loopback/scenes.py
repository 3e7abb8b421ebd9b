"""Scenes on a loopback platform: a model that knows which line it says, and what people see of it."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.discord.testing import Channel as DiscordChannel
from adapters.discord.testing import FakeDiscord
from adapters.discord.testing import Message as DiscordMessage
from adapters.slack.testing import FakeSlack, labels
from bot.testing.openai_server import FakeAnswer, Seen

TEMPLATE = "The Safety Inspection"
CAPTAIN, INSPECTOR = "Kalani Kealoha", "Agnieszka Bielak"
OPENER = "Good morning, captain. Point one of twelve: who is steering?"
WORDS = 24
_SAID = re.compile(r"Line (\d+), said by ([^.]+)\.")
_WHO = re.compile(r"You are ([^,\n]+), a character in a scene")


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the bot's as people see it. `buttons` are the labels below it, `states` all that it ever showed."""

    name: str
    text: str
    buttons: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


def line(number: int, name: str, words: int = WORDS) -> str:
    """Every line in words of its own, or it would be taken for going round in circles."""
    lot = random.Random(f"{number} {name}")
    said = ("".join(lot.choices("abdefgiklmnoprstu", k=6)) for _ in range(words))
    return f"Line {number}, said by {name}. {' '.join(said)}"


def acting(*, rate: float | None = None, words: int = WORDS) -> Callable[[Seen], FakeAnswer]:
    """Whoever is asked says the line behind the newest that they were told of."""

    def act(seen: Seen) -> FakeAnswer:
        number, name = asked_for(seen)
        return FakeAnswer(line(number, name, words), rate=rate)

    return act


def asked_for(seen: Seen) -> tuple[int, str]:
    """The number of the line, and whose it is."""
    told = texts_of(seen)
    who = _WHO.search(told[0])
    assert who is not None, told[0]
    return max((int(number) for number, _ in _SAID.findall("\n".join(told))), default=0) + 1, who[1]


def texts_of(seen: Seen) -> list[str]:
    items = seen.body["messages"]
    assert isinstance(items, list)
    return [str(item["content"]) for item in items if isinstance(item, dict)]


def numbered(shown: Sequence[Shown]) -> list[tuple[int, str, str]]:
    """Number, name and text of the generated lines, in the order of the screen."""
    found = [(_SAID.match(each.text), each) for each in shown]
    return [(int(said[1]), each.name, each.text.strip()) for said, each in found if said is not None]


def performed(cast: Sequence[str], count: int, words: int = WORDS) -> list[tuple[int, str, str]]:
    """What people should see in the end: the cast speaks in turn."""
    names = [cast[number % len(cast)] for number in range(count)]
    return [(number, name, line(number, name, words)) for number, name in enumerate(names, 1)]


def is_over(shown: Sequence[Shown]) -> bool:
    return bool(shown) and shown[-1].text.startswith("🎬 The scene is over: all lines were said.")


def shown_on_discord(discord: FakeDiscord, channel: DiscordChannel | None = None) -> list[Shown]:
    own = [each for each in discord.screen(channel) if each.author is discord.bot]
    return [Shown(each.name, each.text, _labels(each), tuple(state.text for state in each.states)) for each in own]


def _labels(message: DiscordMessage) -> tuple[str, ...]:
    return tuple(button["label"] for row in message.components for button in row["components"])


def shown_on_slack(slack: FakeSlack) -> list[Shown]:
    own = [each for each in slack.screen() if each.author is slack.bot and each.seen_by is None]
    return [
        Shown(each.name, each.seen, tuple(labels(each.blocks)), tuple(state.seen for state in each.states))
        for each in own
    ]


class Remembering(Protocol):
    """A whole bot, on whatever platform."""

    async def memory(self) -> list[tuple[str, str, str]]: ...

    async def idle(self) -> None: ...


async def remembers(bot: Remembering, text: str) -> None:
    """What somebody said has arrived."""
    for _ in range(500):
        if text in [said for _, said, _ in await bot.memory()]:
            break
        await asyncio.sleep(0.02)
    await bot.idle()
