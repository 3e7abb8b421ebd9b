"""The whole bot on a loopback Slack: the real slack-bolt, the real engine and memory, a model on loopback."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from adapters.slack.testing import SCOPES, FakeSlack, Message
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.loopback.killing import story
from tests.loopback.slack_whole_bot import buttons, whole_slack_bot
from tests.loopback.whole_bot import prompt_of

STORY = story(200)


def never_backwards(message: Message) -> bool:
    shown = [state.text for state in message.states]
    return all(after.startswith(before.rstrip()) for before, after in pairwise(shown))


async def test_a_mention_is_answered_live_in_its_thread_goes_on_there_and_is_remembered_after_a_restart(
    tmp_path: Path,
) -> None:
    model = FakeOpenAI()
    async with FakeSlack() as slack, model:
        model.will(FakeAnswer(STORY, rate=100.0), "You asked for a story.", "The story was about words.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            question = await slack.mentions("tell me a story")
            await bot.until(lambda: slack.streaming)
            answer = bot.newest
            await bot.until(lambda: answer.seen == STORY and not answer.streaming)
            await bot.idle()
            assert len(answer.states) > 2, "it grew while people watched"
            assert never_backwards(answer)
            assert answer.thread_ts == question.ts
            assert "🔄 Again" in buttons(answer)

            second = await bot.asked("what did I ask for?", thread=question)
            assert (second.thread_ts, second.seen) == (question.ts, "You asked for a story.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            third = await bot.asked("and what was it about?", thread=question)
            assert third.seen == "The story was about words."
            texts = prompt_of(model.seen[-1])
            assert texts[:4] == ["tell me a story", STORY, "what did I ask for?", "You asked for a story."]
            assert [role for role, _, _ in await bot.memory(thread=question)] == ["user", "assistant"] * 3
        assert (slack.pinged, slack.refused, slack.streaming) == ([], [], [])


async def test_a_direct_message_needs_no_mention_and_begins_a_talk_of_its_own(tmp_path: Path) -> None:
    async with FakeSlack(agent=True) as slack, FakeOpenAI() as model:
        model.will("Hello Ada.", "Still here.", "Tea is a leaf.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            answer = await bot.asked("hello", channel=slack.direct())
            assert answer.seen == "Hello Ada."
            root = slack.direct().messages[str(answer.thread_ts)]
            assert root.text == "hello"
            # What is set and asked by slash commands, which Slack allows in no thread, is for all of them.
            await slack.runs("/duologue", "system set Be brief.", channel=slack.direct())
            await bot.until(lambda: len(slack.answers(slack.direct())) == 2)
            await bot.idle()
            assert (await bot.asked("are you there?", thread=root)).thread_ts == root.ts
            assert prompt_of(model.seen[-1])[:2] == ["hello", "Hello Ada."]
            other = await bot.asked("what is tea?", channel=slack.direct())
            assert (other.thread_ts != root.ts, other.seen) == (True, "Tea is a leaf.")
            assert "Be brief." in str(model.seen[-1])
            assert "hello" not in prompt_of(model.seen[-1])
            texts = [text for _, text, _ in await bot.memory(thread=root)]
            assert texts == ["hello", "Hello Ada.", "are you there?", "Still here."]


async def test_where_the_app_is_no_agent_all_direct_messages_are_one_talk(tmp_path: Path) -> None:
    async with FakeSlack(scopes=SCOPES - {"assistant:write"}) as slack, FakeOpenAI() as model:
        model.will("Hello Ada.", "Still here.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            answer = await bot.asked("hello", channel=slack.direct())
            assert (answer.channel, answer.thread_ts, answer.seen) == (slack.direct(), None, "Hello Ada.")
            assert (await bot.asked("are you there?", channel=slack.direct())).seen == "Still here."
            assert [text for _, text, _ in await bot.memory(slack.direct())][::2] == ["hello", "are you there?"]


async def test_what_nobody_asked_is_read_but_not_answered(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("Noted.") as model, whole_slack_bot(tmp_path, slack, model) as bot:
        await slack.says("the key lies under the mat")
        await slack.says("good morning", channel=slack.channel("other"))
        await bot.asked("where is the key?")
        assert len(bot.own()) == 1
        assert len(model.seen) == 1


@pytest.mark.parametrize("text", ["help", "ping", "history 5"])
async def test_a_slash_command_is_answered(tmp_path: Path, text: str) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model, whole_slack_bot(tmp_path, slack, model) as bot:
        used = await slack.runs("/duologue", text)
        said = await bot.until(lambda: slack.answers(viewer=slack.ada))
        assert "went wrong" not in said[0]
        assert used.acked
        others = slack.answers(viewer=slack.olga)
        assert len(others) == (1 if text == "ping" else 0), "only pongs are for everybody"


async def test_a_slash_command_asks_the_model(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI(STORY) as model, whole_slack_bot(tmp_path, slack, model) as bot:
        await slack.runs("/duologue", "ask tell me a story")
        await bot.until(lambda: any(STORY in text for text in slack.answers()))
        await bot.idle()
        assert sum(STORY in text for text in slack.answers()) == 1


async def test_buttons_stop_an_answer_and_ask_for_another(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will(FakeAnswer(STORY, rate=20.0), "A shorter one.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await slack.mentions("tell me a story")
            await bot.until(lambda: bot.own() and len(bot.newest.seen) > 50)
            answer = bot.newest
            # Slack has a stop of its own for what streams.
            await slack.stops(answer)
            await bot.until(lambda: "🔄 Again" in buttons(answer))
            await bot.idle()
            assert "stopped" in answer.seen
            assert not slack.streaming
            await slack.presses(answer, "🔄 Again")
            await bot.until(lambda: bot.newest.seen == "A shorter one.\n2/2")
            await bot.idle()
            assert "◀" in buttons(bot.newest)
            assert [message.thread_ts for message in bot.own()] == [answer.thread_ts]


async def test_buttons_work_after_a_restart(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will("The first.", "The second.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await bot.asked("say something")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await slack.presses(bot.newest, "🔄 Again")
            await bot.until(lambda: bot.newest.seen == "The second.\n2/2")
            await bot.idle()
            assert len(bot.own()) == 1


async def test_the_same_event_three_times_with_a_restart_between_is_answered_once(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("Once.") as model:
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await bot.asked("say it once")
            heard = [*slack.told("app_mention"), *slack.told("message")][:2]
            assert len(heard) == 2, "as a mention and as a message"
            for delivery in heard:
                await slack.sends_again(delivery)
            await bot.idle()
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            for delivery in heard:
                again = await slack.sends_again(delivery)
                assert again.acked_at is not None
            await bot.idle()
            assert [message.seen for message in bot.own()] == ["Once."]
        assert len(model.seen) == 1


async def test_nobody_is_called_by_what_the_model_says(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("Hey <!channel>, @here, <@U123> & <!subteam^S1>") as model:
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await bot.asked("call everybody")
        assert slack.pinged == []
