"""Steps of a scene that several tests take."""

from __future__ import annotations

from bot.testing.bot import BOB, TestBot


async def settles(bot: TestBot) -> None:
    """Whatever is being said is said to its end."""
    async with bot.app.runner.turn(bot.place):
        pass


async def says_next(bot: TestBot, line: str) -> None:
    await bot.idle()
    await bot.runs("/roleplay next", user=BOB)
    await bot.until(line)
    await settles(bot)
