"""What is read back from Slack: channels, threads, the bot's own answers, and what a thread was about before."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.slack.adapter import SlackAdapter
from adapters.slack.testing import Channel, FakeSlack, Message
from bot.api import DeliveryError, DeliveryRefused, Place, Reply, Route, SentId, Text
from bot.api import Message as Heard
from tests.loopback.slack_bot import Listener, connected


def route(slack: FakeSlack, channel: Channel | None = None, thread: Message | None = None, **data: Any) -> Route:
    where = channel or (thread.channel if thread is not None else slack.general)
    return Route(Place("slack", slack.world.team, where.id, thread.ts if thread is not None else None), data)


async def texts(listener: Listener, where: Route, after: str | None = None, limit: int = 100) -> list[tuple[str, str]]:
    return [(each.author.name, each.text) for each in await listener.adapter.history(where, after, limit)]


async def answers(adapter: SlackAdapter, event: Heard) -> None:
    if event.addressed:
        await adapter.send(event.route, Reply(f"**You** said: {event.text}"))


async def test_a_channel_is_read_oldest_first_without_what_belongs_to_threads() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        first = await slack.says("good *morning*")
        await slack.says("who is there?", thread=first)
        await slack.says("I am, and all may know", thread=first, broadcast=True)
        await slack.says("what a day")
        where = route(slack)
        assert await texts(listener, where) == [("Ada", "good **morning**"), ("Ada", "what a day")]
        assert await texts(listener, where, after=first.ts) == [("Ada", "what a day")]


async def test_a_thread_is_read_with_its_root_where_that_was_asked_in_it() -> None:
    async with FakeSlack() as slack, connected(slack, answers) as listener:
        asked = await slack.mentions("what is 2 & 2?")
        answer = await slack.wait_until(lambda: slack.screen(thread=asked)[1:])
        overheard = await slack.says("a remark")
        await slack.says("and a reply to it", thread=overheard)
        assert await texts(listener, route(slack, thread=asked)) == [
            ("Ada", "what is 2 & 2?"),
            ("bot", "**You** said: what is 2 & 2?"),
        ]
        assert await texts(listener, route(slack, thread=asked), after=asked.ts) == [
            ("bot", "**You** said: what is 2 & 2?")
        ]
        assert await texts(listener, route(slack, thread=overheard)) == [("Ada", "and a reply to it")]
        posted = (await listener.adapter.history(route(slack, thread=asked), asked.ts, 5))[0]
        assert (posted.id, posted.own, posted.kind, posted.event) == (answer[0].ts, True, "", None)


async def test_a_question_that_was_missed_at_the_top_of_a_channel_is_found_there() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        asked = await slack.mentions("are you there?")
        (posted,) = await listener.adapter.history(route(slack), None, 10)
        assert posted.event is not None
        assert (posted.event.addressed, posted.event.place.thread) == (True, asked.ts)
        assert posted.event == await listener.heard(Heard)


async def test_what_is_read_is_what_was_heard() -> None:
    """The same ids, places and texts, so that nothing is answered twice."""
    async with FakeSlack() as slack, connected(slack) as listener:
        root = await slack.mentions("look at #general, @Olga &amp; <all>", files=[("note.txt", b"a note")])
        await slack.says("more of it", thread=root)
        await slack.says("hi", channel=slack.direct())
        await listener.heard(Heard, 3)
        read = [
            posted.event
            for where in (route(slack, thread=root), route(slack, slack.direct()))
            for posted in await listener.adapter.history(where, None, 10)
        ]
        assert read == sorted(listener.of(Heard), key=lambda event: event.id)


async def test_many_messages_are_read_page_by_page() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        for number in range(230):
            slack.messages.add(slack.general, slack.ada, f"number {number}")
        newest = await texts(listener, route(slack), limit=3)
        assert [text for _, text in newest] == ["number 227", "number 228", "number 229"]
        assert len(slack.called("conversations.history")) == 2, "one of them looked for what was missed"
        first = next(iter(slack.general.messages))
        after = await texts(listener, route(slack), after=first, limit=4)
        assert [text for _, text in after] == ["number 1", "number 2", "number 3", "number 4"]
        root = await slack.says("a long thread")
        for number in range(230):
            slack.messages.add(slack.general, slack.ada, f"reply {number}", thread_ts=root.ts)
        assert [text for _, text in await texts(listener, route(slack, thread=root), limit=2)] == [
            "reply 228",
            "reply 229",
        ]


async def test_noise_is_left_out() -> None:
    async with FakeSlack() as slack:
        robot = slack.account("Robot", is_bot=True)
        async with connected(slack, deny_users=(slack.olga.id,)) as listener:
            slack.messages.add(slack.general, slack.ada, "joined", subtype="channel_join")
            slack.messages.add(slack.general, robot, "beep")
            hidden = slack.messages.add(slack.general, slack.bot, "for Ada alone")
            hidden.seen_by = slack.ada
            await slack.says("I am not listened to", author=slack.olga)
            (posted,) = await listener.adapter.history(route(slack), None, 10)
            assert (posted.author.name, posted.text, posted.event) == ("Olga", "I am not listened to", None)


async def test_other_bots_are_read_where_they_are_listened_to() -> None:
    async with FakeSlack() as slack:
        robot = slack.account("Robot", is_bot=True)
        async with connected(slack, listen_to_bots=True) as listener:
            slack.messages.add(slack.general, robot, "beep")
            (posted,) = await listener.adapter.history(route(slack), None, 10)
            assert (posted.author.name, posted.author.is_bot, posted.text) == ("Robot", True, "beep")


async def test_an_own_message_is_read_as_it_was_said() -> None:
    said = "# Title\n\n- *one* & <two>\n\n| a | b |\n|---|---|\n| 1 | `@here` |\n\n```py\nif 1 < 2: pass\n```"
    async with FakeSlack() as slack, connected(slack) as listener:
        await listener.adapter.send(route(slack), Reply(said))
        (posted,) = await listener.adapter.history(route(slack), None, 10)
        assert posted.text == said


async def test_a_message_that_streams_is_read_as_far_as_it_got() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        root = await slack.mentions("a story")
        client = slack.client()
        where = {"recipient_user_id": slack.ada.id, "recipient_team_id": slack.world.team}
        begun = await client.chat_startStream(
            channel=slack.general.id, thread_ts=root.ts, markdown_text="Once upon", **where
        )
        cards = await client.chat_startStream(
            channel=slack.general.id,
            thread_ts=root.ts,
            chunks=[{"type": "task_update", "id": "1", "title": "look", "status": "in_progress"}],
            **where,
        )
        told, tools = await listener.adapter.history(route(slack, thread=root), root.ts, 10)
        assert (told.id, told.text, told.own, told.in_reply_to) == (begun["ts"], "Once upon", True, None)
        assert (tools.id, tools.text, tools.in_reply_to) == (cards["ts"], "", root.ts), "of the answer to this"


async def test_a_line_below_an_answer_is_small_print() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        root = await slack.mentions("quote something")
        where = route(slack, thread=root)
        await listener.adapter.send(where, Reply("Here:\n\n> To be\n\n> ⏹ stopped"))
        (posted,) = await listener.adapter.history(where, root.ts, 10)
        assert posted.text == "Here:\n\n> To be\n\n-# ⏹ stopped"


async def test_what_is_no_message_is_read_after_the_moment_of_its_route() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        before = await slack.says("before")
        await slack.says("after")
        at = route(slack, at=before.ts)
        assert await texts(listener, at, after="123.456.abcdef") == [("Ada", "after")]
        assert await texts(listener, route(slack), after=f"{before.ts}:1700000000.000001") == [("Ada", "after")]
        with pytest.raises(DeliveryError):
            await listener.adapter.history(route(slack), "123.456.abcdef", 10)


async def test_what_cannot_be_read_says_why() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        secret = slack.channel("secret", with_bot=False)
        with pytest.raises(DeliveryRefused) as refused:
            await listener.adapter.history(route(slack, secret), None, 10)
        assert "/invite" in refused.value.public


async def test_an_app_that_may_read_little_reads_once_a_minute_and_waits_for_nothing() -> None:
    async with FakeSlack(distributed=True) as slack, connected(slack, distributed=True) as listener:
        for number in range(20):
            slack.messages.add(slack.general, slack.ada, f"number {number}")
        assert len(await texts(listener, route(slack), limit=100)) == 15
        with pytest.raises(DeliveryRefused) as refused:
            await listener.adapter.history(route(slack), None, 10)
        assert "once a minute" in refused.value.public
        assert slack.refused == []


# Before the bot came


async def test_who_is_asked_in_a_thread_for_the_first_time_reads_what_was_said_before() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        root = slack.messages.add(slack.general, slack.ada, "Lunch at noon?")
        slack.messages.add(slack.general, slack.olga, "yes", thread_ts=root.ts)
        await slack.mentions("what was agreed?", thread=root)
        await slack.mentions("sure?", thread=root)
        await listener.heard(Heard, 4)
        thread = [event for event in listener.of(Heard) if event.place.thread == root.ts]
        told = [(event.user.name, event.text, event.addressed) for event in thread]
        assert told[-4:] == [
            ("Ada", "Lunch at noon?", False),
            ("Olga", "yes", False),
            ("Ada", "what was agreed?", True),
            ("Ada", "sure?", True),
        ]
        assert len(slack.called("conversations.replies")) == 1, "once for each thread"


async def test_a_thread_below_something_that_the_bot_said_begins_with_that() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        (sent,) = await listener.adapter.send(route(slack), Reply("The **plan**"))
        await slack.says("why so?", thread=sent.id)
        await listener.heard(Heard, 2)
        told = [(event.user.id, event.text, event.addressed) for event in listener.of(Heard)]
        assert told == [(slack.bot.id, "The **plan**", False), (slack.ada.id, "why so?", True)]


async def test_of_a_long_thread_the_beginning_and_the_end_are_read() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        root = await slack.says("The question")
        for number in range(40):
            slack.messages.add(slack.general, slack.olga, f"{number} " + "word " * 400, thread_ts=root.ts)
        await slack.mentions("well?", thread=root)
        await slack.wait_until(lambda: len(listener.of(Heard)) > 5)
        told = [event.text.partition(" ")[0] for event in listener.of(Heard) if event.place.thread == root.ts]
        assert (told[0], told[-2], told[-1]) == ("The", "39", "well?")
        assert sum(len(event.text) for event in listener.of(Heard)) < 30_000


async def test_a_thread_that_cannot_be_read_is_answered_all_the_same() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        root = slack.messages.add(slack.general, slack.ada, "Lunch at noon?")
        slack.fails("conversations.replies", error="internal_error", times=9)
        await slack.mentions("what was agreed?", thread=root)
        heard = await listener.heard(Heard)
        assert (heard.text, heard.addressed) == ("what was agreed?", True)


async def test_sent_ids_are_found_again() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        where = route(slack, slack.direct())
        stream = listener.adapter.stream(where)
        async with stream:
            await stream.write(Text("Hello there."))
        (posted,) = await listener.adapter.history(where, None, 5)
        assert stream.sent == (SentId(posted.id, posted.kind),)
