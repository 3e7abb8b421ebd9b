"""How long the memory takes before the model can be asked, after a short and after a very long history.

`python -m benchmarks.memory_path` prints the median of claim, remember and path of one message, and of what follows
the answer, on a SQLite file. The window is never trimmed, so all 100,000 messages stay in reach of it. A second table
is of branches: switching to another one and back, answering anew where that was the newest and on a branch of its own,
and making a prompt of what is read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bot.clock import SystemClock
from bot.composing import Composer
from bot.events import Message, Place, Route, User
from bot.model.registry import Registry
from bot.model.scripted import Scripted
from bot.replies import SentId
from bot.settings import ModelSettings, Settings
from bot.store import NewMessage, Remembered, Store, Taking
from bot.tokens import Tokens

SIZES = (20, 2_000, 100_000)
TOKENS = 100
STEPS = ("claim", "remember", "path", "draft", "answered")
BRANCH_STEPS = ("switch", "back", "window", "anew", "branch", "deleted")


async def measure(messages: int, turns: int, max_tokens: int, folder: Path) -> list[float]:
    """Median milliseconds of each step."""
    place = Place("bench", "w", "c")
    async with Store(f"sqlite:///{folder / f'{messages}-{max_tokens}.db'}") as store:
        await _fill(store, place, messages)
        laps = [await _turn(store, place, str(number), max_tokens) for number in range(turns)]
    return [1000 * statistics.median(times) for times in zip(*laps, strict=True)]


async def _fill(store: Store, place: Place, messages: int) -> None:
    """Through the same door as everything else, in answers of a thousand messages."""
    conversation = await store.conversation(place)
    for first in range(0, messages, 1000):
        draft = await store.open_draft(conversation.id, Route(place), f"fill {first}", None, epoch=0)
        said = [
            NewMessage("assistant" if number % 2 else "user", "word " * 80, tokens=TOKENS)
            for number in range(first, min(first + 1000, messages))
        ]
        await store.answered(draft, place, said, [])


async def _turn(store: Store, place: Place, id: str, max_tokens: int) -> list[float]:
    """Seconds of each step."""
    user = User("u1", "Ann")
    event = Message(id=id, user=user, route=Route(place), at=datetime.now(UTC), text="And then?", addressed=True)
    question = NewMessage("user", event.text, author_id=user.id, author=user.name, tokens=TOKENS, sent=(SentId(id),))
    answer = NewMessage("assistant", "word " * 80, tokens=TOKENS, sent=(SentId(f"a{id}"),))
    marks = [time.perf_counter()]
    await store.claim(event)
    marks.append(time.perf_counter())
    conversation, remembered = await store.remember(place, question)
    marks.append(time.perf_counter())
    await store.path(place, max_tokens=max_tokens)
    marks.append(time.perf_counter())
    draft = await store.open_draft(conversation.id, event.route, id, remembered.id, epoch=0)
    marks.append(time.perf_counter())
    await store.answered(draft, place, (answer,), ())
    marks.append(time.perf_counter())
    return [after - before for before, after in itertools.pairwise(marks)]


async def measure_branches(messages: int, turns: int, folder: Path) -> list[float]:
    """Median milliseconds of each step."""
    place = Place("bench", "w", "c")
    settings = Settings(model=ModelSettings(provider="scripted", name="scripted"))
    tokens = Tokens(folder / "no-vocabulary")
    async with Store(f"sqlite:///{folder / f'branches-{messages}.db'}") as store:
        composer = Composer(store, Registry([Scripted([])]), tokens, settings, SystemClock())
        await _fill(store, place, messages)
        await _turn(store, place, "the newest", 2_000)
        question, answer = (await store.path(place, max_tokens=2_000)).messages[-2:]
        current = await store.conversation(place)
        # The other way is as long, and as old where it leaves this one.
        other = await store.branches.fork(place, question.parent)
        await _turn(store, place, "the other way", 2_000)
        await store.branches.switch(place, current.branch)
        laps = [
            await _lap(store, composer, question, answer, (current.branch, other.branch), str(number))
            for number in range(turns)
        ]
    return [1000 * statistics.median(times) for times in zip(*laps, strict=True)]


async def _lap(
    store: Store, composer: Composer, question: Remembered, answer: Remembered, ways: tuple[int, int], id: str
) -> list[float]:
    """Seconds of each step."""
    place, branches = Place("bench", "w", "c"), store.branches
    new = NewMessage("assistant", "word " * 80, tokens=TOKENS, sent=(SentId(f"v{id}"),))
    marks = [time.perf_counter()]
    await branches.switch(place, ways[1])
    marks.append(time.perf_counter())
    here = await branches.switch(place, ways[0])
    marks.append(time.perf_counter())
    await composer.compose(place, here.settings)
    marks.append(time.perf_counter())
    # In its place: not kept as a variant, since their number is no part of what is measured.
    assert not await branches.is_shared(place, answer.id)
    await store.path(place, max_tokens=16_000, until=question.id)
    taking = Taking(answer.id, await store.sent_of(answer.id))
    draft = await store.open_draft(here.id, Route(place), f"v{id}", question.id, epoch=0, taking=taking)
    await store.answered(draft, place, (new,), ())
    marks.append(time.perf_counter())
    forked = await branches.fork(place, question.id)
    await store.path(place, max_tokens=16_000, until=question.id)
    draft = await store.open_draft(here.id, Route(place), f"f{id}", question.id, epoch=0)
    await store.answered(draft, place, (new,), ())
    marks.append(time.perf_counter())
    await branches.switch(place, ways[0])
    await branches.delete(place, forked.branch)
    marks.append(time.perf_counter())
    return [after - before for before, after in itertools.pairwise(marks)]


async def main(turns: int, sizes: tuple[int, ...] = SIZES) -> None:
    for max_tokens in (2_000, 16_000):
        print(f"\nWindow of {max_tokens:,} tokens, {TOKENS} a message; median ms of {turns} turns")
        print(f"{'messages':>9} " + " ".join(f"{step:>9}" for step in STEPS) + f" {'before':>9} {'ratio':>6}")
        first: float | None = None
        with tempfile.TemporaryDirectory() as folder:
            for messages in sizes:
                steps = await measure(messages, turns, max_tokens, Path(folder))
                before = sum(steps[:3])
                first = first or before
                cells = " ".join(f"{step:9.2f}" for step in steps)
                print(f"{messages:>9,} {cells} {before:9.2f} {before / first:6.2f}")
    print(f"\nBranches, {TOKENS} tokens a message; median ms of {turns // 4} times")
    print(f"{'messages':>9} " + " ".join(f"{step:>9}" for step in BRANCH_STEPS))
    with tempfile.TemporaryDirectory() as folder:
        for messages in sizes:
            steps = await measure_branches(messages, turns // 4, Path(folder))
            print(f"{messages:>9,} " + " ".join(f"{step:9.2f}" for step in steps), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=200)
    asyncio.run(main(parser.parse_args().turns))
