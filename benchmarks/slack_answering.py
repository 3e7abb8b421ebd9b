"""Live answers on the fake Slack: by Duologue's adapter, by the usual rule, and by the SDK's own helper for streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import pairwise
from typing import TypeAlias

from slack_sdk.errors import SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.models.messages.chunk import TaskUpdateChunk
from slack_sdk.web.async_chat_stream import AsyncChatStream
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.adapter import SlackAdapter
from adapters.slack.testing import Channel, FakeSlack, Message, tasks_of
from benchmarks.answering import Answered, Script, letters, speak
from benchmarks.measures import Said
from bot.api import AnyEvent, Done, Online, ReplyStream, Text, ToolEnd, ToolStart
from bot.api import Message as Heard

# What chat.update is measured to take.
LATENCY = 0.12
# The usual rule cuts here: chat.update refuses more.
_CUT = 4_000

Ask: TypeAlias = Callable[[Channel, Script], Awaitable[Answered]]
Rule: TypeAlias = Callable[[FakeSlack], AbstractAsyncContextManager[Ask]]
Speak: TypeAlias = Callable[[ReplyStream], Awaitable[None]]


@asynccontextmanager
async def connected(fake: FakeSlack, *, in_threads: bool) -> AsyncIterator[Callable[[Channel, Speak], Awaitable[None]]]:
    """The adapter; what it gives lets somebody ask in a channel, and speaks in the stream of the answer."""
    adapter = SlackAdapter(fake.settings(reply_in_threads=in_threads))
    online = asyncio.Event()
    wanted: dict[str, tuple[Speak, asyncio.Future[None]]] = {}
    heard: set[str] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def answer(event: Heard) -> None:
        say, told = wanted[event.text.strip()]
        try:
            await say(adapter.stream(event.route))
            told.set_result(None)
        except Exception as error:
            told.set_exception(error)

    async def handle(event: AnyEvent) -> None:
        if isinstance(event, Online):
            online.set()
        elif isinstance(event, Heard) and event.text.strip() in wanted and event.id not in heard:
            # Slack tells of one mention twice; the core drops the second.
            heard.add(event.id)
            task = asyncio.create_task(answer(event))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def ask(channel: Channel, say: Speak) -> None:
        name = f"question {len(wanted)}"
        wanted[name] = (say, asyncio.get_running_loop().create_future())
        await fake.mentions(name, channel=channel)
        await wanted[name][1]

    running = asyncio.create_task(adapter.run(handle, ()))
    try:
        async with asyncio.timeout(30):
            await online.wait()
        yield ask
    finally:
        running.cancel()
        await asyncio.gather(running, *tasks, return_exceptions=True)


@asynccontextmanager
async def duologue(fake: FakeSlack, *, in_threads: bool) -> AsyncIterator[Ask]:
    """The adapter, answering with the script it was asked for."""
    async with connected(fake, in_threads=in_threads) as asks:

        async def ask(channel: Channel, script: Script) -> Answered:
            answers: list[Answered] = []

            async def say(stream: ReplyStream) -> None:
                said, sent = await speak(stream, script)
                answers.append(Answered(script, said, [channel.messages[id] for id in sent]))

            await asks(channel, say)
            return answers[0]

        yield ask


def by_edits(fake: FakeSlack) -> AbstractAsyncContextManager[Ask]:
    """In the channel itself, where there are no streams."""
    return duologue(fake, in_threads=False)


def by_streams(fake: FakeSlack) -> AbstractAsyncContextManager[Ask]:
    return duologue(fake, in_threads=True)


@asynccontextmanager
async def naive(fake: FakeSlack) -> AsyncIterator[Ask]:
    """The usual rule: an update is awaited when the last one is a second old, the SDK waits where Slack asks for it,
    and what is longer than an update may be is cut."""
    client = fake.client()
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=100))

    async def ask(channel: Channel, script: Script) -> Answered:
        said = _Saying(script)
        sent: list[str] = []
        text, last, is_new = "", 0.0, True
        async for token in said:
            if len(text) + len(token) > _CUT:
                await client.chat_update(channel=channel.id, ts=sent[-1], text=text)
                text, is_new = "", True
            text += token
            if not text.strip():
                continue
            if is_new:
                posted = await client.chat_postMessage(channel=channel.id, text=text)
                sent.append(str(posted["ts"]))
                last, is_new = time.monotonic(), False
            elif time.monotonic() - last >= 1.0:
                await client.chat_update(channel=channel.id, ts=sent[-1], text=text)
                last = time.monotonic()
        await client.chat_update(channel=channel.id, ts=sent[-1], text=text)
        return Answered(script, Said(tuple(said.moments)), [channel.messages[ts] for ts in sent])

    yield ask


@asynccontextmanager
async def helper(fake: FakeSlack) -> AsyncIterator[Ask]:
    """The SDK's own helper for streams, as its documentation shows it: every token is appended, then it is stopped."""
    client = fake.client()

    async def ask(channel: Channel, script: Script) -> Answered:
        said = _Saying(script)
        streamer = await streamer_in(fake, client, channel)
        try:
            async for token in said:
                await streamer.append(markdown_text=token)
            await streamer.stop()
        except SlackClientError:
            # Nobody goes on; what the model says after that is lost.
            said.ends()
        return Answered(script, Said(tuple(said.moments)), _made(channel, streamer))

    yield ask


async def streamer_in(fake: FakeSlack, client: AsyncWebClient, channel: Channel) -> AsyncChatStream:
    """A stream below a new question."""
    question = await fake.says("a question", channel=channel)
    return await client.chat_stream(
        channel=channel.id,
        thread_ts=question.ts,
        recipient_user_id=fake.ada.id,
        recipient_team_id=fake.ada.team,
    )


class _Saying:
    """The tokens as the model says them: it does not wait for the bot."""

    def __init__(self, script: Script) -> None:
        self.moments: list[tuple[float, int]] = []
        self._script = script
        self._count = 0
        self._began = time.monotonic()

    async def __aiter__(self) -> AsyncIterator[str]:
        self._began = time.monotonic()
        for number, token in enumerate(self._script.tokens):
            due = self._began + number / self._script.rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            self._tell(due, token)
            yield token

    def ends(self) -> None:
        for number in range(len(self.moments), len(self._script.tokens)):
            self._tell(self._began + number / self._script.rate, self._script.tokens[number])

    def _tell(self, due: float, token: str) -> None:
        self._count += letters(token)
        self.moments.append((due, self._count))


def _made(channel: Channel, streamer: AsyncChatStream) -> list[Message]:
    return [channel.messages[streamer.ts]] if streamer.ts is not None else []


# What was shown


def backwards(answer: Answered) -> int:
    """How often less of the answer could be read than before, from its beginning and from one message to the next."""
    said = "".join("".join(answer.script.tokens).split())
    changes = sorted(
        (state.at, number, state.text) for number, message in enumerate(answer.kept) for state in message.states
    )
    now: dict[int, str] = {}
    most = count = 0
    for _, number, text in changes:
        now[number] = "".join(text.split())
        read = readable(said, [now[each] for each in sorted(now)])
        count += read < most
        most = max(most, read)
    return count


def readable(said: str, shown: Sequence[str]) -> int:
    """How many letters of the beginning can be read; a message may begin with the end of the one before it."""
    end = 0
    for text in shown:
        begin = next((at for at in range(end, -1, -1) if said.startswith(text, at)), None)
        if begin is None:
            # What was added to show an unfinished text is at its end.
            common = next((size for size in range(len(text), 0, -1) if said.startswith(text[:size], end)), 0)
            return end + common
        end = max(end, begin + len(text))
    return end


def gaps(answer: Answered) -> list[float]:
    """Seconds between changes that people could see, while the model spoke."""
    moments: list[float] = []
    most = 0
    for at, count in answer.shown():
        if count > most and at <= answer.said.ended:
            moments.append(at)
            most = count
    return [after - before for before, after in pairwise(moments)]


def in_a_minute(moments: Sequence[float]) -> int:
    """The most of them in any minute."""
    ordered = sorted(moments)
    return max((sum(at <= moment < at + 60.0 for moment in ordered) for at in ordered), default=0)


# Many at once


PIECES = 40


async def crowded(fake: FakeSlack) -> list[Message]:
    """Forty pieces of text and forty cards, all at once, into one stream of Duologue."""
    found: list[Message] = []

    async def say(stream: ReplyStream) -> None:
        async def add(number: int) -> None:
            await stream.write(ToolStart(f"card{number}", f"tool{number}", ""))
            await stream.write(Text(piece(number)))
            # Cards are for tools that take a while.
            await asyncio.sleep(1.5)
            await stream.write(ToolEnd(f"card{number}", f"tool{number}", ""))

        async with stream:
            await asyncio.gather(*map(add, range(PIECES)))
            await stream.write(Done("stop"))
        found.extend(fake.general.messages[sent.id] for sent in stream.sent)

    async with connected(fake, in_threads=True) as ask:
        await ask(fake.general, say)
    return found


async def crowded_helper(fake: FakeSlack) -> list[Message]:
    """The same with the SDK's helper."""
    client = fake.client()
    before = {*fake.general.messages}
    streamer = await streamer_in(fake, client, fake.general)

    async def add(number: int) -> None:
        card = TaskUpdateChunk(id=f"card{number}", title=f"tool{number}", status="in_progress")
        await streamer.append(chunks=[card])
        await streamer.append(markdown_text=piece(number))
        done = TaskUpdateChunk(id=f"card{number}", title=f"tool{number}", status="complete")
        await streamer.append(chunks=[done])

    await asyncio.gather(*map(add, range(PIECES)), return_exceptions=True)
    with suppress(SlackClientError):
        await streamer.stop()
    own = [message for ts, message in fake.general.messages.items() if ts not in before]
    return [message for message in own if message.author is fake.bot]


def piece(number: int) -> str:
    return f"piece{number:02d} {'x' * 40} "


def lost(messages: Sequence[Message]) -> int:
    """Pieces that are not there, and cards that never came to their end."""
    text = "".join(message.seen for message in messages)
    ended = {id for message in messages for id, task in tasks_of(message).items() if task["status"] == "complete"}
    return sum((f"piece{number:02d}" not in text) + (f"card{number}" not in ended) for number in range(PIECES))


def doubled(messages: Sequence[Message]) -> int:
    """Pieces that are there more than once, and messages beyond the first."""
    text = "".join(message.seen for message in messages)
    again = sum(max(text.count(f"piece{number:02d}") - 1, 0) for number in range(PIECES))
    return again + max(len(messages) - 1, 0)
