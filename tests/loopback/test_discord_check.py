"""`duologue check` and starting, where something is missing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.discord import DiscordSettings, spec
from adapters.discord.checking import check
from adapters.discord.manifest import NEEDED
from adapters.discord.testing import FakeDiscord
from adapters.discord.testing.world import PERMISSIONS
from bot.api import ConfigError, Message, Online
from tests.loopback.discord_bot import QUICK, Listener, connected, echo


async def test_all_is_well() -> None:
    async with FakeDiscord(members=True) as discord:
        findings = await check(discord.settings(member_events=True))
        assert all(finding.ok for finding in findings)
        assert [finding.says for finding in findings] == [
            "belongs to duologue",
            "the intent is switched on",
            "I am on 1",
            "I work there, but without Manage Webhooks (characters speak under my own name and picture)",
        ]


async def test_what_it_may_not_do_on_a_server_is_named_with_what_that_costs() -> None:
    async with FakeDiscord() as discord:
        everyone = discord.guild.roles[discord.guild.id]
        everyone.permissions &= ~PERMISSIONS["read_message_history"]
        (wrong,) = [finding for finding in await check(discord.settings()) if not finding.ok]
        assert wrong.subject == "discord server The Workshop"
        assert "Read Message History (I cannot reply to messages, nor find what I missed)" in wrong.says
        assert f"client_id={discord.bot.id}" in wrong.says


async def test_the_log_of_a_start_names_what_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeDiscord() as discord:
        everyone = discord.guild.roles[discord.guild.id]
        everyone.permissions &= ~PERMISSIONS["send_messages"]
        async with connected(discord, echo) as bot:
            await discord.says("hello", channel=discord.direct())
            await bot.heard(Message)
    (said,) = [record.getMessage() for record in caplog.records if "The Workshop" in record.getMessage()]
    assert "Send Messages (I cannot answer)" in said


async def test_the_log_tells_where_the_refused_intent_is_switched_on(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeDiscord(message_content=False) as discord, connected(discord, echo):
        said = [record.getMessage() for record in caplog.records if "Message Content Intent" in record.getMessage()]
        assert len(said) == 1
        assert "https://discord.com/developers/applications/123/bot" in said[0]


async def test_members_that_are_refused_end_the_bot_with_where_to_switch_them_on() -> None:
    async with FakeDiscord(message_content=False) as discord:
        with pytest.raises(ConfigError, match=r"Server Members Intent.*applications/123/bot"):
            async with connected(discord, member_events=True):
                pass


async def test_the_log_of_a_bot_on_no_server_shows_its_invitation(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeDiscord() as discord:
        discord.world.guilds.clear()
        async with connected(discord, echo) as bot:
            await discord.says("hello", channel=discord.direct())
            await bot.heard(Message)
            invitation = f"https://discord.com/oauth2/authorize?client_id={discord.bot.id}"
    assert any(invitation in record.getMessage() for record in caplog.records)


def test_the_invitations_of_the_readme_and_of_the_check_ask_for_the_same() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert f"&permissions={NEEDED.value}`" in readme


async def test_what_is_missing_is_said_with_where_to_switch_it_on() -> None:
    async with FakeDiscord(message_content=False) as discord:
        findings = await check(discord.settings(member_events=True))
        wrong = {finding.subject: finding.says for finding in findings if not finding.ok}
        assert set(wrong) == {"discord message content", "discord members"}
        page = f"https://discord.com/developers/applications/{discord.bot.id}/bot"
        assert all(page in says for says in wrong.values())


async def test_a_bot_on_no_server_gets_its_invitation() -> None:
    async with FakeDiscord() as discord:
        discord.world.guilds.clear()
        says = (await check(discord.settings()))[-1].says
        assert f"client_id={discord.bot.id}" in says
        assert "applications.commands" in says


async def test_a_wrong_token_or_none_is_said() -> None:
    async with FakeDiscord() as discord:
        settings = discord.settings()
    (unreachable,) = await check(settings)
    assert not unreachable.ok
    assert "cannot be reached" in unreachable.says
    async with FakeDiscord() as discord:
        wrong = DiscordSettings(token="wrong", api_url=discord.rest)
        (refused,) = await check(wrong)
        assert "does not accept DISCORD_TOKEN" in refused.says
        assert "has three parts with dots" in refused.says
        (refused,) = await check(DiscordSettings(token="MTIz.reset.token", api_url=discord.rest))
        assert "https://discord.com/developers/applications/123/bot" in refused.says
    assert "put DISCORD_TOKEN into .env" in (await check(DiscordSettings()))[0].says


def test_it_is_configured_by_its_token_and_named_without_its_sdk() -> None:
    assert spec.configured(DiscordSettings(token="x"))
    assert not spec.configured(DiscordSettings())
    program = "import sys, adapters.discord; sys.exit('discord' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_it_waits_for_a_discord_that_cannot_be_reached_yet() -> None:
    async with FakeDiscord() as discord:
        discord.fails("GET /users/@me", drop=True)
        async with connected(discord, echo):
            await discord.says("@bot hello")
            await discord.wait_until(lambda: discord.answers() == ["You said: hello"])


async def test_a_gateway_that_is_down_for_a_while_loses_nothing() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        discord.gateway.open = False
        await discord.gateway.close()
        await discord.wait_until(lambda: discord.gateway.turned_away > 0)
        await discord.says("@bot are you there?")
        discord.gateway.open = True
        await discord.wait_until(lambda: discord.answers() == ["You said: are you there?"])
        assert len(bot.of(Message)) == len(bot.of(Online)) == 1


async def test_it_stops_when_it_is_told_to_while_it_connects() -> None:
    from adapters.discord.adapter import DiscordAdapter

    async with FakeDiscord() as discord:
        discord.gateway.open = False
        adapter = DiscordAdapter(discord.settings(), timing=QUICK)
        running = asyncio.create_task(adapter.run(Listener(adapter, None).handle, []))
        await discord.wait_until(lambda: discord.gateway.turned_away > 0)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
