"""On Slack, a small line under an answer tells what it took, and `/cost` where it was spent."""

from __future__ import annotations

from pathlib import Path

from adapters.slack.testing import FakeSlack
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from plugins.commands import plugin as commands
from plugins.meters import plugin as meters
from tests.loopback.slack_whole_bot import whole_slack_bot
from tests.loopback.whole_bot import prompt_of

SETTINGS = {"answers": {"footer": True}}


async def test_what_an_answer_took_stands_below_it_and_is_not_remembered(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will(FakeAnswer("Hello Ada, how are you?", rate=50.0), "Fine.")
        async with whole_slack_bot(tmp_path, slack, model, plugins=(commands, meters), settings=SETTINGS) as bot:
            question = await slack.mentions("hello")
            answer = await bot.until(lambda: bot.newest if bot.own() and "tok/s" in bot.newest.seen else None)
            await bot.idle()
            text, line = answer.seen.rstrip().rsplit("\n", 1)
            assert text.strip() == "Hello Ada, how are you?"
            assert " tokens · " in line
            assert "first token" in line
            remembered = [text for _, text, _ in await bot.memory(thread=question)]
            assert remembered == ["hello", "Hello Ada, how are you?"]
            await bot.asked("and you?", thread=question)
            assert prompt_of(model.seen[-1])[:2] == ["hello", "Hello Ada, how are you?"]
            await slack.runs("/duologue", "cost channel", channel=slack.direct())
            told = await bot.until(lambda: slack.answers(slack.direct(), viewer=slack.ada))
            assert f"- `#{slack.general.name}`: " in told[-1]
