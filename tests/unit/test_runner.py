"""The end of everything that runs."""

from __future__ import annotations

import asyncio

import pytest

from bot import runner
from bot.events import AnyEvent
from bot.runner import LocalRunner
from bot.store import Claim


async def nothing(event: AnyEvent, claim: Claim) -> None:
    raise AssertionError("no event is handled here")


async def test_what_is_begun_while_all_is_ended_is_ended_too() -> None:
    running, ended = LocalRunner(nothing), list[str]()

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("late")

    async def early() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("early")
            running.spawn(late)
            await asyncio.sleep(0)  # so that it begins

    running.spawn(early)
    await asyncio.sleep(0)
    await running.drain(0)
    assert ended == ["early", "late"]
    assert not running.running


async def test_what_hangs_on_to_a_silent_platform_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LETTING_GO", 0.001)
    running, cancelled = LocalRunner(nothing), 0

    async def stubborn() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled += 1
            await asyncio.Event().wait()  # showing the last words, and nobody answers

    running.spawn(stubborn)
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await running.drain(0)
    assert cancelled == 1
    assert not running.running
