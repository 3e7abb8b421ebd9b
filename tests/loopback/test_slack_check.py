"""`duologue check` for Slack, where something is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from adapters.slack import SlackSettings, spec
from adapters.slack.checking import check
from adapters.slack.manifest import manifest
from adapters.slack.scopes import SCOPES
from adapters.slack.testing import FakeSlack
from bot.api import Finding
from bot.loading import load_plugin
from tests.loopback.slack_bot import free_port

COMMANDS = load_plugin("commands", Path()).commands
# For the same address wherever Slack is.
OURS = manifest(SlackSettings(), COMMANDS)


def secret(text: str) -> SecretStr:
    return SecretStr(text)


def with_token(slack: FakeSlack, **more: Any) -> SlackSettings:
    return slack.settings(configuration_token=secret(slack.configuration_token), **more)


def wrong(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.subject: finding.says for finding in findings if not finding.ok}


async def test_all_is_well() -> None:
    async with FakeSlack.made_from(OURS) as slack:
        findings = await check(with_token(slack), COMMANDS)
        assert wrong(findings) == {}
        assert [finding.says for finding in findings] == [
            "belongs to @bot in The Workshop",
            "all that I need are granted",
            "opens connections",
            "works",
            "I am in 1",
            "is set up as `duologue manifest slack` says",
        ]
        assert slack.links == [], "nothing stays open that could take what belongs to the bot"


async def test_scopes_that_are_missing_are_named_with_what_that_costs_and_how_they_are_had() -> None:
    async with FakeSlack(scopes=SCOPES.keys() - {"im:history", "files:write"} | {"team:read"}) as slack:
        findings = await check(slack.settings())
        scopes = [finding for finding in findings if finding.subject == "slack scopes"]
        assert [finding.ok for finding in scopes] == [False, True]
        assert "`im:history` (I hear no direct messages)" in scopes[0].says
        assert "and work without `files:write` (I cannot send files)" in scopes[0].says
        assert f"https://api.slack.com/apps/{slack.bot.app_id}/app-manifest" in scopes[0].says
        assert "install the app again" in scopes[0].says
        assert scopes[1].says == "I make no use of `team:read`; you may take them away"


async def test_without_what_it_does_not_need_it_works() -> None:
    async with FakeSlack(scopes=SCOPES.keys() - {"files:write"}) as slack:
        findings = await check(slack.settings())
        assert wrong(findings) == {}
        assert any("I work, but without `files:write`" in finding.says for finding in findings)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("xapp-1-fake-slack", "SLACK_BOT_TOKEN holds an app-level token, and must begin with xoxb-"),
        ("xoxp-1", "holds a person's token"),
        ("xoxe.xoxp-1", "holds an app configuration token"),
        ("secret", "holds no token of Slack"),
        ("xoxb-2-somebody-elses", "Slack does not know it (invalid_auth)"),
    ],
)
async def test_a_wrong_token_of_the_bot_is_said(token: str, says: str) -> None:
    async with FakeSlack() as slack:
        (finding,) = await check(slack.settings(bot_token=secret(token)))
        assert not finding.ok
        assert says in finding.says
        assert "OAuth & Permissions" in finding.says.replace("Copy", "copy")


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("xoxb-1-fake-slack", "SLACK_APP_TOKEN holds a bot's token, and must begin with xapp-"),
        ("xapp-2-somebody-elses", "Slack does not know it (invalid_auth)"),
    ],
)
async def test_a_wrong_token_of_the_app_is_said(token: str, says: str) -> None:
    async with FakeSlack() as slack:
        found = wrong(await check(slack.settings(app_token=secret(token))))
        assert says in found["slack app token"]
        assert "connections:write" in found["slack app token"]


async def test_none_at_all_is_said() -> None:
    (finding,) = await check(SlackSettings())
    assert "put SLACK_BOT_TOKEN into .env" in finding.says
    async with FakeSlack() as slack:
        assert "put SLACK_APP_TOKEN into .env" in wrong(await check(slack.settings(app_token=None)))["slack app token"]


async def test_a_token_that_may_open_no_connections_is_said() -> None:
    async with FakeSlack() as slack:
        slack.app_scopes.clear()
        found = wrong(await check(slack.settings()))
        assert "lacks the scope connections:write" in found["slack app token"]


async def test_socket_mode_that_is_off_is_said_with_its_page() -> None:
    async with FakeSlack() as slack:
        await slack.disables_sockets()
        found = wrong(await check(slack.settings()))
        assert f"https://api.slack.com/apps/{slack.bot.app_id}/socket-mode" in found["slack app token"]


async def test_two_apps_are_not_one() -> None:
    async with FakeSlack() as slack:
        slack.sockets.app_id = "A0OTHER"
        found = wrong(await check(slack.settings()))
        assert f"of another app (A0OTHER) than SLACK_BOT_TOKEN ({slack.bot.app_id})" in found["slack app token"]


async def test_other_connections_are_counted() -> None:
    async with FakeSlack() as slack:
        client = slack.client()
        async with aiohttp.ClientSession() as session:
            held = []
            for _ in range(9):
                answer = await client.apps_connections_open(app_token=slack.app_token)
                held.append(await session.ws_connect(answer["url"]))
            await slack.online(len(held))
            findings = await check(slack.settings())
        says = [finding.says for finding in findings if finding.subject == "slack connection"]
        assert says[0] == "works; 9 more of this app are open, as when the bot runs"
        assert "Slack allows 10" in says[1]


async def test_a_bot_in_no_channel_is_told_how_to_invite_it() -> None:
    async with FakeSlack() as slack:
        slack.general.members.remove(slack.bot)
        findings = await check(slack.settings())
        assert any("Write `/invite @bot` in one" in finding.says for finding in findings)


async def test_without_a_configuration_token_it_says_what_cannot_be_seen() -> None:
    async with FakeSlack() as slack:
        finding = (await check(slack.settings()))[-1]
        assert finding.ok
        assert "cannot be seen with these tokens" in finding.says
        assert f"{slack.bot.app_id}/app-manifest" in finding.says
        assert "SLACK_CONFIG_TOKEN" in finding.says


async def test_what_the_app_is_not_set_up_for_is_named() -> None:
    async with FakeSlack.made_from(OURS) as slack:
        registered = slack.manifests.registered
        registered["settings"]["event_subscriptions"]["bot_events"].remove("message.channels")
        registered["features"]["shortcuts"].pop(0)
        registered["settings"]["interactivity"]["is_enabled"] = False
        findings = await check(with_token(slack), COMMANDS)
        said = [finding.says for finding in findings if not finding.ok]
        assert said[:3] == [
            "I am not told of message.channels, so in public channels I hear only mentions",
            "in the menu of a message Ask about this is missing",
            "Interactivity is off, so buttons, menus and forms do nothing",
        ]
        assert "all of this goes with what `duologue manifest slack` prints" in said[3]


async def test_a_configuration_token_that_is_too_old_is_said() -> None:
    async with FakeSlack() as slack:
        slack.fails("apps.manifest.export", error="token_expired")
        assert "it is too old (token_expired)" in wrong(await check(with_token(slack)))["slack app"]
        other = slack.settings(configuration_token=secret("xoxe-1"))
        assert "holds a token that only makes others" in wrong(await check(other))["slack app"]


async def test_what_slack_would_not_take_is_said() -> None:
    async with FakeSlack.made_from(OURS) as slack:
        errors = [{"message": "too long", "pointer": "/features"}]
        slack.manifests.errors = errors
        found = wrong(await check(with_token(slack), COMMANDS))
        assert "too long (/features)" in found["slack manifest"]


async def test_with_http_secret_address_and_port_are_tried() -> None:
    http: dict[str, Any] = {"receive": "http", "public_url": "https://bot.example.org", "port": free_port()}
    async with FakeSlack() as slack:
        findings = await check(slack.settings(**http))
        assert wrong(findings) == {}
        says = [finding.says for finding in findings]
        assert "Slack sends everything to https://bot.example.org/slack/events" in says
        assert f"127.0.0.1:{http['port']} is free" in says
        assert "apps.connections.open" not in [call.method for call in slack.calls]
        none = wrong(await check(slack.settings(**http | {"signing_secret": None, "public_url": ""})))
        assert none["slack signing secret"].startswith("is not set")
        assert "needs slack.public_url" in none["slack manifest"]
        short = wrong(await check(slack.settings(**http | {"signing_secret": secret("xoxb-1")})))
        assert "does not look like one" in short["slack signing secret"]


@pytest.mark.parametrize(("status", "says"), [(401, "the bot listens on"), (404, "cannot listen on")])
async def test_a_port_that_is_taken_is_the_bots_or_somebody_elses(status: int, says: str) -> None:
    async def answers(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    runner = web.ServerRunner(web.Server(answers))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with FakeSlack() as slack:
            findings = await check(slack.settings(receive="http", public_url="https://bot.example.org", port=port))
            (finding,) = [finding for finding in findings if finding.subject == "slack port"]
            assert finding.ok == (status == 401)
            assert says in finding.says
    finally:
        await runner.cleanup()


async def test_a_slack_that_cannot_be_reached_is_one_line() -> None:
    async with FakeSlack() as slack:
        settings = slack.settings()
        slack.fails("users.conversations", status=503)
        assert wrong(await check(settings)) == {"slack": "cannot be reached: it answers with status 503"}
        slack.fails("link", drop=True, times=9)
        assert "the connection broke" in wrong(await check(settings))["slack"]
    (finding,) = await check(settings)
    assert (finding.ok, finding.subject) == (False, "slack")
    assert "cannot be reached" in finding.says


async def test_no_secret_is_ever_shown() -> None:
    secrets = ("xoxb-2-hidden", "xapp-2-hidden", "xoxe.xoxp-2-hidden")
    async with FakeSlack() as slack:
        names = ("bot_token", "app_token", "configuration_token")
        for name, token in zip(names, secrets, strict=True):
            findings = await check(slack.settings(**{name: secret(token)}))
            assert "hidden" not in str(findings)


def test_it_is_configured_by_its_token_and_named_without_its_sdk() -> None:
    assert spec.configured(SlackSettings(bot_token=secret("x")))
    assert not spec.configured(SlackSettings())
    program = "import sys, adapters.slack; sys.exit('slack_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
