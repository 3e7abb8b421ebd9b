"""The bot as `duologue run` starts it, on Slack: how soon it acknowledges while it is busy, and what it says once.

python -m benchmarks.slack_whole_bot [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

from adapters.slack.testing import Account, Channel, Delivery, FakeSlack, Message
from benchmarks.figures import Figure, load, table
from benchmarks.model_process import ModelProcess, Story
from benchmarks.slack_answering import LATENCY

LINKS = 2
CONVERSATIONS = 100
# Seconds between the questions.
_APART = 0.1


@dataclass(slots=True)
class Stage:
    folder: Path
    slack: FakeSlack
    model: ModelProcess
    numbers: count[int] = field(default_factory=lambda: count(1))

    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name in ("PATH", "HOME", "LANG") if (value := os.environ.get(name))}
        return kept | {
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "SLACK_BOT_TOKEN": self.slack.token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "DUOLOGUE_SLACK__API_URL": self.slack.api_url,
            "DUOLOGUE_SLACK__CONNECTIONS": str(LINKS),
            "OPENAI_API_KEY": "sk-benchmark",
            "OPENAI_BASE_URL": self.model.url,
            "OPENAI_MODEL": "gpt-6-luna",
            "DUOLOGUE_MEMORY__DATABASE": str(self.folder / "duologue.db"),
            "TIKTOKEN_CACHE_DIR": str(self.folder / "no-vocabulary"),
        }

    def story(self, tokens: int = 4, rate: int = 0) -> Story:
        return Story(next(self.numbers), tokens, rate)

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[None]:
        with (self.folder / "bot.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"), cwd=self.folder, env=self.environment(), stdout=log, stderr=log
            )
        try:
            await self.slack.wait_until(lambda: len(self.slack.links) == LINKS, timeout=60)
            yield
        finally:
            process.terminate()
            await process.wait()
            await self.slack.wait_until(lambda: not self.slack.links)

    def told(self, question: Message) -> list[str]:
        """What the bot said to it."""
        kept = question.channel.messages.values()
        own = [each for each in kept if each.author is self.slack.bot and each.thread_ts == question.ts]
        return [each.seen for each in own if not each.deleted]

    async def answered(self, channel: Channel, story: Story) -> Message:
        question = await self.slack.mentions(story.order, channel=channel)
        await self.slack.wait_until(lambda: self.told(question)[-1:] == [story.text], timeout=60)
        return question


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        slack = await stack.enter_async_context(FakeSlack(latency=LATENCY))
        model = await stack.enter_async_context(ModelProcess())
        yield Stage(folder, slack, model)


@dataclass(frozen=True, slots=True)
class Talk:
    room: Channel
    person: Account
    story: Story


@dataclass(frozen=True, slots=True)
class Busy:
    """What the bot was told while the talks began, then while all of them were answered, and then in one moment."""

    begun: Sequence[Delivery]
    heard: Sequence[Delivery]
    burst: Sequence[Delivery]
    lost: int


async def acknowledged(quick: bool) -> Sequence[Figure]:
    conversations, seconds = (20, 5) if quick else (CONVERSATIONS, 20)
    async with stage() as here:
        people = [here.slack.account(f"Person{number}") for number in range(conversations)]
        talks = [Talk(here.slack.channel(each.name.lower()), each, here.story(30 * 20, 20)) for each in people]
        async with here.bot():
            busy = await _keeps_busy(here, talks, seconds)
        again = sum(len(each.attempts) > 1 for each in here.slack.deliveries)
        refused = len(here.slack.refused)
    name, note = f"{conversations} conversations busy", f"worst {max(_times(busy.heard)):.0f} ms of {len(busy.heard)}"
    return [
        Figure(f"{name}: event → acknowledgement, 99 % within", _late(busy.heard), "ms", 50, note),
        Figure(f"{name}: event → acknowledgement, median", median(_times(busy.heard)), "ms"),
        Figure(f"{name}: the same while they begin, 99 % within", _late(busy.begun), "ms"),
        Figure(f"{name}: the same while they begin, median", median(_times(busy.begun)), "ms"),
        Figure(f"{conversations} messages in one moment: the last acknowledged", max(_times(busy.burst)), "ms"),
        Figure(f"{name}: events sent more than once", again, "", 0),
        Figure(f"{name}: answers lost or not exact", busy.lost, "", 0),
        Figure(f"{name}: 429", refused, "", 0),
    ]


async def _keeps_busy(here: Stage, talks: Sequence[Talk], seconds: int) -> Busy:
    """Everybody is answered in a channel of their own, and goes on talking; what the bot hears of its own messages
    counts too."""
    told = here.slack.deliveries
    await here.answered(here.slack.general, here.story())
    first = len(told)
    questions = []
    for talk in talks:
        questions.append(await here.slack.mentions(talk.story.order, channel=talk.room, author=talk.person))
        await asyncio.sleep(_APART)
    begun = told[first:]
    first, lot = len(told), random.Random(1)
    for number in range(20 * seconds):
        talk = lot.choice(talks)
        await here.slack.says(f"aside {number}", channel=talk.room, author=talk.person)
        await asyncio.sleep(0.05)
    heard = told[first:]
    lost = await _lost(here, [*zip(questions, talks, strict=True)])
    first = len(told)
    for talk in talks:
        await here.slack.says("all together", channel=talk.room, author=talk.person)
    burst = told[first : first + len(talks)]
    await here.slack.wait_until(lambda: all(each.acked or each.given_up for each in burst), timeout=30)
    return Busy(begun, heard, burst, lost)


async def _lost(here: Stage, asked: Sequence[tuple[Message, Talk]]) -> int:
    """How many never get what they asked for. It looks rarely, to take nothing from the Slack in this process."""
    waiting = asked
    for _ in range(480):
        waiting = [(question, talk) for question, talk in waiting if here.told(question) != [talk.story.text]]
        if not waiting:
            break
        await asyncio.sleep(0.5)
    return len(waiting)


def _times(deliveries: Sequence[Delivery]) -> list[float]:
    """In milliseconds. What was never acknowledged counts as the three seconds after which Slack gives up."""
    return [1000 * (3.0 if each.latency is None else each.latency) for each in deliveries]


def _late(deliveries: Sequence[Delivery]) -> float:
    return sorted(_times(deliveries))[int(len(deliveries) * 0.99)]


async def once() -> Sequence[Figure]:
    """The same event three times, as Slack sends it again, with a restart between."""
    async with stage() as here:
        slack = here.slack
        async with here.bot():
            story = here.story()
            question = await here.answered(slack.general, story)
            heard = [*slack.told("app_mention"), *slack.told("message")]
            for delivery in heard:
                await slack.sends_again(delivery)
        async with here.bot():
            for delivery in heard:
                await slack.sends_again(delivery)
            # Whatever it would answer to them is answered before this.
            await here.answered(slack.general, here.story())
        told = await here.model.told()
        said = here.told(question)
    extra = 0 if said == [story.text] else max(len(said) - 1, 1)
    return [
        Figure("the same event three times, a restart between: answers too many", extra, "", 0),
        Figure("the same: requests to the model too many", len(told) - 2, "", 0),
    ]


async def main(quick: bool = False) -> None:
    figures = [*await acknowledged(quick), *await once()]
    print(f"{table(figures)}\n\n{load()}\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    asyncio.run(main(parser.parse_args().quick))
