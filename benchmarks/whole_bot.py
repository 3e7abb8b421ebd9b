"""The bot as `duologue run` starts it, in its own process: how soon it asks, how many it serves, what it needs.

python -m benchmarks.whole_bot [--quick] [--only asking|crowd|memory]
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
from itertools import count
from pathlib import Path

import psutil

from adapters.discord.testing import Channel, FakeDiscord
from benchmarks.figures import Figure, load, table
from benchmarks.measures import Freshness, freshness, mean, spread
from benchmarks.model_process import ModelProcess, Story
from bot.events import Place, Route
from bot.store import NewMessage, Store
from bot.tokens import default_cache_dir, is_filled

LATENCY = 0.08
MEGABYTE = 1_000_000
# What a bot that has answered still tidies up is done by then.
SETTLED = 3.0


@dataclass(slots=True)
class Stage:
    """Everything around the bot; `bot` is its process."""

    folder: Path
    discord: FakeDiscord
    model: ModelProcess
    exact_tokens: bool = True
    numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def database(self) -> Path:
        return self.folder / "duologue.db"

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
            "DUOLOGUE_MEMORY__DATABASE": str(self.database),
            "TIKTOKEN_CACHE_DIR": str(default_cache_dir() if self.exact_tokens else self.folder / "no-vocabulary"),
        }

    def place(self, channel: Channel) -> Place:
        return Place("discord", str(self.discord.guild.id), str(channel.id))

    def story(self, tokens: int = 4, rate: int = 0) -> Story:
        return Story(next(self.numbers), tokens, rate)

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[psutil.Process]:
        """Connected, and once asked, so that everything it loads late is there."""
        with (self.folder / "bot.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"), cwd=self.folder, env=self.environment(), stdout=log, stderr=log
            )
        try:
            await self.discord.online()
            await self.answered(self.discord.general, self.story())
            await asyncio.sleep(SETTLED)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            await process.wait()

    async def answered(self, channel: Channel, story: Story) -> float:
        """Ask for a story and wait until all of it is shown; the moment it was asked."""
        asked = time.monotonic()
        await self.discord.says(f"@bot {story.order}", channel=channel)
        await self.discord.wait_until(lambda: self.discord.answers(channel)[-1:] == [story.text], timeout=60)
        return asked


@asynccontextmanager
async def stage(*, latency: float = 0.0, exact_tokens: bool = True) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        discord = await stack.enter_async_context(FakeDiscord(latency=latency))
        model = await stack.enter_async_context(ModelProcess())
        yield Stage(folder, discord, model, exact_tokens)


async def fill(stage: Stage, places: Sequence[Place], messages: int) -> None:
    """A past for these conversations, in answers of a thousand messages."""
    async with Store(f"sqlite:///{stage.database}") as store:
        for place in places:
            conversation = await store.conversation(place)
            for first in range(0, messages, 1000):
                draft = await store.open_draft(conversation.id, Route(place), f"fill {first}", None, epoch=0)
                said = [
                    NewMessage("assistant" if number % 2 else "user", "some words " * 40, tokens=100)
                    for number in range(first, min(first + 1000, messages))
                ]
                await store.answered(draft, place, said, [])


async def asking(quick: bool) -> Sequence[Figure]:
    """From Discord's message to the model's request, the three histories in turn so that each meets the same load."""
    async with stage() as here:
        here.discord.limits.enforced = False
        histories = (20, 2_000, 10_000 if quick else 100_000)
        channels = {size: here.discord.channel(f"history-{size}") for size in histories}
        for size, channel in channels.items():
            await fill(here, [here.place(channel)], size)
        sent: dict[int, list[tuple[int, float]]] = {size: [] for size in histories}
        async with here.bot():
            for _ in range(10 if quick else 60):
                for size, channel in channels.items():
                    story = here.story()
                    sent[size].append((story.number, await here.answered(channel, story)))
                    await asyncio.sleep(0.05)  # what follows an answer is not part of the next question
            told = await here.model.told()
    figures = []
    for size, questions in sent.items():
        middle, late, _ = spread([1000 * (told[number].asked - moment) for number, moment in questions[2:]])
        name = f"Discord's message → model's request, {size:,} messages of history"
        figures.append(Figure(name, middle, "ms", 10, f"median; 95 % within {late:.1f} ms"))
    return figures


@dataclass(frozen=True, slots=True)
class Crowd:
    """What came of many channels asked together. `cpu` is seconds of the bot's process, `memory` its most in bytes."""

    answers: Sequence[Freshness]
    waits: Sequence[float]
    lost: int
    refused: int
    cpu: float
    memory: int


async def crowd(channels: int, tokens: int, rate: int, *, apart: float) -> Crowd:
    """Everyone asks for a story of their own; `waits` is the time from a question to the first text."""
    async with stage(latency=LATENCY) as here:
        rooms = {here.discord.channel(f"room-{number}"): here.story(tokens, rate) for number in range(channels)}
        async with here.bot() as bot:
            before, most = _cpu(bot), 0
            asked: dict[int, float] = {}

            async def ask(number: int, room: Channel, story: Story) -> None:
                await asyncio.sleep(number * apart)
                asked[story.number] = time.monotonic()
                await here.discord.says(f"@bot {story.order}", channel=room)

            asking = asyncio.gather(*(ask(number, *each) for number, each in enumerate(rooms.items())))
            waiting = set(rooms)
            until = time.monotonic() + 60 + tokens / rate + channels * apart
            while waiting and time.monotonic() < until:
                waiting -= {room for room in waiting if here.discord.answers(room)[-1:] == [rooms[room].text]}
                most = max(most, bot.memory_info().rss)
                await asyncio.sleep(0.1)
            await asking
            await asyncio.sleep(1.0)  # what is remembered after the last text is part of an answer
            cpu = _cpu(bot) - before
            told = await here.model.told()
        complete = {room: story for room, story in rooms.items() if here.discord.answers(room) == [story.text]}
        shown = {room: _shown(room, here.discord) for room in complete}
        return Crowd(
            answers=[freshness(told[story.number].said, shown[room]) for room, story in complete.items()],
            waits=[shown[room][0][0] - asked[story.number] for room, story in complete.items()],
            lost=channels - len(complete),
            refused=len(here.discord.refused),
            cpu=cpu,
            memory=most,
        )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _shown(room: Channel, discord: FakeDiscord) -> list[tuple[float, int]]:
    message = next(each for each in discord.screen(room) if each.author is discord.bot)
    return [(state.at, sum(not char.isspace() for char in state.text)) for state in message.states]


async def crowds(quick: bool) -> Sequence[Figure]:
    channels = 40 if quick else 200
    many = await crowd(channels, 150, 30, apart=0.0)
    final, late, _ = spread([each.final for each in many.answers])
    first = spread([each.first for each in many.answers])[0]
    waited = spread(many.waits)[0]
    at_once = f"{channels} channels at once"
    note = "" if is_filled(default_cache_dir()) else "token estimate: no vocabulary here"
    figures = [
        Figure(f"{at_once}: answers lost or not exact", many.lost, "", 0),
        Figure(f"{at_once}: 429", many.refused, "", 0),
        Figure(f"{at_once}: last token → last text, median", final, "s", 2.2),
        Figure(f"{at_once}: the same, 95 % within", late, "s", 3.4),
        Figure(f"{at_once}: first token → first text, median", first, "s", 3.0, f"from the question {waited:.2f} s"),
        Figure(f"{at_once}: CPU per answer", 1000 * many.cpu / channels, "ms", 60),
        Figure(f"{at_once}: memory at its most", many.memory / MEGABYTE, "MB", 230, note),
    ]
    alone = await crowd(1, 150, 30, apart=0.0)
    some = await crowd(10 if quick else 20, 150, 30, apart=0.25)
    name = f"{len(some.answers)} channels, 0.25 s apart"
    figures.append(Figure(f"{name}: answers lost or not exact", some.lost, "", 0))
    figures.append(Figure(f"{name}: 429", some.refused, "", 0))
    for what, of in _FRESHNESS.items():
        one, each = of(alone.answers[0]), mean([of(answer) for answer in some.answers])
        worst = max(of(answer) for answer in some.answers)
        # As fresh as alone, give or take what two runs of one alone differ by.
        figures.append(
            Figure(f"{name}: {what}, mean", each, "s", round(one + 0.15, 2), f"alone {one:.2f}, worst {worst:.2f}")
        )
    return figures


_FRESHNESS: Mapping[str, Callable[[Freshness], float]] = {
    "first text": lambda answer: answer.first,
    "staleness": lambda answer: answer.stale,
    "longest freeze": lambda answer: answer.freeze,
    "final text": lambda answer: answer.final,
}


async def resting(*, exact_tokens: bool, known: int = 1, new_database: bool = False) -> int:
    """Bytes of a bot that was started again, has answered once and has nothing to do."""
    async with stage(exact_tokens=exact_tokens) as here:
        if not new_database:
            await fill(here, [Place("discord", "1", str(number)) for number in range(known)], 4)
        async with here.bot() as bot:
            return int(bot.memory_info().rss)


async def memory(quick: bool) -> Sequence[Figure]:
    known = 1_000 if quick else 10_000
    estimate = await resting(exact_tokens=False) / MEGABYTE
    making = await resting(exact_tokens=False, new_database=True) / MEGABYTE
    remembering = await resting(exact_tokens=False, known=known) / MEGABYTE
    figures = [
        Figure("memory at rest, token estimate", estimate, "MB", 120),
        Figure("the same where the process made its database", making, "MB", None, f"{making - estimate:+.1f} MB"),
        Figure(
            f"the same with {known:,} known conversations", remembering, "MB", 120, f"{remembering - estimate:+.1f} MB"
        ),
    ]
    if is_filled(default_cache_dir()):
        exact = await resting(exact_tokens=True) / MEGABYTE
        figures.append(Figure("memory at rest, o200k loaded", exact, "MB", 175))
    return figures


PARTS: Mapping[str, Callable[[bool], Awaitable[Sequence[Figure]]]] = {
    "asking": asking,
    "crowd": crowds,
    "memory": memory,
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
