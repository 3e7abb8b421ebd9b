"""On Discord: when the bot speaks, what it does when busy, what people may ask, how it comes and goes."""

from __future__ import annotations

from pathlib import Path

from adapters.discord.testing import Channel, FakeDiscord
from bot.api import Place
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.test_discord_joining import strange
from tests.loopback.whole_bot import WholeBot, place_of, prompt_of, whole_bot


def echoes(seen: Seen) -> FakeAnswer:
    """The end of the newest message: date and names stand in front of it."""
    return FakeAnswer(f"You said: {prompt_of(seen)[-1].splitlines()[-1].rpartition(': ')[2]}")


async def sets(bot: WholeBot, command: str, **how: str) -> None:
    """A moderator sets how it behaves in the channel, and sees that it was heard."""
    await bot.discord.runs(command, author=bot.discord.owner, **how)
    await bot.until(bot.discord.answers)
    await bot.idle()


async def test_always_answers_people_but_not_what_they_say_to_each_other(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(echoes) as model, whole_bot(tmp_path, discord, model) as bot:
        bob = await discord.joins("Bob")
        await sets(bot, "/speak", when="always")
        asked = await discord.says("what is tea?")
        await bot.until(lambda: discord.answers()[1:] == ["You said: what is tea?"])
        await discord.says("@Bob do you know?")
        await discord.says("no idea", author=bob, reply_to=asked)
        await discord.says("and coffee?", author=bob)
        await bot.until(lambda: discord.answers()[2:] == ["You said: and coffee?"])


async def test_each_question_gets_a_thread_in_which_nobody_need_mention_it(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(echoes) as model, whole_bot(tmp_path, discord, model) as bot:
        await sets(bot, "/speak", when="thread")
        asked = await discord.says("@bot what is tea?\nI only know coffee.")
        await bot.until(lambda: thread_of(discord, asked.id))
        thread = thread_of(discord, asked.id)
        assert thread is not None
        assert thread.name == "what is tea?"
        await bot.until(lambda: discord.answers(thread))
        await discord.says("and how is it made?", channel=thread)
        await bot.until(lambda: len(discord.answers(thread)) == 2)
        await bot.idle()
        assert discord.answers(thread)[-1] == "You said: and how is it made?"
        assert len(discord.answers()) == 1
        where = Place("discord", str(discord.guild.id), str(discord.general.id), str(thread.id))
        kept = [each.text for each in await bot.app.store.tree(where) if each.role == "user"]
        assert kept[-2:] == ["what is tea?\nI only know coffee.", "and how is it made?"]


def thread_of(discord: FakeDiscord, message: int) -> Channel | None:
    return next((each for each in discord.world.channels.values() if each.id == message), None)


async def test_quick_messages_are_answered_together(tmp_path: Path) -> None:
    settings = {"answers": {"busy": "merge", "merge_wait": 1.0}}
    async with (
        FakeDiscord() as discord,
        FakeOpenAI(echoes) as model,
        whole_bot(tmp_path, discord, model, settings=settings) as bot,
    ):
        for text in ("@bot hello", "@bot I am Ada", "@bot who are you?"):
            await discord.says(text)
        await bot.until(discord.answers)
        await bot.idle()
        assert discord.answers() == ["You said: who are you?"]
        assert prompt_of(model.seen[-1])[:2] == ["hello", "I am Ada"]
        assert [text for role, text, _ in await bot.memory() if role == "user"] == [
            "hello",
            "I am Ada",
            "who are you?",
        ]


async def test_a_new_message_stops_the_answer_to_the_one_before(tmp_path: Path) -> None:
    def says(seen: Seen) -> FakeAnswer:
        long = "everything" in prompt_of(seen)[-1]
        return FakeAnswer("It all began " + "long ago " * 500, rate=200.0) if long else FakeAnswer("In short: tea.")

    async with FakeDiscord() as discord, FakeOpenAI(says) as model, whole_bot(tmp_path, discord, model) as bot:
        await sets(bot, "/busy", policy="interrupt")
        await discord.says("@bot tell me everything")
        await bot.until(lambda: any("It all began" in text for text in discord.answers()))
        await discord.says("@bot no, in short")
        await bot.until(lambda: "In short: tea." in discord.answers())
        await bot.idle()
        stopped = next(text for text in discord.answers() if "It all began" in text)
        assert "stopped" in stopped
        kept = [(role, status) for role, text, status in await bot.memory() if role == "assistant"]
        assert kept == [("assistant", "partial"), ("assistant", "complete")]


async def test_slow_mode_holds_for_slash_commands_too(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(echoes) as model:
        discord.general.slow_mode = 600
        async with whole_bot(tmp_path, discord, model) as bot:
            bob = await discord.joins("Bob")
            await discord.says("@bot hello", author=bob)
            await bot.until(discord.answers)
            await discord.runs("/ask", question="and now?", author=bob)
            await bot.until(lambda: len(discord.answers(viewer=bob)) == 2)
            await bot.idle()
            assert "slow mode: please ask again in" in discord.answers(viewer=bob)[-1]
            assert len(discord.answers()) == 1
            await discord.runs("/ask", question="and I?", author=discord.owner)
            await bot.until(lambda: len(discord.answers()) == 2)


async def test_whoever_asked_enough_is_told_when_to_come_back(tmp_path: Path) -> None:
    settings = {"limits": {"questions_per_hour": 1}}
    async with (
        FakeDiscord() as discord,
        FakeOpenAI(echoes) as model,
        whole_bot(tmp_path, discord, model, settings=settings) as bot,
    ):
        bob = await discord.joins("Bob")
        for text in ("@bot one", "@bot two", "@bot three"):
            await discord.says(text, author=bob)
        await bot.until(lambda: discord.answers(discord.direct(bob)) and discord.answers())
        await bot.asked("@bot and I?", author=discord.owner)
        assert discord.answers()[:1] == ["You said: one"]
        assert discord.answers(discord.direct(bob)) == [
            (
                "-# This is about #general on the server The Workshop.\n"
                "⚠️ You may ask me 1 question per hour. Please come back in 60 minutes."
            )
        ]


async def test_it_greets_where_it_is_invited_and_forgets_where_it_is_thrown_out(tmp_path: Path) -> None:
    settings = {"memory": {"keep_after_leaving": 0}}
    async with FakeDiscord() as discord, FakeOpenAI(echoes) as model:
        cafe, lobby = strange(discord, "Cafe")
        async with whole_bot(tmp_path, discord, model, settings=settings) as bot:
            await discord.servers.invites(cafe)
            await bot.until(lambda: discord.answers(lobby))
            assert "Mention me" in discord.answers(lobby)[0]
            await discord.says("@bot hello", channel=lobby, author=discord.owner)
            await bot.until(lambda: len(discord.answers(lobby)) == 2)
            await bot.asked("@bot hello")
            place = Place("discord", str(cafe.id), str(lobby.id))
            assert await bot.app.store.tree(place)
            await discord.servers.throws_out(cafe)
            await bot.asked("@bot are you still here?")
            assert await bot.app.store.tree(place) == ()
            assert await bot.app.store.tree(place_of(discord))


async def test_somebody_who_waited_long_is_mentioned_when_the_answer_is_ready(tmp_path: Path) -> None:
    settings = {"answers": {"ping_after": 0.2}}
    slow = FakeAnswer("Done thinking.", first_token=0.3)
    async with (
        FakeDiscord() as discord,
        FakeOpenAI(slow) as model,
        whole_bot(tmp_path, discord, model, settings=settings) as bot,
    ):
        said = await discord.says("@bot think hard")
        await bot.until(lambda: len(discord.answers()) == 2)
        ready = discord.screen()[-1]
        assert "My answer is ready." in discord.answers()[-1]
        assert (ready.reply_to, discord.pinged[-1:]) == (said.id, [str(discord.ada.id)])
