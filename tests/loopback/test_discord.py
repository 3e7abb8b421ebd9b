"""The real discord.py client on a loopback Discord: hearing and answering."""

from __future__ import annotations

from adapters.discord.testing import FakeDiscord
from bot.api import Message, Text
from tests.loopback.discord_bot import connected, echo


async def test_a_mention_is_answered_with_a_reply() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        question = await discord.says("hi @bot")
        await discord.wait_until(lambda: discord.answers() == ["You said: hi"])
        assert discord.screen()[-1].reply_to == question.id
        event = await bot.heard(Message)
        assert event.addressed
        assert event.user.name == "Ada"
