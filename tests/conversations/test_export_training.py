"""Training data hold nothing that people wrote, until they agree to it themselves."""

from __future__ import annotations

import json
from pathlib import Path

from bot.api import Capabilities
from bot.loading import load_plugin
from bot.testing.bot import ANN, BOB, TestBot
from plugins.export import plugin


async def exported(bot: TestBot) -> list[list[tuple[str, str]]]:
    await bot.runs("/export jsonl all")
    reply = bot.last.reply
    assert reply is not None
    if not reply.files:
        assert "people who agreed with `/training yes`" in bot.shown_privately[-1]
        return []
    (file,) = reply.files
    chats = [json.loads(line)["messages"] for line in file.content.decode().splitlines()]
    return [[(one["role"], one["content"]) for one in chat] for chat in chats]


async def test_only_who_agreed_stands_in_training_data_and_may_take_it_back() -> None:
    async with TestBot(["Hello, Ann!", "Hello, Bob!"], plugins=[plugin]) as bot:
        await bot.says("I am Ann")
        await bot.says("I am Bob", user=BOB)
        assert await exported(bot) == []

        await bot.runs("/training", user=BOB)
        assert bot.shown_privately[-1].startswith("What you write here stands in no training data")
        await bot.runs("/training yes", user=BOB)
        assert bot.shown_privately[-1].startswith("What you write here, and what I answer you, may stand in training")
        assert await exported(bot) == [[("user", "I am Bob"), ("assistant", "Hello, Bob!")]]

        await bot.runs("/training yes", user=ANN)
        told = [
            ("user", "Ann: I am Ann"),
            ("assistant", "Hello, Ann!"),
            ("user", "Bob: I am Bob"),
            ("assistant", "Hello, Bob!"),
        ]
        assert await exported(bot) == [told]
        await bot.runs("/training no", user=ANN)
        assert await exported(bot) == [[("user", "I am Bob"), ("assistant", "Hello, Bob!")]]


async def test_what_people_let_the_narrator_say_is_theirs() -> None:
    stage = Capabilities(edits=True, private=True, buttons=True, speakers=True, max_file_bytes=1_000_000)
    roleplay = load_plugin("roleplay", Path())
    async with TestBot(["Meow.", "Woof."], plugins=[plugin, roleplay], capabilities=stage) as bot:
        await bot.runs('/roleplay start a cat and a dog --topic="A secret of Bob" --turns=2 --pace=0', user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        assert await exported(bot) == [[("user", "Meow."), ("assistant", "Woof.")]]


async def test_who_is_forgotten_agreed_to_nothing() -> None:
    privacy = load_plugin("privacy", Path())
    async with TestBot(["Hello!", "Hello again!"], plugins=[plugin, privacy]) as bot:
        await bot.says("I am here")
        await bot.runs("/training yes")
        assert len(await exported(bot)) == 1
        await bot.runs("/privacy delete yes")
        await bot.says("I am back")
        assert await exported(bot) == []
