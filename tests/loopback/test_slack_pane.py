"""The assistant pane: what it suggests, what its talks are called, and how an answer is stopped with Slack's button."""

from __future__ import annotations

from pathlib import Path

from adapters.slack.testing import SCOPES, FakeSlack
from bot.api import STOP, ButtonPressed, Message, Text
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from bot.words import read_languages, speaking
from tests.loopback.slack_bot import connected, echo
from tests.loopback.slack_whole_bot import buttons, whole_slack_bot


async def test_a_new_talk_begins_with_suggestions() -> None:
    async with FakeSlack() as slack, connected(slack):
        thread = await slack.opens_assistant()
        await slack.wait_until(lambda: thread.prompts)
        assert [prompt["title"] for prompt in thread.prompts] == [
            "What can you do?",
            "Explain something",
            "Help me write",
            "Find ideas",
        ]
        assert thread.prompts[0]["message"] == "What can you do for me?"
        assert thread.prompts_title == "How can I help?"


async def test_suggestions_speak_the_language_of_whoever_opens_the_pane() -> None:
    with speaking(read_languages()):
        async with FakeSlack() as slack:
            bea = slack.account("Bea", locale="de-DE")
            async with connected(slack):
                thread = await slack.opens_assistant(author=bea)
                await slack.wait_until(lambda: thread.prompts)
                assert thread.prompts[0] == {"title": "Was kannst du?", "message": "Was kannst du für mich tun?"}


async def test_suggestions_can_be_set() -> None:
    wanted = "Tell me what is new in our knowledge base, and do not leave out what is only planned yet"
    async with FakeSlack() as slack, connected(slack, suggested_prompts=(wanted, "Help")):
        thread = await slack.opens_assistant()
        await slack.wait_until(lambda: thread.prompts)
        first, second = thread.prompts
        assert first["message"] == wanted
        assert first["title"] == "Tell me what is new in our knowledge base, and do not leave out what…"
        assert second == {"title": "Help", "message": "Help"}


async def test_what_is_said_in_the_pane_needs_no_mention_and_names_the_talk() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as listener:
        thread = await slack.opens_assistant(beside=slack.general)
        await slack.says(
            "Why is the *sky* blue & not\n`green`, @Olga? I have always wanted to know that", thread=thread
        )
        await slack.wait_until(lambda: thread.title and slack.answers(thread=thread))
        assert thread.title == "Why is the sky blue & not green, @Olga? I have always wante…"
        heard = await listener.heard(Message)
        assert (heard.addressed, heard.place.thread) == (True, thread.ts)
        await slack.moves(thread, slack.channel("other"))
        await slack.says("and the sea?", thread=thread)
        await slack.wait_until(lambda: len(slack.answers(thread=thread)) == 2)
        assert len(slack.called("assistant.threads.setTitle")) == 1
        await slack.wait_until(lambda: all(delivery.acked for delivery in slack.deliveries))


async def test_a_command_does_not_name_a_talk() -> None:
    async with FakeSlack() as slack, connected(slack, echo):
        thread = await slack.opens_assistant()
        await slack.says("!help", thread=thread)
        await slack.says("", thread=thread, files=[("plan.pdf", b"%PDF")])
        await slack.wait_until(lambda: thread.title)
        assert thread.title == "plan.pdf"


async def test_a_talk_that_began_before_a_restart_is_named_too_but_not_twice() -> None:
    async with FakeSlack() as slack:
        async with connected(slack, echo):
            new, old = await slack.opens_assistant(), await slack.opens_assistant()
            await slack.says("the first question", thread=old)
            await slack.wait_until(lambda: old.title and slack.answers(thread=old) and new.prompts)
        async with connected(slack, echo):
            await slack.says("the second question", thread=old)
            await slack.says("a question", thread=new)
            await slack.wait_until(lambda: new.title and len(slack.answers(thread=old)) == 2)
            await slack.says("another", thread=new)
            await slack.wait_until(lambda: len(slack.answers(thread=new)) == 2)
        assert (old.title, new.title) == ("the first question", "a question")
        assert len(slack.called("assistant.threads.setTitle")) == 2


async def test_threads_of_people_are_not_named() -> None:
    async with FakeSlack() as slack, connected(slack, echo):
        root = await slack.says("hello", channel=slack.direct())
        await slack.says("are you there?", thread=root)
        await slack.says("hello @bot", thread=await slack.says("a remark"))
        await slack.wait_until(lambda: len(slack.answers()) == 1 and len(slack.answers(slack.direct())) == 2)
        # Slack tells nobody whether an app is an agent, whose direct messages have titles.
        await slack.wait_until(lambda: slack.called("assistant.threads.setTitle"))
        await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))
        await slack.says("something else", channel=slack.direct())
        await slack.wait_until(lambda: len(slack.answers(slack.direct())) == 3)
        (tried,) = slack.called("assistant.threads.setTitle")
        assert (tried.error, tried.args["thread_ts"]) == ("invalid_thread_ts", root.ts)


async def test_without_the_scope_of_the_pane_it_is_not_tried_again_and_people_are_answered() -> None:
    async with FakeSlack() as slack, connected(slack, echo):
        slack.scopes -= {"assistant:write"}
        root = slack.messages.add(slack.direct(), slack.bot, "New Assistant Thread", subtype="assistant_app_thread")
        for text in ("one", "two"):
            await slack.says(text, thread=root)
        await slack.wait_until(lambda: slack.answers(thread=root) == ["You said: one", "You said: two"])
    async with FakeSlack(scopes=SCOPES - {"assistant:write"}) as slack, connected(slack, echo):
        root = slack.messages.add(slack.direct(), slack.bot, "New Assistant Thread", subtype="assistant_app_thread")
        await slack.says("one", thread=root)
        await slack.wait_until(lambda: slack.answers(thread=root))
        assert not [call for call in slack.calls if call.error == "missing_scope"]


async def test_what_the_pane_does_holds_nobody_up() -> None:
    """Titles and suggestions may take as long as they like."""
    async with FakeSlack() as slack, connected(slack, echo):
        thread = await slack.opens_assistant()
        for method in ("assistant.threads.setSuggestedPrompts", "assistant.threads.setTitle"):
            slack.fails(method, delay=3600.0)
        await slack.says("quick!", thread=thread)
        await slack.wait_until(lambda: slack.answers(thread=thread))
        await slack.wait_until(lambda: all(delivery.acked for delivery in slack.deliveries))


# Slack's own stop button


async def test_slacks_stop_is_a_press_of_stop_by_anyone() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        thread = await slack.opens_assistant()
        question = await slack.says("a story", thread=thread)
        asked = await listener.heard(Message)
        stream = listener.adapter.stream(asked.route)
        async with stream:
            await stream.write(Text("Once upon a time. " * 20))
            await slack.wait_until(lambda: slack.streaming)
            told = await slack.stops(thread)
            pressed = await listener.heard(ButtonPressed)
            assert (pressed.action, pressed.who, pressed.place) == (STOP, "anyone", asked.place)
            assert (pressed.user.id, pressed.message) == (slack.ada.id, stream.sent[-1].id)
            assert told is not None
            assert pressed.id == told.payload["event_id"]
            assert pressed.route.data["user"] == slack.ada.id
        assert question.ts < stream.sent[0].id
        await slack.wait_until(lambda: (session := slack.session(thread)) and session.status == "active")


async def test_an_answer_in_a_thread_is_stopped_with_slacks_button(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will(FakeAnswer("word " * 400, rate=20.0), "Here I am.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            thread = await slack.opens_assistant()
            await slack.says("tell me a story", thread=thread)
            await bot.until(lambda: slack.streaming)
            answer = slack.streaming[0]
            told = await slack.stops(thread)
            await bot.idle()
            await bot.until(lambda: "stopped" in answer.seen)
            assert "🔄 Again" in buttons(answer)
            assert told is not None
            await slack.sends_again(told)
            await bot.idle()
            await slack.says("are you there?", thread=thread)
            await bot.until(lambda: "Here I am." in slack.answers(thread=thread))
            assert slack.streaming == []
            await bot.until(lambda: (session := slack.session(thread)) and session.status == "active")


async def test_a_stop_that_comes_too_late_says_so(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("Done.") as model, whole_slack_bot(tmp_path, slack, model) as bot:
        thread = await slack.opens_assistant()
        await slack.says("be quick", thread=thread)
        await bot.until(lambda: "Done." in slack.answers(thread=thread))
        await bot.idle()
        await slack.stops(thread)
        await bot.until(lambda: len(slack.answers(thread=thread)) == 2)
        assert "There is nothing to stop any more." in slack.answers(thread=thread)[1]
