"""Other answers and branches on Slack, by typed command, by button and in the menu of a message."""

from __future__ import annotations

from pathlib import Path

from adapters.slack.testing import FakeSlack, Message
from bot.testing.openai_server import FakeOpenAI
from plugins.commands import plugin as commands
from plugins.conversation import plugin as conversation
from tests.loopback.slack_whole_bot import WholeSlackBot, buttons, whole_slack_bot
from tests.loopback.whole_bot import prompt_of

PLUGINS = (commands, conversation)
AGAIN, FORGET = "🔄 Again", "🗑 Forget"
OPINIONS = ["Good answer", "Bad answer"]


def whispered(slack: FakeSlack, thread: Message) -> Message:
    """The newest of what a moderator alone sees there."""
    return [each for each in slack.screen(thread=thread, viewer=slack.olga) if each.seen_by is not None][-1]


async def typed(bot: WholeSlackBot, line: str, thread: Message) -> str:
    """What a moderator is told there; Slack allows slash commands in no thread."""
    slack = bot.slack
    before = slack.answers(viewer=slack.olga)
    await slack.says(line, thread=thread, author=slack.olga)
    said = await bot.until(lambda: slack.answers(viewer=slack.olga)[len(before) :])
    await bot.idle()
    return said[-1]


async def test_an_answer_is_had_anew_branched_off_and_come_back_to(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will("One.", "Two.", "Three.", "Four.", "Five.")
        async with whole_slack_bot(tmp_path, slack, model, plugins=PLUGINS) as bot:
            question = await slack.mentions("count")
            await bot.until(bot.own)
            await bot.idle()
            first = bot.newest
            second = await bot.asked("go on", thread=question)
            await slack.presses(second, AGAIN)
            await bot.until(lambda: second.seen == "Three.\n2/2")
            await bot.idle()

            await slack.uses("branch_or_pin", first, author=slack.olga)
            await bot.until(lambda: "What shall I do?" in slack.answers(viewer=slack.olga)[-1])
            offered = whispered(slack, question)
            assert offered.seen.startswith("Me: “One.”\n")
            await slack.presses(offered, "⑂ Branch from here", author=slack.olga)
            await bot.until(lambda: "on **branch 2**" in whispered(slack, question).seen)
            await bot.idle()
            await bot.until(lambda: buttons(first) == [AGAIN, FORGET, *OPINIONS] and buttons(second) == [])

            other = await bot.asked("and otherwise?", thread=question)
            assert prompt_of(model.seen[-1])[:2] == ["count", "One."]
            assert "go on" not in str(model.seen[-1].body)
            listed = await typed(bot, "!branch list", question)
            assert "● **branch 2** · we are here" in listed
            await slack.presses(whispered(slack, question), "⑂ main", author=slack.olga)
            await bot.until(lambda: "We go on with **main**, from Me: “Three.”." in whispered(slack, question).seen)
            await bot.until(lambda: buttons(second) == [AGAIN, "◀", FORGET, *OPINIONS] and buttons(other) == [])
            await slack.presses(second, "◀")
            await bot.until(lambda: second.seen == "Two.\n1/2")
            await bot.idle()
            await bot.asked("and now?", thread=question)
            assert prompt_of(model.seen[-1])[:4] == ["count", "One.", "go on", "Two."]
        assert (slack.pinged, slack.refused) == ([], [])


async def test_branches_are_made_and_switched_by_slash_command(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will("One.")
        async with whole_slack_bot(tmp_path, slack, model, plugins=PLUGINS, reply_in_threads=False) as bot:

            async def new(says: str) -> None:
                await bot.until(lambda: bot.own() and says in bot.newest.seen)
                await bot.idle()

            await slack.mentions("count")
            await new("One.")
            await slack.runs("/duologue", "branch from 2 --name=aside", author=slack.olga)
            await new("We go on from Ada: “count”, on **aside**.")
            await slack.runs("/duologue", "branch switch main", author=slack.olga)
            await new("We go on with **main**, from Me: “One.”.")
