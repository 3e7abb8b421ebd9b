"""Whose turn it is in a busy channel, and what nobody should read: through the real discord.py and openai clients."""

from __future__ import annotations

from pathlib import Path

from adapters.discord.testing import FakeDiscord
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from plugins.commands import plugin as commands
from plugins.moderation import plugin as moderation
from tests.loopback.whole_bot import whole_bot


def echo(seen: Seen) -> FakeAnswer:
    items = seen.body["messages"]
    assert isinstance(items, list)
    last = items[-1]
    assert isinstance(last, dict)
    return FakeAnswer(f"Slowly and with care, to: {str(last['content']).split()[-1]}", rate=30)


async def test_a_second_person_does_not_wait_for_all_that_the_first_one_asked(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(echo) as model, whole_bot(tmp_path, discord, model) as bot:
        bob = discord.account("Bob")
        await discord.says("@bot one", author=bob)
        await bot.until(lambda: model.seen)
        for text in ("@bot two", "@bot three", "@bot four"):
            await discord.says(text, author=bob)
        await discord.says("@bot and me")
        await bot.until(lambda: len(discord.answers()) == 5)
        await bot.idle()
        told = [answer.split()[-1] for answer in discord.answers()]
        assert told.index("me") < told.index("three") < told.index("four")


async def test_what_the_provider_flags_is_neither_asked_nor_shown(tmp_path: Path) -> None:
    def flagged(text: str) -> tuple[str, ...]:
        return ("violence",) if "cruel" in text else ()

    model = FakeOpenAI(FakeAnswer("A kind one."), moderation=flagged)
    async with (
        FakeDiscord() as discord,
        model,
        whole_bot(tmp_path, discord, model, plugins=(moderation, commands)) as bot,
    ):
        assert await bot.asked("@bot a kind story") == ["A kind one."]
        (refused,) = await bot.asked("@bot a cruel story")
        assert "cruel" not in refused
        assert len(model.seen) == 1
