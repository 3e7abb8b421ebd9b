"""The bot where Discord makes it hard: channels that it may not see, threads that were put away, messages grown old."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord, Message
from bot.api import Message as Heard
from bot.api import Reply, Text
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.loopback.discord_bot import connected
from tests.loopback.faces import ANN, Line, said, stage
from tests.loopback.whole_bot import whole_bot


def labels(message: Message) -> list[str]:
    return [button["label"] for row in message.components for button in row["components"]]


async def test_in_a_channel_that_it_may_not_see_buttons_work_through_their_presses(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        model.will(FakeAnswer("One."), FakeAnswer("Two."))
        await discord.denies("view_channel")
        async with whole_bot(tmp_path, discord, model) as bot:
            asked = await discord.runs("ask", question="Say a number")
            await bot.until(lambda: asked.texts == ["One."] and labels(asked.messages[-1]))
            await bot.idle()
            pressed = await discord.presses(asked.messages[-1], "🔄 Again")
            await bot.until(lambda: "2/2" in labels(asked.messages[-1]))
            await bot.idle()
            assert (asked.texts, pressed.texts, len(discord.screen())) == (["Two."], [], 1)
            assert not any(call.path.startswith("/channels/") for call in discord.calls)


async def test_an_answer_in_a_thread_that_was_put_away_is_had_again_in_its_message(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        model.will(FakeAnswer("One."), FakeAnswer("Two."))
        thread = await discord.thread("Numbers")
        await discord.says("@bot Say a number", channel=thread)
        await bot.until(lambda: discord.answers(thread) == ["One."] and labels(discord.screen(thread)[-1]))
        await bot.idle()
        await discord.archives(thread)
        await discord.presses(discord.screen(thread)[-1], "🔄 Again")
        await bot.until(lambda: "2/2" in labels(discord.screen(thread)[-1]))
        await bot.idle()
        assert (discord.answers(thread), thread.archived) == (["Two."], False)


async def test_a_face_in_a_thread_that_was_put_away_ends_its_line_in_its_message() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        thread = await discord.thread("Play")
        line = Line(bot.adapter, await stage(discord, bot, thread), ANN)
        line.say("Once upon ")
        await discord.wait_until(lambda: said(discord, thread))
        await discord.archives(thread)
        line.say("a time.")
        await line.end()
        assert (said(discord, thread), thread.archived) == ([("Ann", "Once upon a time.")], False)


async def test_a_locked_thread_is_left_alone_with_a_sentence_for_who_asked(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        thread = await discord.thread("Rules")
        await discord.locks(thread)
        await discord.says("@bot hello", channel=thread)
        await bot.until(lambda: discord.answers(discord.direct()))
        assert "This thread is locked" in discord.answers(discord.direct())[0]
        assert "#Rules" in discord.answers(discord.direct())[0]
        assert discord.answers(thread) == []


@pytest.mark.parametrize("status", [502, 520])
async def test_pages_for_browsers_instead_of_answers_lose_nothing(status: int) -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot hello")
        discord.fails("* /channels/*/messages*", status=status, scope="wall")
        await bot.adapter.send((await bot.heard(Heard)).route, Reply("Hello!"))
        assert discord.answers() == ["Hello!"]


async def test_messages_grown_old_hold_up_no_other_answer() -> None:
    """Discord limits edits of messages of more than an hour by themselves."""
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot hello")
        route = (await bot.heard(Heard)).route
        (old,) = await bot.adapter.send(route, Reply("An old answer"))
        discord.fails(f"PATCH /channels/*/messages/{old.id}", status=429, code=30046, retry_after=600.0)
        turning = asyncio.create_task(bot.adapter.edit(route, old, Reply("Another")))
        await discord.wait_until(lambda: discord.refused)
        answer = bot.adapter.stream(route)
        async with asyncio.timeout(10), answer:
            await answer.write(Text("A new "))
            await discord.wait_until(lambda: "A new" in discord.answers())
            await answer.write(Text("answer"))
        assert discord.answers() == ["An old answer", "A new answer"]
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
