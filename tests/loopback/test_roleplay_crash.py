"""The bot is killed in the middle of a scene: it comes back paused, and goes on to exactly its lines, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loopback.killing import EVERY, Case, at_call, at_commit, at_moments, play_all
from tests.loopback.scene_killing import discord_theatre, slack_theatre

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

# What a platform is asked while a scene is performed.
DISCORD_CALLS = ("POST /webhooks/*", "PATCH /webhooks/*", "POST /channels/*/messages", "PATCH /channels/*/messages/*")
SLACK_CALLS = ("chat.postMessage", "chat.update")
# The daily run has none of them: they take as long as all other kills together.
SKIPS = range(12) if EVERY else ()
COMMITS = [range(first, first + 8) for first in range(1, 65, 8)] if EVERY else []
SEEDS = [range(first, first + 8) for first in range(0, 40, 8)] if EVERY else []


@pytest.mark.parametrize("acted", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("skip", SKIPS)
async def test_killed_at_a_call(tmp_path: Path, skip: int, acted: bool) -> None:
    cases = [
        Case(f"{theatre.__name__}: {call}", theatre, at_call(call, skip, acted))
        for theatre, calls in ((discord_theatre, DISCORD_CALLS), (slack_theatre, SLACK_CALLS))
        for call in (calls if EVERY else calls[:2])
    ]
    await play_all(tmp_path, cases)


@pytest.mark.parametrize("numbers", COMMITS, ids=str)
async def test_killed_before_a_commit(tmp_path: Path, numbers: range) -> None:
    theatres = (discord_theatre, slack_theatre) if EVERY else (discord_theatre,)
    cases = [
        Case(f"{theatre.__name__}: commit {number}", theatre, at_commit, number)
        for theatre in theatres
        for number in numbers
    ]
    await play_all(tmp_path, cases)


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
async def test_killed_at_a_random_moment(tmp_path: Path, seeds: range) -> None:
    theatres = (discord_theatre, slack_theatre)
    await play_all(tmp_path, [case for theatre in theatres for case in at_moments(theatre, seeds, until=2.0)])
