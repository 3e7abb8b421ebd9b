"""Live answers of the Discord adapter on loopback: growing, splitting, failing, losing their target."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.replying import Timing
from adapters.discord.testing import Call, FakeDiscord
from bot.api import (
    DeliveryError,
    DeliveryRefused,
    Done,
    File,
    Message,
    ModelError,
    Place,
    Reply,
    Resume,
    Route,
    SentId,
    Speaker,
    TargetGone,
    Text,
)
from tests.loopback.discord_bot import QUICK, connected

Answer = Callable[[DiscordAdapter, Any], Awaitable[None]]


class Talk:
    """An answer whose words the test hands over one by one."""

    def __init__(self, speaker: Speaker | None = None) -> None:
        self._words: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        self._speaker = speaker
        self.sent: tuple[SentId, ...] = ()
        self.ended = asyncio.Event()

    def say(self, *words: str) -> None:
        for word in words:
            self._words.put_nowait(word)

    def end(self, error: BaseException | None = None) -> None:
        self._words.put_nowait(error)

    async def __call__(self, adapter: DiscordAdapter, event: Message) -> None:
        stream = adapter.stream(event.route, self._speaker)
        try:
            async with stream:
                while (word := await self._words.get()) is not None:
                    if isinstance(word, BaseException):
                        raise word
                    await stream.write(Text(word))
                await stream.write(Done("stop"))
        finally:
            self.sent = stream.sent
            self.ended.set()


def edits(discord: FakeDiscord) -> list[Call]:
    return [call for call in discord.calls if call.method == "PATCH" and call.status == 200]


async def test_an_answer_grows_in_one_message_and_no_state_of_it_can_ring() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        question = await discord.says("@bot go")
        talk.say("Hello")
        await discord.wait_until(lambda: discord.answers() == ["Hello"])
        talk.say(" @everyone,", " <@&1>")
        talk.end()
        await discord.wait_until(lambda: discord.answers() == ["Hello @\u200beveryone, <@\u200b&1>"])
        answer = discord.screen()[-1]
        assert answer.reply_to == question.id
        assert len(answer.states) >= 2
        assert all(state.allowed_mentions == {"parse": []} for state in answer.states)
        await talk.ended.wait()
        assert talk.sent == (SentId(str(answer.id)),)
        route = Route(Place("discord", str(discord.guild.id), str(discord.general.id)))
        assert (await bot.adapter.history(route, None, 1))[0].text == "Hello @everyone, <@&1>"
    assert discord.pinged == []
    assert discord.messages.edits_without_allowed_mentions == []


async def test_nothing_is_posted_before_the_journal_is_written() -> None:
    ready = asyncio.Event()

    async def journal() -> None:
        await ready.wait()

    async def answer(adapter: DiscordAdapter, event: Message) -> None:
        async with adapter.stream(event.route, before_post=journal) as stream:
            await stream.write(Text("now"))
            await adapter.send(event.route, Reply("meanwhile"))
            ready.set()

    async with FakeDiscord() as discord, connected(discord, answer):
        await discord.says("@bot go")
        await discord.wait_until(lambda: discord.answers() == ["meanwhile", "now"])


async def test_a_long_answer_goes_on_in_further_messages_with_whole_fences() -> None:
    talk = Talk()
    code = "\n".join(f"print({number})  # {'x' * 40}" for number in range(120))
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        await discord.says("@bot code")
        talk.say("Here it is:\n\n```python\n", *[line + "\n" for line in code.split("\n")], "```\nDone.")
        talk.end()
        await talk.ended.wait()
        answers = discord.screen()[1:]
        assert len(answers) > 2
        assert [message.reply_to is not None for message in answers] == [True] + [False] * (len(answers) - 1)
        for message in answers:
            for state in message.states:
                assert len(state.text) <= 2000
                assert state.text.count("```") % 2 == 0
        said = [line for message in answers for line in message.text.split("\n") if line.startswith("print")]
        assert said == code.split("\n")
        assert tuple(sent.id for sent in talk.sent) == tuple(str(message.id) for message in answers)
        assert bot.errors == []


async def test_typing_is_shown_only_while_there_is_nothing_to_read() -> None:
    talk = Talk()
    async with FakeDiscord() as discord:
        timing = Timing(ready_after=0.02, typing_after=0.05, typing_again=60.0)
        async with connected(discord, talk, timing=timing):
            await discord.says("@bot think")
            await discord.wait_until(lambda: discord.typing == [discord.general])
            talk.say("done")
            talk.end()
            await talk.ended.wait()
            assert discord.answers() == ["done"]
        quick = Talk()
        async with connected(discord, quick, timing=QUICK):
            quick.say("at once")
            quick.end()
            await discord.says("@bot quick")
            await quick.ended.wait()
            assert len(discord.typing) == 1


async def test_server_errors_and_429s_lose_and_double_nothing() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        discord.fails("POST /channels/*/messages", status=429, retry_after=0.05)
        discord.fails("PATCH /channels/*/messages/*", status=500)
        await discord.says("@bot go")
        talk.say("one")
        await discord.wait_until(lambda: discord.answers() == ["one"])
        talk.say(" two")
        talk.end()
        await discord.wait_until(lambda: discord.answers() == ["one two"])
        assert bot.errors == []
        assert len(discord.refused) == 1


async def test_a_send_that_may_have_happened_is_not_doubled() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        discord.fails("POST /channels/*/messages", drop=True, acted=True)
        await discord.says("@bot go")
        talk.say("only once")
        talk.end()
        await talk.ended.wait()
        assert discord.answers() == ["only once"]
        assert len([call for call in discord.calls if call.method == "POST"]) == 2
        assert bot.errors == []


async def test_a_message_deleted_in_mid_answer_is_posted_anew() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        await discord.says("@bot go")
        talk.say("the beginning")
        await discord.wait_until(lambda: discord.answers() == ["the beginning"])
        await discord.deletes(discord.screen()[-1])
        talk.say(" and the end")
        talk.end()
        await talk.ended.wait()
        assert discord.answers() == ["the beginning and the end"]
        assert bot.errors == []


async def test_a_question_deleted_in_mid_answer_is_answered_without_a_reference() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        question = await discord.says("@bot go")
        await bot.heard(Message)
        await discord.deletes(question)
        talk.say("anyway")
        talk.end()
        await talk.ended.wait()
        assert discord.answers() == ["anyway"]
        assert discord.screen()[-1].reply_to is None


@pytest.mark.parametrize("lost", ["permission", "channel"])
async def test_a_place_lost_in_mid_answer_is_said_clearly(lost: str) -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        await discord.says("@bot go")
        talk.say("so far")
        await discord.wait_until(lambda: discord.answers() == ["so far"])
        if lost == "permission":
            await discord.denies("view_channel")
        else:
            await discord.removes(discord.general)
        talk.say(" and further")
        talk.end()
        error = await bot.failed()
        assert isinstance(error, DeliveryRefused if lost == "permission" else TargetGone)
        assert error.public in ("I can no longer see this channel.", "The channel I was writing in is gone.")
        assert [sent.id for sent in talk.sent] == [str(discord.screen()[-1].id)] or lost == "channel"


async def test_without_the_right_to_read_history_it_answers_without_a_reference() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk):
        await discord.denies("read_message_history")
        await discord.says("@bot go")
        talk.say("here")
        talk.end()
        await talk.ended.wait()
        assert discord.answers() == ["here"]
        assert discord.screen()[-1].reply_to is None


async def test_what_is_broken_off_is_marked_and_kept() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        await discord.says("@bot go")
        talk.say("half a sen")
        talk.end(ModelError("gone"))
        await bot.failed()
        assert discord.answers()[0].startswith("half a sen")
        assert "could not answer" in discord.answers()[0]


async def test_odd_texts_of_a_model_are_delivered_as_text() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        await discord.says("@bot go")
        talk.say("  \n", "broken \ud83d half", "  \n\n")
        talk.end()
        await talk.ended.wait()
        assert discord.answers() == ["broken � half"]
        assert len(edits(discord)) <= 1
        assert bot.errors == []


async def test_an_interrupted_answer_goes_on_in_its_own_message() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord) as bot:
            await discord.says("@bot go")
            route = (await bot.heard(Message)).route
            sent = await bot.adapter.send(route, Reply("It begins"))
        async with connected(discord) as bot:
            resume = Resume(sent, "It begins", ("It begins",))
            async with bot.adapter.stream(Route(route.place), resume=resume) as stream:
                await stream.write(Text(" and ends."))
            assert discord.answers() == ["It begins and ends."]


async def test_files_travel_with_the_text_or_alone() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot go")
        route = (await bot.heard(Message)).route
        file = File("script.md", b"# A play", "text/markdown")
        assert len(await bot.adapter.send(route, Reply("Here you are", files=(file,)))) == 1
        assert len(await bot.adapter.send(route, Reply(files=(file,)))) == 1
        with_text, alone = discord.screen()[1:]
        assert [each["filename"] for each in with_text.attachments + alone.attachments] == ["script.md"] * 2
        assert discord.world.files[next(iter(discord.world.files))] == b"# A play"
        assert bot.adapter.capabilities(route).max_file_bytes >= 10_000_000
        await discord.denies("attach_files")
        await discord.says("sync")
        await bot.heard(Message, 2)
        assert bot.adapter.capabilities(route).max_file_bytes == 0
        with pytest.raises(DeliveryRefused, match="50013"):
            await bot.adapter.send(route, Reply("again", files=(file,)))


async def test_a_speaker_is_named_and_messages_can_be_changed_and_deleted() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("@bot go")
        route = (await bot.heard(Message)).route
        (sent,) = await bot.adapter.send(route, Reply("Good day.", speaker=Speaker("ann", "Ann")))
        assert discord.answers() == ["**Ann:** Good day."]
        await bot.adapter.edit(route, sent, Reply("x" * 3000))
        assert len(discord.answers()[0]) == 2000
        await bot.adapter.delete(route, sent)
        assert discord.answers() == []
        with pytest.raises(TargetGone):
            await bot.adapter.edit(route, sent, Reply("too late"))
        with pytest.raises(TargetGone):
            await bot.adapter.delete(route, sent)
        assert discord.messages.edits_without_allowed_mentions == []


async def test_a_long_reply_is_split_and_an_archived_thread_is_written_to() -> None:
    async with FakeDiscord() as discord:
        thread = await discord.thread("Tea")
        async with connected(discord) as bot:
            await discord.says("@bot go", channel=thread)
            route = (await bot.heard(Message)).route
            await discord.archives(thread)
            words = " ".join(str(number) for number in range(1000))
            sent = await bot.adapter.send(route, Reply(words))
            assert len(sent) == 2
            assert " ".join(discord.answers(thread)) == words
            await discord.archives(thread, locked=True)
            with pytest.raises(TargetGone) as refused:
                await bot.adapter.send(route, Reply("more"))
            assert refused.value.public == "This thread is closed and locked. A moderator can open it again."


async def test_a_lost_connection_in_mid_answer_is_waited_out() -> None:
    talk = Talk()
    async with FakeDiscord() as discord, connected(discord, talk) as bot:
        await discord.says("@bot go")
        talk.say("one")
        await discord.wait_until(lambda: discord.answers() == ["one"])
        discord.fails("PATCH *", drop=True)
        await discord.gateway.close()
        talk.say(" two")
        talk.end()
        await discord.wait_until(lambda: discord.answers() == ["one two"])
        assert bot.errors == []


async def test_before_it_is_connected_nothing_can_be_sent() -> None:
    adapter = DiscordAdapter(FakeDiscord().settings())
    with pytest.raises(DeliveryError) as early:
        await adapter.send(Route(Place("discord", "1", "2")), Reply("hello"))
    assert early.value.public == "I am not connected to Discord yet."
