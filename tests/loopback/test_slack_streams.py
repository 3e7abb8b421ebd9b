"""Native streams through the real SDK: what people see of an answer, and what it costs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.slack.budgets import START
from adapters.slack.lengths import MAX_MARKDOWN
from adapters.slack.testing import FakeSlack, labels, tasks_of
from bot.api import Button, Controls, Done, Notice, Reply, Speaker, Text, ToolEnd, ToolStart, Urgency
from tests.loopback.slack_live import STREAMS, never_backwards, said_in, talking, words

AGAIN = Button("again", "Again")


async def test_a_long_answer_in_a_thread_is_a_stream() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        stream = await bot.says([Controls((Button("stop", "Stop"),)), *words(60), Controls((AGAIN,))])
        (message,) = bot.messages
        assert said_in([message]) == list(range(60))
        assert stream.sent[0].id == message.ts
        start, *appends, stop = bot.called()
        assert (start, {*appends}, stop) == ("startStream", {"appendStream"}, "stopStream")
        assert 1 < len(appends) < 30
        assert never_backwards([message])
        assert labels(message.blocks) == ["Again"]
        asked = slack.called("chat.startStream")[0].args
        assert (asked["recipient_user_id"], asked["recipient_team_id"]) == (slack.ada.id, slack.world.team)
        assert slack.streaming == []
        assert slack.refused == []


async def test_several_answers_stream_side_by_side() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        threads = [await slack.says(f"question {number}") for number in range(4)]

        async def one(number: int) -> None:
            await bot.clock.sleep(number)
            await bot.says(words(40, 100 * number), route=bot.route(threads[number]))

        await asyncio.gather(*map(one, range(4)))
        assert len(slack.called("chat.startStream")) == 4
        for number, thread in enumerate(threads):
            assert said_in(slack.screen(thread=thread)) == list(range(100 * number, 100 * number + 40))
        assert slack.streaming == []


async def test_a_short_answer_is_posted() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        stream = await bot.says(["Yes, ", "of course.", Controls((AGAIN,))], every=0)
        assert bot.called() == ["postMessage"]
        (message,) = bot.messages
        assert (message.seen, labels(message.blocks)) == ("Yes, of course.", ["Again"])
        assert [sent.id for sent in stream.sent] == [message.ts]


async def test_tools_are_cards_beside_the_text() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream() as stream:
            await stream.write(Text("Let me see. "))
            await stream.write(ToolStart("1", "look <!channel> up", "{}"))
            await stream.write(ToolStart("", "", "{}"))
            await slack.wait_until(lambda: bot.messages and len(tasks_of(bot.messages[0])) == 2)
            await stream.write(ToolEnd("1", "look <!channel> up", "42"))
            await stream.write(ToolEnd("", "", "", failed=True))
            await stream.write(Text("It is 42."))
            await stream.write(Notice("This is a guess."))
            await stream.write(Done("length"))
        (message,) = bot.messages
        tasks = [(task["title"], task["status"]) for task in tasks_of(message).values()]
        assert tasks == [("look ‹!channel> up", "complete"), ("…", "error")]
        assert message.seen == "Let me see. It is 42.\n\n> This is a guess."


async def test_a_talk_in_the_pane_needs_no_recipient() -> None:
    async with FakeSlack() as slack:
        pane = await slack.opens_assistant()
        root = await slack.says("Hello", channel=pane.channel, thread=pane)
        async with talking(slack, root=pane.root) as bot:
            await bot.says(words(20), route=bot.route(pane.root, message=root.ts))
            assert said_in(bot.messages) == list(range(20))
            (asked,) = slack.called("chat.startStream")
            assert "recipient_user_id" not in asked.args


async def test_a_speaker_streams_under_their_own_name() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        await bot.says(words(30), speaker=Speaker("mara", "Mara"))
        (message,) = bot.messages
        assert message.shown_as == "Mara"
        assert message.icon.startswith(":")
        assert "Mara" not in message.seen
        assert "startStream" in bot.called()


async def test_without_the_scope_for_it_the_text_says_who_speaks() -> None:
    scopes = {"chat:write", "channels:history", "users:read", "channels:read"}
    async with FakeSlack(scopes=scopes) as slack, talking(slack) as bot:
        await bot.says(words(30), speaker=Speaker("mara", "Mara"))
        (message,) = bot.messages
        assert message.seen.startswith("**Mara:** w0 w1")
        assert said_in([message]) == list(range(30))
        assert slack.streaming == []


async def test_a_scope_that_was_taken_away_is_missed_once() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.scopes.discard("chat:write.customize")
        for _ in range(2):
            await bot.says(words(20), speaker=Speaker("mara", "Mara"))
        first, second = bot.messages
        assert first.seen.startswith("**Mara:** w0")
        assert second.seen.startswith("**Mara:** w0")
        assert sum(call.error == "missing_scope" for call in slack.calls) <= 2


@pytest.mark.parametrize("acted", [True, False])
async def test_a_start_whose_answer_is_lost_is_not_made_twice(acted: bool) -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("chat.startStream", status=500, acted=acted)
        await bot.says(words(40))
        assert len(bot.messages) == 1
        assert said_in(bot.messages) == list(range(40))
        assert bot.called("chat.startStream") == ["startStream"] * (1 if acted else 2)
        assert slack.streaming == []


async def test_where_nobody_may_look_an_answer_is_begun_again() -> None:
    async with FakeSlack(scopes={"chat:write", "users:read"}) as slack, talking(slack) as bot:
        slack.fails("chat.startStream", drop=True)
        await bot.says(words(20))
        assert said_in(bot.messages) == list(range(20))


async def test_an_equal_answer_of_another_question_is_left_alone() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("chat.startStream", status=500, skip=1)
        await asyncio.gather(bot.says(words(20)), bot.says(words(20)))
        assert [said_in([message]) for message in bot.messages] == [list(range(20))] * 2


@pytest.mark.parametrize("how", [{"status": 429, "retry_after": 1}, {"status": 500}, {"status": 500, "acted": True}])
@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_a_failed_call_loses_and_doubles_nothing(method: str, how: dict[str, Any]) -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails(method, **how)
        await bot.says([*words(40), Controls((AGAIN,))])
        assert said_in(bot.messages) == list(range(40))
        assert labels(bot.messages[-1].blocks) == ["Again"]
        assert slack.streaming == []
        assert never_backwards(bot.messages)


async def test_a_stream_that_died_of_age_goes_on_in_another() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream() as stream:
            for number, word in enumerate(words(60)):
                await stream.write(Text(word))
                if number == 30:
                    await slack.wait_until(lambda: bot.messages)
                    slack.passes(300)
                await bot.clock.sleep(0.1)
        assert said_in(bot.messages) == list(range(60))
        assert len(bot.messages) == 2
        assert [sent.id for sent in stream.sent] == [message.ts for message in bot.messages]
        assert slack.streaming == []


async def test_an_answer_of_ten_minutes_is_renewed_before_slack_ends_it() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream() as stream:
            for word in words(50):
                await stream.write(Text(word))
                await bot.clock.sleep(0.3)
                slack.passes(12)
                bot.clock.passes(12)
        assert said_in(bot.messages) == list(range(50))
        assert len(bot.messages) == 3
        assert [message.stream.stopped_by for message in bot.messages if message.stream] == ["app"] * 3


async def test_a_message_that_somebody_deletes_is_said_again() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream() as stream:
            for number, word in enumerate(words(40)):
                await stream.write(Text(word))
                if number == 20:
                    await slack.wait_until(lambda: bot.messages)
                    await slack.deletes(bot.messages[0])
                await bot.clock.sleep(0.1)
        assert said_in(bot.messages) == list(range(40))
        assert [sent.id for sent in stream.sent] == [message.ts for message in bot.messages]
        assert slack.streaming == []


async def test_slacks_own_stop_ends_the_answer_where_it_is() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream() as stream:
            for number, word in enumerate(words(40)):
                await stream.write(Text(word))
                await bot.clock.sleep(0.1)
                if number == 20:
                    await slack.wait_until(lambda: bot.messages)
                    await slack.stops(bot.messages[0])
                    before = bot.messages[0].seen
            await slack.wait_until(lambda: any(call.error == "stopped_by_user" for call in slack.calls))
            assert [message.seen for message in bot.messages] == [before]
            await stream.write(Controls((AGAIN,)))
            await stream.write(Done("stopped"))
        (message,) = bot.messages
        assert message.seen.endswith("> ⏹ stopped")
        assert labels(message.blocks) == ["Again"]
        await slack.wait_until(lambda: (session := slack.session(message)) and session.status == "active")


async def test_where_slack_takes_no_streams_none_is_tried_for_a_while() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        guest = slack.account("Gast", team="T0GUEST")
        for _ in range(2):
            await bot.says(words(20), route=bot.route(user=guest.id))
        assert [said_in([message]) for message in bot.messages] == [list(range(20))] * 2
        assert [call.error for call in slack.called("chat.startStream")] == ["user_not_found"]
        bot.clock.passes(1000)
        await bot.says(words(20), route=bot.route(user=guest.id))
        assert len(slack.called("chat.startStream")) == 2


async def test_a_busy_workspace_is_answered_by_edits() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        starts, now = bot.mouth.calls.budgets.method(START), bot.clock.monotonic()
        for _ in range(11):
            starts.take(Urgency.FIRST, now)
        await bot.says(words(20))
        assert said_in(bot.messages) == list(range(20))
        assert not bot.called(*STREAMS)


async def test_thirty_thousand_characters_are_complete_with_whole_blocks() -> None:
    text = "".join(
        f"Paragraph w{2 * n} & co.\n\n```py\nif x < {n}:  # w{2 * n + 1}\n    pass\n```\n\n" for n in range(500)
    )
    assert len(text) > 30_000
    async with FakeSlack() as slack, talking(slack) as bot:
        await bot.says([text[at : at + 600] for at in range(0, len(text), 600)])
        assert said_in(bot.messages) == list(range(1000))
        assert all(message.seen.count("```") % 2 == 0 for message in bot.messages)
        assert len(bot.messages) < 6
        assert slack.streaming == []
        for call in slack.calls:
            assert len(call.args.get("markdown_text", "")) <= MAX_MARKDOWN
            assert call.error == ""


async def test_forty_writers_and_tools_at_once_lose_and_double_nothing() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("chat.appendStream", status=500, skip=1, acted=True)
        slack.fails("chat.appendStream", status=429, skip=1)
        async with bot.stream() as stream:

            async def write(number: int) -> None:
                await bot.clock.sleep(number % 7 * 0.4)
                if number % 4 == 3:
                    await stream.write(ToolStart(str(number), f"tool {number}", "{}"))
                    await bot.clock.sleep(1.5)
                    await stream.write(ToolEnd(str(number), f"tool {number}", "ok"))
                await stream.write(Text(f"w{number} "))

            await asyncio.gather(*map(write, range(40)))
        assert sorted(said_in(bot.messages)) == list(range(40))
        tasks = [task["status"] for message in bot.messages for task in tasks_of(message).values()]
        assert {*tasks} == {"complete"}
        assert len(slack.called("chat.startStream")) <= 2
        assert slack.streaming == []


async def test_buttons_below_a_stream_are_taken_away_without_its_text() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        stream = await bot.says(["**Bold** & `code` ", *words(20), Controls((AGAIN,))])
        (message,) = bot.messages
        before = message.seen
        await bot.mouth.sending.edit(bot.route(), stream.sent[0], Reply(buttons=()))
        assert (message.seen, labels(message.blocks)) == (before, [])
