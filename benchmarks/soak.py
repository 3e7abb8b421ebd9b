"""The whole bot in twenty busy channels of a Discord that fails all the time: is everything answered exactly once?

python -m benchmarks.soak [--minutes 10] [--seed N]

By lot 2 % of all calls get a 429 and 2 % a 500 (half of these were carried out), and every 20 seconds the gateway is
dropped; one drop in four forgets the session too, so that the bot must find by itself what was said meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from adapters.discord.testing import Account, Channel, Message
from benchmarks.figures import Figure, load, table
from benchmarks.measures import spread
from benchmarks.model_process import Story
from benchmarks.whole_bot import LATENCY, Stage, stage
from bot.store import Store

CHANNELS = 20
SHARE = 0.02
DROP_EVERY = 20.0
FORGOTTEN = 0.25
# Nobody waits longer than this for an answer before asking something else; it may still come.
PATIENCE = 120.0
# After the last question, without faults: what comes later than this is lost.
SETTLES = 90.0


@dataclass(slots=True)
class Asked:
    """One question; `shown` is when all of its answer was seen."""

    message: Message
    story: Story
    at: float
    shown: float | None = None


@dataclass(slots=True)
class Visit:
    """What people asked in one channel, in order."""

    channel: Channel
    person: Account
    asked: list[Asked] = field(default_factory=list)


@dataclass(slots=True)
class Count:
    """How the questions ended. `examples` are of what went wrong."""

    questions: int = 0
    answers: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    misremembered: int = 0
    seconds: list[float] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


async def soak(minutes: float, seed: int) -> Sequence[Figure]:
    lot = random.Random(seed)
    async with stage(latency=LATENCY) as here:
        discord = here.discord
        visits = [Visit(discord.channel(f"room-{n}"), discord.account(f"Person{n}")) for n in range(CHANNELS)]
        async with here.bot():
            began, before = time.monotonic(), len(discord.calls)
            chances = [discord.fails_by_chance(status, SHARE, random.Random(lot.random())) for status in (429, 500)]
            dropping = asyncio.create_task(_drop(here, random.Random(lot.random())))
            until = began + 60 * minutes
            await asyncio.gather(*(_visit(here, each, until, random.Random(lot.random())) for each in visits))
            dropping.cancel()
            (drops, forgotten), *_ = await asyncio.gather(dropping, return_exceptions=False)
            discord.faults.chances.clear()
            await _settle(visits)
            calls = len(discord.calls) - before
        count = Count()
        for visit in visits:
            _judge(visit, here, count)
        await _compare_memory(here, visits, count)
    for example in count.examples[:20]:
        print(f"    {example}", flush=True)
    middle, late, worst = spread(count.seconds) if count.seconds else (0.0, 0.0, 0.0)
    by_chance = {chance.status: chance.met for chance in chances}
    waits = {wait for chance in chances for wait in chance.waits}
    own = [refused for refused in discord.refused if refused.retry_after not in waits]
    routes = Counter(f"{each.scope} {each.method} {re.sub(r'[0-9]{5,}', '…', each.path)}" for each in own)
    return [
        Figure("questions", count.questions, "", None, f"{CHANNELS} channels, {minutes:g} minutes, seed {seed}"),
        Figure("answered exactly once with the exact text", count.answers, "", None),
        Figure("lost", count.lost, "", 0),
        Figure("doubled", count.doubled, "", 0),
        Figure("wrong text", count.wrong, "", 0),
        Figure("remembered otherwise than shown", count.misremembered, "", 0),
        Figure("REST calls", calls, "", None),
        Figure("429 by lot", by_chance[429], "", None),
        Figure("500 by lot", by_chance[500], "", None),
        Figure(
            "429 that the bot met by itself", len(own), "", None, ", ".join(f"{n} × {at}" for at, n in routes.items())
        ),
        Figure("gateway drops", drops, "", None, f"{forgotten} of them with the session forgotten"),
        Figure("question → whole answer, median", middle, "s", None, f"95 % within {late:.1f} s, worst {worst:.1f} s"),
    ]


async def _visit(here: Stage, visit: Visit, until: float, lot: random.Random) -> None:
    """One person who asks again as soon as there is an answer; one question in eight wants a long one."""
    await asyncio.sleep(lot.uniform(0, 5))
    while time.monotonic() < until:
        story = here.story(600 if lot.random() < 0.125 else lot.randint(20, 150), rate=80)
        at = time.monotonic()
        message = await here.discord.says(f"@bot {story.order}", channel=visit.channel, author=visit.person)
        visit.asked.append(asked := Asked(message, story, at))
        await _until_shown(visit, asked, PATIENCE)
        await asyncio.sleep(lot.uniform(0, 2))


async def _until_shown(visit: Visit, asked: Asked, patience: float) -> None:
    until = time.monotonic() + patience
    while asked.shown is None and time.monotonic() < until:
        await asyncio.sleep(0.1)
        if any(_squeezed(_text(answer)) == _squeezed(asked.story.text) for answer in _answers_to(visit, asked)):
            asked.shown = time.monotonic()


async def _settle(visits: Sequence[Visit]) -> None:
    """What is still on its way may come; and after the last answer some time in which a second one would be seen."""
    late = [_until_shown(visit, asked, SETTLES) for visit in visits for asked in visit.asked if asked.shown is None]
    await asyncio.gather(*late)
    await asyncio.sleep(10.0)


async def _drop(here: Stage, lot: random.Random) -> tuple[int, int]:
    """Drops the gateway until it is cancelled; how often, and how often for good."""
    drops = forgotten = 0
    try:
        while True:
            await asyncio.sleep(DROP_EVERY)
            forgets = lot.random() < FORGOTTEN
            await here.discord.gateway.close(resumable=not forgets)
            drops, forgotten = drops + 1, forgotten + forgets
    except asyncio.CancelledError:
        return drops, forgotten


def _answers_to(visit: Visit, asked: Asked) -> list[list[Message]]:
    return [answer for question, answer in _answers(visit) if question == asked.message.id]


def _answers(visit: Visit) -> Iterator[tuple[int, list[Message]]]:
    """The bot's messages in a channel: each that replies to a question begins an answer to it, the others go on."""
    question, answer = 0, list[Message]()
    for message in visit.channel.messages.values():
        if message.author is visit.person or message.deleted:
            continue
        if message.reply_to is not None:
            if answer:
                yield question, answer
            question, answer = message.reply_to, []
        answer.append(message)
    if answer:
        yield question, answer


def _text(answer: Sequence[Message]) -> str:
    return " ".join(message.text for message in answer)


def _squeezed(text: str) -> str:
    """Where a text is split between messages its white space is not shown."""
    return "".join(text.split())


def _judge(visit: Visit, here: Stage, count: Count) -> None:
    answers = list(_answers(visit))
    known = {asked.message.id for asked in visit.asked}
    for question, answer in answers:
        if question not in known:
            count.wrong += 1
            count.examples.append(f"{visit.channel.name}: to nobody's question: {_text(answer)[:80]!r}")
    for asked in visit.asked:
        count.questions += 1
        told = [_text(answer) for question, answer in answers if question == asked.message.id]
        name = f"{visit.channel.name}, story {asked.story.number}"
        if not told:
            count.lost += 1
            count.examples.append(f"{name}: lost")
        elif len(told) > 1 or _squeezed(told[0]) == 2 * _squeezed(asked.story.text):
            count.doubled += 1
            count.examples.append(f"{name}: {len(told)} answers")
        elif _squeezed(told[0]) != _squeezed(asked.story.text):
            count.wrong += 1
            count.examples.append(f"{name}: {len(told[0])} of {len(asked.story.text)}: …{told[0][-120:]!r}")
        else:
            count.answers += 1
            if asked.shown is not None:
                count.seconds.append(asked.shown - asked.at)


async def _compare_memory(here: Stage, visits: Sequence[Visit], count: Count) -> None:
    async with Store(f"sqlite:///{here.database}") as store:
        for visit in visits:
            tree = await store.tree(here.place(visit.channel))
            remembered = [_squeezed(each.text) for each in tree if each.role == "assistant"]
            said = [_squeezed(asked.story.text) for asked in visit.asked]
            for text in sorted({*remembered, *said}):
                if remembered.count(text) != said.count(text):
                    count.misremembered += 1
                    count.examples.append(
                        f"{visit.channel.name}: remembered {remembered.count(text)} times: {text[:60]!r}"
                    )


async def main(minutes: float = 10.0, seed: int | None = None) -> None:
    figures = await soak(minutes, secrets.randbelow(1_000_000) if seed is None else seed)
    print(f"{table(figures)}\n\n{load()}\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of the lots: the same faults meet the same calls")
    options = parser.parse_args()
    asyncio.run(main(options.minutes, options.seed))
