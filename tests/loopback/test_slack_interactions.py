"""What people do on Slack with commands, buttons and forms, as the whole bot understands it."""

from __future__ import annotations

from pathlib import Path

from adapters.slack.testing import FakeSlack, Message
from bot.testing.openai_server import FakeOpenAI, unknown_model
from tests.loopback.slack_whole_bot import buttons, whole_slack_bot


def whispers(slack: FakeSlack) -> list[Message]:
    """What Ada alone can read in the channel."""
    return [each for each in slack.general.messages.values() if each.seen_by is slack.ada and not each.deleted]


async def whispered(slack: FakeSlack, count: int = 1) -> str:
    await slack.wait_until(lambda: len(whispers(slack)) >= count)
    return whispers(slack)[-1].seen


async def test_a_question_is_asked_with_a_command_and_said_anew(tmp_path: Path) -> None:
    async with FakeOpenAI() as model, FakeSlack() as slack, whole_slack_bot(tmp_path, slack, model) as bot:
        model.will("Because of the air.", "It scatters light.")
        await slack.runs("/duologue", "ask Why is the sky blue?")
        await bot.until(bot.own)
        await bot.idle()
        assert [each.seen for each in slack.screen()] == ["/duologue ask Why is the sky blue?", "Because of the air."]
        assert [text for _, text, _ in await bot.memory()] == ["Why is the sky blue?", "Because of the air."]
        eve = slack.account("Eve")
        await slack.presses(bot.newest, "🔄 Again", author=eve)
        await slack.wait_until(lambda: [each.seen for each in slack.screen(viewer=eve) if each.seen_by is eve])
        await slack.presses(bot.newest, "🔄 Again")
        await bot.until(lambda: bot.newest.seen == "It scatters light.\n2/2")
        await bot.idle()
        assert len(bot.own()) == 1
        assert "▶" not in buttons(bot.newest)
        await slack.presses(bot.newest, "◀")
        await bot.until(lambda: bot.newest.seen == "Because of the air.\n1/2")
        await bot.idle()


async def test_a_question_without_words_is_asked_for_in_a_form(tmp_path: Path) -> None:
    async with (
        FakeOpenAI("It is a bill.") as model,
        FakeSlack() as slack,
        whole_slack_bot(tmp_path, slack, model) as bot,
    ):
        used = await slack.runs("/ask")
        await bot.until(lambda: used.view)
        assert used.view is not None
        await slack.submits(used.view, question="What is this?", file=[("bill.txt", b"Tea 2.50")])
        await bot.until(bot.own)
        await bot.idle()
        assert bot.newest.seen == "It is a bill."
        assert "Tea 2.50" in str(model.seen[-1].body)


async def test_what_is_wrong_with_a_command_is_told_to_its_caller_alone(tmp_path: Path) -> None:
    async with FakeOpenAI() as model, FakeSlack() as slack, whole_slack_bot(tmp_path, slack, model) as bot:
        await slack.runs("/duologue", "aks why?")
        assert "Did you mean" in await whispered(slack)
        await slack.runs("/duologue", "system")
        assert "needs one more word" in await whispered(slack, 2)
        await slack.runs("/duologue", "ping --loud")
        assert "`--loud`" in await whispered(slack, 3)
        await slack.runs("/duologue", "system set be rude")
        assert "Only moderators" in await whispered(slack, 4)
        await bot.idle()
        assert bot.own() == []


async def test_help_is_for_whoever_asks_and_in_their_language(tmp_path: Path) -> None:
    async with FakeOpenAI() as model, FakeSlack() as slack, whole_slack_bot(tmp_path, slack, model) as bot:
        await slack.runs("/duologue")
        assert "Ask me something" in await whispered(slack)
        gustav = slack.account("Gustav", locale="de-DE")
        await slack.runs("/duologue", "help", author=gustav)
        await slack.wait_until(lambda: slack.answers(viewer=gustav))
        assert "Frag mich etwas" in slack.answers(viewer=gustav)[0]
        assert bot.own() == []


async def test_commands_are_told_as_they_can_be_typed_in_that_place(tmp_path: Path) -> None:
    async with FakeOpenAI("Hello.") as model, FakeSlack() as slack:
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await slack.runs("/duologue")
            assert "- `/duologue ask <question…> [file]` – " in await whispered(slack)
            question = await slack.mentions("!help")
            await slack.wait_until(lambda: len(whispers(slack)) == 2)
            assert whispers(slack)[-1].thread_ts == question.ts
            assert "- `!ask <question…> [file]` – " in whispers(slack)[-1].seen
            await bot.idle()
        async with whole_slack_bot(tmp_path, slack, model, commands="each"):
            await slack.runs("/duologue")
            told = await whispered(slack, 3)
            assert "- `/ask <question…> [file]` – " in told
            assert "`/duologue help <command>` tells more" in told


async def test_also_what_is_told_beside_an_answer(tmp_path: Path) -> None:
    async with FakeOpenAI() as model, FakeSlack() as slack, whole_slack_bot(tmp_path, slack, model) as bot:
        model.will(unknown_model("gpt-6-luna"))
        await slack.runs("/duologue", "ask Why?")
        await bot.until(lambda: any("/duologue model" in each.seen for each in slack.screen(viewer=slack.ada)))
        await bot.idle()
