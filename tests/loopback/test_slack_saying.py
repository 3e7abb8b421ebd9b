"""What the bot says on Slack: posted once, edited with its buttons and taken back, through the real SDK."""

from __future__ import annotations

import pytest

from adapters.slack.lengths import MAX_TEXT
from adapters.slack.sending import NO_THREAD
from adapters.slack.testing import SCOPES, FakeSlack, labels
from bot.api import Button, DeliveryRefused, Reply, Route, SentId, TargetGone
from tests.loopback.slack_saying import hasty, speaking

STOP, AGAIN = Button("stop", "Stop"), Button("again", "Again", look="primary")
NO_HISTORY = SCOPES - {"channels:history", "groups:history", "im:history", "mpim:history"}


async def test_a_reply_is_posted_as_markdown_with_a_fallback() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        (sent,) = await bot.says("**Hello** & welcome")
        (message,) = slack.screen()
        assert (sent, message.seen) == (SentId(message.ts), "**Hello** & welcome")
        assert message.fallback == "*Hello* &amp; welcome"
        assert await bot.says("  ") == ()
        assert len(slack.screen()) == 1


async def test_edits_change_the_text_or_the_buttons_and_deleting_ends_it() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        (sent,) = await bot.says("first", buttons=(STOP,))
        (message,) = slack.screen()
        await bot.sending.edit(bot.route(), sent, Reply("better", buttons=(AGAIN,)))
        assert (message.seen, labels(message.blocks)) == ("better", ["Again"])
        await bot.sending.edit(bot.route(), sent, Reply(buttons=(STOP,)))
        assert (message.seen, message.fallback, labels(message.blocks)) == ("better", "better", ["Stop"])
        await bot.sending.edit(bot.route(), sent, Reply("done"))
        assert (message.seen, labels(message.blocks)) == ("done", [])
        await bot.sending.delete(bot.route(), sent)
        assert slack.screen() == []
        with pytest.raises(TargetGone):
            await bot.sending.edit(bot.route(), sent, Reply("too late"))
        with pytest.raises(TargetGone):
            await bot.sending.delete(bot.route(), sent)


async def test_an_edit_of_the_text_leaves_the_buttons_also_those_of_an_earlier_life() -> None:
    async with FakeSlack() as slack:
        async with speaking(slack) as bot:
            (sent,) = await bot.says("first", buttons=(STOP, AGAIN))
            await bot.sending.surface(bot.route()).edit(sent, "second")
        (message,) = slack.screen()
        assert (message.seen, labels(message.blocks)) == ("second", ["Stop", "Again"])
        assert slack.called("conversations.replies") == []
        async with speaking(slack) as bot:
            shown = await bot.sending.surface(bot.route()).edit(sent, "third")
            assert (shown.text, message.seen, labels(message.blocks)) == ("third", "third", ["Stop", "Again"])
            shown = await bot.sending.surface(bot.route()).edit(sent, "", (STOP,))
            assert (shown.text, message.seen, labels(message.blocks)) == ("third", "third", ["Stop"])
        async with speaking(slack) as bot:
            shown = await bot.sending.surface(bot.route()).edit(sent, "", ())
            assert (shown.text, message.seen, labels(message.blocks)) == ("third", "third", [])


async def test_buttons_of_an_answer_in_a_thread_are_known_again() -> None:
    async with FakeSlack() as slack:
        question = await slack.says("tea?")
        async with speaking(slack) as bot:
            first, sent = await bot.says("yes", to=bot.route(None, question)), ()
            sent = await bot.says("please", to=bot.route(None, question), buttons=(STOP,))
        async with speaking(slack) as bot:
            await bot.sending.edit(bot.route(None, question), sent[0], Reply(buttons=(AGAIN,)))
            await bot.sending.edit(bot.route(None, question), first[0], Reply(buttons=(STOP,)))
        shown = [(each.seen, labels(each.blocks)) for each in slack.screen(thread=question)[1:]]
        assert shown == [("yes", ["Stop"]), ("please", ["Again"])]


async def test_where_nothing_can_be_read_the_text_is_changed_and_the_buttons_are_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeSlack(scopes=NO_HISTORY) as slack:
        async with speaking(slack) as bot:
            (sent,) = await bot.says("first", buttons=(STOP,))
        async with speaking(slack) as bot:
            await bot.sending.surface(bot.route()).edit(sent, "second")
            assert [(each.seen, labels(each.blocks)) for each in slack.screen()] == [("second", [])]
            assert "cannot be read" in caplog.text
            (other,) = await bot.says("a", buttons=(STOP,))
        async with speaking(slack) as bot:
            with pytest.raises(DeliveryRefused):
                await bot.sending.edit(bot.route(), other, Reply(buttons=()))


async def test_a_message_that_an_earlier_life_left_streaming_is_ended_before_it_is_edited() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        question = await slack.says("tea?")
        begun = await slack.client().chat_startStream(
            channel=slack.general.id,
            thread_ts=question.ts,
            recipient_team_id=slack.world.team,
            recipient_user_id=slack.ada.id,
            markdown_text="half an ans",
        )
        await bot.sending.edit(bot.route(None, question), SentId(begun["ts"]), Reply("the whole answer"))
        assert slack.streaming == []
        assert slack.answers(thread=question) == ["the whole answer"]


async def test_what_a_stream_left_keeps_its_length_when_only_its_buttons_change() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        question = await slack.says("tea?")
        whole = "A & B < C. " * 900
        where = {"recipient_team_id": slack.world.team, "recipient_user_id": slack.ada.id}
        begun = await slack.client().chat_startStream(
            channel=slack.general.id, thread_ts=question.ts, markdown_text=whole, **where
        )
        await slack.client().chat_stopStream(channel=slack.general.id, ts=begun["ts"])
        route, sent = bot.route(None, question), SentId(begun["ts"])
        await bot.sending.edit(route, sent, Reply(buttons=(AGAIN,)))
        message = slack.screen(thread=question)[-1]
        assert (message.blocks[0]["elements"][0]["elements"][0]["text"], labels(message.blocks)) == (whole, ["Again"])
        shown = await bot.sending.surface(route).edit(sent, whole[:6_000], ())
        assert shown.text == whole[:6_000]
        assert (message.seen, labels(message.blocks)) == (whole[:6_000], [])
        assert all(len(call.args["text"]) <= 4_000 for call in slack.called("chat.update"))


async def test_a_long_reply_is_split_with_whole_blocks_of_code_and_buttons_below() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        lines = [f"line {number} = {number} & <more>" for number in range(300)]
        said = "```python\n" + "\n".join(lines) + "\n```\nThe end."
        sent = await bot.says(said, buttons=(AGAIN,), to=bot.route(slack.direct()))
        shown = slack.screen(slack.direct())
        assert [each.ts for each in shown] == [each.id for each in sent]
        assert all(each.seen.count("```") % 2 == 0 and len(each.fallback) <= MAX_TEXT for each in shown)
        found = [line for each in shown for line in each.seen.splitlines() if line.startswith("line ")]
        assert found == lines
        assert [labels(each.blocks) for each in shown][-1] == ["Again"]
        assert not any(labels(each.blocks) for each in shown[:-1])


async def test_buttons_alone_stand_below_nothing() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        (sent,) = await bot.says(buttons=(STOP, AGAIN))
        (message,) = slack.screen()
        assert (sent.id, message.fallback, labels(message.blocks)) == (message.ts, "Stop · Again", ["Stop", "Again"])


@pytest.mark.parametrize("lost", [{"status": 500}, {"drop": True}, {"status": 503, "times": 2}])
@pytest.mark.parametrize("in_thread", [True, False])
async def test_a_post_whose_answer_was_lost_stands_once(lost: dict[str, object], in_thread: bool) -> None:
    async with hasty() as slack, speaking(slack) as bot:
        question = await slack.says("tea?")
        slack.fails("chat.postMessage", acted=True, **lost)
        route = bot.route(None, question) if in_thread else bot.route(message=question.ts)
        sent = await bot.says("one answer", buttons=(STOP,), to=route)
        (message,) = [each for each in slack.world.messages() if each.author is slack.bot]
        assert sent == (SentId(message.ts),)
        assert (message.seen, labels(message.blocks)) == ("one answer", ["Stop"])
        await bot.sending.edit(route, sent[0], Reply("changed"))
        assert message.seen == "changed"


async def test_a_lost_post_shows_what_is_to_be_shown_by_the_time_it_is_found() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        slack.fails("chat.postMessage", status=502, acted=True)
        surface = bot.sending.surface(bot.route())
        with pytest.raises(Exception, match="502"):
            await surface.post("a beginn", (STOP,))
        shown = await surface.post("a beginning and more", (AGAIN,))
        (message,) = slack.screen()
        assert (shown.sent.id, shown.text) == (message.ts, "a beginning and more")
        assert (message.seen, labels(message.blocks)) == ("a beginning and more", ["Again"])


async def test_a_post_that_never_arrived_is_made_again() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        slack.fails("chat.postMessage", status=500)
        await bot.says("one answer")
        assert slack.answers() == ["one answer"]


async def test_where_nothing_can_be_read_a_message_rather_stands_twice_than_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeSlack(scopes=NO_HISTORY) as slack:
        slack.limits.enforced = False
        slack.fails("chat.postMessage", status=500, acted=True)
        async with speaking(slack) as bot:
            await bot.says("one answer")
        assert slack.answers() == ["one answer", "one answer"]
        assert "may stand twice" in caplog.text


async def test_limits_are_waited_for_however_often_slack_names_them() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        (sent,) = await bot.says("before")
        slack.fails("chat.postMessage", status=429, retry_after=4, times=7)
        slack.fails("chat.update", error="ratelimited", retry_after=4, times=2)
        await bot.says("patience")
        await bot.sending.edit(bot.route(), sent, Reply("changed"))
        assert slack.answers() == ["changed", "patience"]


async def test_what_slack_makes_of_a_text_is_no_reason_to_write_it_again() -> None:
    async with hasty(translates=True) as slack:
        said = "🎉 **Bold** & `code` at 10:30:15\n\n> a quote ❤️ :tada:"
        async with speaking(slack) as bot:
            (sent,) = await bot.says(said, buttons=(STOP,))
            shown = await bot.sending.surface(bot.route()).edit(sent, f"{said} 👍🏽")
            assert shown.text == f"{said} 👍🏽"
            await bot.sending.edit(bot.route(), sent, Reply(buttons=(AGAIN,)))
            (message,) = slack.screen()
            assert (message.seen, labels(message.blocks)) == (f"{said} 👍🏽", ["Again"])
            assert len(slack.called("chat.update")) == 2
        async with speaking(slack) as bot:
            await bot.sending.edit(bot.route(), sent, Reply(buttons=(STOP,)))
            assert (labels(message.blocks), message.blocks[0]["type"]) == (["Stop"], "rich_text")
            slack.fails("chat.update", error="invalid_blocks")
        async with speaking(slack) as bot:
            await bot.sending.edit(bot.route(), sent, Reply(buttons=(AGAIN,)))
            assert (labels(message.blocks), message.blocks[0]["type"]) == (["Again"], "markdown")
            assert "**Bold** & `code` at 10:30:15" in message.seen


async def test_a_lost_post_is_found_also_when_slack_tells_it_differently() -> None:
    async with hasty(translates=True) as slack, speaking(slack) as bot:
        slack.fails("chat.postMessage", status=500, acted=True)
        await bot.says("🎉 **Bold** words")
        assert slack.answers() == ["🎉 **Bold** words"]
        assert slack.called("chat.update") == []


async def test_the_one_who_is_answered_is_called_where_the_reply_wants_it() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        (sent,) = await bot.says("```\ncode\n```", notify=True)
        (message,) = slack.screen()
        assert slack.pinged == [slack.ada.id]
        assert message.seen == f"<@{slack.ada.id}> \n```\ncode\n```"
        assert message.fallback.startswith(f"<@{slack.ada.id}>")
        await bot.says("quietly", notify=False)
        await bot.says("for nobody", notify=True, to=Route(bot.route().place))
        assert slack.pinged == [slack.ada.id]
        assert sent.id == message.ts


async def test_a_reply_in_a_thread_makes_it_the_bots_own() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        question = await slack.says("tea?")
        route = bot.sending.thread_of(bot.route(message=question.ts))
        assert (route.place.thread, route.data["message"]) == (question.ts, question.ts)
        assert bot.sending.thread_of(route) == route
        assert not await bot.threads.takes_part(route.place)
        await bot.says("yes", to=route)
        assert await bot.threads.takes_part(route.place)
        assert slack.answers(thread=question) == ["yes"]
        for nowhere in (bot.route(), bot.route(slack.direct(), message=question.ts), bot.route(message="x")):
            with pytest.raises(DeliveryRefused) as refused:
                bot.sending.thread_of(nowhere)
            assert refused.value.public == NO_THREAD


async def test_what_a_route_can_do_depends_on_where_it_leads_and_on_what_was_granted() -> None:
    async with FakeSlack(scopes={"chat:write", "app_mentions:read"}) as slack, speaking(slack) as bot:
        question = await slack.says("tea?")
        here = bot.sending.capabilities(bot.route())
        assert (here.max_chars, here.edits, here.buttons, here.forms, here.menus) == (MAX_TEXT, True, True, True, True)
        assert (here.threads, here.direct, here.private, here.feedback) == (True, False, True, True)
        assert (here.hears_all, here.speakers, here.max_file_bytes) == (False, False, 0)
        assert not bot.sending.capabilities(Route(bot.route().place)).private
        assert not bot.sending.capabilities(bot.route(None, question)).threads
        alone = bot.sending.capabilities(bot.route(slack.direct()))
        assert (alone.direct, alone.private, alone.hears_all, alone.threads) == (True, True, True, False)
        guest = bot.sending.capabilities(bot.route(slack.direct(), guest=True))
        assert (guest.direct, guest.threads, guest.speakers) == (False, False, False)
    async with FakeSlack() as slack, speaking(slack) as bot:
        here = bot.sending.capabilities(bot.route())
        assert (here.hears_all, here.speakers, here.max_file_bytes > 0) == (True, True, True)
