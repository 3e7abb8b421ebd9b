"""What the bot says on Slack: posted, edited and taken back through the real SDK."""

from __future__ import annotations

import pytest

from adapters.slack.testing import FakeSlack, labels
from bot.api import Button, Reply, SentId, TargetGone
from tests.loopback.slack_saying import speaking

STOP, AGAIN = Button("stop", "Stop"), Button("again", "Again", look="primary")


async def test_a_reply_is_posted_as_markdown_with_a_fallback() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        (sent,) = await bot.says("**Hello** & welcome")
        (message,) = slack.screen()
        assert (sent, message.seen) == (SentId(message.ts), "**Hello** & welcome")
        assert message.fallback == "*Hello* &amp; welcome"
        assert await bot.says("  ") == ()
        await bot.sending.edit(bot.route(), sent, Reply("better", buttons=(AGAIN,)))
        assert (message.seen, labels(message.blocks)) == ("better", ["Again"])
        await bot.sending.edit(bot.route(), sent, Reply(buttons=(STOP,)))
        assert (message.seen, labels(message.blocks)) == ("better", ["Stop"])
        await bot.sending.delete(bot.route(), sent)
        assert slack.screen() == []
        with pytest.raises(TargetGone):
            await bot.sending.edit(bot.route(), sent, Reply("too late"))
