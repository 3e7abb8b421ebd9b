"""On Discord, a small line under an answer tells what it took, and `/cost` where it was spent."""

from __future__ import annotations

from pathlib import Path

from adapters.discord.testing import FakeDiscord
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from plugins.commands import plugin as commands
from plugins.meters import plugin as meters
from tests.loopback.whole_bot import prompt_of, whole_bot

PRICES = {"openai/gpt-6-luna": {"input": 1, "output": 2}}
SETTINGS = {"answers": {"footer": True}, "model": {"prices": PRICES}}


async def test_what_an_answer_took_stands_below_it_and_what_a_channel_cost_is_told_by_its_name(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        model.will(FakeAnswer("Hello Ada, how are you?", rate=50.0, cached_tokens=4), "Fine.")
        async with whole_bot(tmp_path, discord, model, plugins=(commands, meters), settings=SETTINGS) as bot:
            await bot.asked("@bot hello")
            await bot.until(lambda: "tok/s" in discord.answers()[-1])
            await bot.idle()
            text, line = discord.answers()[-1].rsplit("\n", 1)
            assert text.strip() == "Hello Ada, how are you?"
            assert line.startswith("-# ")
            for part in (" tokens · ", " % cached · ", " tok/s · ", "first token ", "$0.0"):
                assert part in line
            assert [text for _, text, _ in await bot.memory()] == ["hello", "Hello Ada, how are you?"]
            await bot.asked("@bot and you?")
            assert prompt_of(model.seen[-1])[:2] == ["hello", "Hello Ada, how are you?"]
            used = await discord.runs("/cost", by="channel", channel=discord.direct(discord.ada))
            await bot.until(lambda: used.texts)
            assert f"- `#{discord.general.name}`: $0.0" in used.texts[0]
