"""What the app asks Slack for: each scope with what is lost without it, each event with the scope that it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from adapters.slack import SlackSettings

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "app_mentions:read": "I do not hear that somebody mentions me",
        "assistant:write": "there is no pane beside a channel with suggestions, and direct messages know no streams",
        "channels:history": "in public channels I neither follow a thread nor know what was said before",
        "channels:read": "I know neither names nor creators of public channels, nor when I come to one",
        "chat:write": "I cannot answer",
        "chat:write.customize": "characters speak under my own name and picture",
        "commands": "there are no slash commands and nothing of mine in the menu of a message",
        "files:read": "I cannot read pictures and files",
        "files:write": "I cannot send files",
        "groups:history": "in private channels I neither follow a thread nor know what was said before",
        "groups:read": "I know neither names nor creators of private channels, nor when I come to one",
        "im:history": "I hear no direct messages",
        "im:read": "what was asked in direct messages while I was away stays unanswered",
        "im:write": "what is for you alone cannot come as a direct message",
        "mpim:history": "in direct messages of several people I hear only mentions",
        "mpim:read": "what several people asked together while I was away stays unanswered",
        "reactions:read": "plugins do not hear of reactions to my answers",
        "users:read": "I know nobody's name, language or rights, so that nobody counts as a moderator",
    }
)
# Without one of these the bot is not what people expect of it; without the others it lacks something.
ESSENTIAL = frozenset({"app_mentions:read", "channels:history", "chat:write", "im:history", "users:read"})
# Not among them: what an app hears that is no agent (`assistant_thread_started`), since all new ones are agents; and
# `user_change`, which comes whenever anybody in the workspace changes their status.
EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "agent_session_stopped": "chat:write",
        "app_home_opened": "",
        "app_mention": "app_mentions:read",
        "app_uninstalled": "",
        "member_joined_channel": "channels:read",
        "member_left_channel": "channels:read",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
        "reaction_added": "reactions:read",
        "reaction_removed": "reactions:read",
        "tokens_revoked": "",
    }
)
# What only direct messages and the pane take.
_DIRECT_SCOPES = frozenset({"assistant:write", "im:history"})
_DIRECT_EVENTS = frozenset({"agent_session_stopped", "message.im"})


def scopes(settings: SlackSettings) -> Sequence[str]:
    return [scope for scope in SCOPES if settings.direct_messages or scope not in _DIRECT_SCOPES]


def events(settings: SlackSettings) -> Sequence[str]:
    return [event for event in EVENTS if settings.direct_messages or event not in _DIRECT_EVENTS]


def missing(held: Iterable[str], settings: SlackSettings, *, essential: bool) -> str:
    """Each scope that is not held, with what that costs; empty where all are."""
    have = frozenset(held)
    lacking = [each for each in scopes(settings) if each not in have and (each in ESSENTIAL) == essential]
    return "; ".join(f"`{scope}` ({SCOPES[scope]})" for scope in lacking)


def superfluous(held: Iterable[str], settings: SlackSettings) -> Sequence[str]:
    return sorted(frozenset(held) - {*scopes(settings)})
