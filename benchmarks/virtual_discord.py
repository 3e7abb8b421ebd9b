"""Discord's limits and latency in virtual time: hours of answers in seconds, to choose a policy and to check it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from adapters.discord.testing.limits import Limit, Limits, WindowKind
from benchmarks.measures import Freshness, Said, freshness
from bot.lanes import Lane, Method
from bot.replies import Button, Done, SentId, Text
from bot.streaming import EditedStream, Shown
from bot.testing.clock import VirtualClock
from bot.traffic import ChannelLane, Traffic

MESSAGES = Limit("messages", 5, 5.0)


class VirtualDiscord:
    def __init__(self, window: WindowKind, *, latency: float = 0.08, jitter: float = 0.0, seed: int = 0) -> None:
        self.limits = Limits(window, 50, clock=lambda: asyncio.get_running_loop().time())
        self.traffic = Traffic(VirtualClock(), 50)
        self.latency = latency
        self.jitter = jitter
        self.random = random.Random(seed)
        self.refused = 0

    def lane(self, channel: str) -> ChannelLane:
        return self.traffic.lane(f"channel:{channel}", family="channel")

    async def call(self, method: str, channel: str) -> float:
        lane = self.lane(channel)
        while True:
            await asyncio.sleep(self.latency + self.random.random() * self.jitter)
            whole = self.limits.whole_bot()
            if whole.retry_after is not None:
                self.refused += 1
                self.traffic.refused(whole.retry_after)
                await asyncio.sleep(whole.retry_after)
                continue
            verdict, _ = self.limits.take(method, MESSAGES, channel)
            known: Method = "post" if method == "POST" else "edit"
            if verdict.retry_after is not None:
                self.refused += 1
                lane.refused(known, verdict.retry_after)
                await asyncio.sleep(verdict.retry_after)
                continue
            lane.report(known, MESSAGES.requests, verdict.remaining, verdict.reset_after)
            return asyncio.get_running_loop().time()


class VirtualChannel:
    """The Surface of one answer; `shown` records what was visible when."""

    def __init__(self, discord: VirtualDiscord, name: str) -> None:
        self._discord = discord
        self._name = name
        self._texts: list[str] = []
        self.shown: list[tuple[float, int]] = []

    @property
    def text(self) -> str:
        return "".join(self._texts)

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        at = await self._discord.call("POST", self._name)
        self._texts.append(text)
        return self._showed(at, len(self._texts) - 1)

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        at = await self._discord.call("PATCH", self._name)
        self._texts[int(sent.id)] = text
        return self._showed(at, int(sent.id))

    async def delete(self, sent: SentId) -> None:
        self._texts[int(sent.id)] = ""

    def _showed(self, at: float, index: int) -> Shown:
        self.shown.append((at, sum(map(len, self._texts))))
        return Shown(SentId(str(index)), self._texts[index])


def words(count: int, rng: random.Random) -> list[str]:
    """Tokens of about four characters, as a model says them, without any markup."""
    return [("x" * rng.randint(2, 5)) + " " for _ in range(count - 1)] + ["end."]


async def answer(
    surface: VirtualChannel, lane: Lane, tokens: Sequence[str], rate: float, *, max_chars: int = 2000
) -> tuple[Said, Freshness]:
    loop = asyncio.get_running_loop()
    moments: list[tuple[float, int]] = []
    length = 0
    async with EditedStream(surface, lane, max_chars=max_chars, clock=VirtualClock()) as stream:
        began = loop.time()
        for number, token in enumerate(tokens):
            await asyncio.sleep(max(began + number / rate - loop.time(), 0))
            length += len(token)
            moments.append((loop.time(), length))
            await stream.write(Text(token))
        await stream.write(Done("stop"))
    said = Said(tuple(moments))
    assert surface.text == "".join(tokens)
    return said, freshness(said, surface.shown)


Runs = Callable[[], Sequence[Freshness]]
