"""Where no webhook is to be had, or one fails: the bot says who speaks, and nothing is lost or doubled."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.discord.testing import FakeDiscord
from bot.api import (
    Button,
    DeliveryError,
    Reply,
    Resume,
    Route,
    Speaker,
    TargetGone,
)
from bot.api import Message as Heard
from tests.loopback.discord_bot import connected
from tests.loopback.faces import ANN, BO, Line, posts, said, speak, stage


async def test_what_nobody_can_change_any_more_is_left_as_it_is() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        await discord.allows("manage_messages")
        (sent,) = await bot.adapter.send(route, Reply("Hello", speaker=ANN, buttons=(Button("again", "Again"),)))
        discord.deletes_webhook(discord.webhooks[0])
        with pytest.raises(TargetGone):
            await bot.adapter.edit(route, sent, Reply("Changed", speaker=ANN))
        await bot.adapter.edit(route, sent, Reply())
        assert said(discord) == [("Ann", "Hello")]
        await bot.adapter.delete(route, sent)
        assert said(discord) == []


async def test_without_the_permission_the_bot_says_who_speaks() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot go")
        route = (await bot.heard(Heard)).route
        assert not bot.adapter.capabilities(route).speakers
        (sent,) = await speak(bot.adapter, route, Speaker("ann", "*Ann*"), "Hello, ", "world")
        assert said(discord) == [("duologue", "**\\*Ann\\*:** Hello, world")]
        assert discord.screen()[-1].reply_to == discord.screen()[0].id
        assert sent.kind == ""
        assert posts(discord) == []
        await bot.adapter.send(route, Reply("```python\nprint(1)\n```", speaker=ANN))
        await bot.adapter.send(route, Reply("- one\n- two", speaker=ANN))
        assert discord.answers()[1:] == ["**Ann:**\n```python\nprint(1)\n```", "**Ann:**\n- one\n- two"]


async def test_in_direct_messages_the_bot_says_who_speaks() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("hello", channel=discord.direct())
        route = (await bot.heard(Heard)).route
        assert not bot.adapter.capabilities(route).speakers
        await speak(bot.adapter, route, ANN, "Hello")
        assert discord.answers(discord.direct()) == ["**Ann:** Hello"]


async def test_where_there_is_no_room_for_a_webhook_the_bot_says_who_speaks() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        discord.crowds_with_webhooks()
        assert bot.adapter.capabilities(route).speakers
        await speak(bot.adapter, route, ANN, "Hello")
        assert said(discord) == [("duologue", "**Ann:** Hello")]
        assert not bot.adapter.capabilities(route).speakers
        tried = len(discord.calls)
        await speak(bot.adapter, route, BO, "Hello")
        assert not [call for call in discord.calls[tried:] if "webhooks" in call.path]


async def test_a_webhook_that_was_deleted_between_two_lines_is_made_again() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        await speak(bot.adapter, route, ANN, "one")
        discord.deletes_webhook(discord.webhooks[0])
        await speak(bot.adapter, route, BO, "two")
        assert said(discord) == [("Ann", "one"), ("Bo", "two")]
        assert len(discord.webhooks) == 1


async def test_a_webhook_that_goes_in_mid_line_costs_nothing_that_was_said() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        line = Line(bot.adapter, route, ANN)
        line.say("It begins")
        await discord.wait_until(lambda: said(discord) == [("Ann", "It begins")])
        discord.deletes_webhook(discord.webhooks[0])
        await discord.denies("manage_webhooks")
        line.say(" and goes on")
        (sent,) = await line.end()
        # What nobody can edit or delete stays, and the rest comes below it.
        assert said(discord) == [("Ann", "It begins"), ("duologue", "**Ann:** and goes on")]
        await bot.adapter.edit(route, sent, Reply("Changed", speaker=ANN))
        assert said(discord)[-1] == ("duologue", "**Ann:** Changed")


async def test_who_may_delete_says_the_line_anew() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        await discord.allows("manage_messages")
        line = Line(bot.adapter, route, ANN)
        line.say("It begins")
        await discord.wait_until(lambda: said(discord) == [("Ann", "It begins")])
        discord.deletes_webhook(discord.webhooks[0])
        line.say(" and goes on")
        await line.end()
        assert said(discord) == [("Ann", "It begins and goes on")]


@pytest.mark.parametrize("acted", [True, False])
@pytest.mark.parametrize("how", [{"drop": True}, {"status": 500}])
async def test_a_post_whose_answer_is_lost_is_looked_for_before_it_is_made_again(
    acted: bool, how: dict[str, Any]
) -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        await speak(bot.adapter, route, ANN, "same words")
        discord.fails("POST /webhooks/*/*", acted=acted, **how)
        await speak(bot.adapter, route, ANN, "same words")
        assert said(discord) == [("Ann", "same words")] * 2


async def test_a_webhook_that_keeps_failing_is_given_up_and_nothing_is_doubled() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        discord.fails("POST /webhooks/*/*", status=500, times=9)
        await speak(bot.adapter, route, ANN, "Hello")
        assert said(discord) == [("duologue", "**Ann:** Hello")]


async def test_a_message_that_the_webhook_does_not_take_is_said_by_the_bot() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        discord.fails("POST /webhooks/*/*", status=400, code=50035)
        await speak(bot.adapter, route, ANN, "Hello")
        assert said(discord) == [("duologue", "**Ann:** Hello")]
        await speak(bot.adapter, route, ANN, "again")
        assert said(discord)[-1] == ("Ann", "again")


async def test_after_a_restart_the_bot_still_says_who_speaks() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord) as bot:
            await discord.says("@bot go")
            route = (await bot.heard(Heard)).route
            sent = await speak(bot.adapter, route, ANN, "It begins")
        async with connected(discord) as bot:
            resume = Resume(sent, "It begins", ("It begins",))
            await speak(bot.adapter, Route(route.place), ANN, " and ends.", resume=resume)
            assert said(discord) == [("duologue", "**Ann:** It begins and ends.")]


async def test_a_face_in_a_channel_that_is_gone_fails_like_the_bot_itself() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        await speak(bot.adapter, route, ANN, "Hello")
        await discord.removes(discord.general)
        with pytest.raises(DeliveryError):
            await speak(bot.adapter, route, ANN, "Anybody here?")
