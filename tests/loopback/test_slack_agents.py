"""An app as Slack makes them since June 2026, an agent: no assistant threads, and suggestions stand on top."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.slack.adapter import SlackAdapter
from adapters.slack.missed import newest
from adapters.slack.testing import SCOPES, FakeSlack
from adapters.slack.testing import Message as Shown
from adapters.slack.threads import Threads
from adapters.slack.workspace import Workspace, asked
from bot.api import (
    AnyEvent,
    CommandCall,
    Message,
    MessageDeleted,
    MessageEdited,
    Place,
    Reacted,
    Reply,
    Route,
    SystemClock,
)
from bot.testing.adapter_contract import contract_commands
from bot.testing.openai_server import FakeOpenAI
from bot.words import read_languages, speaking
from tests.loopback.killing import telling
from tests.loopback.slack_bot import connected, echo
from tests.loopback.slack_ears import calls_of
from tests.loopback.slack_whole_bot import place_of, whole_slack_bot


def title(slack: FakeSlack, talk: Shown) -> str:
    session = slack.session(talk)
    return session.title if session is not None else ""


async def reply(adapter: SlackAdapter, event: AnyEvent) -> None:
    await adapter.send(event.route, Reply("Done."))


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


async def test_what_is_written_to_it_is_answered_below_it_and_names_the_talk() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, echo):
        await slack.opens_home(tab="messages")
        first = await slack.says("why is the *sky* blue?", channel=slack.direct())
        await slack.wait_until(lambda: slack.answers(thread=first) == ["You said: why is the **sky** blue?"])
        await slack.says("and at night?", thread=first)
        await slack.wait_until(lambda: len(slack.answers(thread=first)) == 2)
        other = await slack.says("hello", channel=slack.direct())
        await slack.wait_until(lambda: title(slack, first) and title(slack, other))
        assert (title(slack, first), title(slack, other)) == ("why is the sky blue?", "hello")
        assert len(slack.called("assistant.threads.setTitle")) == 2
        assert all(each.thread_ts for each in slack.screen(slack.direct()) if each.author is slack.bot)


async def test_a_talk_that_begins_with_a_command_is_named_by_what_is_said_then() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, echo, commands=contract_commands()):
        first = await slack.says("!help", channel=slack.direct())
        await slack.says("why is the sky blue?", thread=first)
        await slack.wait_until(lambda: title(slack, first))
        assert title(slack, first) == "why is the sky blue?"


async def test_a_long_answer_is_a_stream_that_slacks_own_button_stops(tmp_path: Path) -> None:
    story = " ".join(f"word{number:04}" for number in range(4000))
    async with (
        FakeSlack(agent=True) as slack,
        FakeOpenAI(telling(story, 300)) as model,
        whole_slack_bot(tmp_path, slack, model) as bot,
    ):
        asked = await slack.says("tell me a long story", channel=slack.direct())
        await bot.until(lambda: slack.status(asked))
        stream = await bot.until(lambda: next((each for each in bot.own() if each.streaming), None))
        assert stream is not None
        await bot.until(lambda: "word0030" in stream.seen)
        await slack.stops(stream)
        await bot.idle()
        assert (stream.thread_ts, stream.streaming) == (asked.ts, False)
        assert "word3999" not in stream.seen
        session = slack.session(asked)
        assert session is not None
        await bot.until(lambda: session.status == "active")
        (_, said) = await bot.tree(thread=asked)
        assert (said.role, said.status) == ("assistant", "partial")


async def test_what_happens_to_a_question_happens_in_its_talk() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, echo) as bot:
        asked = await slack.says("helo", channel=slack.direct())
        (answer,) = await slack.wait_until(lambda: slack.screen(thread=asked)[1:])
        await slack.edits(asked, "hello")
        edit = await bot.heard(MessageEdited)
        assert (edit.message, edit.text, edit.place.thread) == (asked.ts, "hello", asked.ts)
        await slack.reacts(answer, "+1")
        assert (await bot.heard(Reacted)).place == edit.place
        await slack.deletes(asked)
        assert (await bot.heard(MessageDeleted)).place == edit.place


async def test_what_was_said_to_it_is_read_back_with_its_talk() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, echo) as bot:
        asked = await slack.says("hello", channel=slack.direct())
        (answer,) = await slack.wait_until(lambda: slack.screen(thread=asked)[1:])
        more = await slack.says("and now?", thread=asked)
        await slack.wait_until(lambda: len(slack.answers(thread=asked)) == 2)
        flat = Place("slack", slack.world.team, slack.direct().id)
        talk = replace(flat, thread=asked.ts)
        (root,) = await bot.adapter.history(Route(flat), None, 10)
        assert root.event is not None
        assert (root.text, root.event.place, root.event.addressed) == ("hello", talk, True)
        read = await bot.adapter.history(Route(talk), None, 10)
        assert [(each.id, each.own) for each in read[:3]] == [(asked.ts, False), (answer.ts, True), (more.ts, False)]


async def test_what_was_missed_is_answered_in_its_talk(tmp_path: Path) -> None:
    async with FakeSlack(agent=True) as slack, FakeOpenAI("Yes.") as model:
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            answer = await bot.asked("hello", channel=slack.direct())
            first = slack.direct().messages[str(answer.thread_ts)]
        slack.messages.add(slack.direct(), slack.ada, "and then?", thread_ts=first.ts)
        question = slack.messages.add(slack.direct(), slack.ada, "what is an apple?")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await bot.until(lambda: len(slack.answers(thread=first)) == 2 and slack.answers(thread=question))
            await bot.idle()
        assert (len(slack.answers(thread=first)), len(slack.answers(thread=question))) == (2, 1)
        assert len(model.seen) == 3


async def test_threads_that_went_on_are_looked_into_where_the_bot_takes_part() -> None:
    async with FakeSlack(agent=True) as slack:
        calls, threads = calls_of(slack, SystemClock()), Threads(None)
        talk, foreign, own = (
            slack.messages.add(channel, slack.ada, "well?")
            for channel in (slack.direct(), slack.general, slack.general)
        )
        replies = [
            slack.messages.add(each.channel, slack.olga, "?", thread_ts=each.ts) for each in (talk, foreign, own)
        ]
        await threads.join(place_of(slack, thread=own))
        found = await newest(calls, await asked(calls.client), threads)
        assert found == {
            str(place_of(slack, slack.direct())): talk.ts,
            str(place_of(slack, thread=talk)): replies[0].ts,
            str(place_of(slack)): own.ts,
            str(place_of(slack, thread=own)): replies[2].ts,
        }


async def test_commands_are_answered_where_they_were_called() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, reply, commands=contract_commands()) as bot:
        await slack.runs("/duologue", "say hi", channel=slack.direct())
        assert (await bot.heard(CommandCall)).place.thread is None
        asked = await slack.says("!say hi", channel=slack.direct())
        assert (await bot.heard(CommandCall, 2)).place.thread == asked.ts
        await slack.wait_until(lambda: slack.answers(thread=asked) == ["Done."])
        # Below the answer to a slash command somebody goes on with that.
        flat = next(each for each in slack.screen(slack.direct()) if each.author is slack.bot)
        await slack.says("go on", thread=flat)
        heard = await bot.heard(Message)
        assert (heard.place.thread, heard.addressed) == (flat.ts, True)


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


@pytest.mark.parametrize("why", ["the scope is missing", "it is wanted"])
async def test_direct_messages_are_one_talk_where_threads_are_not_wanted_or_show_no_more(why: str) -> None:
    scopes = SCOPES - {"assistant:write"} if why == "the scope is missing" else SCOPES
    in_threads = why != "it is wanted"
    async with FakeSlack(scopes=scopes) as slack, connected(slack, echo, reply_in_threads=in_threads) as bot:
        said = await slack.says("hello", channel=slack.direct())
        await slack.wait_until(lambda: slack.answers(slack.direct()) == ["You said: hello"])
        event = await bot.heard(Message)
        assert event.id == said.ts
        assert (event.place.thread, event.addressed) == (None, True)
        assert slack.screen(slack.direct())[-1].thread_ts is None


def test_that_slack_tells_no_scopes_does_not_mean_that_an_app_is_an_assistant() -> None:
    workspace = Workspace("T1", "home", "", "U1", "bot", "B1")
    assert (workspace.may("assistant:write"), workspace.is_assistant) == (True, False)
