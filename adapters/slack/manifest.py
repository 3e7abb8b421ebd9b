"""How Slack is told about this bot: the manifest that an app is made from, and where its settings are."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from pydantic import JsonValue

from adapters.slack import SlackSettings
from adapters.slack.pane import MAX_PROMPT_TITLE, PROMPTS
from adapters.slack.scopes import events, scopes
from bot.api import Command, ConfigError, clip

log = logging.getLogger(__name__)

APPS = "https://api.slack.com/apps"
PATH = "/slack/events"
DESCRIPTION = "Answers while it thinks, remembers what was said, and knows what it can do."
ABOUT = (
    "Ask me anything. I answer while I think, remember what we said, read pictures and files, and sum up what you "
    "missed. Mention me in a channel, or write to me here."
)
# Slack's limits.
MAX_COMMANDS, MAX_COMMAND, MAX_DESCRIPTION, MAX_HINT = 50, 32, 2000, 1000
MAX_SHORTCUTS, MAX_SHORTCUT, MAX_SHORTCUT_DESCRIPTION = 10, 24, 150
_ONE_HINT = 75
# What Slack's own commands are called. A manifest that takes one of these names is refused as a whole.
_BUILT_IN = (
    "active apps archive away call canvas close collapse dm dnd expand feed feedback help huddle invite invite_people "
    "join keys kick leave list me msg mute open part prefs pro remind remove rename search shortcuts shrug star status "
    "topic unarchive who"
)
RESERVED = frozenset(_BUILT_IN.split())

Json = dict[str, JsonValue]


def manifest(settings: SlackSettings, commands: Sequence[Command]) -> str:
    """For "From a manifest" at Slack. Raises ConfigError where it cannot be said."""
    return json.dumps(described(settings, commands), indent=2, ensure_ascii=False)


def described(settings: SlackSettings, commands: Sequence[Command]) -> Json:
    if problems := _problems(settings):
        raise ConfigError(problems)
    return {
        "display_information": {"name": settings.app_name.strip(), "description": DESCRIPTION},
        "features": _features(settings, commands),
        "oauth_config": {"scopes": {"bot": [*scopes(settings)]}},
        "settings": _settings(settings),
    }


def page(app: str = "", inside: str = "") -> str:
    """Where an app is set up: `inside` is one of the pages in its menu."""
    return "/".join(part for part in (APPS, app, inside if app else "") if part)


def _problems(settings: SlackSettings) -> Sequence[str]:
    problems = []
    if not settings.app_name.strip():
        problems.append("slack.app_name is empty: an app of Slack needs a name.")
    if settings.receive == "http" and not settings.public_url:
        problems.append(
            'slack.receive = "http" needs slack.public_url, the address under which Slack reaches the bot, such as '
            "https://bot.example.org. Without one, leave slack.receive out: Socket Mode needs no address."
        )
    elif settings.receive == "http" and not settings.public_url.startswith("https://"):
        problems.append("slack.public_url must begin with https://, because Slack sends nothing to other addresses.")
    return problems


def _features(settings: SlackSettings, commands: Sequence[Command]) -> Json:
    direct = settings.direct_messages
    features: Json = {
        # Without the tab of messages the bot could not even say in private what is for one person alone.
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": not direct,
        },
        "bot_user": {"display_name": settings.app_name.strip(), "always_online": True},
    }
    if direct:
        features["agent_view"] = {"agent_description": ABOUT, "suggested_prompts": [*_prompts(settings)]}
    features["slash_commands"] = [*_slash_commands(settings, commands)]
    # Slack takes no empty list.
    if shortcuts := _shortcuts(commands):
        features["shortcuts"] = [*shortcuts]
    return features


def _prompts(settings: SlackSettings) -> Sequence[Json]:
    wanted = [(prompt, prompt) for prompt in settings.suggested_prompts if prompt.strip()] or PROMPTS
    return [{"title": clip(title, MAX_PROMPT_TITLE), "message": message} for title, message in wanted]


def _slash_commands(settings: SlackSettings, commands: Sequence[Command]) -> Sequence[Json]:
    by_word: dict[str, list[Command]] = {}
    for command in commands:
        if command.target is None:
            by_word.setdefault(command.name.partition(" ")[0], []).append(command)
    described = [_the_one(settings, [*by_word])]
    if settings.commands == "each":
        refused = [word for word in by_word if word in RESERVED or len(word) >= MAX_COMMAND]
        words = [word for word in by_word if word not in refused and word != settings.command]
        left_out = [*refused, *words[MAX_COMMANDS - 1 :]]
        if left_out:
            named = ", ".join(f"/{word}" for word in left_out)
            log.warning("Slack cannot have a command of its own for %s: call /%s NAME", named, settings.command)
        described += [_own(word, by_word[word]) for word in words[: MAX_COMMANDS - 1]]
    return [entry | _address(settings, "url") for entry in described]


def _the_one(settings: SlackSettings, words: Sequence[str]) -> Json:
    hint = clip(" | ".join(words), _ONE_HINT) or "help"
    told = f"Everything that {settings.app_name.strip()} can do"
    return {"command": f"/{settings.command}", "description": told, "usage_hint": hint, "should_escape": True}


def _own(word: str, commands: Sequence[Command]) -> Json:
    """The command of a first word, which may stand for several."""
    usages = [command.usage.removeprefix(f"/{word}").strip() for command in commands]
    entry: Json = {"command": f"/{word}", "description": clip(commands[0].description, MAX_DESCRIPTION)}
    if hint := clip(" | ".join(usage for usage in usages if usage), MAX_HINT):
        entry["usage_hint"] = hint
    # Slack then tells people and channels by their ids, and escapes what has a meaning for it.
    return entry | {"should_escape": True}


def _shortcuts(commands: Sequence[Command]) -> Sequence[Json]:
    """What stands in the menu of a message, told apart by the command's name."""
    menus = [command for command in commands if command.target == "message"]
    if len(menus) > MAX_SHORTCUTS:
        named = ", ".join(command.title for command in menus[MAX_SHORTCUTS:])
        log.warning("Slack takes %d entries in the menu of a message; left out: %s", MAX_SHORTCUTS, named)
    return [
        {
            "name": command.title[:MAX_SHORTCUT].strip(),
            "type": "message",
            "callback_id": command.name,
            "description": clip(command.description, MAX_SHORTCUT_DESCRIPTION),
        }
        for command in menus[:MAX_SHORTCUTS]
    ]


def _settings(settings: SlackSettings) -> Json:
    return {
        "event_subscriptions": {**_address(settings, "request_url"), "bot_events": [*events(settings)]},
        "interactivity": {
            "is_enabled": True,
            **_address(settings, "request_url"),
            **_address(settings, "message_menu_options_url"),
        },
        "org_deploy_enabled": False,
        "socket_mode_enabled": settings.receive == "socket",
        "token_rotation_enabled": False,
    }


def _address(settings: SlackSettings, field: str) -> Json:
    return {field: settings.public_url.rstrip("/") + PATH} if settings.receive == "http" else {}
