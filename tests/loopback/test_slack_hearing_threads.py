"""Threads on a loopback Slack: whose they are, what was said before the bot came, and what is told more than once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.testing import SCOPES, FakeSlack
from adapters.slack.testing import Message as Shown
from adapters.slack.timing import Timing
from bot.api import AnyEvent, CommandCall, Message, MessageDeleted, MessageEdited, Reply, Route
from bot.testing.adapter_contract import contract_commands
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.slack_bot import FakeShelf, Listener, connected, echo
from tests.loopback.slack_whole_bot import place_of, whole_slack_bot
from tests.loopback.whole_bot import prompt_of


async def settled(slack: FakeSlack) -> None:
    """Everything that was told is acknowledged, so that it was heard or was not."""
    await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))


async def heard(bot: Listener, slack: FakeSlack, said: Shown) -> Message:
    """What the bot made of a message."""
    await settled(slack)
    return next(each for each in bot.of(Message) if each.id == said.ts)


# Whose a thread is


async def test_whoever_was_asked_in_a_thread_hears_what_follows() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        question = await slack.mentions("one")
        await slack.wait_until(lambda: slack.answers(thread=question) == ["You said: one"])
        await slack.says("two", thread=question, author=slack.olga)
        await slack.wait_until(lambda: slack.answers(thread=question) == ["You said: one", "You said: two"])
        assert len({event.place for event in bot.of(Message)}) == 1


async def test_a_follow_up_needs_no_mention_after_a_restart() -> None:
    shelf = FakeShelf()
    async with FakeSlack() as slack:
        async with connected(slack, echo, shelf=shelf) as bot:
            root = await slack.says("we need tea")
            await bot.heard(Message)
            await slack.mentions("which?", thread=root)
            await slack.wait_until(lambda: slack.answers(thread=root))
            await settled(slack)
        async with connected(slack, echo, shelf=shelf) as bot:
            follow_up = await slack.says("green?", thread=root)
            await slack.wait_until(lambda: slack.answers(thread=root)[1:] == ["You said: green?"])
            assert (await heard(bot, slack, follow_up)).addressed
        async with connected(slack, echo, shelf=FakeShelf()) as bot:
            # Without what was kept it is a thread among others.
            follow_up = await slack.says("or black?", thread=root)
            assert not (await heard(bot, slack, follow_up)).addressed


async def test_a_thread_below_what_the_bot_said_is_its_own() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        (sent,) = await bot.adapter.send(Route(place_of(slack)), Reply("Tea is ready."))
        said = slack.general.messages[sent.id]
        await slack.says("thank you", thread=said)
        await slack.wait_until(lambda: slack.answers(thread=said)[1:] == ["You said: thank you"])


async def test_a_thread_in_which_the_bot_has_spoken_is_its_own() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        root = await slack.says("we need tea")
        await heard(bot, slack, root)
        await bot.adapter.send(Route(place_of(slack, thread=root)), Reply("I have some."))
        follow_up = await slack.says("great", thread=root)
        assert (await heard(bot, slack, follow_up)).addressed


async def test_in_its_own_thread_the_bot_leaves_others_to_themselves() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        root = await slack.mentions("one")
        await settled(slack)
        to_olga = await slack.says("@Olga what do you think?", thread=root)
        to_both = await slack.says("@Olga and @bot, what do you think?", thread=root)
        about_olga = await slack.says("ask @Olga?", thread=root)
        found = [await heard(bot, slack, said) for said in (to_olga, to_both, about_olga)]
        assert [event.addressed for event in found] == [False, True, True]
        assert {event.place for event in found} == {place_of(slack, thread=root)}


async def test_other_threads_are_places_of_their_own_too() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        root = await slack.says("we need tea")
        reply = await slack.says("and cake", thread=root)
        shouted = await slack.says("and everybody shall know", thread=root, broadcast=True)
        found = [await heard(bot, slack, said) for said in (root, reply, shouted)]
        assert [event.addressed for event in found] == [False] * 3
        assert [event.place for event in found] == [place_of(slack), *2 * [place_of(slack, thread=root)]]


async def test_edits_and_deletions_in_a_thread_stay_there() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        root = await slack.says("we need tea")
        reply = await slack.says("and cage", thread=root)
        await heard(bot, slack, reply)
        await slack.edits(reply, "and cake")
        assert (await bot.heard(MessageEdited)).place == place_of(slack, thread=root)
        await slack.deletes(reply)
        assert (await bot.heard(MessageDeleted)).place == place_of(slack, thread=root)
        # What else hangs in a thread does not move its root there.
        await slack.says("and cookies", thread=root)
        await slack.edits(root, "we need coffee")
        assert (await bot.heard(MessageEdited, 2)).place == place_of(slack)


async def test_slackbot_is_not_answered_where_bots_are_not_heard() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        root = await slack.mentions("tea?")
        await slack.wait_until(lambda: slack.answers(thread=root))
        event = {"type": "message", "channel": slack.general.id, "user": "USLACKBOT", "channel_type": "channel"}
        event |= {"text": "Somebody said tea!", "ts": slack.world.new_ts(), "thread_ts": root.ts}
        slack.tell(event, channel=slack.general)
        await settled(slack)
        assert [each.text for each in bot.of(Message)] == ["tea?"]


# First contact


async def test_called_into_a_thread_the_bot_first_hears_what_was_said_there() -> None:
    async with FakeSlack() as slack:
        root = await slack.says("we need tea")
        for text in ("green", "or black"):
            await slack.says(text, thread=root, author=slack.olga)
        async with connected(slack, echo) as bot:
            question = await slack.mentions("which?", thread=root)
            await slack.wait_until(lambda: slack.answers(thread=root) == ["You said: which?"])
            await settled_but_missed(slack, bot, question)
            told = [(event.text, event.user.name, event.addressed) for event in bot.of(Message)]
            assert told == [
                ("we need tea", "Ada", False),
                ("green", "Olga", False),
                ("or black", "Olga", False),
                ("which?", "Ada", True),
            ]
            assert {event.place for event in bot.of(Message)} == {place_of(slack, thread=root)}
            await slack.mentions("really?", thread=root)
            await bot.heard(Message, 5)
            assert len(slack.called("conversations.replies")) == 1


async def test_what_was_asked_at_the_same_time_is_answered_too_though_slack_tells_it_late() -> None:
    async with FakeSlack() as slack:
        root = await slack.says("we need tea")
        async with connected(slack, echo) as bot:
            bot.refused = lambda event: isinstance(event, Message) and event.text == "green?" and not event.past
            first = await slack.mentions("green?", thread=root)
            await slack.wait_until(lambda: all(each.attempts for each in slack.deliveries))
            await slack.mentions("or black?", thread=root, author=slack.olga)
            await slack.wait_until(lambda: slack.answers(thread=root) == ["You said: or black?"])
            bot.refused = lambda event: False
            late = next(each for each in slack.deliveries if each.payload["event"].get("ts") == first.ts)
            await slack.sends_again(late)
            await slack.wait_until(lambda: slack.answers(thread=root)[1:] == ["You said: green?"])
            assert [(event.text, event.past) for event in bot.of(Message)] == [
                ("we need tea", True),
                ("or black?", False),
                ("green?", False),
            ]


async def settled_but_missed(slack: FakeSlack, bot: Listener, said: Shown) -> None:
    """Both times that Slack tells of a mention; what was said before the bot came is told again much later."""
    await slack.wait_until(
        lambda: all(each.acked for each in slack.deliveries if each.payload["event"].get("ts") == said.ts)
    )


async def test_of_a_long_thread_the_bot_hears_the_beginning_and_the_end() -> None:
    async with FakeSlack() as slack:
        root = await slack.says("we need tea")
        for number in range(130):
            await slack.says(f"tea {number}", thread=root)
        async with connected(slack, echo) as bot:
            await slack.mentions("which?", thread=root)
            await slack.wait_until(lambda: slack.answers(thread=root) == ["You said: which?"])
            told = [event.text for event in bot.of(Message)]
            assert told == ["we need tea", *(f"tea {number}" for number in range(30, 130)), "which?"]
            assert len(slack.called("conversations.replies")) == 1


async def test_it_is_read_once_also_across_restarts() -> None:
    shelf = FakeShelf()
    async with FakeSlack() as slack:
        async with connected(slack, echo, shelf=shelf):
            root = await slack.says("we need tea")
            await slack.mentions("which?", thread=root)
            await slack.wait_until(lambda: slack.answers(thread=root) == ["You said: which?"])
            await settled(slack)
        async with connected(slack, echo, shelf=shelf):
            await slack.mentions("really?", thread=root)
            await slack.wait_until(lambda: len(slack.answers(thread=root)) == 2)
        assert len(slack.called("conversations.replies")) == 1


async def test_nothing_is_read_where_there_is_nothing_to_read() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        await slack.mentions("at the top")
        await slack.says("in private", channel=slack.direct())
        talk = await slack.opens_assistant(author=slack.olga)
        await slack.says("in the pane", thread=talk, author=slack.olga)
        await bot.heard(Message, 3)
        await settled(slack)
        assert not slack.called("conversations.replies")


@pytest.mark.parametrize("how", [{"status": 500}, {"error": "thread_not_found"}, {"delay": 0.9}])
async def test_a_thread_that_cannot_be_read_keeps_nobody_from_an_answer(how: dict[str, Any]) -> None:
    async with FakeSlack() as slack, connected(slack, echo, timing=Timing(hear_within=0.1)) as bot:
        root = await slack.says("we need tea")
        await heard(bot, slack, root)
        slack.fails("conversations.replies", **how)
        await slack.mentions("which?", thread=root)
        await slack.wait_until(lambda: slack.answers(thread=root) == ["You said: which?"])


async def test_without_the_scope_for_it_a_mention_in_a_thread_is_answered_anyway() -> None:
    little = FakeSlack(events=["app_mention"], scopes=SCOPES - {"channels:history"})
    async with little as slack, connected(slack, echo):
        root = await slack.says("we need tea")
        await slack.mentions("which?", thread=root)
        await slack.wait_until(lambda: slack.answers(thread=root) == ["You said: which?"])


async def test_a_command_is_told_what_was_said_before_it() -> None:
    async with FakeSlack() as slack:
        root = await slack.says("we need tea")
        async with connected(slack, commands=contract_commands()) as bot:
            await slack.says("!system show", thread=root)
            await bot.heard(CommandCall)
            assert [event.text for event in bot.of(Message)] == ["we need tea"]


async def test_a_question_that_was_not_taken_comes_again_with_all_that_was_said_before() -> None:
    async with FakeSlack() as slack:
        root = await slack.says("we need tea")
        async with connected(slack, connections=1) as bot:
            refused = asyncio.Event()

            def once(event: AnyEvent) -> bool:
                if not isinstance(event, Message) or event.id == root.ts or refused.is_set():
                    return False
                refused.set()
                return True

            bot.refused = once
            question = await slack.mentions("which?", thread=root)
            await refused.wait()
            slack.passes(3)
            await settled_but_missed(slack, bot, question)
            assert [event.text for event in bot.of(Message)] == ["we need tea", "which?"]
            assert bot.told[bot.of(Message)[0].place, root.ts] == 2


# What is told more than once


async def test_an_event_that_comes_three_times_with_a_restart_between_is_answered_once(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will("Hot.", "Cold.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            answer = await bot.asked("what is tea?")
            told = [*slack.deliveries]
            for delivery in told:
                await slack.sends_again(delivery)
            await bot.idle()
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            for delivery in told:
                await slack.sends_again(delivery)
            await bot.idle()
            assert slack.answers() == ["Hot."]
            assert len(model.seen) == 1
            # And what follows is answered without a mention, knowing what was said.
            question = slack.screen()[0]
            assert (await bot.asked("and ice?", thread=question)).seen == "Cold."
            assert prompt_of(model.seen[-1])[:2] == ["what is tea?", "Hot."]
            assert answer.thread_ts == question.ts


@pytest.mark.parametrize("replies", [["green or black?"], []])
async def test_a_thread_is_known_to_the_model_from_its_beginning(tmp_path: Path, replies: list[str]) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will("Green.")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            root = await slack.says("we need tea", author=slack.olga)
            for text in replies:
                await slack.says(text, thread=root)
            await settled(slack)
            await bot.idle()
            await slack.mentions("which?", thread=root)
            await bot.until(lambda: slack.answers(thread=root) == ["Green."])
            await bot.idle()
            texts = prompt_of(model.seen[-1])
            assert [text.rpartition(": ")[2] for text in texts] == ["we need tea", *replies, "which?"]
            assert await bot.memory() == [("user", "we need tea", "complete")]


@pytest.mark.parametrize("heard_before", [True, False])
async def test_called_below_a_file_the_bot_reads_it(tmp_path: Path, heard_before: bool) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        model.will("Hot.", "Still hot.")
        if not heard_before:
            root = await slack.uploads("tea.txt", b"tea is hot", "my notes")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            if heard_before:
                root = await slack.uploads("tea.txt", b"tea is hot", "my notes")
                await settled(slack)
                await bot.idle()
            await slack.mentions("what do they say?", thread=root)
            await bot.until(lambda: slack.answers(thread=root) == ["Hot."])
            await bot.idle()
            assert "tea is hot" in "\n".join(prompt_of(model.seen[-1]))
            await bot.asked("and now?", thread=root)
            assert len(slack.called("files.download")) == 1
