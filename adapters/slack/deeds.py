"""What somebody did on Slack without writing a message: who, where, when, and how they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import JsonValue

from adapters.slack.escaping import plain_name
from adapters.slack.places import is_ts, place_of
from adapters.slack.workspace import Workspace
from bot.api import Place, Route

Body: TypeAlias = Mapping[str, Any]

# Slack takes answers for half an hour; the last of it is left for clocks that differ.
ANSWERED_WITHIN = 29 * 60.0


@dataclass(frozen=True, slots=True)
class Deed:
    """`id` is the trigger, which is unique and opens one form within three seconds. `name` is what Slack calls the
    person beside their display name. `message` is the id of the message that it was done to."""

    id: str
    user: str
    name: str
    place: Place
    at: datetime
    data: Mapping[str, JsonValue]
    message: str = ""

    @property
    def route(self) -> Route:
        return Route(self.place, self.data)

    def knowing(self, **more: JsonValue) -> Deed:
        return replace(self, data={**self.data, **more})


def of_command(body: Body, workspace: Workspace, now: datetime) -> Deed:
    place = place_of(workspace.team, str(body["channel_id"]))
    deed = Deed(str(body["trigger_id"]), str(body["user_id"]), str(body.get("user_name") or ""), place, now, {})
    return _answered(deed, body, workspace, str(body.get("team_id") or ""))


def of_press(body: Body, workspace: Workspace, now: datetime) -> Deed:
    """A button's place is that of the message above it: a thread, or a channel also where threads hang on it."""
    where, message = body.get("container") or {}, body.get("message") or {}
    ts = str(where.get("message_ts") or message.get("ts") or "")
    thread = str(where.get("thread_ts") or message.get("thread_ts") or "")
    channel = str(where.get("channel_id") or body["channel"]["id"])
    place = place_of(workspace.team, channel, thread if thread != ts else None)
    moment = str(body["actions"][0].get("action_ts") or "")
    deed = _by_hand(body, workspace, place, now, ts, moment).knowing(pressed=ts)
    # Nobody but this person sees such a message, and only the address of the press reaches it.
    return deed.knowing(private=True) if where.get("is_ephemeral") else deed


def of_shortcut(body: Body, workspace: Workspace, now: datetime, place: Place) -> Deed:
    ts = str(body.get("message_ts") or body["message"].get("ts") or "")
    return _by_hand(body, workspace, place, now, ts, str(body.get("action_ts") or ""))


def of_form(body: Body, workspace: Workspace, now: datetime, place: Place, data: Mapping[str, JsonValue]) -> Deed:
    """`data` is what the form carried from what it was opened with."""
    return _by_hand(body, workspace, place, now, "", "").knowing(**data)


def carried(deed: Deed) -> dict[str, JsonValue]:
    """What a form needs of the deed that opened it."""
    return {name: deed.data[name] for name in ("response_url", "until") if name in deed.data}


def _by_hand(body: Body, workspace: Workspace, place: Place, now: datetime, ts: str, moment: str) -> Deed:
    user = body["user"]
    name = plain_name(str(user.get("username") or user.get("name") or user["id"]))
    trigger = str(body.get("trigger_id") or f"{(body.get('view') or {}).get('id')}:{now.timestamp()}")
    deed = Deed(trigger, str(user["id"]), name, place, now, {}, ts)
    return _answered(deed, body, workspace, str(user.get("team_id") or ""), moment)


def _answered(deed: Deed, body: Body, workspace: Workspace, team: str, moment: str = "") -> Deed:
    now = deed.at.timestamp()
    deed = deed.knowing(user=deed.user, at=moment if is_ts(moment) else f"{now:.6f}")
    if team and team != workspace.team:
        deed = deed.knowing(team=team)
    if url := body.get("response_url"):
        deed = deed.knowing(response_url=str(url), until=now + ANSWERED_WITHIN)
    return deed
