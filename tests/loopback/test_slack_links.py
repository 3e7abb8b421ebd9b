"""Connections of Socket Mode: several, each looked after, so that nothing is missed while one is lost or renewed."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from adapters.slack.link import DEAF, LOST, RENEWAL, UNHEARD
from adapters.slack.login import warn_of_two_apps
from adapters.slack.testing import FakeSlack
from adapters.slack.workspace import asked
from bot.api import ConfigError, SystemClock
from bot.testing.hand_clock import HandClock
from tests.loopback.slack_ears import QUICK, Ears, Gate, by_sockets, calls_of, links_of, running

WATCHED = dataclasses.replace(QUICK, ping_every=0.02, deaf_after=0.06)


async def hears(slack: FakeSlack, ears: Ears, text: str) -> None:
    """Something that is said reaches the bot, and it is said that it did."""
    await slack.says(text)
    await slack.wait_until(lambda: slack.deliveries[-1].acked)
    assert ears.texts[-1] == text


async def test_all_links_are_heard() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=3) as links:
        for number in range(6):
            await slack.says(str(number))
        await slack.wait_until(lambda: len(slack.deliveries) == 6 and all(each.acked for each in slack.deliveries))
        assert [len(link.heard) for link in slack.links] == [2, 2, 2]
        assert (links.connected, links.status["links"], links.app_id) == (True, 3, slack.world.app_id)
        assert ears.onlines == [None]


async def test_being_stopped_leaves_nothing_behind() -> None:
    async with FakeSlack() as slack:
        before = asyncio.all_tasks()
        ears, gate = Ears(), Gate()
        ears.answers["message"] = gate
        async with by_sockets(slack, ears) as links:
            await slack.says("hello")
            await gate.waiting.wait()
            gate.open.set()
        await slack.wait_until(lambda: not slack.links)
        assert slack.deliveries[0].acked, "what was begun is acknowledged first"
        assert not links.connected
        assert {task for task in asyncio.all_tasks() - before if "Link" in repr(task) or "Links" in repr(task)} == set()


# A link is lost


@pytest.mark.parametrize("how", ["closed", "dropped"])
async def test_one_of_two_links_is_lost_and_nothing_missed(how: str) -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears) as links:
        if how == "closed":
            await slack.links[0].close(1012)
        else:
            slack.links[0].drop()
        await hears(slack, ears, "still there?")
        await slack.wait_until(lambda: slack.sockets.opened == 3 and len(slack.links) == 2)
        assert ears.onlines == [None], "there was no gap"
        assert (links.status["renewals"], str(links.status["last_reason"])[:4]) == (1, LOST)


@pytest.mark.parametrize("how", ["closed", "dropped"])
async def test_a_gap_is_told_with_its_beginning(how: str) -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=1) as links:
        began = time.time()
        slack.fails("apps.connections.open", status=503, times=2)
        if how == "closed":
            await slack.links[0].close(1001)
        else:
            slack.links[0].drop()
        await slack.wait_until(lambda: not slack.links)
        await ears.came_online(2)
        since = ears.onlines[1]
        assert since is not None
        assert began - 60 < since < began, "a moment before, since Slack may have known of something already"
        assert links.connected
        await hears(slack, ears, "back")


async def test_while_no_link_is_open_it_is_not_connected() -> None:
    ears, clock = Ears(), HandClock()
    async with FakeSlack() as slack, by_sockets(slack, ears, clock=clock, connections=1) as links:
        slack.fails("apps.connections.open", status=429, retry_after=7)
        slack.links[0].drop()
        await clock.waits(7)
        assert not links.connected
        assert links.status["links"] == 0
        clock.passes(7)
        await ears.came_online(2)
        assert links.connected


async def test_what_could_not_be_acknowledged_comes_again() -> None:
    ears, gate = Ears(), Gate()
    ears.answers["message"] = gate
    async with FakeSlack() as slack, by_sockets(slack, ears):
        await slack.says("hello")
        await gate.waiting.wait()
        lost = slack.deliveries[0]
        next(link for link in slack.links if link.id == lost.attempts[0].by).drop()
        gate.open.set()
        await slack.wait_until(lambda: lost.acked)
        assert [attempt.failed for attempt in lost.attempts] == ["timeout", ""]


async def test_what_was_begun_on_a_lost_link_is_brought_to_its_end() -> None:
    """A command is not sent again."""
    ears, gate = Ears(), Gate()
    ears.answers["/roll"] = gate
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=1):
        await slack.runs("/roll")
        await gate.waiting.wait()
        slack.links[0].drop()
        await ears.came_online(2)
        gate.open.set()
        await gate.passed.wait()


# A link is deaf


async def test_a_link_that_answers_no_ping_is_replaced() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, timing=WATCHED) as links:
        deaf = slack.links[0]
        deaf.deaf, deaf.pongs = True, False
        await slack.wait_until(lambda: not deaf.open and len(slack.links) == 2)
        assert links.status["last_reason"] == DEAF
        assert ears.onlines == [None], "the other link was there"
        await hears(slack, ears, "hello")


async def test_the_only_link_is_deaf_and_what_was_missed_is_asked_for() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, timing=WATCHED, connections=1):
        slack.links[0].deaf, slack.links[0].pongs = True, False
        await ears.came_online(2)
        assert ears.onlines[1] is not None
        await hears(slack, ears, "hello")


async def test_a_quiet_link_that_answers_pings_is_left_alone() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, timing=WATCHED) as links:
        await slack.wait_until(lambda: all(link.pings > 6 for link in slack.links))
        assert links.status["renewals"] == 0


async def test_a_link_that_is_told_nothing_while_the_other_is_told_much_is_replaced() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears) as links:
        deaf = slack.links[0]
        deaf.deaf = True  # it answers pings
        for number in range(90):
            await slack.says(str(number))
        await slack.wait_until(lambda: not deaf.open and len(slack.links) == 2)
        assert links.status["last_reason"] == UNHEARD
        for told in slack.deliveries:
            if told.attempts[0].by == deaf.id:
                await slack.sends_again(told)
        assert all(each.acked for each in slack.deliveries)


async def test_what_comes_again_makes_a_deaf_link_known_sooner() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears) as links:
        deaf = slack.links[0]
        deaf.deaf = True
        for number in range(8):
            await slack.says(str(number))
        await slack.wait_until(lambda: len(slack.deliveries) == 8 and all(each.attempts for each in slack.deliveries))
        slack.passes(3)
        await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))
        await slack.wait_until(lambda: not deaf.open and len(slack.links) == 2)
        assert links.status["last_reason"] == UNHEARD


# Telling


async def test_being_online_is_told_again_when_nobody_could_take_it_in(caplog: pytest.LogCaptureFixture) -> None:
    class Sleepy(Ears):
        async def online(self, since: float | None) -> None:
            await super().online(since)
            if len(self.onlines) == 1:
                raise ZeroDivisionError

    ears = Sleepy()
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=1):
        await slack.links[0].says_disconnect("refresh_requested")
        await ears.came_online(2)
        assert ears.onlines == [None, None]
        await hears(slack, ears, "hello")
    assert "being online could not be told" in caplog.text


# Renewal


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_the_next_link_is_open_before_the_old_one_is_closed(reason: Any) -> None:
    ears, gate = Ears(), Gate()
    ears.answers["message"] = gate
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=1) as links:
        old = slack.links[0]
        await slack.says("hello")
        await gate.waiting.wait()
        await old.says_disconnect(reason)
        await slack.wait_until(lambda: len(slack.links) == 2)
        assert old.open, "until what was begun on it is acknowledged"
        gate.open.set()
        await slack.wait_until(lambda: not old.open)
        assert slack.deliveries[0].attempts[0].by == old.id
        assert [len(link.heard) for link in slack.sockets.links] == [1, 0], "acknowledged once"
        assert (ears.onlines, links.status["last_reason"]) == ([None], reason)
        await hears(slack, ears, "and now?")


async def test_a_command_that_meets_a_closing_link_is_still_heard() -> None:
    ears, gate = Ears(), Gate()
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=1):
        old = slack.links[0]

        async def last_words() -> None:
            payload = {"command": "/late", "text": "", "trigger_id": "1.2"}
            await old.send({"envelope_id": "late", "type": "slash_commands", "payload": payload})

        ears.answers["/late"] = gate
        old.parting = last_words
        await old.says_disconnect("refresh_requested")
        await gate.waiting.wait()
        await slack.wait_until(lambda: not old.open)
        gate.open.set()
        await gate.passed.wait()
        assert [body["command"] for body in ears.heard] == ["/late"]
        assert old.heard == [], "whoever said goodbye says nothing more"


async def test_links_are_renewed_in_good_time() -> None:
    timing = dataclasses.replace(QUICK, ping_every=0.02, renew_after=0.1)
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, timing=timing, connections=1) as links:
        for number in range(30):
            await slack.says(str(number))
            await slack.wait_until(lambda: slack.deliveries[-1].acked)
            await slack.wait_until(lambda number=number: slack.sockets.opened > number // 10)
        assert links.status["last_reason"] == RENEWAL
        assert (ears.onlines, sorted({*ears.texts}, key=int)) == ([None], [str(number) for number in range(30)])


async def test_where_there_is_room_for_ten_the_old_link_goes_first() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=10) as links:
        await slack.links[0].says_disconnect("refresh_requested")
        await slack.wait_until(lambda: slack.sockets.opened >= 12 and len(slack.links) == 10)
        assert (ears.onlines, links.connected) == ([None], True)


async def test_too_many_links_are_tried_again_later() -> None:
    ears = Ears()
    async with FakeSlack() as slack, aiohttp.ClientSession() as session:
        others = []
        for _ in range(10):
            ticket = (await slack.client().apps_connections_open(app_token=slack.app_token))["url"]
            others.append(await session.ws_connect(ticket))
        links = links_of(slack, ears, connections=1)
        run = asyncio.create_task(links.run())
        await slack.wait_until(lambda: slack.sockets.opened > 10)
        await others[0].close()
        await ears.came_online()
        assert links.connected
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        for other in others:
            await other.close()


async def test_socket_mode_is_switched_off_and_on_again(caplog: pytest.LogCaptureFixture) -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears) as links:
        await slack.disables_sockets()
        asked_before = len(slack.called("apps.connections.open"))
        await slack.wait_until(lambda: len(slack.called("apps.connections.open")) > asked_before + 1)
        assert not links.connected
        slack.sockets.enabled = True
        await ears.came_online(2)
        await hears(slack, ears, "hello")
    assert "Socket Mode has to be switched on" in caplog.text


# Opening


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 503},
        {"drop": True, "times": 3},
        {"error": "internal_error"},
        {"text": "Please log in to this network."},
    ],
)
@pytest.mark.parametrize("where", ["apps.connections.open", "link"])
async def test_a_link_is_tried_until_it_is_open(where: str, trouble: dict[str, Any]) -> None:
    ears = Ears()
    async with FakeSlack() as slack:
        fault = slack.fails(where, **{"times": 2, **trouble})
        async with by_sockets(slack, ears):
            assert fault.met == fault.times
            assert ears.onlines == [None]
            await hears(slack, ears, "hello")


async def test_slack_is_given_the_time_that_it_asks_for() -> None:
    ears, clock = Ears(), HandClock()
    async with FakeSlack() as slack:
        slack.fails("apps.connections.open", status=429, retry_after=30)
        links = links_of(slack, ears, clock=clock)
        run = asyncio.create_task(links.run())
        await clock.waits(30)
        assert len(slack.called("apps.connections.open")) == 1
        clock.passes(30)
        await ears.came_online()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


@pytest.mark.parametrize("trouble", ["wrong", "bot's", "scope", "missing"])
async def test_a_token_that_cannot_work_is_told_at_once(trouble: str) -> None:
    ears = Ears()
    async with FakeSlack() as slack:
        given = {"wrong": "xapp-1-A1-2-3", "bot's": slack.token, "scope": slack.app_token}.get(trouble)
        if trouble == "scope":
            slack.app_scopes.clear()
        links = links_of(slack, ears, app_token=None if given is None else SecretStr(given))
        with pytest.raises(ConfigError) as refused:
            async with running(links, ears):
                pass
        assert "SLACK_APP_TOKEN" in refused.value.public
        assert "connections:write" in refused.value.public
        assert given is None or given not in refused.value.public


async def test_a_token_that_worked_is_not_given_up_at_the_first_refusal() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=1):
        slack.fails("apps.connections.open", error="invalid_auth", times=3)
        slack.links[0].drop()
        await ears.came_online(2)


async def test_a_token_that_is_revoked_ends_it() -> None:
    ears = Ears()
    async with FakeSlack() as slack:
        links = links_of(slack, ears)
        run = asyncio.create_task(links.run())
        await slack.online(2)
        await slack.revokes()
        for link in slack.links:
            link.drop()
        with pytest.raises(ConfigError, match="SLACK_APP_TOKEN"):
            await run


async def test_tokens_of_two_apps_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with FakeSlack() as slack:
        calls = calls_of(slack, SystemClock())
        workspace = await asked(calls.client)
        await warn_of_two_apps(calls, workspace, slack.world.app_id)
        assert "SLACK_APP_TOKEN" not in caplog.text
        await warn_of_two_apps(calls, workspace, "A999")
        assert (
            f"SLACK_APP_TOKEN belongs to the app A999 and SLACK_BOT_TOKEN to the app {slack.world.app_id}"
            in caplog.text
        )


# What comes


@pytest.mark.parametrize("text", ["no json", "[1]", "null", '{"type": 3}', '{"envelope_id": "e", "type": "new"}'])
async def test_what_cannot_be_read_does_not_hurt_a_link(text: str) -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears, connections=1) as links:
        await slack.links[0]._socket.send_str(text)
        await hears(slack, ears, "hello")
        assert links.status["renewals"] == 0
        if "envelope_id" in text:
            assert {"envelope_id": "e"} in slack.links[0].heard


async def test_slack_asks_whether_the_bot_is_there() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_sockets(slack, ears):
        await slack.links[0].ping()
        await slack.wait_until(lambda: slack.links[0].pongs_heard)
