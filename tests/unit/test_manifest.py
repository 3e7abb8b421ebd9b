"""`duologue manifest`: how a platform is told about the bot."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import discord
import pytest

from adapters.discord import DiscordSettings
from adapters.discord.manifest import application_id, manifest
from bot.__main__ import main
from bot.errors import ConfigError

pytestmark = pytest.mark.usefixtures("logging_as_before")

ID = 123456789012345678
TOKEN = base64.b64encode(str(ID).encode()).decode().rstrip("=") + ".GAbcde.x-yz_secret"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def links(told: str) -> list[dict[str, list[str]]]:
    lines = (line.strip() for line in told.splitlines())
    return [parse_qs(urlsplit(line).query) for line in lines if line.startswith("https://discord.com/oauth2/")]


def test_it_prints_both_invitations_with_the_least_permissions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    assert main(["manifest", "discord"]) == 0
    told = capsys.readouterr().out
    server, own = links(told)
    assert server["client_id"] == own["client_id"] == [str(ID)]
    assert server["scope"] == ["bot applications.commands"]
    asked = {name for name, wanted in discord.Permissions(int(server["permissions"][0])) if wanted}
    assert asked == {
        "read_messages",  # "View Channels"
        "send_messages",
        "send_messages_in_threads",
        "create_public_threads",
        "read_message_history",
        "attach_files",
        "manage_webhooks",
    }
    assert (own["scope"], own["integration_type"]) == (["applications.commands"], ["1"])
    assert f"https://discord.com/developers/applications/{ID}/bot" in told
    assert "Message Content Intent" in told
    assert "Server Members Intent" not in told
    assert "secret" not in told


def test_it_names_the_intents_that_are_switched_on() -> None:
    assert "Server Members Intent" in manifest(DiscordSettings(token=TOKEN, member_events=True))


def test_the_id_can_be_given(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DUOLOGUE_DISCORD__APPLICATION_ID", "42")
    assert main(["manifest", "discord"]) == 0
    assert "client_id=42" in capsys.readouterr().out


@pytest.mark.parametrize("token", ["", "secret", "a.b", "!!!.b.c", "bm90IGFuIGlk.b.c", "é.b.c"])
def test_a_token_that_is_none_is_said(token: str) -> None:
    settings = DiscordSettings(token=token)
    assert application_id(settings) is None
    with pytest.raises(ConfigError) as caught:
        manifest(settings)
    assert "does not look like a bot's token" in caught.value.public
    assert "Reset Token" in caught.value.public


def test_without_a_token_it_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "discord"]) == 2
    told = capsys.readouterr().err
    assert "DISCORD_TOKEN" in told
    assert "discord.application_id" in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Say for which platform. There is one for: discord, slack."),
        (["discrod"], "There is no manifest for discrod. Did you mean discord?"),
        (["terminal"], "There is no manifest for terminal. There is one for: discord, slack."),
    ],
)
def test_which_platforms_have_one_is_said(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", *arguments]) == 2
    assert says in capsys.readouterr().err
