"""An app as Slack makes them since June 2026, an agent: no assistant threads, and suggestions stand on top."""

from __future__ import annotations

from adapters.slack.testing import SCOPES, FakeSlack
from bot.words import read_languages, speaking
from tests.loopback.slack_bot import connected, echo


async def test_whoever_opens_its_messages_is_told_what_to_ask_in_their_language() -> None:
    with speaking(read_languages()):
        async with FakeSlack(agent=True) as slack:
            bea = slack.account("Bea", locale="de-DE")
            async with connected(slack):
                await slack.opens_home(tab="messages", author=bea)
                await slack.wait_until(lambda: slack.suggested(bea))
                await slack.opens_home(tab="messages")
                await slack.wait_until(slack.suggested)
        assert slack.suggested(bea)[0] == {"title": "Was kannst du?", "message": "Was kannst du für mich tun?"}
        assert slack.suggested()[0] == {"title": "What can you do?", "message": "What can you do for me?"}


async def test_what_is_written_to_it_is_answered() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, echo):
        await slack.opens_home(tab="messages")
        await slack.says("hello", channel=slack.direct())
        await slack.wait_until(lambda: slack.answers(slack.direct()) == ["You said: hello"])


async def test_nothing_is_suggested_where_nobody_may_write_or_the_scope_is_missing() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, direct_messages=False):
        await slack.opens_home(tab="messages")
        await slack.wait_until(lambda: slack.told("app_home_opened")[0].acked)
    async with FakeSlack(agent=True, scopes=SCOPES - {"assistant:write"}) as other, connected(other):
        await other.opens_home(tab="messages")
        await other.wait_until(lambda: other.told("app_home_opened")[0].acked)
    assert not [
        *slack.called("assistant.threads.setSuggestedPrompts"),
        *other.called("assistant.threads.setSuggestedPrompts"),
    ]
