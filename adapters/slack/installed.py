"""Whether what Slack tells is about the bot's own workspace: the same app may be installed in others, which are told of
on the same ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from adapters.slack.workspace import Workspace

Body: TypeAlias = Mapping[str, Any]


def tells_of(workspace: Workspace, body: Body) -> bool:
    """An event is for whoever is authorized to hear it. Of an app that was removed nobody is any more."""
    listed = body.get("authorizations")
    if isinstance(listed, list) and listed:
        return any(_is_its(workspace, each) for each in listed if isinstance(each, Mapping))
    return _is_among(workspace, body.get("team_id"), body.get("context_team_id"))


def done_in(workspace: Workspace, body: Body) -> bool:
    """Guests of a connected workspace press what the bot said here; it is the bot's own message by which that shows."""
    view, message = _in(body, "view"), _in(body, "message")
    if home := view.get("app_installed_team_id"):
        return bool(home == workspace.team)
    if message.get("user") == workspace.user or (workspace.bot and message.get("bot_id") == workspace.bot):
        return True
    # Of what one person alone sees Slack does not tell who said it; to those elsewhere nothing is said.
    if _in(body, "container").get("is_ephemeral"):
        return True
    # In an organization people come from all of its workspaces.
    if workspace.enterprise and workspace.enterprise in (_in(body, "enterprise").get("id"), body.get("enterprise_id")):
        return True
    return _is_among(workspace, _in(body, "team").get("id"), body.get("team_id"))


def _is_among(workspace: Workspace, *teams: object) -> bool:
    named = [team for team in teams if isinstance(team, str) and team]
    return workspace.team in named or not named


def _is_its(workspace: Workspace, authorization: Body) -> bool:
    """Whoever installed the app in a whole organization is named without a workspace."""
    if team := authorization.get("team_id"):
        return bool(team == workspace.team)
    return (authorization.get("enterprise_id") or "") in ("", workspace.enterprise)


def _in(body: Body, name: str) -> Body:
    inside = body.get(name)
    return inside if isinstance(inside, Mapping) else {}
