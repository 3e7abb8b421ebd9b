"""What the bot's own messages on a loopback Discord carry beside their text: buttons, files, one person's bell."""

from __future__ import annotations

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import FakeDiscord, Message
from bot.api import (
    Button,
    Command,
    CommandCall,
    Context,
    Done,
    Plugin,
    Reply,
    Route,
    TargetGone,
    Text,
)
from bot.api import Message as Heard
from tests.loopback.discord_bot import Listener, connected
from tests.loopback.faces import labels

WORDS = " ".join(str(number) for number in range(2000))
AGAIN = Button("again", "Again")


def commands() -> list[Command]:
    plugin = Plugin("fun", "For tests")

    @plugin.command()
    async def tell(ctx: Context) -> str:
        """Tell something."""
        return ""

    @plugin.command(private=True)
    async def whisper(ctx: Context) -> str:
        """Tell something quietly."""
        return ""

    return list(plugin.commands)


async def ways(discord: FakeDiscord, bot: Listener, way: str) -> Route:
    if way in ("tell", "whisper"):
        await discord.runs(way)
        return (await bot.heard(CommandCall)).route
    await discord.says("@bot go", channel=discord.direct() if way == "direct" else None)
    return (await bot.heard(Heard)).route


def last(discord: FakeDiscord, way: str) -> Message:
    channel = discord.direct() if way == "direct" else discord.general
    return discord.screen(channel, viewer=discord.ada)[-1]


async def stream(adapter: DiscordAdapter, route: Route, text: str) -> None:
    async with adapter.stream(route) as answer:
        await answer.write(Text(text))
        await answer.write(Done("stop"))


def content(discord: FakeDiscord, message: Message) -> list[str]:
    files = [f"{message.channel.id}/{each['id']}/{each['filename']}" for each in message.attachments]
    return [discord.world.files[file].decode() for file in files]


@pytest.mark.parametrize("way", ["channel", "direct", "tell", "whisper"])
async def test_an_answer_far_too_long_ends_in_a_file(way: str) -> None:
    async with FakeDiscord() as discord, connected(discord, commands=commands(), most_messages=2) as bot:
        route = await ways(discord, bot, way)
        if way == "whisper":
            await bot.adapter.send(route, Reply(WORDS, private=True))
        else:
            await stream(bot.adapter, route, WORDS)
        message = last(discord, way)
        assert content(discord, message) == [WORDS]
        assert len(discord.answers(message.channel, viewer=discord.ada)) == 2


async def test_without_a_bound_or_where_files_are_not_allowed_it_goes_on_in_messages() -> None:
    for most, denied in ((0, False), (2, True)):
        async with FakeDiscord() as discord, connected(discord, most_messages=most) as bot:
            route = await ways(discord, bot, "channel")
            if denied:
                await discord.denies("attach_files")
            await stream(bot.adapter, route, WORDS)
            assert [each for each in discord.screen() if each.attachments] == []
            assert " ".join(discord.answers()) == WORDS


@pytest.mark.parametrize("way", ["channel", "direct", "tell", "whisper"])
async def test_an_edit_without_text_changes_only_the_buttons(way: str) -> None:
    async with FakeDiscord() as discord, connected(discord, commands=commands()) as bot:
        route = await ways(discord, bot, way)
        (sent,) = await bot.adapter.send(route, Reply("Hello", buttons=(AGAIN,), private=way == "whisper"))
        message = last(discord, way)
        assert (message.text, labels(message)) == ("Hello", ["Again"])
        await bot.adapter.edit(route, sent, Reply(buttons=(Button("more", "More"), AGAIN)))
        assert (message.text, labels(message)) == ("Hello", ["More", "Again"])
        await bot.adapter.edit(route, sent, Reply("Bye"))
        assert (message.text, labels(message)) == ("Bye", [])
        await bot.adapter.delete(route, sent)
        assert message.deleted
        with pytest.raises(TargetGone):
            await bot.adapter.delete(route, sent)


async def test_buttons_may_stand_alone() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await ways(discord, bot, "channel")
        await bot.adapter.send(route, Reply(buttons=(AGAIN,)))
        assert labels(last(discord, "channel")) == ["Again"]


@pytest.mark.parametrize("way", ["channel", "tell"])
async def test_only_who_is_answered_hears_the_bell(way: str) -> None:
    async with FakeDiscord() as discord, connected(discord, commands=commands()) as bot:
        route = await ways(discord, bot, way)
        others = f"@everyone @here <@{discord.owner.id}> <@&{discord.guild.id}>"
        await bot.adapter.send(route, Reply(f"Ready, {others}", notify=True))
        assert last(discord, way).text.startswith(f"<@{discord.ada.id}> Ready, ")
        assert discord.pinged == [str(discord.ada.id)]
        await bot.adapter.send(Route(route.place), Reply("Ready for nobody in particular", notify=True))
        assert discord.pinged == [str(discord.ada.id)]


async def test_the_bell_rings_with_the_first_message_alone() -> None:
    async with FakeDiscord() as discord, connected(discord, most_messages=0) as bot:
        route = await ways(discord, bot, "channel")
        await bot.adapter.send(route, Reply(f"{WORDS} <@{discord.ada.id}>", notify=True))
        assert discord.pinged == [str(discord.ada.id)]
