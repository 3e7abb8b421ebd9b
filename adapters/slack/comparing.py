"""What of an app's manifest is not as the bot needs it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Manifest = Mapping[str, Any]

# What people lose with each kind of event.
HEARD: Mapping[str, str] = {
    "agent_session_stopped": "Slack's own stop button does nothing",
    "app_home_opened": "my page stays empty, and nothing is suggested",
    "app_mention": "I do not hear that somebody mentions me",
    "message.channels": "in public channels I hear only mentions",
    "message.groups": "in private channels I hear only mentions",
    "message.im": "I hear no direct messages",
    "message.mpim": "in direct messages of several people I hear only mentions",
}


def differences(exported: Manifest, wanted: Manifest) -> Sequence[str]:
    return [*_events(exported, wanted), *_entries(exported, wanted), *_switches(exported, wanted)]


def _events(exported: Manifest, wanted: Manifest) -> Iterator[str]:
    told = _at(exported, "settings", "event_subscriptions", "bot_events") or ()
    for event in _at(wanted, "settings", "event_subscriptions", "bot_events"):
        if event not in told:
            yield f"I am not told of {event}" + (f", so {HEARD[event]}" if event in HEARD else "")


def _entries(exported: Manifest, wanted: Manifest) -> Iterator[str]:
    for kind, key, called in (
        ("slash_commands", "command", "the slash command"),
        ("shortcuts", "callback_id", "in the menu of a message"),
    ):
        there = {entry.get(key) for entry in _at(exported, "features", kind) or ()}
        for entry in _at(wanted, "features", kind) or ():
            if entry[key] not in there:
                yield f"{called} {entry.get('name', entry[key])} is missing"


def _switches(exported: Manifest, wanted: Manifest) -> Iterator[str]:
    if not _at(exported, "settings", "interactivity", "is_enabled"):
        yield "Interactivity is off, so buttons, menus and forms do nothing"
    sockets = bool(_at(exported, "settings", "socket_mode_enabled"))
    if sockets != _at(wanted, "settings", "socket_mode_enabled"):
        how = "on, so nothing comes to slack.public_url" if sockets else "off, so nothing comes over connections"
        yield f"Socket Mode is {how}"
    yield from _addresses(exported, wanted)
    home, needed = _at(exported, "features", "app_home") or {}, _at(wanted, "features", "app_home")
    if not home.get("home_tab_enabled"):
        yield "the Home tab is off"
    if not home.get("messages_tab_enabled"):
        yield "the Messages tab is off, so I can write to nobody in private"
    elif home.get("messages_tab_read_only_enabled") and not needed["messages_tab_read_only_enabled"]:
        yield "the Messages tab is read-only, so nobody can write to me"
    if _at(wanted, "features", "agent_view") and not _at(exported, "features", "agent_view"):
        yield "it is no agent, so it has no pane beside a channel and no stop button of Slack's"
    if _at(exported, "settings", "token_rotation_enabled"):
        yield "token rotation is on, so that the bot's token dies after twelve hours: it cannot be switched off again"


def _addresses(exported: Manifest, wanted: Manifest) -> Iterator[str]:
    """With HTTP, everything has to lead to the bot."""
    for name, *path in (
        ("events", "settings", "event_subscriptions", "request_url"),
        ("buttons and forms", "settings", "interactivity", "request_url"),
        ("menus in forms", "settings", "interactivity", "message_menu_options_url"),
    ):
        if (address := _at(wanted, *path)) and _at(exported, *path) != address:
            yield f"{name} go to {_at(exported, *path) or 'nowhere'} instead of {address}"
    there = {entry.get("command"): entry.get("url") for entry in _at(exported, "features", "slash_commands") or ()}
    for entry in _at(wanted, "features", "slash_commands") or ():
        command, address = entry["command"], entry.get("url")
        if address and there.get(command, address) != address:
            yield f"{command} goes to {there[command] or 'nowhere'} instead of {address}"


def _at(manifest: Manifest, *path: str) -> Any:
    found: Any = manifest
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
