"""From the tokens to being online, either way, and what the whole bot makes of what comes twice or too late."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.slack import SlackSettings, spec
from adapters.slack.adapter import SlackAdapter
from adapters.slack.scopes import SCOPES
from adapters.slack.testing import FakeSlack
from bot.api import ConfigError, Online
from bot.testing.hand_clock import HandClock
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.slack_bot import QUICK, connected, free_port
from tests.loopback.slack_whole_bot import whole_slack_bot

RECEIVE = pytest.mark.parametrize("receive", ["socket", "http"])


async def refusal(slack: FakeSlack, **settings: Any) -> str:
    """What is said when it cannot start."""

    async def handle(event: Any) -> None:
        raise AssertionError("nothing can happen yet")

    with pytest.raises(ConfigError) as refused:
        await SlackAdapter(slack.settings(**settings), timing=QUICK).run(handle, ())
    return refused.value.public


# Tokens


@RECEIVE
async def test_all_that_is_missing_is_named_at_once(receive: str) -> None:
    async with FakeSlack() as slack:
        said = await refusal(slack, receive=receive, bot_token=None, app_token=None, signing_secret=SecretStr(" "))
        assert "SLACK_BOT_TOKEN" in said
        assert ("SLACK_APP_TOKEN" in said) == (receive == "socket")
        assert ("SLACK_SIGNING_SECRET" in said) == (receive == "http")
        assert slack.calls == []


async def test_tokens_in_each_others_place_are_noticed() -> None:
    async with FakeSlack() as slack:
        said = await refusal(slack, bot_token=SecretStr(slack.app_token), app_token=SecretStr(slack.token))
        assert "SLACK_BOT_TOKEN begins with xapp-" in said
        assert "SLACK_APP_TOKEN has to begin with xapp-" in said
        assert slack.token not in said
        assert slack.app_token not in said


def test_half_of_a_setup_is_one_that_is_begun() -> None:
    assert spec.configured(SlackSettings(app_token=SecretStr("xapp-1")))
    assert not spec.configured(SlackSettings(signing_secret=SecretStr("s")))


async def test_scopes_that_are_missing_are_told_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="adapters.slack.login"):
        async with FakeSlack(scopes=SCOPES.keys() - {"im:history", "files:write"}) as slack, connected(slack):
            pass
        essential, other = (record for record in caplog.records if record.name == "adapters.slack.login")
        assert (essential.levelname, other.levelname) == ("WARNING", "INFO")
        assert "I hear no direct messages" in essential.getMessage()
        assert "duologue check" in essential.getMessage()
        assert "I cannot send files" in other.getMessage()
        caplog.clear()
        async with FakeSlack() as slack, connected(slack):
            pass
        assert [record for record in caplog.records if record.name == "adapters.slack.login"] == []


@RECEIVE
async def test_a_token_that_slack_refuses_is_told(receive: str) -> None:
    async with FakeSlack() as slack:
        said = await refusal(slack, receive=receive, bot_token=SecretStr("xoxb-wrong"))
        assert "SLACK_BOT_TOKEN" in said
        assert "invalid_auth" in said
        slack.fails("auth.test", error="account_inactive")
        assert "installing the app" in await refusal(slack, receive=receive)


async def test_a_token_of_a_person_is_told() -> None:
    async with FakeSlack() as slack:
        slack.bot.bot_id = ""
        assert "not the token of a bot" in await refusal(slack)


async def test_tokens_of_two_apps_are_told(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeSlack() as slack:
        slack.sockets.app_id = "A0OTHER"
        async with connected(slack):
            await slack.wait_until(lambda: slack.called("bots.info") and slack.called("bots.info")[0].status)
            await slack.wait_until(lambda: "Copy both from the same app" in caplog.text)


# Slack is away


@RECEIVE
async def test_slack_cannot_be_reached_at_the_start(receive: str) -> None:
    async with FakeSlack() as slack:
        slack.fails("auth.test", status=503, times=2)
        slack.fails("auth.test", error="internal_error")
        slack.fails("auth.test", text="Please log in to this network.")
        async with connected(slack, receive=receive) as bot:
            assert bot.of(Online)[0].since is None
            assert bot.adapter.connected
            assert len(slack.called("auth.test")) == 5


async def test_slack_is_asked_no_sooner_than_it_says() -> None:
    clock = HandClock()
    async with FakeSlack() as slack:
        slack.fails("auth.test", status=429, retry_after=20)

        async def handle(event: Any) -> None:
            pass

        run = asyncio.create_task(SlackAdapter(slack.settings(), timing=QUICK, clock=clock).run(handle, ()))
        await clock.waits(20)
        assert len(slack.called("auth.test")) == 1
        clock.passes(20)
        await slack.online(2)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def test_after_a_gap_the_bot_says_since_when() -> None:
    async with FakeSlack() as slack, connected(slack, connections=1) as bot:
        before = bot.of(Online)[0].at.timestamp()
        await bot.heard(Online, 2)  # what was missed before the start
        slack.links[0].drop()
        event = await bot.heard(Online, 3)
        assert event.since is not None
        assert abs(float(event.since) - before) < 60


async def test_a_bot_that_is_stopped_is_not_connected_any_more() -> None:
    async with FakeSlack() as slack:
        async with connected(slack) as bot:
            assert bot.adapter.status["links"] >= 1
        assert not bot.adapter.connected
        assert bot.adapter.status == {}


# Once and only once


@RECEIVE
async def test_what_comes_three_times_with_a_restart_between_is_answered_once(tmp_path: Path, receive: str) -> None:
    port = free_port() if receive == "http" else 3000
    async with FakeSlack() as slack, FakeOpenAI("Hello Ada.") as model:
        for start in range(2):
            async with whole_slack_bot(tmp_path, slack, model, receive=receive, port=port) as bot:
                if receive == "http":
                    await slack.listens_at(f"http://127.0.0.1:{port}/slack/events")
                if start == 0:
                    await bot.asked("hello")
                    await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))
                for told in [*slack.told("app_mention"), *slack.told("message")[:1]]:
                    assert (await slack.sends_again(told)).acked_at is not None
                await bot.idle()
                assert [message.seen for message in bot.own()] == ["Hello Ada."]
        assert len(model.seen) == 1
        assert [len(told.attempts) for told in slack.told("app_mention")] == [3]


async def test_what_was_asked_while_no_link_was_open_is_answered(tmp_path: Path) -> None:
    """Slack gave up telling it."""
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will("Good morning.", "I am back.")
        slack.outbox.retries = False
        async with whole_slack_bot(tmp_path, slack, model, connections=1) as bot:
            question = await bot.asked("good morning")
            slack.fails("apps.connections.open", status=503, times=3)
            slack.links[0].drop()
            await slack.mentions("are you there?")
            await bot.until(lambda: [message.seen for message in bot.own()][1:] == ["I am back."])
            assert question.seen == "Good morning."
