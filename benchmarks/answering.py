"""Live answers on the fake Discord, by Duologue's adapter and by the usual rule, with everything that was shown."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import discord

from adapters.discord.adapter import DiscordAdapter, point_at
from adapters.discord.testing import Channel, FakeDiscord
from benchmarks.measures import Freshness, Said, freshness
from bot.api import AnyEvent, Done, Message, Online, ReplyStream, Speaker, Text

LATENCY = 0.08


@dataclass(frozen=True, slots=True)
class Script:
    """What the model says: tokens, so many a second."""

    tokens: tuple[str, ...]
    rate: float

    @property
    def text(self) -> str:
        return "".join(self.tokens)


class Look(Protocol):
    """What a message showed from a moment on."""

    @property
    def text(self) -> str: ...
    @property
    def at(self) -> float: ...


class Kept(Protocol):
    """A message of any platform with everything it ever showed."""

    @property
    def states(self) -> Sequence[Look]: ...


@dataclass(frozen=True, slots=True)
class Answered:
    script: Script
    said: Said
    kept: Sequence[Kept]

    @property
    def messages(self) -> list[str]:
        return [message.states[-1].text for message in self.kept]

    @property
    def states(self) -> list[str]:
        """Every text that any message of it ever showed."""
        return [state.text for message in self.kept for state in message.states]

    def shown(self) -> list[tuple[float, int]]:
        """How many letters were visible after every change."""
        changes = [
            (state.at, number, letters(state.text))
            for number, message in enumerate(self.kept)
            for state in message.states
        ]
        visible: dict[int, int] = {}
        steps: list[tuple[float, int]] = []
        for at, number, count in sorted(changes):
            visible[number] = count
            steps.append((at, sum(visible.values())))
        return steps

    def fresh(self) -> Freshness:
        return freshness(self.said, self.shown())


Ask: TypeAlias = Callable[[Channel, Script], Awaitable[Answered]]


def letters(text: str) -> int:
    return sum(not char.isspace() for char in text)


def prose(seconds: float, rate: float, seed: int) -> Script:
    """Tokens of four characters on average, as a model says them, such that it can be told where a piece belongs."""
    rng = random.Random(seed)
    count = int(seconds * rate)
    words = ("".join(rng.choices("abcdefghijkmnoprstuvwz", k=rng.choice((2, 3, 4)))) for _ in range(count - 1))
    return Script((*(f"{word} " for word in words), "end."), rate)


def coded(tokens: int, rate: float, seed: int = 1) -> Script:
    """Prose words `p…` and code words `c…` in many blocks, whose fences arrive in pieces."""
    rng = random.Random(seed)
    out: list[str] = []
    while len(out) < tokens - 60:
        out += [f"p{rng.randrange(999)} " for _ in range(rng.randint(5, 40))]
        out += ["\n", "``", "`py", "thon\n"]
        for _ in range(rng.randint(3, 25)):
            out += ["    ", *(f"c{rng.randrange(999)} " for _ in range(rng.randint(2, 6))), "\n"]
        out += ["`", "``\n", "\n"]
    out += [f"p{rng.randrange(999)} " for _ in range(tokens - len(out))]
    return Script(tuple(out), rate)


def wrong_side(text: str) -> int:
    """Words that this message shows on the wrong side of a fence, as chats pair them."""
    parts = text.split("```")
    if len(parts) % 2 == 0:
        return len(parts[-1].split()) + 1
    outside, inside = " ".join(parts[::2]), " ".join(parts[1::2])
    return len(re.findall(r"\bc\d+", outside)) + len(re.findall(r"\bp\d+", inside)) + outside.count("`")


def missing(answer: Answered) -> int:
    """Letters that were said and are not shown in their order, the fences of code left out."""
    shown, said = (_bare("\n".join(answer.messages)), _bare(answer.script.text))
    if shown == said:
        return 0
    same = next((at for at, (one, other) in enumerate(zip(shown, said, strict=False)) if one != other), len(shown))
    return max(len(said) - same, 1)


def _bare(text: str) -> str:
    return "".join(re.sub(r"```(python\b)?", "", text).split())


@asynccontextmanager
async def duologue(fake: FakeDiscord, speaker: Speaker | None = None) -> AsyncIterator[Ask]:
    """The adapter, answering every mention with the script it was asked for."""
    adapter = DiscordAdapter(fake.settings())
    online = asyncio.Event()
    wanted: dict[str, tuple[Script, asyncio.Future[Answered]]] = {}
    tasks: set[asyncio.Task[None]] = set()

    async def answer(event: Message) -> None:
        script, told = wanted[event.text]
        said, sent = await speak(adapter.stream(event.route, speaker), script)
        there = fake.world.channels[int(event.place.channel)].messages
        told.set_result(Answered(script, said, [there[int(id)] for id in sent]))

    async def handle(event: AnyEvent) -> None:
        if isinstance(event, Online):
            online.set()
        elif isinstance(event, Message) and event.addressed:
            task = asyncio.create_task(answer(event))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def ask(channel: Channel, script: Script) -> Answered:
        name = f"question {len(wanted)}"
        wanted[name] = (script, asyncio.get_running_loop().create_future())
        await fake.says(f"@bot {name}", channel=channel)
        return await wanted[name][1]

    running = asyncio.create_task(adapter.run(handle, ()))
    try:
        async with asyncio.timeout(30):
            await online.wait()
        yield ask
    finally:
        running.cancel()
        await asyncio.gather(running, *tasks, return_exceptions=True)


@asynccontextmanager
async def with_a_face(fake: FakeDiscord) -> AsyncIterator[Ask]:
    """The same under another name, through a webhook of the channel."""
    for channel in fake.world.channels.values():
        await fake.allows("manage_webhooks", channel)
    async with duologue(fake, Speaker("ann", "Ann")) as ask:
        yield ask


async def speak(stream: ReplyStream, script: Script) -> tuple[Said, tuple[str, ...]]:
    """The ids of the messages that it made, too."""
    moments: list[tuple[float, int]] = []
    count = 0
    async with stream:
        began = time.monotonic()
        for number, token in enumerate(script.tokens):
            wait = began + number / script.rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            count += letters(token)
            moments.append((time.monotonic(), count))
            await stream.write(Text(token))
        await stream.write(Done("stop"))
    return Said(tuple(moments)), tuple(sent.id for sent in stream.sent)


@asynccontextmanager
async def naive(fake: FakeDiscord) -> AsyncIterator[Ask]:
    """The usual rule on the same client: an edit is awaited when the last one is a second old, and what is longer than
    a message is cut at 2,000 characters."""
    point_at(fake.settings())
    client = discord.Client(intents=discord.Intents.default())
    running = asyncio.create_task(client.start(fake.token))
    await fake.online()

    async def ask(channel: Channel, script: Script) -> Answered:
        there = client.get_partial_messageable(channel.id)
        moments: list[tuple[float, int]] = []
        sent: list[discord.Message] = []
        text, count, last, is_new = "", 0, 0.0, True
        began = time.monotonic()
        for number, token in enumerate(script.tokens):
            due = began + number / script.rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            count += letters(token)
            # The model does not wait for the bot.
            moments.append((due, count))
            if len(text) + len(token) > 2000:
                await sent[-1].edit(content=text)
                text, is_new = "", True
            text += token
            if not text.strip():
                continue
            if is_new:
                sent.append(await there.send(text))
                last, is_new = time.monotonic(), False
            elif time.monotonic() - last >= 1.0:
                await sent[-1].edit(content=text)
                last = time.monotonic()
        await sent[-1].edit(content=text)
        return Answered(script, Said(tuple(moments)), [channel.messages[message.id] for message in sent])

    try:
        yield ask
    finally:
        await client.close()
        await asyncio.gather(running, return_exceptions=True)
