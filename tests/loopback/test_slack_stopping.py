"""While the bot is being stopped: Slack tells later what nobody takes any more, and people know that they must."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.testing import FakeSlack
from bot.api import CommandCall, Message
from bot.testing.adapter_contract import contract_commands
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.loopback.slack_bot import connected
from tests.loopback.slack_whole_bot import whole_slack_bot

COMMANDS = contract_commands()


@pytest.mark.parametrize("settings", [{}, {"receive": "http"}], ids=["sockets", "http"])
async def test_what_comes_then_is_told_again(settings: dict[str, Any]) -> None:
    async with FakeSlack() as slack:
        async with connected(slack, commands=COMMANDS, **settings) as bot:
            bot.adapter.stop_hearing()
            question = await slack.mentions("anybody?")
            command = await slack.runs("/duologue", "system show")
            await slack.wait_until(lambda: command.acked)
            assert "Please try again." in str(slack.deliveries[-1].answer)
            assert (bot.of(Message), bot.of(CommandCall)) == ([], [])
            assert [each.acked for each in slack.deliveries] == [False, False, True]
        async with connected(slack, commands=COMMANDS, **settings) as bot:
            await slack.catches_up()
            assert (await bot.heard(Message)).id == question.ts


async def test_a_form_stays_open_with_what_was_written() -> None:
    async with FakeSlack() as slack, connected(slack, commands=COMMANDS) as bot:
        used = await slack.runs("/duologue", "system set")
        await slack.wait_until(lambda: used.view)
        bot.adapter.stop_hearing()
        assert used.view is not None
        sent = await slack.submits(used.view, text="Be brief.")
        await slack.wait_until(lambda: sent.acked)
        assert "Please try again." in str(slack.deliveries[-1].answer)
        assert slack.form() is not None
        assert bot.of(CommandCall) == []


async def test_an_answer_is_finished_and_what_follows_is_answered_after_the_start(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will(FakeAnswer("word " * 40, rate=100.0), "After the start.")
        grace = {"answers": {"shutdown_grace": 10}}
        async with whole_slack_bot(tmp_path, slack, model, settings=grace) as bot:
            question = await slack.mentions("tell me")
            await bot.until(lambda: len(model.seen) == 1 and bot.own())
            stopping = asyncio.create_task(bot.app._wind_up())
            await asyncio.sleep(0)
            late = await slack.says("and then?", thread=question)
            await stopping
            assert bot.newest.seen.split() == ["word"] * 40
            assert not any(each.acked for each in slack.deliveries if each.payload["event"].get("ts") == late.ts)
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await bot.until(lambda: bot.newest.seen == "After the start.")
            await slack.catches_up()
            await bot.idle()
            assert [each.seen for each in bot.own()][1:] == ["After the start."]
