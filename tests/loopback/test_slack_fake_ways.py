"""The fake Slack tells an app what happens, by Socket Mode and by HTTP, as the real slack-bolt hears it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from adapters.slack.testing import SCOPES, FakeSlack, NotOffered


class Ear:
    """An app that writes down every event and request it hears."""

    def __init__(self, slack: FakeSlack) -> None:
        self.app = AsyncApp(client=slack.client(), signing_secret=slack.signing_secret)
        self.heard: list[dict[str, Any]] = []
        self.retries: list[tuple[str, str]] = []
        self.app.use(self._listen)
        for kind in ("message", "app_mention", "member_joined_channel", "app_home_opened", "reaction_added"):
            self.app.event(kind)(self._nothing)
        self.app.event({"type": "message", "subtype": "message_changed"})(self._nothing)
        for kind in ("assistant_thread_started", "agent_session_stopped"):
            self.app.event(kind)(self._nothing)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [body["event"] for body in self.heard if "event" in body]

    async def _listen(self, req: Any, next: Any) -> None:
        self.heard.append(req.body)
        if req.headers.get("x-slack-retry-num", ["0"]) != ["0"]:
            self.retries.append((req.headers["x-slack-retry-num"][0], req.headers["x-slack-retry-reason"][0]))
        await next()

    async def _nothing(self) -> None:
        pass


@asynccontextmanager
async def connected(slack: FakeSlack, links: int = 1) -> AsyncIterator[Ear]:
    """One app with so many links."""
    ear = Ear(slack)
    handlers = [AsyncSocketModeHandler(ear.app, slack.app_token) for _ in range(links)]
    for handler in handlers:
        handler.client.proxy = None
        await handler.connect_async()
    await slack.online(links)
    try:
        yield ear
    finally:
        for handler in handlers:
            await handler.close_async()


@asynccontextmanager
async def served(slack: FakeSlack) -> AsyncIterator[Ear]:
    """An app that is told by HTTP."""
    ear = Ear(slack)
    runner = web.AppRunner(ear.app.web_app("/slack/events"), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await slack.listens_at("http://{}:{}/slack/events".format(*runner.addresses[0][:2]))
        yield ear
    finally:
        await runner.cleanup()


WAYS = pytest.mark.parametrize("way", [connected, served])


@WAYS
async def test_a_mention_is_told_twice(way: Any) -> None:
    async with FakeSlack() as slack, way(slack) as ear:
        message = await slack.mentions("2 < 3 & @here")
        await slack.wait_until(lambda: [each.acked for each in slack.deliveries] == [True, True])
        assert sorted(event["type"] for event in ear.events) == ["app_mention", "message"]
        assert {event["ts"] for event in ear.events} == {message.ts}
        assert {event["text"] for event in ear.events} == {f"<@{slack.bot.id}> 2 &lt; 3 &amp; <!here>"}
        assert len({body["event_id"] for body in ear.heard}) == 2
        assert {event.get("channel_type") for event in ear.events} == {"channel", None}
        assert all((each.latency or 0) > 0 for each in slack.deliveries)


@WAYS
async def test_edits_deletions_and_files_are_told(way: Any) -> None:
    async with FakeSlack() as slack, way(slack) as ear:
        message = await slack.uploads("a.txt", b"text", "look", channel=slack.direct())
        await slack.edits(message, "look there")
        await slack.deletes(message)
        await slack.wait_until(lambda: len(ear.events) == 3)
        shared, changed, deleted = sorted(ear.events, key=lambda event: event["event_ts"])
        assert (shared["subtype"], shared["channel_type"], shared["files"][0]["mimetype"]) == (
            "file_share",
            "im",
            "text/plain",
        )
        assert (changed["message"]["text"], changed["previous_message"]["text"]) == ("look there", "look")
        assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", message.ts)


async def test_what_is_not_subscribed_or_granted_is_not_told() -> None:
    async with FakeSlack(events=["app_mention", "message.im"], scopes=SCOPES - {"im:history"}) as slack:
        await slack.says("to the channel")
        await slack.says("to the bot", channel=slack.direct())
        await slack.mentions("hello", channel=slack.channel("elsewhere", with_bot=False))
        await slack.mentions("hello")
        assert [each.name for each in slack.deliveries] == ["app_mention"]
        with pytest.raises(NotOffered):
            await slack.stops(slack.screen()[0])


async def test_links_take_turns() -> None:
    async with FakeSlack() as slack, connected(slack, links=2) as ear:
        for number in range(4):
            await slack.says(str(number))
        await slack.wait_until(lambda: len(ear.events) == 4)
        assert [len(link.sent) for link in slack.links] == [3, 3]
        assert [link.sent[0]["num_connections"] for link in slack.links] == [1, 2]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_link_is_renewed_when_slack_asks(reason: Any) -> None:
    async with FakeSlack() as slack, connected(slack) as ear:
        await slack.links[0].says_disconnect(reason)
        await slack.wait_until(lambda: slack.sockets.opened == 2 and slack.links)
        await slack.says("still there?")
        await slack.wait_until(lambda: ear.events)


async def test_a_link_that_slack_closes_is_opened_again() -> None:
    async with FakeSlack() as slack, connected(slack) as ear:
        await slack.links[0].close(1012)
        await slack.wait_until(lambda: slack.sockets.opened == 2 and slack.links)
        await slack.says("still there?")
        await slack.wait_until(lambda: ear.events)


async def test_a_link_may_be_refused_before_it_is_open() -> None:
    async with FakeSlack() as slack, aiohttp.ClientSession() as session:
        # aiohttp tries once more by itself when a connection was dropped.
        for fault in ({"status": 503}, {"drop": True, "times": 2}):
            slack.fails("link", **fault)
            ticket = (await slack.client().apps_connections_open(app_token=slack.app_token))["url"]
            with pytest.raises(aiohttp.ClientError):
                await session.ws_connect(ticket)
        assert [call.status for call in slack.called("link")] == [503, 0, 0]


async def test_both_sides_ask_whether_the_other_is_there() -> None:
    async with FakeSlack() as slack, connected(slack):
        link = slack.links[0]
        await link.ping()
        await slack.wait_until(lambda: link.pings and link.pongs_heard)


async def test_a_link_that_answers_no_ping_is_given_up() -> None:
    async with FakeSlack() as slack:
        handler = AsyncSocketModeHandler(Ear(slack).app, slack.app_token, ping_interval=0.05)
        handler.client.proxy = None
        await handler.connect_async()
        await slack.online()
        slack.links[0].pongs = False
        await slack.wait_until(lambda: slack.sockets.opened > 1)
        await handler.close_async()


async def test_what_a_deaf_link_lost_comes_again_on_another() -> None:
    async with FakeSlack() as slack, connected(slack, links=2) as ear:
        for link in slack.links:
            link.deaf = True
        await slack.says("anybody?")
        await slack.wait_until(lambda: slack.deliveries[0].attempts)
        for link in slack.links:
            link.deaf = link.id == slack.deliveries[0].attempts[0].by
        slack.passes(3)
        await slack.wait_until(lambda: slack.deliveries[0].acked)
        assert ear.retries == [("1", "timeout")]
        first, second = slack.deliveries[0].attempts
        assert (first.failed, first.by != second.by, second.acked_at is not None) == ("timeout", True, True)


async def test_an_event_that_nobody_acknowledges_comes_four_times() -> None:
    async with FakeSlack(events=["tokens_revoked"]) as slack, connected(slack) as ear:
        slack.tell({"type": "tokens_revoked", "tokens": {"bot": []}, "event_ts": "1.1"})
        lost = slack.deliveries[0]
        for number, pause in enumerate((0, 60, 300, 0)):
            await slack.wait_until(lambda number=number: len(lost.attempts) > number and lost.attempts[number].by)
            slack.passes(3)
            await slack.wait_until(lambda number=number: lost.attempts[number].failed)
            slack.passes(pause)
        await slack.wait_until(lambda: lost.given_up)
        assert [attempt.number for attempt in lost.attempts] == [0, 1, 2, 3]
        assert len({body["event_id"] for body in ear.heard}) == 1


async def test_what_was_missed_can_be_caught_up_with() -> None:
    async with FakeSlack() as slack:
        await slack.says("while nobody listens")
        async with connected(slack) as ear:
            await slack.catches_up()
            assert [event["text"] for event in ear.events] == ["while nobody listens"]
        await slack.disables_sockets()
        with pytest.raises(SlackApiError, match="forbidden_team"):
            await slack.client().apps_connections_open(app_token=slack.app_token)


@WAYS
async def test_the_same_event_may_come_again(way: Any) -> None:
    async with FakeSlack() as slack, way(slack) as ear:
        await slack.says("once")
        await slack.wait_until(lambda: slack.deliveries[0].acked)
        again = await slack.sends_again(slack.deliveries[0])
        assert again.acked_at is not None
        assert len(ear.heard) == 2
        assert len({body["event_id"] for body in ear.heard}) == 1
        assert len(ear.retries) == 1


async def test_a_ticket_works_once_and_ten_links_are_enough() -> None:
    async with FakeSlack() as slack, aiohttp.ClientSession() as session:
        client = slack.client()
        ticket = (await client.apps_connections_open(app_token=slack.app_token))["url"]
        links = [await session.ws_connect(ticket)]
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(ticket)
        for _ in range(10):
            links.append(
                await session.ws_connect((await client.apps_connections_open(app_token=slack.app_token))["url"])
            )
        assert (await links[-1].receive_json())["reason"] == "too_many_websockets"
        assert len(slack.links) == 10
        for link in links:
            await link.close()


async def test_only_slack_itself_is_heard_by_http() -> None:
    async with FakeSlack() as slack, served(slack) as ear:
        event = {"type": "event_callback", "event": {"type": "app_mention"}}
        assert (await slack.forges(event)).status == 401
        assert (await slack.forges(event, secret=slack.signing_secret, age=600)).status == 401
        assert ear.heard == []


async def test_what_http_refused_comes_again() -> None:
    async with FakeSlack() as slack, served(slack) as ear:
        good, slack.hooks.secret = slack.hooks.secret, "wrong for a moment"
        await slack.says("hello")
        told = slack.deliveries[0]
        await slack.wait_until(lambda: len(told.attempts) == 2 and told.attempts[1].failed)
        slack.hooks.secret = good
        slack.passes(60)
        await slack.wait_until(lambda: told.acked)
        assert [attempt.status for attempt in told.attempts] == [401, 401, 200]
        assert ear.retries == [("2", "http_error")]
