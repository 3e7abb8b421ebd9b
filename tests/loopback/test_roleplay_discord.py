"""A whole scene on a loopback Discord: the real discord.py, a webhook's faces, buttons, and people who join in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.discord.testing import FakeDiscord
from bot.testing.openai_server import FakeOpenAI
from plugins.commands import plugin as commands
from plugins.roleplay import plugin as roleplay
from tests.loopback.scenes import (
    CAPTAIN,
    INSPECTOR,
    OPENER,
    TEMPLATE,
    acting,
    is_over,
    line,
    numbered,
    performed,
    remembers,
    shown_on_discord,
    texts_of,
)
from tests.loopback.whole_bot import WholeBot, whole_bot

RUNNING = ("⏸ Pause", "⏭ Skip", "⏹ End")
PLUGINS = (commands, roleplay)


async def begins(bot: WholeBot, cast: str, **options: Any) -> None:
    before = len(bot.discord.screen())
    await bot.discord.runs("/roleplay start", cast=cast, **options)
    looks = await bot.discord.wait_until(lambda: [each for each in bot.discord.screen()[before:] if each.components])
    assert shown_on_discord(bot.discord)[-1].buttons == ("▶ Begin", "✖ Not now")
    await bot.discord.presses(looks[-1], "▶ Begin")


async def next_line(bot: WholeBot, number: int) -> None:
    """Nobody waits for the pace any longer."""
    await bot.idle()
    await bot.discord.runs("/roleplay next")
    await bot.until(lambda: len(numbered(shown_on_discord(bot.discord))) == number)
    await bot.until(lambda: [bool(each.buttons) for each in shown_on_discord(bot.discord)].count(True) == 1)


@pytest.mark.parametrize(
    ("cast", "names"),
    [(TEMPLATE, (CAPTAIN, INSPECTOR)), ("a pirate and a librarian", ("Pirate", "Librarian"))],
    ids=["template", "improvised"],
)
async def test_a_scene_of_eight_lines(tmp_path: Path, cast: str, names: tuple[str, str]) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(acting(rate=200.0)) as model:
        discord.limits.enforced = False
        await discord.allows("manage_webhooks")
        async with whole_bot(tmp_path, discord, model, plugins=PLUGINS) as bot:
            await begins(bot, cast, turns=8, pace=600)
            await bot.until(lambda: shown_on_discord(discord)[-1].buttons == RUNNING)
            assert model.seen == [], "it begins without a model"
            opener = shown_on_discord(discord)[-1]
            assert (opener.name, opener.text) == (
                (INSPECTOR, OPENER) if cast == TEMPLATE else ("Narrator", "The curtain rises.")
            )
            for number in range(1, 8):
                if number == 4:
                    await discord.says("I bring a parrot!", author=discord.account("Eve"))
                    await remembers(bot, "I bring a parrot!")
                await next_line(bot, number)
                assert shown_on_discord(discord)[-1].buttons == RUNNING
            await bot.idle()
            await discord.runs("/roleplay next")
            await bot.until(lambda: is_over(shown_on_discord(discord)))
            await bot.idle()

            said = shown_on_discord(discord)
            assert numbered(said) == performed(names, 8)
            assert [each for each in said if each.buttons] == []
            assert len(model.seen) == 8
            assert ["Eve: I bring a parrot!" in "\n".join(texts_of(seen)) for seen in model.seen] == (
                [False] * 3 + [True] * 5
            )
            assert all(len(each.states) > 1 for each in said if each.text.startswith("Line")), "they grew"
            assert [text for _, text, _ in await bot.memory() if text.startswith("Line")] == [
                line(number, name) for number, name, _ in performed(names, 8)
            ]
            assert (discord.pinged, len(discord.webhooks)) == ([], 1)


async def test_a_scene_at_its_own_pace_keeps_discords_limits(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(acting(rate=200.0)) as model:
        await discord.allows("manage_webhooks")
        async with whole_bot(tmp_path, discord, model, plugins=PLUGINS) as bot:
            await begins(bot, TEMPLATE, turns=4, pace=0)
            await bot.until(lambda: is_over(shown_on_discord(discord)))
            await bot.idle()
            assert numbered(shown_on_discord(discord)) == performed((CAPTAIN, INSPECTOR), 4)
            assert [each for each in shown_on_discord(discord) if each.buttons] == []
            assert discord.refused == []


async def test_where_there_are_no_webhooks_the_names_stand_before_the_lines(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(acting()) as model:
        discord.limits.enforced = False
        async with whole_bot(tmp_path, discord, model, plugins=PLUGINS) as bot:
            await begins(bot, "a pirate and a librarian", turns=2, pace=0)
            await bot.until(lambda: is_over(shown_on_discord(discord)))
            assert [each.text for each in shown_on_discord(discord)][-3:-1] == [
                f"**{name}:** {text}" for _, name, text in performed(("Pirate", "Librarian"), 2)
            ]
