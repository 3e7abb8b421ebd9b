"""Answers that are too long for a channel, and answers that are written anew, through the real discord.py."""

from __future__ import annotations

from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord
from bot.api import Button, Controls, Done, Message, Resume, Route, SentId, Text
from tests.loopback.discord_bot import Listener, connected

LONG = "".join(f"Sentence {number} says something about itself. " for number in range(150))
AGAIN = Button("again", "Again")


async def answered(bot: Listener, route: Route, text: str, resume: Resume | None = None) -> tuple[SentId, ...]:
    async with bot.adapter.stream(route, resume=resume) as stream:
        for at in range(0, len(text), 400):
            await stream.write(Text(text[at : at + 400]))
        await stream.write(Controls((AGAIN,)))
        await stream.write(Done("stop"))
    return stream.sent


def buttons(discord: FakeDiscord) -> list[list[str]]:
    own = [message for message in discord.screen() if message.author is discord.bot]
    return [[each["label"] for row in message.components for each in row["components"]] for message in own]


def files(discord: FakeDiscord) -> list[str]:
    """What the files that can be seen hold."""
    channel = discord.general
    seen = [file for message in discord.screen() for file in message.attachments]
    return [discord.world.files[f"{channel.id}/{file['id']}/{file['filename']}"].decode() for file in seen]


async def asked(discord: FakeDiscord, bot: Listener) -> Route:
    await discord.says("@bot tell me everything")
    return (await bot.heard(Message)).route


async def test_the_end_of_a_long_answer_is_a_file_with_all_of_it() -> None:
    async with FakeDiscord() as discord, connected(discord, most_messages=2) as bot:
        await answered(bot, await asked(discord, bot), LONG)
        first, last = discord.answers()
        assert LONG.startswith(first)
        assert last.endswith(".\n-# 📄 the whole answer is in answer.md")
        assert files(discord) == [LONG]
        assert buttons(discord) == [[], ["Again"]]


async def test_where_no_file_may_be_sent_it_comes_as_messages() -> None:
    async with FakeDiscord() as discord, connected(discord, most_messages=2) as bot:
        await discord.denies("attach_files")
        await answered(bot, await asked(discord, bot), LONG)
        assert " ".join(discord.answers()).split() == LONG.split()
        assert files(discord) == []
        assert [bool(labels) for labels in buttons(discord)] == [False] * 3 + [True]


async def test_a_long_answer_taken_up_after_a_restart_ends_with_one_file() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, most_messages=2) as bot:
            route = await asked(discord, bot)
            sent = await answered(bot, route, LONG[:5000])
        async with connected(discord, most_messages=2) as bot:
            again = await answered(bot, Route(route.place), LONG[5000:], Resume(sent, LONG[:5000]))
        assert again == sent
        assert len(discord.answers()) == 2
        assert files(discord) == [LONG]


async def test_a_new_version_takes_the_place_of_a_long_answer_without_a_sound() -> None:
    async with FakeDiscord() as discord:
        timing = Timing(ready_after=0.02, typing_after=0.0)
        async with connected(discord, timing=timing) as bot:
            route = await asked(discord, bot)
            sent = await answered(bot, route, LONG)
            assert len(sent) == 4
            typed = len(discord.typing)
            again = await answered(bot, route, "In short: everything.", Resume(sent, ""))
            assert again == sent[:1]
            assert discord.answers() == ["In short: everything."]
            assert buttons(discord) == [["Again"]]
            assert len(discord.typing) == typed
