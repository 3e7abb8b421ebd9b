"""Discord, the disk and the connection fail under the whole bot: nothing is lost, doubled or left unsaid."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord
from bot.api import Context, Plugin
from bot.errors import StoreUnavailable
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.loopback.whole_bot import PATIENCE, WholeBot, place_of, prompt_of, remembered, shown_for, whole_bot

# Two messages long, every word different.
LONG = " ".join(f"word{number:04d}" for number in range(330))
RATE = 500.0
FULL = "I cannot reach my memory right now. Please try again in a moment."


async def disk(bot: WholeBot, *, full: bool) -> None:
    """SQLite says what it says when there is no space left."""
    pages = 1 if full else 1_000_000_000
    await bot.app.store._db.write_alone(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").close())


async def test_a_full_disk_before_the_question_is_remembered_is_said_once(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("Here.") as model, whole_bot(tmp_path, discord, model) as bot:
        assert await bot.asked("@bot one") == ["Here."]
        await disk(bot, full=True)
        # Something short would still fit into the pages that there are.
        shown = await bot.asked("@bot " + "x" * 50_000)
        assert len(shown) == 1
        assert FULL in shown[0]
        assert len(model.seen) == 1
        await disk(bot, full=False)
        assert await bot.asked("@bot two") == ["Here."]
        rows = await bot.memory()
        assert [(role, text) for role, text, status in rows if status == "complete"] == [
            ("user", "one"),
            ("assistant", "Here."),
            ("user", "two"),
            ("assistant", "Here."),
        ]


async def test_a_full_disk_at_the_end_of_an_answer_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(f"word{number:05d}" for number in range(1400))
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        model.answer = FakeAnswer(text, rate=2500)
        answered, refused = bot.app.store.answered, asyncio.Event()

        async def watched(*about: Any, **more: Any) -> Any:
            try:
                return await answered(*about, **more)
            except StoreUnavailable:
                refused.set()
                raise

        async def fill() -> None:
            await disk(bot, full=True)

        monkeypatch.setattr(bot.app.store, "answered", watched)
        discord.fails("POST /channels/*/messages", do=fill)
        discord.limits.enforced = False
        question = await discord.says("@bot everything")
        await asyncio.wait_for(refused.wait(), PATIENCE)
        await bot.until(lambda: " ".join(discord.answers()) == text)
        assert len(shown_for(discord, question)) == 1, "the first of them replies"
        await disk(bot, full=False)
        await bot.idle()
        assert await bot.memory() == [("user", "everything", "complete"), ("assistant", text, "complete")]
        model.answer = FakeAnswer("Yes.")
        assert await bot.asked("@bot still there?") == ["Yes."]
        assert text in prompt_of(model.seen[-1])


@pytest.mark.parametrize("lost", ["answer", "question", "both"])
async def test_messages_deleted_in_mid_answer_cost_nothing(tmp_path: Path, lost: str) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        model.answer = FakeAnswer(LONG, rate=RATE)
        question = await discord.says("@bot tell me")
        await bot.until(discord.answers)
        if lost in ("answer", "both"):
            await discord.deletes(discord.screen()[-1])
        if lost in ("question", "both"):
            await discord.deletes(question)
        await bot.until(lambda: " ".join(discord.answers()) == LONG)
        await bot.idle()
        assert " ".join(discord.answers()) == LONG
        rows = await bot.memory()
        assert rows[-1] == ("assistant", LONG, "complete")
        assert rows[0] == (("user", "tell me", "complete") if lost == "answer" else ("user", "", "forgotten"))
        assert len(rows) == 2
        model.answer = FakeAnswer("Yes.")
        assert await bot.asked("@bot again?") == ["Yes."]
        assert ("tell me" in prompt_of(model.seen[-1])) is (lost == "answer")


@pytest.mark.parametrize(
    ("permission", "sentence", "about"),
    [
        (
            "send_messages",
            "I am missing a permission in this channel. A moderator can give it to me.",
            "-# This is about #workshop on the server The Workshop. There I miss the permission “Send Messages”.",
        ),
        (
            "view_channel",
            "I can no longer see this channel.",
            "-# This is about #workshop on the server The Workshop. There I miss the permission “View Channels”.",
        ),
        (None, "The channel I was writing in is gone.", "-# This is about the server The Workshop."),
    ],
)
async def test_a_place_lost_in_mid_answer_is_told_to_the_asker_with_the_answer(
    tmp_path: Path, permission: str | None, sentence: str, about: str
) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        where = discord.channel("workshop")
        async with whole_bot(tmp_path, discord, model) as bot:
            model.answer = FakeAnswer(LONG, rate=RATE)
            await discord.says("@bot tell me", channel=where)
            await bot.until(lambda: discord.answers(where))
            if permission is None:
                await discord.removes(where)
            else:
                await discord.denies(permission, where)
            await bot.until(lambda: "word0329" in "".join(discord.answers(discord.direct())))
            await bot.idle()
            told = " ".join(discord.answers(discord.direct()))
            assert sentence in told
            assert told.startswith(about)
            assert LONG in told.replace("\n", " ")
            assert await bot.memory(where) == [("user", "tell me", "complete"), ("assistant", LONG, "interrupted")]
            if permission is None:
                return
            await discord.allows(permission, where)
            model.answer = FakeAnswer("I am back.")
            assert await bot.asked("@bot again?", channel=where) == ["I am back."]
            assert LONG in prompt_of(model.seen[-1])


async def test_a_lost_gateway_costs_no_question(tmp_path: Path) -> None:
    """Discord forgets the session, turns the bot away for a while, and tells nothing of what was said meanwhile."""
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        channels = [discord.general, discord.channel("second"), discord.channel("third")]
        model.answer = FakeAnswer(LONG, rate=RATE)
        async with whole_bot(tmp_path, discord, model) as bot:
            await discord.says("@bot before")
            await bot.until(discord.answers)
            discord.gateway.open = False
            await discord.gateway.close(resumable=False)
            await bot.until(lambda: discord.gateway.turned_away)
            # What was being said goes on: it needs no gateway.
            await bot.until(lambda: " ".join(discord.answers()) == LONG)
            model.answer = FakeAnswer("Here I am.")
            questions = [
                await discord.says(f"@bot question {number} in {channel.name}", channel=channel)
                for channel in channels
                for number in range(2)
            ]
            await discord.says("nothing for the bot")
            discord.gateway.open = True
            await bot.until(lambda: all(shown_for(discord, question) for question in questions))
            await bot.idle()
            for question in questions:
                assert [message.text for message in shown_for(discord, question)] == ["Here I am."]
            assert len(discord.answers()) == 2 + 2
            rows = [row for channel in channels for row in await bot.memory(channel)]
            assert [text for role, text, _ in rows if role == "assistant"].count("Here I am.") == 6
            assert "nothing for the bot" in [text for _, text, _ in rows]
            assert all(status == "complete" for *_, status in rows)


async def test_errors_and_limits_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        channels = [discord.channel(f"channel-{number}") for number in range(8)]
        for pattern in ("POST /channels/*/messages", "PATCH /channels/*/messages/*") * 10:
            skip, kind = chance.randrange(12), chance.random()
            if kind < 0.4:
                discord.fails(pattern, skip=skip, status=429, retry_after=chance.uniform(0.01, 0.3))
            elif kind < 0.7:
                discord.fails(pattern, skip=skip, status=chance.choice([500, 502, 503]))
            else:
                discord.fails(pattern, skip=skip, drop=True, acted=chance.random() < 0.5)
        model.answer = FakeAnswer(LONG, rate=RATE)
        async with whole_bot(tmp_path, discord, model) as bot:
            await asyncio.gather(*(discord.says("@bot go", channel=channel) for channel in channels))
            await bot.until(lambda: all("word0329" in " ".join(discord.answers(channel)) for channel in channels))
            await bot.idle()
            for channel in channels:
                assert " ".join(discord.answers(channel)) == LONG
                assert await bot.memory(channel) == [("user", "go", "complete"), ("assistant", LONG, "complete")]
        assert sum(fault.met for fault in discord.faults.script) > 10
    assert await remembered(tmp_path / "duologue.db", place_of(discord, channels[0]))


@pytest.mark.parametrize("private", [False, True])
async def test_a_slow_command_heard_by_two_bots_is_answered_once(tmp_path: Path, private: bool) -> None:
    """Both acknowledge it, for neither knows yet who answers; only one of them runs it."""
    slow, go, all_run = Plugin("slow", "Takes its time."), asyncio.Event(), asyncio.Event()
    runs: list[str] = []

    @slow.command(private=private)
    async def ponder(ctx: Context, subject: str) -> str:
        """Think about something."""
        runs.append(subject)
        if len(runs) == 6:
            all_run.set()
        await go.wait()
        return f"I thought about {subject}."

    timing = Timing(ready_after=0.02, identify_again=0.0, defer_after=0.2)
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        channels = [discord.channel(f"channel-{number}") for number in range(6)]
        async with (
            whole_bot(tmp_path, discord, model, plugins=[slow], timing=timing) as one,
            whole_bot(tmp_path, discord, model, plugins=[slow], timing=timing) as two,
        ):
            used = [await discord.runs("/ponder", channel=each, subject=each.name) for each in channels]
            await one.until(lambda: all(each.deferred for each in used))
            await asyncio.wait_for(all_run.wait(), PATIENCE)
            go.set()
            await one.until(lambda: all(each.texts for each in used))
            await one.idle()
            await two.idle()
        for each in used:
            assert each.texts == [f"I thought about {each.channel.name}."]
            assert not any(message.loading and not message.deleted for message in each.messages)
            shown = [message for message in each.messages if not message.deleted]
            assert [message.seen_by for message in shown] == [discord.ada if private else None]
            assert discord.answers(discord.direct()) == []
        assert sorted(runs) == [channel.name for channel in channels]
