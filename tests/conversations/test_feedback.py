"""What people think of answers, where the platform has thumbs for that."""

from __future__ import annotations

from dataclasses import replace

from bot.api import Capabilities
from bot.testing.bot import BOB, TestBot
from plugins.commands import plugin as commands

THUMBS = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, feedback=True)


async def test_everybody_has_one_opinion_and_may_change_it() -> None:
    async with TestBot(["One.", "Two."], plugins=[commands], capabilities=THUMBS) as bot:
        await bot.says("Count.")
        assert bot.buttons == ["🔄 Again", "🗑 Forget", "👍 Good answer", "👎 Bad answer"]
        await bot.presses("👍 Good answer", user=BOB)
        await bot.presses("👍 Good answer")
        await bot.presses("👎 Bad answer")
        assert bot.shown_privately[-1] == "Thank you, I have noted that this answer was not good."
        await bot.runs("stats")
        assert "👍 1 · 👎 1" in bot.shown_privately[-1]
        # What people think is no part of the talk.
        await bot.says("On.")
        assert "noted" not in str(bot.model.prompts[-1])


async def test_without_thumbs_nobody_is_asked() -> None:
    async with TestBot(["One."], plugins=[commands], capabilities=replace(THUMBS, feedback=False)) as bot:
        await bot.says("Count.")
        assert bot.buttons == ["🔄 Again", "🗑 Forget"]
        await bot.runs("stats")
        assert "👍" not in bot.shown_privately[-1]


async def test_an_answer_that_is_forgotten_cannot_be_rated() -> None:
    async with TestBot(["One."], plugins=[commands], capabilities=THUMBS) as bot:
        await bot.says("Count.")
        pressed = bot.buttons.index("👎 Bad answer")
        assert pressed == 3
        await bot.presses("🗑 Forget")
        assert bot.buttons == []
