"""`duologue manifest slack`: what Slack takes, with the least that the app needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from adapters.slack import SlackSettings
from adapters.slack.comparing import differences
from adapters.slack.manifest import MAX_SHORTCUTS, RESERVED, described, manifest
from adapters.slack.scopes import ESSENTIAL, EVENTS, SCOPES, missing, superfluous
from adapters.slack.testing import EVENTS as OF_SLACK
from adapters.slack.testing import FakeSlack
from adapters.slack.testing.manifests import problems
from adapters.slack.web import EVENTS as LISTENED_AT
from bot.__main__ import main
from bot.api import Command, ConfigError, Context, Plugin
from bot.loading import load_plugin
from bot.settings import PluginSettings

pytestmark = pytest.mark.usefixtures("logging_as_before")

COMMANDS = tuple(chain.from_iterable(load_plugin(name, Path()).commands for name in PluginSettings().enabled))
ADDRESS = "https://bot.example.org"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(**settings: Any) -> dict[str, Any]:
    return dict(json.loads(manifest(SlackSettings(**settings), COMMANDS)))


def bot_events(manifest: Mapping[str, Any]) -> list[str]:
    return list(manifest["settings"]["event_subscriptions"]["bot_events"])


def named(*names: str, target: Any = None) -> Sequence[Command]:
    plugin = Plugin("many", "Many commands")

    async def does(ctx: Context) -> str:
        """Do something."""
        return ""

    for name in names:
        plugin.command(name, target=target)(does)
    return plugin.commands


def test_it_is_printed_without_any_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "slack"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == told()
    assert problems(printed) == []
    assert "xoxb" not in json.dumps(printed)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"commands": "each"},
        {"direct_messages": False},
        {"app_name": "Ask Ada", "command": "ada"},
        {"suggested_prompts": ("What did I miss?", "x" * 200)},
        {"receive": "http", "public_url": ADDRESS},
        {"receive": "http", "public_url": f"{ADDRESS}/bots/", "commands": "each", "direct_messages": False},
    ],
    ids=str,
)
def test_slack_takes_it_however_it_is_set(settings: dict[str, Any]) -> None:
    assert problems(told(**settings)) == []
    assert FakeSlack.made_from(json.dumps(told(**settings))).scopes


def test_every_event_comes_with_the_scope_that_it_needs() -> None:
    assert all(OF_SLACK.get(event) == scope for event, scope in EVENTS.items())
    assert {scope for scope in EVENTS.values() if scope} <= SCOPES.keys()
    assert ESSENTIAL.issubset(SCOPES)


def test_a_bot_for_channels_alone_asks_for_less() -> None:
    less = told(direct_messages=False)
    asked, dropped = told()["oauth_config"]["scopes"]["bot"], {"im:history", "assistant:write"}
    assert set(asked) - set(less["oauth_config"]["scopes"]["bot"]) == dropped
    assert "message.im" not in bot_events(less)
    assert "agent_view" not in less["features"]
    # What is for one person alone still has to arrive there.
    assert less["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": True,
    }


def test_one_command_stands_for_all() -> None:
    (command,) = told()["features"]["slash_commands"]
    assert command["command"] == "/duologue"
    assert command["usage_hint"].startswith("ask | help | ")
    assert command["should_escape"] is True
    (own,) = told(command="ada", app_name="Ada")["features"]["slash_commands"]
    assert (own["command"], own["description"]) == ("/ada", "Everything that Ada can do")


def test_each_command_can_have_its_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    commands = {each["command"]: each for each in told(commands="each")["features"]["slash_commands"]}
    assert {"/duologue", "/ask", "/system", "/summarise", "/persona", "/roleplay"} <= commands.keys()
    assert commands["/ask"]["usage_hint"] == "<question…> [file]"
    assert commands["/system"]["usage_hint"] == "show | set <text…> | reset"
    assert "usage_hint" not in commands["/clear"]
    assert not any(name.removeprefix("/") in RESERVED for name in commands)
    assert not any("_" in name for name in commands), "what stands in menus is no slash command"


def test_names_that_slack_keeps_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    commands = named("status", "topic", "roll", "x" * 32, "duologue")
    entries: Any = described(SlackSettings(commands="each"), commands)["features"]
    assert [each["command"] for each in entries["slash_commands"]] == ["/duologue", "/roll"]
    assert f"/status, /topic, /{'x' * 32}: call /duologue NAME" in caplog.text


def test_what_is_more_than_slack_takes_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    many = [*named(*(f"roll{number}" for number in range(60)))]
    many += [command for number in range(12) for command in named(f"a_long_name_for_a_menu_{number}", target="message")]
    asked = described(SlackSettings(commands="each"), many)
    assert problems(asked) == []
    features: Any = asked["features"]
    assert len(features["slash_commands"]) == 50
    assert len(features["shortcuts"]) == MAX_SHORTCUTS
    assert "/roll59" in caplog.text
    assert "A long name for a menu 11" in caplog.text


def test_a_bot_without_commands_has_no_menus() -> None:
    asked = described(SlackSettings(), ())
    assert problems(asked) == []
    assert "shortcuts" not in str(asked["features"])


def test_menus_are_known_by_the_name_of_their_command() -> None:
    shortcuts = {each["callback_id"]: each["name"] for each in told()["features"]["shortcuts"]}
    assert shortcuts["ask_about_this"] == "Ask about this"
    assert shortcuts.keys() == {command.name for command in COMMANDS if command.target == "message"}


def test_with_http_everything_leads_to_the_bot() -> None:
    address = f"{ADDRESS}{LISTENED_AT}"
    asked = told(receive="http", public_url=f"{ADDRESS}/", commands="each")
    assert not asked["settings"]["socket_mode_enabled"]
    assert asked["settings"]["event_subscriptions"]["request_url"] == address
    assert asked["settings"]["interactivity"] == {
        "is_enabled": True,
        "request_url": address,
        "message_menu_options_url": address,
    }
    assert {each["url"] for each in asked["features"]["slash_commands"]} == {address}


def test_over_connections_no_address_is_told() -> None:
    assert "https://" not in manifest(SlackSettings(public_url=ADDRESS), COMMANDS)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"receive": "http"}, "needs slack.public_url"),
        ({"receive": "http", "public_url": "http://bot.example.org"}, "must begin with https://"),
        ({"app_name": "  "}, "slack.app_name is empty"),
    ],
)
def test_what_cannot_be_told_is_said(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        told(**settings)


def test_http_without_an_address_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUOLOGUE_SLACK__RECEIVE", "http")
    assert main(["manifest", "slack"]) == 2
    assert "https://bot.example.org" in capsys.readouterr().err


def test_own_suggestions_take_the_place_of_the_usual_ones() -> None:
    prompts = told(suggested_prompts=("What did I miss?",))["features"]["agent_view"]["suggested_prompts"]
    assert prompts == [{"title": "What did I miss?", "message": "What did I miss?"}]
    assert 0 < len(told()["features"]["agent_view"]["suggested_prompts"]) <= 4


def test_missing_scopes_are_named_with_what_that_costs() -> None:
    held = SCOPES.keys() - {"chat:write", "files:write"}
    assert missing(held, SlackSettings(), essential=True) == "`chat:write` (I cannot answer)"
    assert missing(held, SlackSettings(), essential=False) == "`files:write` (I cannot send files)"
    assert missing(SCOPES, SlackSettings(), essential=True) == ""
    assert missing((), SlackSettings(direct_messages=False), essential=True).count("`im:history`") == 0
    assert superfluous([*SCOPES, "admin"], SlackSettings()) == ["admin"]


def without(manifest: dict[str, Any], *path: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(manifest))
    inside = copy
    for name in path[:-1]:
        inside = inside[name]
    del inside[path[-1]]
    return copy


def test_what_an_app_lacks_is_said_in_words() -> None:
    ours = told()
    assert differences(ours, ours) == []
    assert differences(without(ours, "features", "shortcuts"), ours)[0] == (
        "in the menu of a message Ask about this is missing"
    )
    assert differences(without(ours, "features", "slash_commands"), ours) == ["the slash command /duologue is missing"]
    assert differences(without(ours, "features", "agent_view"), ours) == [
        "it is no agent, so it has no pane beside a channel and no stop button of Slack's"
    ]
    assert differences(without(ours, "settings", "interactivity"), ours) == [
        "Interactivity is off, so buttons, menus and forms do nothing"
    ]
    assert "I am not told of message.im, so I hear no direct messages" in differences({}, ours)
    rotating = ours | {"settings": ours["settings"] | {"token_rotation_enabled": True}}
    assert "dies after twelve hours" in differences(rotating, ours)[0]


def test_addresses_that_lead_elsewhere_are_said() -> None:
    ours = told(receive="http", public_url=ADDRESS)
    theirs = told(receive="http", public_url="https://old.example.org")
    said = differences(theirs, ours)
    assert said[0] == (
        "events go to https://old.example.org/slack/events instead of https://bot.example.org/slack/events"
    )
    assert len(said) == 4
    assert differences(told(), ours)[0] == "Socket Mode is on, so nothing comes to slack.public_url"
    assert differences(ours, told()) == ["Socket Mode is off, so nothing comes over connections"]
