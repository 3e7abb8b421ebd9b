"""A scene as people see it: it begins after a look, is performed line by line, directed, joined, and ends."""

from __future__ import annotations

from pathlib import Path

from bot.api import Capabilities
from bot.errors import ModelUnavailable
from bot.model.scripted import Say
from bot.testing.bot import BOB, TestBot
from plugins.roleplay import plugin as roleplay

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True)
QUICK = "--pace=0"


def bot_with(*lines: object, folder: Path | None = None) -> TestBot:
    return TestBot(lines, plugins=[roleplay], capabilities=STAGE, folder=folder)  # type: ignore[arg-type]


def lines(bot: TestBot) -> list[str]:
    """What was said on stage, by whom."""
    return [f"{each.author}: {each.text}" for each in bot.adapter.messages if each.own and each.author != "bot"]


async def begins(bot: TestBot, line: str) -> None:
    await bot.runs(f"/roleplay start {line}", user=BOB)
    await bot.presses("▶ Begin", user=BOB)


async def test_a_scene_begins_after_a_look_and_has_exactly_its_lines() -> None:
    async with bot_with("Arr!", "Hush.", "Never!", "Then read.") as bot:
        await bot.runs(f'/roleplay start a pirate and a librarian --topic="A late book." --turns=4 {QUICK}', user=BOB)
        assert bot.model.prompts == []
        assert bot.last.text.startswith(
            "🎭 **Pirate · Librarian**\nA late book.\n- **Pirate**\n- **Librarian**\n-# 4 lines"
        )
        assert bot.buttons == ["▶ Begin", "✖ Not now"]
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        assert lines(bot) == [
            "Narrator: A late book.",
            "Pirate: Arr!",
            "Librarian: Hush.",
            "Pirate: Never!",
            "Librarian: Then read.",
        ]
        assert bot.last.text.startswith("🎬 The scene is over: all lines were said.")
        assert not [each for each in bot.adapter.messages if each.buttons]


async def test_nothing_begins_when_it_is_cancelled() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay start a cat and a dog", user=BOB)
        await bot.presses("✖ Not now", user=BOB)
        assert bot.last.text == "Nothing was begun, and nothing was spent."
        assert bot.model.prompts == []


async def test_the_desk_stands_below_the_newest_line() -> None:
    async with bot_with("Meow.", "Woof.") as bot:
        await begins(bot, "a cat and a dog --turns=3 --pace=600")
        await bot.until("The curtain rises.")
        await bot.idle()
        own = [each for each in bot.adapter.messages if each.own and each.buttons]
        assert [button.label for button in own[-1].buttons] == ["⏸ Pause", "⏭ Skip", "⏹ End"]
        await bot.presses("⏸ Pause", user=BOB)
        assert bot.last.text == "⏸ Paused."
        assert bot.buttons == ["▶ Go on", "⏯ One line", "🔁 Again", "⏹ End"]
        await bot.presses("⏯ One line", user=BOB)
        await bot.until("Meow.")
        await bot.idle()
        assert bot.last.text == "⏸ Paused."
        await bot.presses("⏹ End", user=BOB)
        assert "somebody ended it" in bot.last.text
