"""Threads and forums on a loopback Discord: opened once, named well, refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.testing import Channel, FakeDiscord
from adapters.discord.threads import thread_name
from bot.api import DeliveryRefused, Message, MessageEdited, Online, Place, Reply, Route
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.discord_bot import connected, echo
from tests.loopback.whole_bot import prompt_of, whole_bot


def inside(discord: FakeDiscord, parent: Channel, thread: int) -> Place:
    return Place("discord", str(discord.guild.id), str(parent.id), str(thread))


# Opening


async def test_a_thread_is_opened_on_the_question_and_answered_in() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        question = await discord.says("@bot what is **tea**,\nand @everyone wants to know?")
        event = await bot.heard(Message)
        assert bot.adapter.capabilities(event.route).threads
        route = await bot.adapter.open_thread(event.route, event.text)
        assert route.place == inside(discord, discord.general, question.id)
        thread = discord.world.channels[question.id]
        assert thread.name == "what is **tea**, and everyone wants to know?"
        await bot.adapter.send(route, Reply("Hot leaves."))
        assert discord.answers(thread) == ["Hot leaves."]
        assert discord.answers() == []
        # It is the bot's own, so nobody needs to mention it there.
        await discord.says("and green tea?", channel=thread)
        more = await bot.heard(Message, 2)
        assert (more.addressed, more.place) == (True, route.place)
        assert not bot.adapter.capabilities(route).threads


async def test_a_thread_that_is_there_already_is_used() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot hello")
        route = (await bot.heard(Message)).route
        first = await bot.adapter.open_thread(route, "Hello")
        assert await bot.adapter.open_thread(route, "Hello again") == first
        assert await bot.adapter.open_thread(first, "And again") == first
        assert len([channel for channel in discord.world.channels.values() if channel.parent]) == 1


@pytest.mark.parametrize(
    ("permission", "named"),
    [
        ("create_public_threads", "“Create Public Threads”"),
        ("send_messages_in_threads", "“Send Messages in Threads”"),
    ],
)
async def test_a_missing_permission_is_named(permission: str, named: str) -> None:
    async with FakeDiscord() as discord:
        await discord.denies(permission)
        async with connected(discord) as bot:
            await discord.says("@bot hello")
            route = (await bot.heard(Message)).route
            assert not bot.adapter.capabilities(route).threads
            with pytest.raises(DeliveryRefused) as refused:
                await bot.adapter.open_thread(route, "Hello")
            assert named in refused.value.public


async def test_what_is_no_message_and_direct_messages_have_no_threads() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("hello", channel=discord.direct())
        route = (await bot.heard(Message)).route
        assert not bot.adapter.capabilities(route).threads
        for without in (route, Route(Place("discord", str(discord.guild.id), str(discord.general.id)))):
            with pytest.raises(DeliveryRefused):
                await bot.adapter.open_thread(without, "Hello")


async def test_an_archived_thread_comes_back_and_a_locked_one_is_refused_with_a_sentence() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot hello")
        route = await bot.adapter.open_thread((await bot.heard(Message)).route, "Hello")
        assert route.place.thread is not None
        thread = discord.world.channels[int(route.place.thread)]
        await discord.archives(thread)
        await bot.adapter.send(route, Reply("Here again."))
        assert not thread.archived
        assert discord.answers(thread) == ["Here again."]
        await discord.locks(thread)
        await discord.says("@bot still there?")
        await bot.heard(Message, 2)
        with pytest.raises(DeliveryRefused) as refused:
            await bot.adapter.open_thread(route, "Hello")
        assert refused.value.public == "This thread is locked. A moderator can open it again."


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("what is tea?", "what is tea?"),
        ("# A heading\n\nand more", "A heading and more"),
        ("ask <@123> in <#456> about <:party:789> @here", "ask in about party here"),
        ("", "Question"),
        ("<@1>", "Question"),
        ("word " * 40, f"{('word ' * 19).strip()}…"),
        ("x" * 150, f"{'x' * 99}…"),
    ],
)
def test_a_thread_is_named_after_its_question(text: str, name: str) -> None:
    assert thread_name(text) == name


@given(st.text(st.characters(), max_size=300))
def test_every_text_gives_a_name_that_discord_takes(text: str) -> None:
    name = thread_name(text)
    assert 1 <= len(name.encode("utf-16-le")) // 2 <= 100
    assert "\n" not in name
    assert "@everyone" not in name.lower()


# What is heard in them


async def test_what_discord_puts_first_in_a_thread_is_no_question() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        thread = await discord.thread("Tea", owner=discord.bot)
        await discord.servers.shows_start(thread, discord.ada)
        await discord.says("hello", channel=thread)
        assert (await bot.heard(Message)).text == "hello"
        assert len(bot.of(Message)) == 1


async def test_a_thread_has_its_own_slow_mode_and_its_channels_age_limit() -> None:
    async with FakeDiscord() as discord:
        discord.general.slow_mode, discord.general.for_adults = 30, True
        thread = await discord.thread("Tea")
        thread.slow_mode = 5
        async with connected(discord) as bot:
            here = bot.adapter.capabilities(Route(Place("discord", str(discord.guild.id), str(discord.general.id))))
            there = bot.adapter.capabilities(Route(inside(discord, discord.general, thread.id)))
            assert (here.slow_mode, here.age_restricted) == (30.0, True)
            assert (there.slow_mode, there.age_restricted) == (5.0, True)
            alone = bot.adapter.capabilities(Route(Place("discord", "dm", str(discord.direct().id))))
            assert (alone.slow_mode, alone.age_restricted) == (0.0, False)


# Forums


async def test_a_forums_post_is_heard_with_its_title_and_answered_there() -> None:
    async with FakeDiscord() as discord:
        forum = discord.servers.forum(discord.guild, "help")
        async with connected(discord, echo) as bot:
            post = await discord.servers.posts(forum, "Cold tea", "@bot how do I warm it?", discord.ada)
            event = await bot.heard(Message)
            assert event.text == "Cold tea\n\nhow do I warm it?"
            assert event.place == inside(discord, forum, post.channel.id)
            assert event.addressed
            await discord.wait_until(lambda: discord.answers(post.channel))
            assert await bot.adapter.open_thread(event.route, "Anything") == event.route
            await discord.says("and then?", channel=post.channel, reply_to=discord.screen(post.channel)[-1])
            reply = await bot.heard(Message, 2)
            assert (reply.text, reply.addressed) == ("and then?", True)
            await discord.says("thanks everybody", channel=post.channel)
            assert not (await bot.heard(Message, 3)).addressed
            await discord.edits(post, "@bot how do I heat it?")
            assert (await bot.heard(MessageEdited)).text == "Cold tea\n\nhow do I heat it?"


async def test_a_post_that_was_made_while_the_bot_was_away_is_answered_with_its_title(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("Warm it.") as model:
        forum = discord.servers.forum(discord.guild, "help")
        async with whole_bot(tmp_path, discord, model) as bot:
            await bot.asked("@bot hello")
        post = await discord.servers.posts(forum, "Cold tea", "@bot what now?", discord.ada)
        async with whole_bot(tmp_path, discord, model) as bot:
            await bot.until(lambda: discord.answers(post.channel))
            await bot.idle()
            assert prompt_of(model.seen[-1])[-1].endswith("Cold tea\n\nwhat now?")
        assert discord.answers(post.channel) == ["Warm it."]


async def test_active_threads_are_told_with_their_newest_message() -> None:
    async with FakeDiscord() as discord:
        forum = discord.servers.forum(discord.guild, "help")
        post = await discord.servers.posts(forum, "Tea", "hm", discord.ada)
        old = await discord.thread("old")
        await discord.says("long ago", channel=old)
        await discord.archives(old)
        async with connected(discord) as bot:
            latest: Mapping[str, str] = (await bot.heard(Online)).latest
            assert latest == {str(inside(discord, forum, post.channel.id)): str(post.id)}
