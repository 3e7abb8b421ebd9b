"""Commands whose calls or answers are lost on the way: nothing is said twice, and nobody is left without an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import FakeDiscord
from bot.api import CommandCall, Context, Plugin, Reply
from tests.loopback.discord_bot import QUICK, connected

CALLBACK, FOLLOW_UP = "POST /interactions/*/callback", "POST /webhooks/*"
LONG = "a" * 1990 + "\n" + "b" * 1990

plugin = Plugin("ping", "For tests")


@plugin.command()
async def ping(ctx: Context) -> str:
    """Answer."""
    return "pong"


async def short(adapter: DiscordAdapter, event: Any) -> None:
    if isinstance(event, CommandCall):
        await adapter.send(event.route, Reply("pong"))


async def long(adapter: DiscordAdapter, event: Any) -> None:
    if isinstance(event, CommandCall):
        await adapter.send(event.route, Reply(LONG))


@pytest.mark.parametrize("how", [{"status": 500}, {"drop": True}])
async def test_a_first_answer_that_discord_took_without_saying_so_is_not_doubled(how: dict[str, Any]) -> None:
    async with FakeDiscord() as discord, connected(discord, short, commands=plugin.commands):
        lost = discord.fails(CALLBACK, acted=True, **how)
        asked = await discord.runs("ping")
        await discord.wait_until(lambda: any(call.path.endswith("@original") for call in discord.calls))
        again = await discord.runs("ping")
        await discord.wait_until(lambda: again.texts)
        assert (lost.met, asked.texts, again.texts) == (1, ["pong"], ["pong"])


@pytest.mark.parametrize("how", [{"status": 500}, {"drop": True}])
async def test_a_further_message_that_discord_took_without_saying_so_is_not_doubled(how: dict[str, Any]) -> None:
    async with FakeDiscord() as discord, connected(discord, long, commands=plugin.commands) as bot:
        lost = discord.fails(FOLLOW_UP, acted=True, **how)
        asked = await discord.runs("ping")
        await discord.wait_until(
            lambda: any(call.method == "GET" and "/messages" in call.path for call in discord.calls)
        )
        again = await discord.runs("ping")
        await discord.wait_until(lambda: len(again.texts) == 2)
        assert (lost.met, asked.texts, again.texts) == (1, LONG.split("\n"), LONG.split("\n"))
        assert not bot.errors


async def test_a_further_message_that_was_lost_on_the_way_there_is_posted_again() -> None:
    async with FakeDiscord() as discord, connected(discord, long, commands=plugin.commands):
        discord.fails(FOLLOW_UP, status=502)
        asked = await discord.runs("ping")
        await discord.wait_until(lambda: len(asked.texts) == 2)
        assert asked.texts == LONG.split("\n")


@pytest.mark.parametrize("acted", [False, True])
async def test_a_first_sign_that_was_lost_is_given_again(acted: bool) -> None:
    done = asyncio.Event()

    async def slowly(adapter: DiscordAdapter, event: Any) -> None:
        await done.wait()
        await short(adapter, event)

    timing = replace(QUICK, defer_after=0.0)
    async with FakeDiscord() as discord, connected(discord, slowly, commands=plugin.commands, timing=timing):
        discord.fails(CALLBACK, drop=True, acted=acted)
        asked = await discord.runs("ping")
        await discord.wait_until(lambda: sum(call.path.endswith("/callback") for call in discord.calls) == 2)
        done.set()
        await discord.wait_until(lambda: asked.texts)
        assert (asked.texts, asked.acknowledged is not None, len(discord.answers())) == (["pong"], True, 1)


async def test_commands_that_lose_their_tokens_together_keep_to_the_limits_of_the_channel() -> None:
    meet = asyncio.Barrier(7)

    async def together(adapter: DiscordAdapter, event: Any) -> None:
        await meet.wait()
        await short(adapter, event)

    async with FakeDiscord() as discord, connected(discord, together, commands=plugin.commands):
        discord.fails(CALLBACK, status=404, code=10062, times=7)
        for _ in range(7):
            await discord.runs("ping")
        await discord.wait_until(lambda: len(discord.answers()) == 7)
        assert not discord.refused


async def test_two_hundred_commands_at_once_are_all_acknowledged_in_time() -> None:
    done = asyncio.Event()

    async def slowly(adapter: DiscordAdapter, event: Any) -> None:
        await done.wait()
        await short(adapter, event)

    async with FakeDiscord() as discord, connected(discord, slowly, commands=plugin.commands):
        asked = [await discord.runs("ping") for _ in range(200)]
        await discord.wait_until(lambda: all(each.acknowledged is not None for each in asked))
        done.set()
        await discord.wait_until(lambda: all(each.texts == ["pong"] for each in asked))
        assert not discord.refused


async def test_roles_that_cannot_be_had_in_time_leave_time_for_a_first_sign() -> None:
    """Whoever is not known to hold the role is declined, and learns so."""
    async with FakeDiscord() as discord:
        helper = discord.account("Bob", may=["manage_messages"])
        (role,) = discord.guild.members[helper.id]
        async with connected(discord, commands=plugin.commands, roles=[role]):
            discord.fails("GET /guilds/*/members/*", delay=5.0, times=3)
            asked = await discord.runs("ping", author=helper, channel=discord.direct(helper))
            await discord.wait_until(lambda: asked.texts)
            assert asked.acknowledged is not None
