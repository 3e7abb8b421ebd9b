"""How fresh live answers are on Discord: the real discord.py client and adapter against the fake Discord.

python -m benchmarks.discord_answers [--quick] [--only NAME]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import discord

from adapters.discord.adapter import DiscordAdapter, point_at
from adapters.discord.testing import Channel, FakeDiscord
from adapters.discord.testing.limits import WindowKind
from benchmarks.measures import Freshness, Said, freshness, mean, spread
from bot.api import AnyEvent, Done, Message, Online, ReplyStream, Text

LATENCY = 0.08


@dataclass(frozen=True, slots=True)
class Script:
    """What the model says: tokens, so many a second."""

    tokens: tuple[str, ...]
    rate: float


@dataclass(frozen=True, slots=True)
class Answered:
    said: Said
    channel: Channel
    ids: tuple[int, ...]

    @property
    def messages(self) -> list[str]:
        return [self.channel.messages[id].text for id in self.ids]

    def shown(self) -> list[tuple[float, int]]:
        """How many letters were visible after every change."""
        changes = [
            (state.at, id, _letters(state.text)) for id in self.ids for state in self.channel.messages[id].states
        ]
        visible: dict[int, int] = {}
        steps: list[tuple[float, int]] = []
        for at, id, letters in sorted(changes):
            visible[id] = letters
            steps.append((at, sum(visible.values())))
        return steps

    def fresh(self) -> Freshness:
        return freshness(self.said, self.shown())


@dataclass(slots=True)
class Row:
    name: str
    answers: list[Freshness]
    refused: int
    limits: tuple[float, float, float, float]
    note: str = ""
    late: float = 0.0


def _letters(text: str) -> int:
    return sum(not char.isspace() for char in text)


def prose(seconds: float, rate: float, seed: int) -> Script:
    """Tokens of four characters on average, as a model says them."""
    rng = random.Random(seed)
    count = int(seconds * rate)
    return Script((*("w" * rng.choice((2, 3, 4)) + " " for _ in range(count - 1)), "end."), rate)


async def speak(stream: ReplyStream, script: Script) -> tuple[Said, tuple[int, ...]]:
    moments: list[tuple[float, int]] = []
    letters = 0
    async with stream:
        began = time.monotonic()
        for number, token in enumerate(script.tokens):
            wait = began + number / script.rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            letters += _letters(token)
            moments.append((time.monotonic(), letters))
            await stream.write(Text(token))
        await stream.write(Done("stop"))
    return Said(tuple(moments)), tuple(int(sent.id) for sent in stream.sent)


@asynccontextmanager
async def talking(
    fake: FakeDiscord, script: Callable[[str], Script]
) -> AsyncIterator[Callable[[Channel, str], Awaitable[Answered]]]:
    """A bot that answers every mention with a script picked by its text; yields how to ask it."""
    adapter = DiscordAdapter(fake.settings())
    online = asyncio.Event()
    waiting: dict[str, asyncio.Future[Answered]] = {}
    tasks: set[asyncio.Task[None]] = set()

    async def answer(event: Message) -> None:
        said, ids = await speak(adapter.stream(event.route), script(event.text))
        channel = fake.world.channels[int(event.place.channel)]
        waiting[event.text].set_result(Answered(said, channel, ids))

    async def handle(event: AnyEvent) -> None:
        if isinstance(event, Online):
            online.set()
        elif isinstance(event, Message) and event.addressed:
            task = asyncio.create_task(answer(event))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def ask(channel: Channel, text: str) -> Answered:
        waiting[text] = asyncio.get_running_loop().create_future()
        await fake.says(f"@bot {text}", channel=channel)
        return await waiting[text]

    running = asyncio.create_task(adapter.run(handle, ()))
    try:
        async with asyncio.timeout(30):
            await online.wait()
        yield ask
    finally:
        running.cancel()
        await asyncio.gather(running, *tasks, return_exceptions=True)


async def run(
    name: str,
    window: WindowKind,
    scripts: Sequence[Script],
    limits: tuple[float, float, float, float],
    *,
    channels: int = 1,
    apart: float = 0.0,
    late: float = 0.0,
) -> Row:
    """Ask for all answers and measure them. `limits` are the targets, `late` that of the 95th percentile of ends."""
    async with FakeDiscord(window=window, latency=LATENCY) as fake:
        places = [fake.channel(f"room-{number}") for number in range(channels)]
        async with talking(fake, lambda text: scripts[int(text)]) as ask:
            cpu = time.process_time()

            async def one(number: int) -> Answered:
                await asyncio.sleep(number * apart)
                return await ask(places[number % channels], str(number))

            answers = await asyncio.gather(*(one(number) for number in range(len(scripts))))
            cpu = time.process_time() - cpu
        for answer, script in zip(answers, scripts, strict=True):
            if "".join("".join(answer.messages).split()) != "".join("".join(script.tokens).split()):
                raise AssertionError(f"{name}: an answer is not what was said")
        note = f"CPU {1000 * cpu / len(scripts):.0f} ms an answer, the fake Discord's included"
        return Row(name, [answer.fresh() for answer in answers], len(fake.refused), limits, note, late)


async def naive(name: str, window: WindowKind, scripts: Sequence[Script]) -> Row:
    """The usual rule, for comparison: an edit is awaited when the last one is a second old."""
    async with FakeDiscord(window=window, latency=LATENCY) as fake:
        point_at(fake.settings())
        client = discord.Client(intents=discord.Intents.default())
        running = asyncio.create_task(client.start(fake.token))
        await fake.online()

        async def answer(script: Script) -> Answered:
            channel = client.get_partial_messageable(fake.general.id)
            moments: list[tuple[float, int]] = []
            text, letters, last = "", 0, 0.0
            message: discord.Message | None = None
            began = time.monotonic()
            for number, token in enumerate(script.tokens):
                due = began + number / script.rate
                await asyncio.sleep(max(due - time.monotonic(), 0))
                letters += _letters(token)
                # The model does not wait for the bot.
                moments.append((due, letters))
                text += token
                if message is None:
                    message, last = await channel.send(text), time.monotonic()
                elif time.monotonic() - last >= 1.0 and len(text) <= 2000:
                    await message.edit(content=text)
                    last = time.monotonic()
            assert message is not None
            await message.edit(content=text)
            return Answered(Said(tuple(moments)), fake.general, (message.id,))

        answers = await asyncio.gather(*(answer(script) for script in scripts))
        await client.close()
        await asyncio.gather(running, return_exceptions=True)
        return Row(name, [each.fresh() for each in answers], len(fake.refused), (0.0, 0.0, 0.0, 0.0))


def coded(tokens: int, seed: int = 1) -> Script:
    """Prose words `p…` and code words `c…` in many blocks."""
    rng = random.Random(seed)
    out: list[str] = []
    while len(out) < tokens:
        out += [f"p{rng.randrange(999)} " for _ in range(rng.randint(5, 40))]
        out += ["\n", "``", "`py", "thon\n"]
        for _ in range(rng.randint(3, 25)):
            out += ["    ", *(f"c{rng.randrange(999)} " for _ in range(rng.randint(2, 6))), "\n"]
        out += ["`", "``\n", "\n"]
    return Script(tuple(out), 50.0)


def wrong_side(text: str) -> int:
    """Words that this message shows on the wrong side of a fence, as Discord pairs them."""
    parts = text.split("```")
    if len(parts) % 2 == 0:
        return len(parts[-1].split()) + 1
    outside, inside = " ".join(parts[::2]), " ".join(parts[1::2])
    return len(re.findall(r"\bc\d+", outside)) + len(re.findall(r"\bp\d+", inside)) + outside.count("`")


async def code_blocks(tokens: int) -> tuple[int, int, float]:
    """States that were shown, words on a wrong side in any of them, and how long the end took."""
    script = coded(tokens)
    async with FakeDiscord(window="sliding", latency=LATENCY) as fake:
        room = fake.channel("code")
        async with talking(fake, lambda _: script) as ask:
            answer = await ask(room, "code")
        states = [state for id in answer.ids for state in room.messages[id].states]
        final = max(state.at for state in states) - answer.said.ended
        words = re.findall(r"\b[pc]\d+", "\n".join(answer.messages))
        if words != re.findall(r"\b[pc]\d+", "".join(script.tokens)):
            raise AssertionError("a word of the code answer is lost")
        return len(states), sum(wrong_side(state.text) for state in states), final


def _against(value: float, target: float) -> str:
    return f"{value:.2f} ({value / target:.0%} of {target:g})" if target else f"{value:.2f}"


def table(rows: Sequence[Row]) -> str:
    """Median first text, mean staleness, worst freeze, and the end; each against its target."""
    lines = [
        "| scenario | first text | staleness | longest freeze | final, median | p95 | worst | 429 | note |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        final = spread([each.final for each in row.answers])
        measured = (
            spread([each.first for each in row.answers])[0],
            mean([each.stale for each in row.answers]),
            max(each.freeze for each in row.answers),
            final[0],
        )
        cells = [_against(value, target) for value, target in zip(measured, row.limits, strict=True)]
        cells += [_against(final[1], row.late), f"{final[2]:.2f}", str(row.refused), row.note]
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def main(quick: bool, only: str) -> None:
    rng = random.Random(7)
    lengths = [[rng.uniform(5, 20) for _ in range(3)] for _ in range(1 if quick else 3)]
    kinds: tuple[WindowKind, ...] = ("sliding", "fixed")
    one = {"sliding": (0.15, 0.55, 1.05, 0.15), "fixed": (0.15, 0.75, 1.4, 0.15)}
    three = {"sliding": (0.0, 1.5, 3.6, 0.15), "fixed": (0.0, 2.2, 5.1, 0.15)}
    jobs: list[tuple[str, Callable[[], Awaitable[Row]]]] = []
    for kind in kinds:
        for seconds in (8,) if quick else (8, 30):
            script = prose(seconds, 50, seconds)
            name = f"1 answer, {seconds} s, {kind}"
            jobs.append((name, lambda k=kind, s=script, n=name: run(n, k, [s], one[k])))  # type: ignore[misc]
        jobs.append((f"naive, 8 s, {kind}", lambda k=kind: naive(f"naive rule, 8 s, {k}", k, [prose(8, 50, 8)])))  # type: ignore[misc]
        for each in lengths:
            scripts = [prose(seconds, 50, number) for number, seconds in enumerate(each)]
            name = f"3 answers at once, one channel, {kind}"
            jobs.append((name, lambda k=kind, s=scripts, n=name: run(n, k, s, three[k])))  # type: ignore[misc]
        short = [prose(8, 50, number) for number in range(3)]
        jobs.append((f"naive, 3, {kind}", lambda k=kind, s=short: naive(f"naive rule, 3 at once, {k}", k, s)))  # type: ignore[misc]
    many = [prose(5, 30, number) for number in range(60 if quick else 200)]
    jobs.append(
        (
            f"{len(many)} channels",
            lambda: run(
                f"{len(many)} channels at once", "sliding", many, (3.0, 0.0, 0.0, 2.2), channels=len(many), late=3.4
            ),
        )
    )
    twenty = [prose(8, 50, number) for number in range(20)]
    jobs.append(
        (
            "20 channels",
            lambda: run("20 channels, 0.25 s apart", "sliding", twenty, one["sliding"], channels=20, apart=0.25),
        )
    )
    rows = []
    for name, job in jobs:
        if only in name:
            rows.append(await job())
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    print("\nSeconds, and in brackets what part of the target that is.\n")
    print(table(rows))
    if only in "code":
        states, wrong, final = await code_blocks(400 if quick else 1500)
        print(f"\nMarkdown with code: {states} states shown, {wrong} words on the wrong side, final {final:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    asyncio.run(main(args.quick, args.only))
