"""The bot is killed in the middle of a scene: it comes back paused, and goes on to exactly its lines, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.loopback.killing import EVERY
from tests.loopback.scene_deaths import (
    Death,
    all_survived,
    at_any_moment,
    at_calls,
    before_commits,
    while_coming_back,
)
from tests.loopback.scene_killing import AGAIN, BEGIN, CIRCLES, GO_ON, discord_theatre, slack_theatre
from tests.loopback.terminal_killing import killed_in_the_terminal

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

# What a platform is asked while a scene is performed.
DISCORD_CALLS = ("POST /webhooks/*", "PATCH /webhooks/*", "POST /channels/*/messages", "PATCH /channels/*/messages/*")
SLACK_CALLS = ("chat.postMessage", "chat.update")
DISCORD, SLACK = discord_theatre, slack_theatre


def some(deaths: Sequence[Death], size: int = 24) -> list[Sequence[Death]]:
    return [deaths[at : at + size] for at in range(0, len(deaths), size)]


def named(deaths: Sequence[Death]) -> str:
    return f"{deaths[0].name} … {deaths[-1].how}"


EACH_DAY = [
    *before_commits(DISCORD, BEGIN, [14]),
    *at_calls(DISCORD, BEGIN, DISCORD_CALLS[:1], [1]),
    *before_commits(DISCORD, AGAIN, [6]),
    *before_commits(DISCORD, CIRCLES, [24]),
    *while_coming_back(DISCORD, BEGIN, 12, [9]),
]
ALL = [
    *before_commits(DISCORD, BEGIN, range(1, 49)),
    *at_calls(DISCORD, BEGIN, DISCORD_CALLS, range(8)),
    *at_any_moment(DISCORD, BEGIN, range(24), 1.5),
    *before_commits(DISCORD, AGAIN, range(1, 17)),
    *at_calls(DISCORD, AGAIN, DISCORD_CALLS, range(3)),
    *before_commits(DISCORD, GO_ON, range(1, 17)),
    *before_commits(DISCORD, CIRCLES, range(20, 44)),
    *at_any_moment(DISCORD, CIRCLES, range(24, 36), 1.5),
    *while_coming_back(DISCORD, BEGIN, 6, range(1, 17)),
    *while_coming_back(DISCORD, BEGIN, 18, range(1, 17)),
]
ALL_ON_SLACK = [
    *before_commits(SLACK, BEGIN, range(1, 49)),
    *at_calls(SLACK, BEGIN, SLACK_CALLS, range(8)),
    *at_any_moment(SLACK, BEGIN, range(36, 48), 2.0),
    *before_commits(SLACK, AGAIN, range(1, 17)),
    *before_commits(SLACK, CIRCLES, range(20, 44)),
    *while_coming_back(SLACK, BEGIN, 18, range(1, 17)),
]


async def test_killed_at_some_moments(tmp_path: Path) -> None:
    await all_survived(tmp_path, EACH_DAY)


@pytest.mark.skipif(not EVERY, reason="make crashes")
@pytest.mark.parametrize("deaths", [*some(ALL), *some(ALL_ON_SLACK)], ids=named)
async def test_killed_at_every_moment(tmp_path: Path, deaths: Sequence[Death]) -> None:
    await all_survived(tmp_path, deaths)


@pytest.mark.parametrize("commits", [range(first, first + 4) for first in range(1, 41, 4)] if EVERY else [], ids=str)
async def test_killed_in_the_terminal(tmp_path: Path, commits: range) -> None:
    folders = {commit: tmp_path / str(commit) for commit in commits}
    for folder in folders.values():
        folder.mkdir()
    await asyncio.gather(*(killed_in_the_terminal(folder, commit) for commit, folder in folders.items()))
