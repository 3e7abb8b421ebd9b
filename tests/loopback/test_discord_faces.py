"""Speakers with a name and face of their own: one webhook for each channel, live, after a restart, with buttons."""

from __future__ import annotations

import asyncio

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord
from bot.api import (
    Button,
    ButtonPressed,
    Command,
    CommandCall,
    Context,
    Controls,
    Done,
    File,
    Plugin,
    Reply,
    Resume,
    Route,
    Speaker,
    Text,
)
from bot.api import Message as Heard
from bot.buttons import parse_button_id
from tests.loopback.discord_bot import connected
from tests.loopback.faces import ANN, BO, Line, labels, said, speak, stage


async def test_in_a_forums_post_the_webhook_of_the_forum_speaks() -> None:
    async with FakeDiscord() as discord:
        forum = discord.servers.forum(discord.guild, "help")
        await discord.allows("manage_webhooks", forum)
        async with connected(discord) as bot:
            post = await discord.servers.posts(forum, "Cold tea", "@bot how do I warm it?", discord.ada)
            route = (await bot.heard(Heard)).route
            await speak(bot.adapter, route, ANN, "Gently")
            assert said(discord, post.channel) == [("Ann", "Gently")]
            assert [each.channel for each in discord.webhooks] == [forum]


async def test_three_faces_at_once_never_run_into_the_limits_of_their_webhook() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        lines = [Line(bot.adapter, route, Speaker(str(n), f"Voice {n}")) for n in range(3)]
        for word in range(40):
            for line in lines:
                line.say(f"word{word} ")
            await asyncio.sleep(0.03)
        for line in lines:
            await line.end()
        whole = " ".join(f"word{word}" for word in range(40))
        assert sorted(said(discord)) == [(f"Voice {n}", whole) for n in range(3)]
        assert discord.refused == []


async def test_two_speakers_share_one_webhook_and_grow_live() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        ann = Line(bot.adapter, route, ANN)
        bo = Line(bot.adapter, route, BO)
        ann.say("Hello")
        await discord.wait_until(lambda: ("Ann", "Hello") in said(discord))
        bo.say("Good day")
        await discord.wait_until(lambda: ("Bo", "Good day") in said(discord))
        ann.say(", @everyone")
        bo.say(", Ann")
        sent = await ann.end() + await bo.end()
        assert said(discord) == [("Ann", "Hello, @\u200beveryone"), ("Bo", "Good day, Ann")]
        (webhook,) = discord.webhooks
        assert webhook.name == discord.bot.name
        assert [each.kind for each in sent] == [f"face:{webhook.id}"] * 2
        assert all(len(each.states) > 1 for each in discord.screen() if each.author is discord.bot)
        assert discord.pinged == []
        assert discord.messages.edits_without_allowed_mentions == discord.messages.sends_without_allowed_mentions == []
        assert not [call for call in discord.calls if str(call).startswith(f"POST /channels/{discord.general.id}/mess")]


async def test_a_webhook_of_an_earlier_start_is_used_again_and_none_of_somebody_else() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord) as bot:
            await speak(bot.adapter, await stage(discord, bot), ANN, "one")
        async with connected(discord) as bot:
            await speak(bot.adapter, await stage(discord, bot), ANN, "two")
        assert [text for _, text in said(discord)] == ["one", "two"]
        assert len(discord.webhooks) == 1
        other = discord.channel("other")
        await discord.announce(other)
        discord.crowds_with_webhooks(other)
        assert len(discord.webhooks) == 1


async def test_many_lines_at_once_make_one_webhook() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        await asyncio.gather(*(speak(bot.adapter, route, Speaker(str(n), f"Voice {n}"), "here") for n in range(4)))
        assert len(discord.webhooks) == 1
        assert sorted(name for name, _ in said(discord)) == [f"Voice {n}" for n in range(4)]


async def test_in_a_thread_the_webhook_of_its_channel_speaks() -> None:
    async with FakeDiscord() as discord:
        thread = await discord.thread("Tea")
        async with connected(discord) as bot:
            route = await stage(discord, bot, thread)
            assert bot.adapter.capabilities(route).speakers
            (sent,) = await speak(bot.adapter, route, ANN, "In ", "here")
            assert said(discord, thread) == [("Ann", "In here")]
            assert said(discord) == []
            assert [each.channel for each in discord.webhooks] == [discord.general]
            await bot.adapter.edit(route, sent, Reply("Changed"))
            assert said(discord, thread) == [("Ann", "Changed")]
            await bot.adapter.delete(route, sent)
            assert said(discord, thread) == []


async def test_names_that_discord_refuses_are_softened_and_long_ones_cut() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        for name in ("Clyde of Discord", "Here", "x" * 200, "\n \u200b"):
            await speak(bot.adapter, route, Speaker("s", name), "hello")
        first, here, long, empty = (name for name, _ in said(discord))
        assert (first.replace("\u200a", ""), here.replace("\u200a", "")) == ("Clyde of Discord", "Here")
        assert long == "x" * 80
        assert empty == "somebody"


async def test_a_long_line_goes_on_in_further_messages_of_the_same_face() -> None:
    words = " ".join(str(number) for number in range(1200))
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        sent = await speak(bot.adapter, route, ANN, words)
        assert [name for name, _ in said(discord)] == ["Ann"] * len(sent)
        assert " ".join(text for _, text in said(discord)) == words
        await discord.denies("manage_webhooks")
        await discord.says("sync")
        await bot.heard(Heard, 2)
        before = len(said(discord))
        await speak(bot.adapter, route, ANN, words)
        rest = [text for _, text in said(discord)[before:]]
        assert [text.startswith("**Ann:** ") for text in rest] == [True] + [False] * (len(rest) - 1)
        assert " ".join(rest).removeprefix("**Ann:** ") == words


async def test_an_answer_far_too_long_ends_in_a_file() -> None:
    words = " ".join(str(number) for number in range(2000))
    async with FakeDiscord() as discord, connected(discord, most_messages=2) as bot:
        route = await stage(discord, bot)
        await speak(bot.adapter, route, ANN, words)
        assert len(said(discord)) == 2
        (file,) = discord.screen()[-1].attachments
        assert discord.world.files[f"{discord.general.id}/{file['id']}/{file['filename']}"].decode() == words
        other = await bot.adapter.send(route, Reply(words))
        assert len(other) == 2
        assert len(discord.screen()[-1].attachments) == 1


async def test_after_a_restart_a_line_goes_on_in_its_own_message() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord) as bot:
            route = await stage(discord, bot)
            sent = await speak(bot.adapter, route, ANN, "It begins")
        async with connected(discord) as bot:
            resume = Resume(sent, "It begins", ("It begins",))
            assert await speak(bot.adapter, Route(route.place), ANN, " and ends.", resume=resume) == sent
            assert said(discord) == [("Ann", "It begins and ends.")]
            (kept,) = [each for each in await bot.adapter.history(route, None, 5) if each.own]
            assert (kept.id, kept.kind, kept.text) == (sent[0].id, sent[0].kind, "It begins and ends.")


async def test_buttons_stand_under_a_face_and_belong_to_who_asked() -> None:
    again = Button("again", "Again")
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        stream = bot.adapter.stream(route, ANN)
        async with stream:
            await stream.write(Controls((Button("stop", "Stop"),)))
            await stream.write(Text("Hello"))
            await discord.wait_until(lambda: labels(discord.screen()[-1]) == ["Stop"])
            await stream.write(Controls((again,)))
            await stream.write(Done("stop"))
        message = discord.screen()[-1]
        assert labels(message) == ["Again"]
        pressed = parse_button_id(message.components[0]["components"][0]["custom_id"])
        assert pressed is not None
        assert (pressed.action, pressed.asker) == ("again", str(discord.ada.id))
        await discord.presses(message, "Again")
        press = await bot.heard(ButtonPressed)
        assert (press.action, press.message, press.user.name) == ("again", str(message.id), "Ada")
        await bot.adapter.edit(route, stream.sent[0], Reply(""))
        assert (message.text, labels(message)) == ("Hello", [])


async def test_a_done_ping_under_a_face_rings_for_one_person_alone() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        file = File("script.md", b"# A play", "text/markdown")
        everybody = f"@everyone <@{discord.owner.id}>"
        await bot.adapter.send(route, Reply(f"Done, {everybody}", speaker=ANN, notify=True, files=(file,)))
        assert discord.pinged == [str(discord.ada.id)]
        assert [each["filename"] for each in discord.screen()[-1].attachments] == ["script.md"]
        await bot.adapter.send(route, Reply(f"Done, {everybody}", notify=True))
        assert discord.pinged == [str(discord.ada.id)] * 2


async def test_a_face_is_never_heard_as_somebody_and_a_reply_to_it_is_for_the_bot() -> None:
    async with FakeDiscord() as discord, connected(discord, listen_to_bots=True) as bot:
        route = await stage(discord, bot)
        await speak(bot.adapter, route, ANN, "I am Ann")
        await discord.says("nice to meet you", reply_to=discord.screen()[-1])
        heard = await bot.heard(Heard, 2)
        assert (heard.text, heard.addressed) == ("nice to meet you", True)
        assert [event.text for event in bot.of(Heard)] == ["go", "nice to meet you"]


async def test_a_whisper_is_never_said_through_a_webhook() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        await bot.adapter.send(route, Reply("between us", private=True, speaker=ANN))
        assert said(discord) == []
        assert discord.answers(discord.direct()) == ["**Ann:** between us"]


async def test_a_command_is_answered_by_a_face_and_nobody_is_left_thinking() -> None:
    async def play(adapter: DiscordAdapter, event: CommandCall) -> None:
        await discord.wait_until(lambda: discord.interactions[-1].deferred)
        await speak(adapter, event.route, ANN, "The play ", "begins")

    async with FakeDiscord() as discord:
        soon = Timing(ready_after=0.02, identify_again=0.0, defer_after=0.02)
        async with connected(discord, play, commands=scene(), timing=soon) as bot:
            await discord.allows("manage_webhooks")
            interaction = await discord.runs("play")
            await discord.wait_until(lambda: interaction.original is not None and interaction.original.deleted)
            await discord.wait_until(lambda: said(discord) == [("Ann", "The play begins")])
            await discord.denies("manage_webhooks")
            await discord.runs("play")
            await discord.wait_until(lambda: said(discord)[1:] == [("duologue", "**Ann:** The play begins")])
            assert bot.errors == []


def scene() -> list[Command]:
    plugin = Plugin("scene", "For tests")

    @plugin.command()
    async def play(ctx: Context) -> str:
        """Begin a play."""
        return ""

    return list(plugin.commands)
