"""A start on Discord that goes well says nothing alarming, and one that goes wrong leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
import logging

import discord
import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import FakeDiscord
from bot.api import Message, Online, SystemClock
from tests.loopback.discord_bot import QUICK, Listener, connected, echo


class Impatient(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def alarming(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_start_an_answer_and_a_stop_log_no_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("warn_nacl", "warn_dave"):
        monkeypatch.setattr(discord.VoiceClient, name, True)  # as in a process that just began
    with caplog.at_level(logging.INFO):
        async with FakeDiscord() as platform, connected(platform, echo) as bot:
            await platform.says("@bot hi")
            await bot.heard(Message)
            await platform.wait_until(lambda: platform.answers() == ["You said: hi"])
        gc.collect()
    assert any(record.name.startswith("discord") for record in caplog.records)
    told = [record.getMessage() for record in caplog.records]
    assert [text for text in told if text.startswith("online as ") and text.endswith(" on 1 server")]
    assert alarming(caplog) == []


async def test_a_login_that_works_at_last_leaves_no_session_of_earlier_ones_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeDiscord() as platform:
        platform.fails("GET /users/@me", status=403, times=2)
        adapter = DiscordAdapter(platform.settings(), timing=QUICK, clock=Impatient())
        listener = Listener(adapter, None)
        running = asyncio.create_task(adapter.run(listener.handle, ()))
        await listener.heard(Online)
        running.cancel()
        await asyncio.wait({running})
        await asyncio.sleep(0)
    gc.collect()
    told = alarming(caplog)
    assert [text for text in told if not text.startswith("Discord cannot be reached")] == []
    assert len(told) == 2
