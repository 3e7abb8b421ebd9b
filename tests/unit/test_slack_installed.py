"""Whose events and deeds are the bot's, where an app is installed in several workspaces of several organizations."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.slack.installed import done_in, tells_of
from adapters.slack.workspace import Workspace

HERE = Workspace("T1", "Here", "", "U1", "bot", "B1", enterprise="E1")


@pytest.mark.parametrize(
    ("authorized", "is_mine"),
    [
        ({"team_id": "T1", "enterprise_id": "E1"}, True),
        ({"team_id": "T2", "enterprise_id": "E1"}, False),
        ({"team_id": None, "enterprise_id": "E1"}, True),
        ({"team_id": None, "enterprise_id": "E2"}, False),
        ({}, True),
    ],
)
def test_events_are_for_whoever_may_hear_them(authorized: dict[str, Any], is_mine: bool) -> None:
    assert tells_of(HERE, {"team_id": "T1", "authorizations": [authorized]}) is is_mine


@pytest.mark.parametrize(
    ("body", "is_mine"),
    [
        ({"team_id": "T1"}, True),
        ({"team_id": "T2"}, False),
        ({"team_id": "T2", "enterprise_id": "E1"}, True),
        ({"team_id": "T2", "enterprise_id": "E2"}, False),
        ({"team": {"id": "T2"}, "enterprise": {"id": "E1"}}, True),
        ({"team": {"id": "T2"}, "enterprise": {"id": "E2"}}, False),
        ({"team": None, "enterprise": None}, True),
        ({"team": {"id": "T2"}, "message": {"user": "U1"}}, True),
        ({"team": {"id": "T2"}, "message": {"bot_id": "B1"}}, True),
        ({"team": {"id": "T2"}, "message": {"user": "U2"}}, False),
        ({"team": {"id": "T2"}, "view": {"app_installed_team_id": "T1"}}, True),
        ({"team": {"id": "T1"}, "view": {"app_installed_team_id": "T2"}}, False),
        ({"team": {"id": "T2"}, "container": {"is_ephemeral": True}}, True),
    ],
)
def test_deeds_are_those_of_people_here_and_of_their_guests(body: dict[str, Any], is_mine: bool) -> None:
    assert done_in(HERE, body) is is_mine
