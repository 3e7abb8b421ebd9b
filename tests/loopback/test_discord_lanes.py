"""Discord's limits as real discord.py meets them: webhooks' budgets, calls that Discord refuses, locks that wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest
from discord.http import HTTPClient, handle_message_parameters

from adapters.discord.adapter import DiscordAdapter, point_at
from adapters.discord.lanes import DiscordLanes
from adapters.discord.testing import FakeDiscord
from bot.api import Call, ChannelLane, Reply, SystemClock, Urgency
from tests.loopback.discord_bot import connected


class StandingClock(SystemClock):
    """Time passes only when the test says so; `waits` is set while somebody sleeps."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.waits = asyncio.Event()
        self._passed = asyncio.Event()

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        while self.at < until:
            self.waits.set()
            await self._passed.wait()

    def passes(self, seconds: float) -> None:
        self.at += seconds
        self.waits.clear()
        self._passed.set()
        self._passed = asyncio.Event()


class Rig:
    """discord.py logged in at the fake Discord, with lanes that hear its calls."""

    def __init__(self, fake: FakeDiscord, lanes: DiscordLanes, http: HTTPClient, clock: StandingClock) -> None:
        self.fake = fake
        self.lanes = lanes
        self.http = http
        self.clock = clock

    async def sends(self, text: str = "hello") -> dict[str, Any]:
        with handle_message_parameters(content=text) as params:
            return await self.lanes.send_message(self.http, self.fake.general.id, params)

    async def makes_webhook(self) -> tuple[int, str]:
        made: Any = await self.http.create_webhook(self.fake.general.id, name="faces")
        return int(made["id"]), str(made["token"])

    async def speaks(self, hook: tuple[int, str], **query: str) -> int:
        with handle_message_parameters(content="hi") as params:
            sent = await self.lanes.send_by_webhook(self.http, *hook, params, {"wait": "true", **query})
        return int(sent["id"])

    async def changes(self, hook: tuple[int, str], message: int, text: str, **query: str) -> None:
        with handle_message_parameters(content=text) as params:
            await self.lanes.edit_by_webhook(self.http, *hook, message, params, query)

    def webhook(self, hook: tuple[int, str]) -> ChannelLane:
        lane = self.lanes.webhook(hook[0])
        assert isinstance(lane, ChannelLane)
        return lane


@asynccontextmanager
async def rig(
    fake: FakeDiscord,
    *,
    refusals_borne: int = 10_000,
    per_second: int = 50,
    clock: StandingClock | None = None,
) -> AsyncIterator[Rig]:
    clock = clock or StandingClock()
    lanes = DiscordLanes(clock, per_second=per_second, refusals_borne=refusals_borne)
    point_at(fake.settings())
    client = discord.Client(intents=discord.Intents.none(), http_trace=lanes.trace)
    await client.login(fake.token)
    try:
        yield Rig(fake, lanes, client.http, clock)
    finally:
        await lanes.aclose()
        await client.close()


@pytest.mark.parametrize("in_thread", [False, True])
async def test_each_webhook_has_a_budget_that_its_responses_tell_of(in_thread: bool) -> None:
    async with FakeDiscord() as fake, rig(fake) as here:
        await fake.allows("manage_webhooks")
        hook, other = await here.makes_webhook(), await here.makes_webhook()
        lane, others = here.webhook(hook), here.webhook(other)
        query = {"thread_id": str((await fake.thread("Tea")).id)} if in_thread else {}
        message = await here.speaks(hook, **query)
        for number in range(4):
            await here.changes(hook, message, f"text {number}", **query)
        # One of five edits is left, four of five posts; the clock stands, so nothing has come back.
        assert not lane.is_idle("edit")
        assert lane.is_idle("post")
        assert others.is_idle("edit")
        here.clock.passes(1.1)
        assert lane.is_idle("edit")
        assert fake.refused == []


async def test_a_limit_that_webhooks_share_slows_only_theirs_and_is_not_held_against_the_bot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeDiscord() as fake, rig(fake, refusals_borne=10) as here:
        await fake.allows("manage_webhooks")
        hook, other = await here.makes_webhook(), await here.makes_webhook()
        lane, others = here.webhook(hook), here.webhook(other)
        channel = here.lanes.channel(fake.general.id)
        message = await here.speaks(hook)
        fake.fails("PATCH /webhooks/*", status=429, scope="shared", retry_after=0.05, times=3)
        await here.changes(hook, message, "after all")
        assert fake.screen()[-1].text == "after all"
        assert len(fake.refused) == 3
        assert not lane.is_idle("edit")
        assert others.is_idle("edit")
        assert isinstance(channel, ChannelLane)
        assert channel.is_idle("edit")
        assert here.lanes.is_idle(fake.general.id)
        assert [record for record in caplog.records if "refused" in record.message] == []


async def test_before_discord_shuts_it_out_the_bot_calls_less_and_less_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeDiscord() as fake, rig(fake, refusals_borne=20) as here:
        fake.limits.enforced = False
        await fake.denies("send_messages")
        assert here.lanes.is_idle(fake.general.id)

        async def refused(times: int) -> list[str]:
            caplog.clear()
            for _ in range(times):
                with pytest.raises(discord.Forbidden):
                    await here.sends()
            named = [each for each in caplog.records if each.name == "adapters.discord.refusals"]
            return [f"{each.levelname} {each.message}" for each in named]

        (first,) = await refused(2)
        assert first.startswith(
            "WARNING Discord has refused 2 calls in the last 10 minutes, now POST /api/v10/channels/"
        )
        assert "at 20 it shuts this machine's address out. Live answers are shown in fewer steps." in first
        assert "403, missing permissions" in first
        assert not here.lanes.is_idle(fake.general.id)
        assert await refused(5) == []
        (second,) = await refused(1)
        assert "Answers begin, and are shown whole when they are complete." in second
        (last,) = await refused(10)
        assert last.startswith("ERROR Discord has refused 18 calls")

        await fake.allows("send_messages")
        before = len(fake.calls)
        lane = here.lanes.channel(fake.general.id)
        ends = asyncio.ensure_future(lane.admit(end := Call("edit", Urgency.FINAL, here.clock.at)))
        of_no_lane = asyncio.create_task(here.sends("at last"))
        await here.clock.waits.wait()
        assert not ends.done()
        assert len(fake.calls) == before
        here.clock.passes(700.0)
        await of_no_lane
        await ends
        lane.told(end, "unused")
        assert fake.answers() == ["at last"]
        assert here.lanes.is_idle(fake.general.id)


async def test_shut_out_by_the_wall_before_discord_it_calls_nothing_for_as_long_as_it_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeDiscord() as fake, rig(fake) as here:
        fake.fails("POST /channels/*/messages", status=429, scope="wall", retry_after=90.0)
        with pytest.raises(discord.HTTPException):
            await here.sends()
        assert "does not let this machine's address in for the next 90 s" in caplog.text
        again = asyncio.create_task(here.sends("again"))
        await here.clock.waits.wait()
        assert fake.answers() == []
        here.clock.passes(90.0)
        await again
        assert fake.answers() == ["again"]


class RunningClock(StandingClock):
    """Time as it is."""

    def monotonic(self) -> float:
        return SystemClock.monotonic(self)

    async def sleep(self, seconds: float) -> None:
        await SystemClock.sleep(self, seconds)


async def test_no_burst_of_other_calls_passes_the_limit_of_the_whole_bot() -> None:
    async with FakeDiscord(latency=0.02, per_second=10) as fake:
        places = [fake.channel(f"room-{number}").id for number in range(12)]
        async with rig(fake, clock=RunningClock(), per_second=10) as here:
            await asyncio.gather(*(here.http.get_channel(place) for place in places))
        assert fake.refused == []


async def test_what_discord_py_still_sleeps_over_keeps_no_other_call_by_webhook_waiting() -> None:
    async with FakeDiscord(window="fixed") as fake, rig(fake) as here:
        await fake.allows("manage_webhooks")
        id, token = await here.makes_webhook()
        client = discord.Client(intents=discord.Intents.none())
        client.http = here.http
        hook = discord.Webhook.partial(id, token, client=client)
        message = int((await here.lanes.landed(hook.send("one", wait=True)))["id"])
        for number in range(5):
            await here.lanes.landed(hook.edit_message(message, content=f"text {number}"))
        # Nothing is left of the edits for five seconds, in which discord.py holds a lock over the whole webhook.
        async with asyncio.timeout(3):
            await here.lanes.landed(hook.send("two", wait=True))
        assert [each.text for each in fake.screen()] == ["text 4", "two"]


async def test_no_burst_of_answers_passes_the_limit_of_the_whole_bot() -> None:
    """Calls that were quick to be counted make room for no other a moment too early."""

    async def answer(adapter: DiscordAdapter, event: Any) -> None:
        await adapter.send(event.route, Reply("hello"))

    async with FakeDiscord() as fake:
        rooms = [fake.channel(f"room-{number}") for number in range(20)]
        async with connected(fake, answer):
            for number in range(60):
                await fake.says("@bot hi", channel=rooms[number % 20])
            await fake.wait_until(lambda: all(len(fake.answers(room)) == 3 for room in rooms))
        assert fake.refused == []
