"""Live answers on Slack through the real SDK: which way each of them takes, what people see meanwhile, and that nothing
is lost, doubled or left open whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from adapters.slack.lengths import MAX_TEXT, mrkdwn_length
from adapters.slack.testing import SCOPES, FakeSlack, labels
from bot.api import Button, Controls, Done, Notice, Resume, SentId, Speaker, Text, ToolEnd, ToolStart
from tests.loopback.slack_live import STREAMS, Talker, never_backwards, said_in, talking, words

STOP, AGAIN = Button("stop", "Stop"), Button("again", "Again")


# Which way


async def test_at_the_top_of_a_channel_an_answer_grows_by_edits() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream(bot.mouth.route()) as stream:
            await stream.write(Controls((STOP,)))
            for word in words(60):
                await stream.write(Text(word))
                await bot.clock.sleep(0.1)
            (message,) = [each for each in slack.screen() if each.author is slack.bot]
            assert labels(message.blocks) == ["Stop"]
            await stream.write(Controls((AGAIN,)))
        assert said_in([message]) == list(range(60))
        assert labels(message.blocks) == ["Again"]
        assert never_backwards([message])
        assert bot.called()[0] == "postMessage"
        # Not one for each word.
        assert 1 < bot.called().count("update") < 60
        assert slack.status(bot.root) is None
        assert not slack.called("assistant.threads.setStatus")


@pytest.mark.parametrize("word", ["größer", "больше", "もっと", "👩‍👩‍👧"])
async def test_edits_stay_within_what_slack_counts_in_bytes(word: str) -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.limits.enforced = False
        said = [f"{word} w{number} " for number in range(600)]
        at_once = [said[0], "".join(said[1:])]
        await bot.says(at_once, every=1, route=bot.mouth.route())
        await bot.says(at_once, every=1)
        at_top = [each for each in slack.screen() if each.author is slack.bot]
        assert said_in(at_top) == said_in(bot.messages) == list(range(600))
        assert bot.called("chat.update", "chat.appendStream")
        assert not [call for call in slack.calls if call.error]


async def test_a_direct_message_outside_of_threads_knows_no_streams() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        await bot.says(words(30), route=bot.mouth.route(slack.direct()))
        assert said_in(slack.screen(slack.direct())) == list(range(30))
        assert not bot.called(*STREAMS)


async def test_what_is_for_one_person_comes_whole() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream(bot.route(private=True)) as stream:
            for word in words(40):
                await stream.write(Text(word))
                await bot.clock.sleep(0.1)
            await stream.write(ToolStart("1", "look", "{}"))
            await bot.clock.sleep(2)
            assert bot.called() == []
        assert bot.called() == ["postEphemeral"]
        (message,) = [each for each in slack.general.messages.values() if each.seen_by is slack.ada]
        assert said_in([message]) == list(range(40))
        assert not slack.called("assistant.threads.setStatus")


async def test_a_tool_before_the_first_word_is_no_reason_to_begin_early() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream() as stream:
            await stream.write(ToolStart("1", "roll", "{}"))
            await stream.write(ToolEnd("1", "roll", "6"))
            await bot.clock.sleep(1)
            await stream.write(Text("A six."))
        assert bot.called() == ["postMessage"]


async def test_sent_and_changed_stay_right_whatever_way_is_taken() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.limits.enforced = False
        slack.fails("chat.startStream", error="channel_type_not_supported")
        posted: list[tuple[SentId, ...]] = []

        async def before_post() -> None:
            posted.append(stream.sent)

        async with bot.stream(before_post=before_post) as stream:
            for part in range(3):
                await stream.write(Text("".join(f"{word}\n" for word in words(700, 700 * part))))
                await asyncio.wait_for(stream.changed.wait(), 10)
                stream.changed.clear()
                await bot.clock.sleep(2)
        assert said_in(bot.messages) == list(range(2100))
        assert [sent.id for sent in stream.sent] == [message.ts for message in bot.messages]
        # Once for the stream that was refused.
        assert posted == [(), *(stream.sent[:count] for count in range(len(bot.messages)))]
        assert all(mrkdwn_length(message.seen) <= MAX_TEXT for message in bot.messages)


async def test_the_thread_of_an_answer_is_the_bots_own() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        assert not await bot.mouth.threads.takes_part(bot.route().place)
        await bot.says(words(20))
        assert await bot.mouth.threads.takes_part(bot.route().place)


# While there is nothing to see


async def test_a_status_stands_there_until_there_is_something_to_see() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream(speaker=Speaker("mara", "Mara")) as stream:
            status = await slack.wait_until(lambda: slack.status(bot.root))
            assert status is not None
            assert (status.text, status.shown_as) == ("is thinking…", "Mara")
            assert 2 < len(status.loading_messages) <= 10
            for word in words(20):
                await stream.write(Text(word))
                await bot.clock.sleep(0.1)
            assert slack.status(bot.root) is None
        assert len(slack.called("assistant.threads.setStatus")) == 1


async def test_a_status_is_renewed_and_taken_away_where_nothing_is_said() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream():
            await slack.wait_until(lambda: slack.status(bot.root))
            for count in range(2, 5):
                await bot.passes_until(lambda: len(slack.called("assistant.threads.setStatus")), count)
        await slack.wait_until(lambda: slack.status(bot.root) is None)
        assert bot.called() == []


async def test_a_status_that_came_late_is_taken_away() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        asked, slow = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            asked.set()
            await slow.wait()

        slack.fails("assistant.threads.setStatus", do=wait)
        async with bot.stream() as stream:
            await asked.wait()
            await stream.write(Text("Here I am."))
        assert [message.seen for message in bot.messages] == ["Here I am."]
        slow.set()
        await slack.wait_until(lambda: len(slack.called("assistant.threads.setStatus")) == 2)
        await slack.wait_until(lambda: slack.status(bot.root) is None)


async def test_in_a_direct_message_the_status_stands_below_the_question() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        asked = await slack.says("Hello", channel=slack.direct())
        async with bot.stream(bot.mouth.route(slack.direct(), message=asked.ts)) as stream:
            await slack.wait_until(lambda: slack.status(asked))
            await stream.write(Text("Hello, Ada."))
        await slack.wait_until(lambda: slack.status(asked) is None)
        assert slack.answers(slack.direct()) == ["Hello, Ada."]
        assert slack.session(asked) is None


async def test_slacks_own_stop_button_is_there_while_somebody_waits() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        async with bot.stream() as stream:
            session = await slack.wait_until(lambda: slack.session(bot.root))
            await stream.write(Text("Yes."))
        assert session is not None
        await slack.wait_until(lambda: session.statuses == ["processing", "active"])
        assert bot.called() == ["postMessage"]


@pytest.mark.parametrize("error", ["missing_scope", "not_allowed", "no_permission"])
async def test_an_app_that_is_no_assistant_has_no_sessions(error: str) -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("agents.sessions.setStatus", error=error, times=9)
        for _ in range(2):
            await bot.says(words(20))
        assert len(slack.called("agents.sessions.setStatus")) == 1
        assert said_in(bot.messages) == [*range(20), *range(20)]


@pytest.mark.parametrize("error", ["missing_scope", "not_allowed", "channel_not_found"])
async def test_where_no_status_is_allowed_it_is_not_tried_again(error: str) -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("assistant.threads.setStatus", error=error, times=9)
        for _ in range(3):
            async with bot.stream() as stream:
                await bot.clock.sleep(1)
                await stream.write(Text("Yes."))
        assert len(slack.called("assistant.threads.setStatus")) == 1
        assert [message.seen for message in bot.messages] == ["Yes."] * 3


# Taken up again


async def dies(bot: Talker, pieces: Sequence[str], *, messages: int = 1) -> Resume:
    """The process is killed when it has said so much, in so many messages; what it had written down."""
    before = asyncio.all_tasks()
    stream = bot.stream()
    await stream.__aenter__()
    for piece in pieces:
        await stream.write(Text(piece))
        await bot.clock.sleep(0.1)
    while len(stream.sent) < messages:
        await asyncio.wait_for(stream.changed.wait(), 10)
        stream.changed.clear()
    for task in asyncio.all_tasks() - before:
        coroutine = task.get_coro()
        if coroutine is not None and "adapters.slack.testing" not in repr(coroutine) and "_run" in repr(coroutine):
            task.cancel()
    await asyncio.sleep(0.02)
    return Resume(stream.sent, "".join(pieces))


async def test_a_stream_that_a_crash_left_open_is_closed_and_completed() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        resume = await dies(bot, words(30))
        assert len(slack.streaming) == 1
        async with talking(slack, root=bot.root) as again:
            stream = await again.says([*words(30, 30), Controls((AGAIN,))], resume=resume)
        assert said_in(bot.messages) == list(range(60))
        assert stream.sent == resume.sent
        assert labels(bot.messages[0].blocks) == ["Again"]
        assert slack.streaming == []
        assert never_backwards(bot.messages)
        session = slack.session(bot.messages[0])
        assert session is None or session.status == "active"


async def test_an_answer_of_several_messages_goes_on_in_the_last() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        lines = [f"Line {number} w{number}, a bit longer than the others.\n" for number in range(500)]
        pieces = ["```py\n", *("".join(lines[at : at + 20]) for at in range(0, 500, 20))]
        resume = await dies(bot, pieces, messages=2)
        async with talking(slack, root=bot.root) as again:
            stream = await again.says(["Line 500 w500\n", "```\nDone."], resume=resume)
        assert said_in(bot.messages) == list(range(501))
        assert stream.sent[: len(resume.sent)] == resume.sent
        assert [sent.id for sent in stream.sent] == [message.ts for message in bot.messages]
        assert all(message.seen.count("```") == 2 for message in bot.messages)
        assert slack.streaming == []
        assert never_backwards(bot.messages)


async def test_messages_that_ended_early_keep_what_they_hold() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("chat.appendStream", error="message_not_in_streaming_state")
        resume = await dies(bot, words(60), messages=2)
        first = bot.messages[0].seen
        async with talking(slack, root=bot.root) as again:
            await again.says(words(10, 60), resume=resume)
        assert said_in(bot.messages) == list(range(70))
        assert bot.messages[0].seen.strip() == first.strip()
        assert slack.streaming == []


async def test_what_cannot_be_read_back_is_told_anew_in_the_same_messages() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("chat.appendStream", error="message_not_in_streaming_state")
        resume = await dies(bot, words(60), messages=2)
        slack.fails("conversations.replies", error="missing_scope", times=99)
        async with talking(slack, root=bot.root) as again:
            await again.says(words(10, 60), resume=resume)
        assert said_in(bot.messages) == list(range(70))
        assert slack.streaming == []


async def test_another_version_is_written_into_the_messages_of_the_first() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        first = await bot.says([*words(40), Controls((AGAIN,))])
        stream = await bot.says(["Something ", "else."], every=0, resume=Resume(first.sent, ""))
        assert [message.seen for message in bot.messages] == ["Something else."]
        assert stream.sent == first.sent


async def test_another_version_of_what_a_crash_left_streaming() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        resume = await dies(bot, words(20))
        async with talking(slack, root=bot.root) as again:
            await again.says(["Something ", "else."], resume=Resume(resume.sent, ""))
        assert [message.seen for message in bot.messages] == ["Something else."]
        assert slack.streaming == []


async def test_an_answer_of_this_life_is_gone_on_with_at_once() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        first = await bot.says(words(40))
        stream = await bot.says(words(20, 40), resume=Resume(first.sent, "".join(words(40))))
        assert said_in(bot.messages) == list(range(60))
        assert stream.sent == first.sent
        # Nothing streams any more, so nothing has to be stopped.
        assert len(slack.called("chat.stopStream")) == 1


async def test_a_long_answer_of_somebody_without_a_name_of_their_own_is_gone_on_with() -> None:
    async with FakeSlack(scopes=SCOPES - {"chat:write.customize"}) as slack, talking(slack) as bot:
        mara = Speaker("mara", "Mara, keeper of the lighthouse")
        first = await bot.says(["Once w0 "], speaker=mara)
        text = "Once w0 " + "".join(words(3000, 1))
        async with talking(slack, root=bot.root) as again:
            await again.says(["The end."], speaker=mara, resume=Resume(first.sent, text))
        assert said_in(bot.messages) == list(range(3001))
        assert [message.seen.startswith("**Mara") for message in bot.messages] == [True, False]


async def test_what_was_said_but_never_shown_is_shown() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        await bot.says(words(20, 10), resume=Resume((), "".join(words(10))))
        assert said_in(bot.messages) == list(range(30))


# Whatever happens


@pytest.mark.parametrize("seed", range(8))
async def test_by_chance_nothing_is_lost_doubled_or_left_open(seed: int) -> None:
    lot = random.Random(seed)
    async with FakeSlack(style="body" if seed % 2 else "status") as slack, talking(slack, times=40) as bot:
        slack.limits.enforced = False
        slack.fails_by_chance(500, 0.06, lot, "chat.*")
        slack.fails_by_chance(429, 0.06, lot, "chat.*")
        slack.fails_by_chance(503, 0.06, lot, "conversations.*")

        async def one(number: int) -> None:
            root = await slack.says(f"@bot question {number}")
            route = bot.route(root) if number % 3 else bot.mouth.route(message=root.ts)
            count = lot.choice([3, 30, 60])
            said = words(count, 1000 * number)
            await bot.says([*said, Notice("So it is."), Controls((AGAIN,))], route=route, every=lot.choice([0.02, 0.1]))
            shown = [each for each in slack.general.messages.values() if each.author is slack.bot]
            own = [each for each in shown if any(word // 1000 == number for word in said_in([each]))]
            everywhere = [word for word in said_in(shown) if word // 1000 == number]
            assert everywhere == list(range(1000 * number, 1000 * number + count))
            assert labels(own[-1].blocks) == ["Again"]
            assert never_backwards(own)

        await asyncio.gather(*map(one, range(1, 6)))
        assert slack.streaming == []


async def test_a_lost_stream_is_known_again_however_slack_tells_its_text() -> None:
    async with FakeSlack(translates=True) as slack, talking(slack) as bot:
        slack.fails("chat.startStream", status=500, acted=True)
        await bot.says(["😀 Hello ", "[you](https://example.com)\n\n", *words(60)])
        assert said_in(bot.messages) == list(range(60))
        assert len(slack.called("chat.startStream")) == 1
        assert slack.streaming == []


async def test_a_stream_that_nobody_knew_of_is_taken_away() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        slack.fails("chat.startStream", status=500, acted=True)
        slack.fails("conversations.replies", status=500, times=6)
        with pytest.raises(Exception, match="500"):
            await bot.says(words(200))
        assert len(slack.streaming) == 1
        await bot.passes_until(lambda: len(slack.called("chat.delete")), 1)
        assert slack.streaming == []
        assert bot.messages == []


async def test_three_answers_at_once_by_edits_stay_below_the_limits() -> None:
    async with FakeSlack() as slack, talking(slack) as bot:
        channels = [slack.channel(f"room-{number}") for number in range(3)]
        await asyncio.gather(
            *(bot.says([*words(100), Done("stop")], route=bot.mouth.route(channel)) for channel in channels)
        )
        for channel in channels:
            assert said_in(slack.screen(channel)) == list(range(100))
        assert slack.refused == []
