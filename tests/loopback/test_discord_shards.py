"""Many connections to a loopback Discord: each is kept up by itself, and nothing said meanwhile is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord
from bot.api import ConfigError, Message, Online, Place
from bot.app import App
from bot.model.scripted import Scripted
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.discord_bot import QUICK, Listener, connected, echo
from tests.loopback.test_discord_whole import running
from tests.loopback.whole_bot import whole_bot

IMPATIENT = Timing(ready_after=0.02, identify_again=0.0, reconnect_after=0.9)


def channels_of(online: Online) -> set[str]:
    return {Place.parse(place).channel for place in online.latest}


async def test_there_are_as_many_shards_as_discord_recommends_and_each_hears_its_servers() -> None:
    async with FakeDiscord() as discord:
        discord.gateway.shards = 3
        lobbies = [discord.servers.of(discord.owner, f"Server {id}", shard=id, shards=3)[1] for id in range(3)]
        async with connected(discord, echo) as bot:
            await bot.heard(Online, 3)
            assert sorted(session.shard for session in discord.gateway.sessions.values()) == [0, 1, 2]
            for id, lobby in enumerate(lobbies):
                await discord.says(f"@bot hello {id}", channel=lobby, author=discord.owner)
            await discord.says("hello", channel=discord.direct())
            await bot.heard(Message, 4)
            await discord.wait_until(lambda: all(discord.answers(lobby) for lobby in lobbies))
            assert len(bot.of(Message)) == 4


async def test_the_settings_overrule_how_many() -> None:
    async with FakeDiscord() as discord, connected(discord, shards=2) as bot:
        await bot.heard(Online, 2)
        assert {(each.shard, each.shards) for each in discord.gateway.sessions.values()} == {(0, 2), (1, 2)}


async def test_each_tells_the_newest_messages_of_its_own_servers() -> None:
    async with FakeDiscord() as discord:
        (_, one), (_, two) = (discord.servers.of(discord.owner, str(id), shard=id, shards=2) for id in range(2))
        await discord.says("hi", channel=one, author=discord.owner)
        await discord.says("hi", channel=two, author=discord.owner)
        async with connected(discord, shards=2) as bot:
            await bot.heard(Online, 2)
            first, second = sorted(bot.of(Online), key=lambda online: online.silent or (), reverse=True)
            assert str(one.id) in channels_of(first)
            assert channels_of(second) == {str(two.id)}
            # Only the first shard hears direct messages, and nobody tells which of those moved.
            assert (first.silent, second.silent) == (("dm",), ())


async def test_a_shard_that_lost_its_connection_resumes_while_the_others_go_on() -> None:
    async with FakeDiscord() as discord:
        (_, one), (_, two) = (discord.servers.of(discord.owner, str(id), shard=id, shards=2) for id in range(2))
        async with connected(discord, echo, shards=2) as bot:
            await bot.heard(Online, 2)
            await discord.gateway.close(shard=1)
            await discord.says("@bot in the gap", channel=two, author=discord.owner)
            await discord.says("@bot meanwhile", channel=one, author=discord.owner)
            await discord.wait_until(lambda: discord.answers(two) and discord.answers(one))
            assert discord.gateway.resumed == 1
            assert discord.gateway.identified == len(bot.of(Online)) == 2
            assert len(bot.of(Message)) == 2


async def test_a_shard_that_cannot_come_back_keeps_no_other_from_it() -> None:
    async with FakeDiscord() as discord:
        (_, one), (_, two) = (discord.servers.of(discord.owner, str(id), shard=id, shards=2) for id in range(2))
        async with connected(discord, echo, shards=2, timing=IMPATIENT) as bot:
            await bot.heard(Online, 2)
            discord.gateway.refused.add(1)
            await discord.gateway.close(shard=1)
            await discord.wait_until(lambda: discord.gateway.turned_away > 1)
            await discord.gateway.close(shard=0)
            await discord.says("@bot hello", channel=one, author=discord.owner)
            await discord.wait_until(lambda: discord.answers(one) == ["You said: hello"])
            assert not bot.adapter.connected
            shards = bot.adapter.status["shards"]
            assert isinstance(shards, dict)
            states = [shard["connected"] for shard in shards.values() if isinstance(shard, dict)]
            assert states == [True, False]
            await discord.says("@bot still there?", channel=two, author=discord.owner)
            discord.gateway.refused.clear()
            await discord.wait_until(lambda: discord.answers(two) == ["You said: still there?"])
            assert bot.adapter.connected
            assert len(bot.of(Online)) == 2


async def test_a_session_that_ended_is_begun_anew_and_the_gap_is_told_for_that_shard() -> None:
    async with FakeDiscord() as discord:
        _, two = discord.servers.of(discord.owner, "Cafe", shard=1, shards=2)
        async with connected(discord, echo, shards=2) as bot:
            await bot.heard(Online, 2)
            await discord.gateway.close(shard=1, resumable=False)
            missed = await discord.says("@bot anybody?", channel=two, author=discord.owner)
            online = await bot.heard(Online, 3)
            assert set(online.latest.values()) == {str(missed.id)}
            assert online.since is not None
            assert int(online.since) < missed.id
            assert online.silent == ()
            await discord.gateway.invalidate(1)
            await bot.heard(Online, 4)
            assert discord.gateway.identified == 4


async def test_a_session_that_discord_does_not_take_up_in_time_is_begun_anew() -> None:
    async with FakeDiscord() as discord, connected(discord, echo, timing=IMPATIENT) as bot:
        discord.gateway.resumes_silently = True
        await discord.gateway.close()
        missed = await discord.says("@bot are you there?")
        assert str(missed.id) in (await bot.heard(Online, 2)).latest.values()
        await discord.says("@bot and now?")
        await discord.wait_until(lambda: discord.answers() == ["You said: and now?"])


async def test_a_gateway_that_is_down_for_long_is_tried_again_and_again_and_loses_nothing() -> None:
    async with FakeDiscord() as discord, connected(discord, echo, timing=IMPATIENT) as bot:
        discord.gateway.open = False
        await discord.gateway.close()
        await discord.wait_until(lambda: discord.gateway.turned_away > 5)
        await discord.says("@bot are you there?")
        discord.gateway.open = True
        await discord.wait_until(lambda: discord.answers() == ["You said: are you there?"])
        assert discord.gateway.resumed == len(bot.of(Online)) == 1


async def test_sessions_begin_one_after_the_other_as_discord_wants_it() -> None:
    timing = Timing(ready_after=0.02, identify_again=0.3, reconnect_after=4.5)
    async with FakeDiscord() as discord:
        discord.gateway.identify_every, discord.gateway.max_concurrency = 0.2, 2
        async with connected(discord, shards=4, timing=timing) as bot:
            await bot.heard(Online, 4)
            assert discord.gateway.identified == 4
            assert discord.gateway.identified_too_fast == 0


async def test_too_few_shards_are_an_error_of_the_settings_and_otherwise_asked_for_anew() -> None:
    async with FakeDiscord() as discord:
        discord.gateway.least_shards = 2

        async def ignore(event: object) -> None:
            raise AssertionError(event)

        with pytest.raises(ConfigError, match=r"more than 1 shards: raise discord\.shards"):
            await DiscordAdapter(discord.settings(shards=1), timing=QUICK).run(ignore, [])
        async with connected(discord) as bot:
            await bot.heard(Online, 2)


async def test_a_token_that_was_reset_ends_the_bot_with_where_to_get_another() -> None:
    async with FakeDiscord() as discord:
        adapter = DiscordAdapter(discord.settings(), timing=QUICK)
        listener = Listener(adapter, None)

        async def reset(event: object) -> None:
            await listener.handle(event)  # type: ignore[arg-type]  # every event is one
            if isinstance(event, Online):
                discord.gateway._token = "another"
                await discord.gateway.close(resumable=False)

        with pytest.raises(ConfigError, match=r"it was reset.*applications/123/bot"):
            await adapter.run(reset, [])


async def test_what_was_missed_on_one_shard_is_answered_once(tmp_path: Path) -> None:
    """Also in a channel where nothing was ever said, while the other shard's talk went on."""
    async with FakeDiscord() as discord, FakeOpenAI("Here I am.") as model:
        discord.gateway.shards = 2
        (_, one), (_, two) = (discord.servers.of(discord.owner, str(id), shard=id, shards=2) for id in range(2))
        async with whole_bot(tmp_path, discord, model) as bot:
            await bot.until(lambda: discord.gateway.connected == 2)
            await bot.asked("@bot hello", channel=one, author=discord.owner)
        missed = await discord.says("@bot anybody?", channel=two, author=discord.owner)
        async with whole_bot(tmp_path, discord, model) as bot:
            await bot.until(lambda: discord.answers(two))
            await bot.asked("@bot hello again", channel=one, author=discord.owner)
            discord.gateway.refused.add(1)
            await discord.gateway.close(shard=1, resumable=False)
            again = await discord.says("@bot and in the gap?", channel=two, author=discord.owner)
            await bot.asked("@bot still here", channel=one, author=discord.owner)
            discord.gateway.refused.clear()
            await bot.until(lambda: len(discord.answers(two)) == 2)
            await bot.idle()
        replies = [message.reply_to for message in discord.screen(two) if message.author is discord.bot]
        assert replies == [missed.id, again.id]
        assert len(discord.answers(one)) == 3


async def test_its_health_shows_each_shard(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        discord.gateway.shards = 2
        app: App
        async with running(discord, Scripted([]), tmp_path) as app:
            await discord.wait_until(lambda: discord.gateway.connected == 2)
            health = await app.health()
            shards = health.details["discord"]["shards"]
            assert isinstance(shards, dict)
            assert set(shards) == {"0", "1"}
            assert all(
                isinstance(shard, dict) and set(shard) == {"connected", "latency_ms", "guilds"}
                for shard in shards.values()
            )


async def test_what_is_said_while_the_servers_are_still_being_sent_hides_nothing_that_was_missed(
    tmp_path: Path,
) -> None:
    """It is heard at once, and so before what was missed is looked for; after a start and after a gap."""
    slow = Timing(ready_after=0.3, identify_again=0.0, reconnect_after=4.5)
    async with FakeDiscord() as discord, FakeOpenAI("Here I am.") as model:
        async with whole_bot(tmp_path, discord, model) as bot:
            await bot.asked("@bot hello")
        asked = [await discord.says("@bot missed at the start")]

        async def speak_up(sessions: int) -> None:
            await discord.wait_until(lambda: discord.gateway.identified > sessions)
            asked.append(await discord.says("@bot live"))

        speaking = asyncio.create_task(speak_up(discord.gateway.identified))
        async with whole_bot(tmp_path, discord, model, timing=slow) as bot:
            await speaking
            await bot.until(lambda: len(discord.answers()) == 3)
            discord.gateway.open = False
            await discord.gateway.close(resumable=False)
            asked.append(await discord.says("@bot missed in the gap"))
            speaking = asyncio.create_task(speak_up(discord.gateway.identified))
            discord.gateway.open = True
            await speaking
            await bot.until(lambda: len(discord.answers()) == 5)
            await bot.idle()
        replies = [message.reply_to for message in discord.screen() if message.author is discord.bot]
        assert {*replies[1:]} == {message.id for message in asked}
        assert len(replies) == 5


async def test_it_stops_at_any_moment_of_coming_back() -> None:
    async with FakeDiscord() as discord:
        for moment in range(0, 60, 4):
            async with asyncio.timeout(10), connected(discord):
                await discord.gateway.close()
                for _ in range(moment):
                    await asyncio.sleep(0)
