"""The bot is killed at every point of an answer on Slack and at random moments; then people see the answer once, whole,
and nothing streams for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loopback.killing import EVERY, Case, at_call, at_commit, at_moments, play_all
from tests.loopback.slack_killing import DIRECT, EDITED, FLAT, NATIVE, POSTED, SLASH, slack_stage

pytestmark = [pytest.mark.crash, pytest.mark.timeout(90)]

CALLS = range(12) if EVERY else range(1)
COMMITS = [range(first, first + 5) for first in range(1, 41, 5)] if EVERY else [range(1, 5)]
SEEDS = [range(10), range(10, 20)] if EVERY else [range(3)]
POSTED_AND_EDITED = ("chat.postMessage", "chat.update")
STREAMED = ("chat.startStream", "chat.appendStream", "chat.stopStream")
MADE_BY = [
    (NATIVE, STREAMED),
    (EDITED, POSTED_AND_EDITED),
    (POSTED, ("chat.postMessage",)),
    (DIRECT, STREAMED if EVERY else ("chat.stopStream",)),
    (FLAT, POSTED_AND_EDITED if EVERY else ("chat.update",)),
    (SLASH, POSTED_AND_EDITED if EVERY else ("chat.postMessage",)),
]


@pytest.mark.parametrize("acted", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("skip", CALLS)
async def test_killed_at_a_call(tmp_path: Path, skip: int, acted: bool) -> None:
    cases = [
        Case(f"{how.name}: {call}", slack_stage(how), at_call(call, skip, acted))
        for how, calls in MADE_BY
        for call in calls
    ]
    await play_all(tmp_path, cases)


@pytest.mark.parametrize("numbers", COMMITS, ids=str)
async def test_killed_before_a_commit(tmp_path: Path, numbers: range) -> None:
    cases = [
        Case(f"{how.name}: commit {number}", slack_stage(how), at_commit, number)
        # The first ones are the same, whatever comes after them.
        for how in ((NATIVE, EDITED) if EVERY else (NATIVE,))
        for number in numbers
    ]
    await play_all(tmp_path, cases)


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
async def test_killed_at_a_random_moment(tmp_path: Path, seeds: range) -> None:
    cases = [case for how in (NATIVE, EDITED) for case in at_moments(slack_stage(how), seeds, until=3.0)]
    await play_all(tmp_path, cases)
