"""Fifty scenes at once on the loopback Discord, what a scene needs between two lines, and a thousand cards.

python -m benchmarks.roleplay_scenes [--quick] [--only scenes|between|cards]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from adapters.discord.testing import Channel, FakeDiscord
from benchmarks.figures import Figure, load, table
from benchmarks.measures import spread
from bot.api import Capabilities, CommandCall, Place, Route
from bot.testing.bot import BOB, TestBot
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from plugins.roleplay import plugin as roleplay
from plugins.roleplay.cards import as_png, card_of
from plugins.roleplay.cards.png import plain
from tests.loopback.scenes import (
    CAPTAIN,
    INSPECTOR,
    TEMPLATE,
    asked_for,
    is_over,
    line,
    numbered,
    performed,
    shown_on_discord,
)

LATENCY = 0.08
SCENES, LINES, RATE, PACE = 50, 8, 30.0, 2.0
# Of every scene the first lines are not looked at: things are read for the first time then.
WARM = 2
# So many personas a server may have.
SERVER = 200


@dataclass(slots=True)
class Theatre:
    folder: Path
    discord: FakeDiscord
    model: FakeOpenAI
    # When a line was asked for, by channel's topic and number.
    asked: dict[tuple[str, int], float] = field(default_factory=dict)

    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name in ("PATH", "HOME", "LANG") if (value := os.environ.get(name))}
        return kept | {
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "DISCORD_TOKEN": self.discord.token,
            "DUOLOGUE_DISCORD__API_URL": self.discord.rest,
            "DUOLOGUE_DISCORD__GATEWAY_URL": self.discord.gateway_url,
            "OPENAI_API_KEY": "sk-benchmark",
            "OPENAI_BASE_URL": self.model.url,
            "OPENAI_MODEL": "gpt-6-luna",
            "DUOLOGUE_MEMORY__DATABASE": str(self.folder / "duologue.db"),
            "TIKTOKEN_CACHE_DIR": str(self.folder / "no-vocabulary"),
        }

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[None]:
        with (self.folder / "bot.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"), cwd=self.folder, env=self.environment(), stdout=log, stderr=log
            )
        try:
            await self.discord.online()
            yield
        finally:
            process.terminate()
            await process.wait()

    async def plays(self, channel: Channel, lines: int, pace: float) -> None:
        topic = f"about {channel.name}"
        start = f'@bot /roleplay start "{TEMPLATE}" --turns={lines} --pace={pace} --topic="{topic}"'
        await self.discord.says(start, channel=channel)
        looks = await self.discord.wait_until(
            lambda: [each for each in self.discord.screen(channel) if each.components], timeout=60
        )
        await self.discord.presses(looks[-1], "▶ Begin")
        patience = 60 + lines * (pace + 8)
        await self.discord.wait_until(lambda: is_over(shown_on_discord(self.discord, channel)), timeout=patience)

    def waits(self, channel: Channel, pace: float) -> list[float]:
        """From the end of each line, as people saw it, to the request for the next, without the pace."""
        ended = {}
        said = {text: number for number, _, text in numbered(shown_on_discord(self.discord, channel))}
        for message in self.discord.screen(channel):
            text = message.text.strip()
            if text in said:
                ended[said[text]] = next(state.at for state in message.states if state.text.strip() == text)
        topic = f"about {channel.name}"
        pairs = [(ended[number], self.asked[topic, number + 1]) for number in sorted(ended)[WARM:-1]]
        return [asked - end - pace for end, asked in pairs]


@asynccontextmanager
async def theatre(*, latency: float, rate: float | None) -> AsyncIterator[Theatre]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        discord = await stack.enter_async_context(FakeDiscord(latency=latency))
        await discord.allows("manage_webhooks")
        model = await stack.enter_async_context(FakeOpenAI())
        here = Theatre(folder, discord, model)

        def act(seen: Seen) -> FakeAnswer:
            now = time.monotonic()
            number, name = asked_for(seen)
            topic = str(seen.body).partition("about scene")[2][:3].strip(" .\\n'\"}")
            here.asked[f"about scene{topic}", number] = now
            return FakeAnswer(line(number, name), rate=rate)

        model.answer = act
        yield here


async def scenes(quick: bool) -> Sequence[Figure]:
    count, lines = (10, 4) if quick else (SCENES, LINES)
    async with theatre(latency=LATENCY, rate=RATE) as here:
        channels = [here.discord.channel(f"scene{number:03}") for number in range(count)]
        for channel in channels:
            await here.discord.allows("manage_webhooks", channel)
        async with here.bot():
            await here.discord.wait_until(lambda: here.discord.world.commands[None], timeout=60)
            plays = [here.plays(channel, lines, PACE) for channel in channels]
            began = time.monotonic()
            ended = await asyncio.gather(*plays, return_exceptions=True)
            took = time.monotonic() - began
        said = [numbered(shown_on_discord(here.discord, channel)) for channel in channels]
        wanted = performed((CAPTAIN, INSPECTOR), lines)
        lost = sum(len(set(wanted) - set(each)) for each in said)
        doubled = sum(len(each) - len(set(each)) for each in said)
        wrong = sum(name != text.partition("said by ")[2].partition(".")[0] for each in said for _, name, text in each)
        waits = [wait for channel in channels for wait in here.waits(channel, PACE)]
        middle, late, _ = spread([1000 * wait for wait in waits])
    at_once = f"{count} scenes of {lines} lines at once"
    not_ended = sum(isinstance(each, BaseException) for each in ended)
    return [
        Figure(f"{at_once}: scenes that did not come to their end", not_ended, "", 0, f"all within {took:.0f} s"),
        Figure(f"{at_once}: lines lost or not exact", lost, "", 0),
        Figure(f"{at_once}: lines said twice", doubled, "", 0),
        Figure(f"{at_once}: wrong faces", wrong, "", 0),
        Figure(f"{at_once}: 429", len(here.discord.refused), "", 0),
        Figure(f"{at_once}: line → next request beyond the pace, median", middle, "ms", None, f"95 % {late:.0f} ms"),
    ]


async def between(quick: bool) -> Sequence[Figure]:
    """One scene, with nothing else to do, at paces at which Discord's limits are not in its way."""
    async with theatre(latency=0.0, rate=None) as here:
        here.discord.limits.enforced = False
        channel = here.discord.channel("scene000")
        await here.discord.allows("manage_webhooks", channel)
        async with here.bot():
            await here.discord.wait_until(lambda: here.discord.world.commands[None], timeout=60)
            await here.plays(channel, 12 if quick else 60, 0.3)
        middle, late, _ = spread([1000 * wait for wait in here.waits(channel, 0.3)])
    name = "one scene: line shown → model's request for the next, beyond the pace"
    return [Figure(name, middle, "ms", 10, f"median; 95 % within {late:.1f} ms")]


async def cards(quick: bool) -> Sequence[Figure]:
    """Pictures with a few kilobytes of text, each by a command, in servers of 200 personas: the whole bot, in this
    process, without a platform."""
    count = 100 if quick else 1_000
    contents = [_card(number) for number in range(count)]
    settings = {"plugins": {"roleplay": {"personas": None}}}
    can = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True)
    async with TestBot(plugins=[roleplay], settings=settings, capabilities=can) as bot:
        began = time.monotonic()
        for number, content in enumerate(contents):
            place = Place("fake", f"server {number // SERVER}", "channel")
            address = f"https://files.example/{number}.png"
            bot.adapter.files[address] = content
            card: dict[str, JsonValue] = {"name": "card.png", "media_type": "image/png", "size": len(content)}
            await bot.hears(
                CommandCall(
                    id=f"card {number}",
                    user=BOB,
                    route=Route(place),
                    at=datetime.now(UTC),
                    command="persona import",
                    arguments={"card": {**card, "url": address}},
                )
            )
        took = time.monotonic() - began
        lost = count - sum("is here now." in each.text for each in bot.adapter.messages)
    name = f"importing {count:,} cards"
    return [Figure(name, took, "s", 10 * count / 1_000), Figure(f"{name}: not imported", lost, "", 0)]


def _card(number: int) -> bytes:
    raw: dict[str, JsonValue] = {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {"name": f"Persona {number}", "description": f"Number {number}. " * 150, "first_mes": "Hello."},
    }
    return as_png(card_of(raw, plain(200, 200, (number % 256, 100, 50))))


PARTS: Mapping[str, Callable[[bool], Awaitable[Sequence[Figure]]]] = {
    "scenes": scenes,
    "between": between,
    "cards": cards,
}


async def main(quick: bool = False, only: str = "") -> None:
    for name, part in PARTS.items():
        if only in name:
            figures = await part(quick)
            print(f"{table(figures)}\n\n{load()}\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--only", default="", choices=["", *PARTS])
    options = parser.parse_args()
    asyncio.run(main(options.quick, options.only))
