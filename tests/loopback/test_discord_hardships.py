"""The whole bot on a Discord that fails all the time: everything is answered exactly once, with the exact text."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

from adapters.discord.testing import Channel, FakeDiscord, Message
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.whole_bot import place_of, shown_for, whole_bot


def said(number: int) -> str:
    return " ".join(f"word{number}x{each}" for each in range(12))


def answer(seen: Seen) -> FakeAnswer:
    return FakeAnswer(said(int(re.findall(r"question (\d+)", seen.text)[-1])), rate=100)


async def test_calls_that_fail_by_lot_and_a_lost_gateway_lose_and_double_nothing(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(answer) as model:
        rooms = [discord.channel(f"room-{number}") for number in range(4)]
        async with whole_bot(tmp_path, discord, model) as bot:
            for status in (429, 500):
                chance = discord.fails_by_chance(status, 0.08, random.Random(status))
                chance.longest = 0.4

            async def ask(room: Channel, number: int) -> Message:
                question = await discord.says(f"@bot question {number}", channel=room)
                await bot.until(lambda: any(each.text == said(number) for each in shown_for(discord, question)))
                return question

            first = await asyncio.gather(*(ask(room, number) for number, room in enumerate(rooms)))
            await discord.gateway.close(resumable=False)
            later = await asyncio.gather(*(ask(room, 4 + number) for number, room in enumerate(rooms)))
            discord.faults.chances.clear()
            await bot.idle()
            for number, question in enumerate([*first, *later]):
                assert [each.text for each in shown_for(discord, question)] == [said(number)]
            for number, room in enumerate(rooms):
                assert discord.answers(room) == [said(number), said(4 + number)]
                tree = await bot.app.store.tree(place_of(discord, room))
                assert [each.text for each in tree if each.role == "assistant"] == [said(number), said(4 + number)]
