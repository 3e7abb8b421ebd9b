"""Buttons on Slack: what a press tells, where it belongs, and what pressers are told who press in vain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.slack.adapter import SlackAdapter
from adapters.slack.testing import FakeSlack
from adapters.slack.testing import Message as Shown
from bot.api import AnyEvent, Button, ButtonPressed, Message, Reply, Route, SentId
from bot.errors import StoreUnavailable
from bot.events import event_from_json, event_to_json
from tests.loopback.slack_bot import Listener, connected

TEA = Button("order", "Tea", ("tea", "a/b ü"), look="primary")
BOTH = Button("order", "Coffee", ("coffee",), who="anyone")
GOOD = Button("+feedback", "👍 Good answer", ("good",), who="anyone", look="good")
BAD = Button("+feedback", "👎 Bad answer", ("bad",), who="anyone", look="bad")


async def offer(adapter: SlackAdapter, event: AnyEvent) -> None:
    if isinstance(event, Message) and event.addressed:
        private = "secret" in event.text
        await adapter.send(event.route, Reply("What?", buttons=(TEA, BOTH, GOOD, BAD), private=private))
    elif isinstance(event, ButtonPressed):
        private = "private" in event.route.data
        await adapter.send(event.route, Reply(f"Here is {event.args[0]}.", private=private))


async def only_offer(adapter: SlackAdapter, event: AnyEvent) -> None:
    if isinstance(event, Message):
        await offer(adapter, event)


async def offered(slack: FakeSlack) -> Shown:
    """The message with buttons, wherever it stands."""

    def found() -> list[Shown]:
        kept = [each for channel in slack.world.channels.values() for each in channel.messages.values()]
        return [each for each in kept if each.seen == "What?"]

    await slack.wait_until(found)
    return found()[-1]


def whispers(slack: FakeSlack) -> list[str]:
    return [each.seen for each in slack.general.messages.values() if each.seen_by is slack.ada]


@pytest.mark.parametrize("receive", ["socket", "http"])
async def test_a_press_says_who_pressed_what_under_which_message(receive: str) -> None:
    async with FakeSlack() as slack, connected(slack, offer, receive=receive) as bot:
        question = await slack.mentions("hello")
        message = await offered(slack)
        used = await slack.presses(message, "Coffee", author=slack.olga)
        event = await bot.heard(ButtonPressed)
        assert (event.action, event.args, event.who, event.asker) == ("order", ("coffee",), "anyone", "")
        assert (event.message, event.user.name, event.id) == (message.ts, "Olga", used.trigger_id)
        assert event.user.is_moderator
        assert (event.place.channel, event.place.thread) == (slack.general.id, question.ts)
        assert event_from_json(event_to_json(event)) == event
        data = event.route.data
        assert (data["pressed"], data["user"], data["response_url"]) == (message.ts, slack.olga.id, used.response_url)
        assert "private" not in data
        await slack.wait_until(lambda: "Here is coffee." in slack.answers())
        assert slack.screen(thread=question)[-1].seen == "Here is coffee."
        assert used.acked
        await slack.presses(message, "Tea")
        event = await bot.heard(ButtonPressed, 2)
        assert (event.args, event.who, event.asker) == (("tea", "a/b ü"), "asker", slack.ada.id)


async def test_a_press_belongs_where_the_answer_stands() -> None:
    async with FakeSlack() as slack, connected(slack, only_offer, reply_in_threads=False) as bot:
        await slack.mentions("hello")
        message = await offered(slack)
        await slack.says("a thread hangs on it now", thread=message)
        await slack.presses(message, "Tea")
        assert (await bot.heard(ButtonPressed)).place.thread is None
        # Slack lets the bot write once a second in each channel.
        root = await slack.says("a thread", channel=slack.channel("other"))
        await slack.mentions("hello", thread=root)
        await slack.wait_until(lambda: len(slack.answers(thread=root)) == 1)
        await slack.presses(await offered(slack), "Tea")
        assert (await bot.heard(ButtonPressed, 2)).place.thread == root.ts


@pytest.mark.parametrize("in_threads", [True, False])
async def test_in_direct_messages_buttons_work_as_well(in_threads: bool) -> None:
    async with FakeSlack() as slack, connected(slack, offer, reply_in_threads=in_threads) as bot:
        direct = slack.direct()
        asked = await slack.says("hello", channel=direct)
        await slack.presses(await offered(slack), "Tea")
        event = await bot.heard(ButtonPressed)
        assert (event.place.channel, event.place.thread) == (direct.id, asked.ts if in_threads else None)
        assert event.user.is_moderator
        assert "guest" not in event.route.data
        await slack.wait_until(lambda: slack.answers(direct)[-1] == "Here is tea.")


async def test_buttons_work_after_a_restart() -> None:
    async with FakeSlack() as slack:
        async with connected(slack, offer):
            await slack.mentions("hello")
            message = await offered(slack)
        async with connected(slack, offer) as bot:
            await slack.presses(message, "Tea")
            assert (await bot.heard(ButtonPressed)).args == ("tea", "a/b ü")


async def test_what_stands_under_words_for_one_is_answered_to_them_alone_and_can_be_changed() -> None:
    async with FakeSlack() as slack, connected(slack, offer) as bot:
        await slack.mentions("a secret", thread=await slack.says("a thread"))
        message = await offered(slack)
        assert message.seen_by is slack.ada
        await slack.presses(message, "Tea")
        event = await bot.heard(ButtonPressed)
        assert (event.message, event.route.data["private"]) == (message.ts, True)
        await slack.wait_until(lambda: "Here is tea." in whispers(slack))
        assert slack.answers(viewer=slack.olga) == []
        await bot.adapter.edit(event.route, SentId(event.message), Reply("It is tea."))
        assert message.seen == "It is tea."


async def test_good_and_bad_are_told_apart() -> None:
    async with FakeSlack() as slack, connected(slack, offer) as bot:
        await slack.mentions("hello")
        message = await offered(slack)
        await slack.presses(message, "Bad answer", author=slack.olga)
        assert ((await bot.heard(ButtonPressed)).action, bot.of(ButtonPressed)[-1].args) == ("+feedback", ("bad",))
        await slack.presses(message, "Good answer", author=slack.olga)
        assert (await bot.heard(ButtonPressed, 2)).args == ("good",)


async def test_pressing_twice_at_once_counts_once() -> None:
    async with FakeSlack() as slack, connected(slack, offer) as bot:
        await slack.mentions("hello")
        message = await offered(slack)
        for label in ("Tea", "Tea", "Coffee"):
            used = await slack.presses(message, label)
            await slack.wait_until(lambda used=used: used.acked)  # type: ignore[misc]
        await bot.heard(ButtonPressed, 2)
        await slack.wait_until(lambda: whispers(slack))
        assert whispers(slack) == ["⚠️ Once is enough: I am at it already."]
        assert [event.args[0] for event in bot.of(ButtonPressed)] == ["tea", "coffee"]


@pytest.mark.parametrize("id", ["of an older bot", "d1/x", "d0/a//order", "+shown"])
async def test_a_button_that_this_version_does_not_know_is_explained(id: str) -> None:
    async with FakeSlack() as slack, connected(slack, offer) as bot:
        button = {"type": "button", "action_id": id, "text": {"type": "plain_text", "text": "Go"}}
        blocks = [{"type": "actions", "elements": [button]}]
        await slack.client().chat_postMessage(channel=slack.general.id, text="old", blocks=blocks)
        used = await slack.presses(slack.screen()[0], "Go")
        await slack.wait_until(lambda: whispers(slack))
        assert whispers(slack) == ["⚠️ This button is of no use any more. Please ask me again."]
        assert used.acked
        assert bot.of(ButtonPressed) == []


async def test_labels_are_acknowledged_without_a_word() -> None:
    async with FakeSlack() as slack, connected(slack, offer) as bot:
        label = {"type": "button", "action_id": "d1/e//%2Bshown", "text": {"type": "plain_text", "text": "2/3"}}
        plus = {"type": "button", "action_id": "d1/e//+shown", "text": {"type": "plain_text", "text": "1/3"}}
        blocks = [{"type": "actions", "elements": [label, plus]}]
        await slack.client().chat_postMessage(channel=slack.general.id, text="old", blocks=blocks)
        for name in ("2/3", "1/3"):
            used = await slack.presses(slack.screen()[0], name)
            await slack.wait_until(lambda used=used: used.acked)  # type: ignore[misc]
        await slack.mentions("hello")
        await offered(slack)
        assert bot.of(ButtonPressed) == []
        assert whispers(slack) == []


async def test_who_is_denied_learns_so_from_a_press() -> None:
    async with FakeSlack() as slack, connected(slack, offer, deny_users=(slack.olga.id,)) as bot:
        await slack.mentions("hello")
        used = await slack.presses(await offered(slack), "Coffee", author=slack.olga)
        await slack.wait_until(lambda: "⚠️ I am not available here." in slack.answers(viewer=slack.olga))
        assert used.acked
        assert bot.of(ButtonPressed) == []
        assert "⚠️ I am not available here." not in slack.answers()


class Full(Listener):
    async def handle(self, event: AnyEvent) -> None:
        if isinstance(event, ButtonPressed):
            raise StoreUnavailable("the disk is full")
        await super().handle(event)


async def test_a_press_that_cannot_be_kept_is_apologized_for() -> None:
    async with FakeSlack() as slack, connected(slack, offer, listens=Full):
        await slack.mentions("hello")
        used = await slack.presses(await offered(slack), "Tea")
        await slack.wait_until(lambda: whispers(slack))
        assert whispers(slack) == ["Something went wrong on my side. Please try again."]
        await slack.wait_until(lambda: used.acked)


async def test_two_buttons_that_do_the_same_both_work() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        await slack.mentions("hello")
        route = (await bot.heard(Message)).route
        again = replace(TEA, label="More tea")
        await bot.adapter.send(Route(route.place, route.data), Reply("What?", buttons=(TEA, again)))
        await slack.presses(await offered(slack), "More tea")
        assert (await bot.heard(ButtonPressed)).args == TEA.args
