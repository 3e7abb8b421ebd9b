"""What an export of a very long conversation costs: each format, and the bot that answers others meanwhile.

`python -m benchmarks.exports [--quick]` fills a database through the store's own door, writes every format, and lets a
whole bot export everything while it answers in another channel.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import psutil

from benchmarks.figures import Figure, load, table
from benchmarks.measures import spread
from bot.api import Place, Route
from bot.events import CommandCall, Message
from bot.model.scripted import Scripted
from bot.platform import Capabilities
from bot.replies import Reply, SentId
from bot.store import NewMessage, Store
from bot.testing.adapter import FakeAdapter
from bot.testing.bot import ANN, BOB, TestBot
from plugins.export import plugin
from plugins.export.known import FILES, named
from plugins.export.reading import read
from plugins.export.transcript import Entry, Header
from plugins.export.wanted import Wanted

MESSAGES, QUICK = 100_000, 10_000
# So many are written by each format; the database is not read meanwhile.
WRITTEN = 20_000
PEOPLE = 7
LONG = Place("fake", "workspace", "long")
OTHER = Place("fake", "workspace", "other")
ANSWER = (
    "Take **two** onions and `chop` them, as in number {number}.\n\n- first the [pan](https://example.com/pan)\n"
    "- then the _fire_\n\nIt is done when it smells good, which takes a while, and then some."
)
QUESTION = "And what about number {number}? I have tried it twice now, with other onions, and it never came out right."
# MB, ms, and microseconds per message: 20,000 and 2,500 of them a second.
MOST_MEMORY, MOST_DELAY, MOST_EACH, MOST_HTML = 30, 20, 50, 400


async def fill(store: Store, messages: int) -> None:
    conversation = await store.conversation(LONG)
    for first in range(0, messages, 1000):
        draft = await store.open_draft(conversation.id, Route(LONG), f"fill {first}", None, epoch=0)
        said = [_message(number) for number in range(first, min(first + 1000, messages))]
        await store.answered(draft, LONG, said, [])


def _message(number: int) -> NewMessage:
    if number % 2:
        return NewMessage("assistant", ANSWER.format(number=number), tokens=60, model="scripted")
    who = number % PEOPLE
    return NewMessage("user", QUESTION.format(number=number), f"u{who}", f"Person {who}", tokens=30)


async def formats(store: Store) -> Sequence[Figure]:
    """Microseconds that each takes to write a message."""
    reading = await read(store.archives.at(LONG), Wanted(), tree=True)
    entries: list[Entry] = []
    async for page in reading.pages():
        entries += page
        if len(entries) >= WRITTEN:
            break
    figures = []
    for format in map(named, FILES):
        best = min(_written(format.write, reading.header, entries) for _ in range(3))
        each = 1e6 * best / len(entries)
        target = MOST_HTML if format.name == "html" else MOST_EACH
        figures.append(Figure(f"{format.name}: writing a message", each, "µs", target, f"{1e6 / each:,.0f} a second"))
    return figures


def _written(write: object, header: Header, entries: Sequence[Entry]) -> float:
    assert callable(write)
    began = time.process_time()
    write(header, iter(entries), io.BytesIO())
    return time.process_time() - began


class Forgetful(FakeAdapter):
    """Files are looked at and let go, as a platform does."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=Capabilities(
                max_chars=2000, edits=True, private=True, buttons=True, max_file_bytes=10 * 1024 * 1024
            )
        )
        self.received: list[tuple[str, int]] = []

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        self.received += [(file.name, len(file.content)) for file in reply.files]
        return await super().send(route, Reply(reply.text, private=reply.private, buttons=reply.buttons))


async def beside(folder: Path, format: str) -> Sequence[Figure]:
    """A whole bot that exports everything and answers in another channel."""
    adapter = Forgetful()
    async with TestBot(Scripted(lambda turn: "Yes."), plugins=[plugin], folder=folder, adapter=adapter) as bot:
        await _answers(bot, 300)  # until nothing grows any more
        quiet = await _answers(bot, 100)
        process = psutil.Process()
        before = process.memory_info().rss
        export = asyncio.create_task(_export(bot, format))
        busy: list[float] = []
        most = before
        while not export.done():
            busy += await _answers(bot, 1)
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.02)
        seconds = await export
        # A machine that others use too is not always as busy: before and after count the same.
        quiet += await _answers(bot, 100)
    size = sum(size for _, size in adapter.received)
    added = 1000 * (spread(busy)[0] - spread(quiet)[0])
    added_late = 1000 * (spread(busy)[1] - spread(quiet)[1])
    sent = f"{len(adapter.received)} file of {size / 1e6:.1f} MB" if size else "**nothing was sent**"
    return [
        Figure(f"{format}: until it is there", seconds, "s", None, sent),
        Figure(f"{format}: added to the process that answers", (most - before) / 1e6, "MB", MOST_MEMORY),
        Figure(
            f"{format}: added to an answer elsewhere",
            max(added, 0.0),
            "ms",
            MOST_DELAY,
            f"{1000 * spread(quiet)[0]:.1f} ms without",
        ),
        Figure(f"{format}: added to the slowest of twenty", max(added_late, 0.0), "ms"),
    ]


async def _answers(bot: TestBot, count: int) -> list[float]:
    """Seconds from each question to its answer."""
    laps = []
    for _ in range(count):
        before = _told(bot)
        id, began = bot.adapter.next_id(), time.perf_counter()
        route = Route(OTHER, {"asker": BOB.id, "message": id})
        await bot.adapter.hear(Message(id=id, user=BOB, route=route, at=bot.clock.now(), text="Is it?", addressed=True))
        async with bot.adapter.grew:
            while _told(bot) == before:
                await bot.adapter.grew.wait()
        laps.append(time.perf_counter() - began)
    # The made-up platform and model remember all that they ever saw.
    del bot.adapter.messages[:-40], bot.adapter.pieces[:], bot.model.turns[:], bot.model.prompts[:]
    return laps


def _told(bot: TestBot) -> int:
    return sum(message.own and message.place == OTHER for message in bot.adapter.messages)


async def _export(bot: TestBot, format: str) -> float:
    began = time.perf_counter()
    route = Route(LONG, {"asker": ANN.id})
    call = CommandCall(
        id=bot.adapter.next_id(),
        user=ANN,
        route=route,
        at=bot.clock.now(),
        command="export",
        arguments={"format": format, "what": "all"},
    )
    await bot.adapter.hear(call)
    adapter = bot.adapter
    assert isinstance(adapter, Forgetful)
    async with adapter.grew:
        await adapter.grew.wait_for(lambda: bool(adapter.received))
    return time.perf_counter() - began


async def in_a_process_of_its_own(folder: Path, format: str) -> Sequence[Figure]:
    """So that nothing of what was measured before is in its memory."""
    arguments = ("-m", "benchmarks.exports", "--beside", str(folder), format)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the measurement ended with {process.returncode}")
    return [Figure(**each) for each in json.loads(told.splitlines()[-1])]


async def main(quick: bool, messages: int = 0) -> None:
    messages = messages or (QUICK if quick else MESSAGES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Store(f"sqlite:///{folder / 'test.db'}") as store:
            await fill(store, messages)
        figures: list[Figure] = []
        for format in ("html", "json"):
            figures += await in_a_process_of_its_own(folder, format)
        async with Store(f"sqlite:///{folder / 'test.db'}") as store:
            figures += await formats(store)
    print(f"{messages:,} messages.\n")
    print(table(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer messages")
    parser.add_argument("--messages", type=int, default=0, help="so many")
    parser.add_argument("--beside", nargs=2, metavar=("FOLDER", "FORMAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.beside:
        measured = asyncio.run(beside(Path(options.beside[0]), options.beside[1]))
        print(json.dumps([asdict(figure) for figure in measured]))
    else:
        print(load())
        asyncio.run(main(options.quick, options.messages))
