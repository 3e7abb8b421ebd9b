"""Messages, names and answers that nobody expects, through the whole bot in memory."""

from __future__ import annotations

import pytest

from bot.api import User
from bot.testing.bot import TestBot
from plugins.commands import plugin

LISTENING = "bot: I am listening. What would you like to talk about?"


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b\u200d\ufeff", "\u2067\u2069", "\x00\x07"])
async def test_what_shows_nothing_is_not_sent_to_the_model(text: str) -> None:
    async with TestBot(["Hello."]) as bot:
        await bot.says(text)
        assert bot.screen[1:] == [LISTENING]
        assert bot.model.turns == []
        await bot.says("hi")
        assert bot.screen[-1] == "bot: Hello."
        assert await bot.app.store.count(bot.place) == 2


@pytest.mark.parametrize("text", ["\u05d0\u202b\u05d1\u202c", "a\u200db", "e\u0301", "👩\u200d👧", "x\x00y"])
async def test_odd_text_is_remembered_and_sent_on(text: str) -> None:
    async with TestBot([text, "Fine."]) as bot:
        await bot.says(text)
        await bot.says("again?")
        sent = [message.text for message in bot.model.prompts[-1].messages]
        kept = text.replace("\x00", "\ufffd")
        assert sent.count(text) + sent.count(kept) >= 2


async def test_lone_surrogates_break_nothing_wherever_they_are() -> None:
    half = "\ud83d"
    eve = User("u-eve", f"E{half}ve", permissions=frozenset({"admin"}))
    async with TestBot([f"half {half}", "Fine."], plugins=[plugin]) as bot:
        await bot.says(f"what is {half}?", user=eve)
        await bot.says("and now?", user=eve)
        assert bot.screen[-1] == "bot: Fine."
        for line in (f"/system set {half}", f"/help {half}", f"/{half}", f"/params set {half} {half}", "/history"):
            before = len(bot.adapter.messages)
            await bot.runs(line, user=eve)
            assert len(bot.adapter.messages) == before + 1
            assert "went wrong" not in bot.last.text, line
        texts = [message.text for message in await bot.app.store.tree(bot.place)]
        assert texts == ["what is \ufffd?", "half \ufffd", "and now?", "Fine."]
