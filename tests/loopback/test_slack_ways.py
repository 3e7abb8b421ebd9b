"""How Slack reaches the bot: whatever happens is heard and acknowledged, the same over Socket Mode and HTTP."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from adapters.slack.bolt import SORRY
from adapters.slack.testing import FakeSlack
from tests.loopback.slack_ears import Ears, Gate, broken, by_http, by_sockets

WAYS = pytest.mark.parametrize("way", [by_sockets, by_http])

BUTTON = {"type": "button", "action_id": "stop", "text": {"type": "plain_text", "text": "Stop"}, "value": "7"}
CITY = {
    "type": "input",
    "block_id": "where",
    "label": {"type": "plain_text", "text": "Where"},
    "element": {"type": "external_select", "action_id": "city", "min_query_length": 1},
    "optional": True,
}
FORM = {
    "type": "modal",
    "callback_id": "topic",
    "notify_on_close": True,
    "title": {"type": "plain_text", "text": "Topic"},
    "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [CITY],
}


UNKNOWN: list[tuple[Any, dict[str, Any]]] = [
    ("events_api", {"type": "event_callback", "event": {"type": "galaxy_exploded", "how": {}}}),
    ("events_api", {"type": "event_callback", "event": {"type": "function_executed"}}),
    ("events_api", {"type": "event_callback", "event": "nothing"}),
    ("events_api", {"type": "event_callback", "event": {}}),
    ("events_api", {"type": "event_callback", "event": {"type": "app_mention"}, "authorizations": ["new"]}),
    ("events_api", {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1518467820}),
    ("interactive", {"type": "dialog_submission", "callback_id": "old", "submission": {}}),
    ("interactive", {"type": "interactive_message", "callback_id": "old", "actions": [{"name": "x"}]}),
    ("interactive", {"type": "workflow_step_edit", "callback_id": "old"}),
    ("interactive", {"type": "block_actions", "actions": []}),
    ("interactive", {"type": "block_actions", "actions": [{}]}),
    ("interactive", {"type": "view_submission", "view": {}}),
    ("interactive", {"type": "view_submission", "view": {"callback_id": "no type"}}),
    ("interactive", {"type": "view_submission", "view": {}, "response_urls": None}),
    ("interactive", {"type": "shortcut"}),
    ("interactive", {"type": ["new"]}),
    ("slash_commands", {"command": "/unheard-of", "text": "1 2 3"}),
    ("slash_commands", {"text": "no name"}),
]
NOTICE = {**FORM, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Sure?"}}]}


async def opened_form(slack: FakeSlack, ears: Ears, form: dict[str, Any] = FORM) -> Any:
    async def open_form() -> None:
        await slack.client().views_open(trigger_id=ears.heard[-1]["trigger_id"], view=form)

    ears.answers["/form"] = open_form
    used = await slack.runs("/form")
    await slack.wait_until(lambda: used.view)
    return used.view


@WAYS
async def test_whatever_people_do_is_heard_and_acknowledged(way: Any) -> None:
    ears = Ears()
    async with FakeSlack() as slack, way(slack, ears):
        message = await slack.mentions("hello")
        posted = await slack.client().chat_postMessage(
            channel=slack.general.id, text="x", blocks=[{"type": "actions", "elements": [BUTTON]}]
        )
        await slack.presses(slack.general.messages[posted["ts"]], "Stop")
        await slack.uses("look at this", message)
        await slack.uses("anywhere")
        await slack.edits(message, "hello again")
        await slack.deletes(message)
        await slack.opens_home()
        await slack.stops(await slack.opens_assistant())
        form = await opened_form(slack, ears)
        await slack.types(form, "city", "Ber")
        await slack.submits(form)
        await slack.closes(await opened_form(slack, ears))
        await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))
        told = [each.name for each in slack.deliveries]
        assert {"block_actions", "message_action", "shortcut", "block_suggestion", "view_submission"} < {*told}
        assert {"app_home_opened", "assistant_thread_started", "agent_session_stopped", "app_mention"} < {*told}
        assert {"view_closed", "/form"} < {*told}
        assert len(ears.heard) == len(told)
        assert {*ears.calls} == {"event", "command", "action", "shortcut", "submitted", "closed", "options"}
        assert not any(len(each.attempts) > 1 for each in slack.deliveries)


@WAYS
async def test_the_bot_hears_where_it_comes_and_goes_and_what_it_says_itself(way: Any) -> None:
    ears = Ears()
    async with FakeSlack() as slack, way(slack, ears):
        await slack.removes(slack.bot, slack.general)
        await slack.invites(slack.bot, slack.general)
        await slack.client().chat_postMessage(channel=slack.general.id, text="here I am")
        await slack.wait_until(lambda: len(ears.heard) == 3)
        assert [body["event"]["type"] for body in ears.heard] == [
            "member_left_channel",
            "member_joined_channel",
            "message",
        ]


@WAYS
async def test_what_is_not_known_is_acknowledged(way: Any) -> None:
    async with FakeSlack() as slack, way(slack, Ears()):
        for kind, payload in UNKNOWN:
            told = slack.outbox.send(kind, {**payload})
            await slack.wait_until(lambda told=told: told.acked or told.given_up)
            assert (told.acked, len(told.attempts), told.answer) == (True, 1, None), payload


@WAYS
async def test_an_event_is_acknowledged_once_it_was_handled(way: Any) -> None:
    ears, gate = Ears(), Gate()
    ears.answers["message"] = gate
    async with FakeSlack() as slack, way(slack, ears):
        await slack.says("hello")
        await gate.waiting.wait()
        assert not slack.deliveries[0].acked
        gate.open.set()
        await slack.wait_until(lambda: slack.deliveries[0].acked)


@WAYS
async def test_an_event_that_could_not_be_handled_is_told_again(way: Any, caplog: pytest.LogCaptureFixture) -> None:
    ears = Ears()
    ears.answers["message"] = broken
    async with FakeSlack() as slack, way(slack, ears):
        await slack.says("hello")
        await slack.wait_until(lambda: ears.heard)
        del ears.answers["message"]
        slack.passes(3)
        await slack.wait_until(lambda: slack.deliveries[0].acked)
        assert ears.texts == ["hello", "hello"]
    assert "'message' from Slack could not be handled" in caplog.text
    assert "a mistake in the bot" in caplog.text


@WAYS
async def test_what_fails_is_told_to_whoever_did_it_alone(way: Any) -> None:
    ears = Ears()
    ears.answers |= dict.fromkeys(["/roll", "stop", "look at this", "city", "topic"], broken)
    async with FakeSlack() as slack, way(slack, ears):
        posted = await slack.client().chat_postMessage(
            channel=slack.general.id, text="x", blocks=[{"type": "actions", "elements": [BUTTON]}]
        )
        message = slack.general.messages[posted["ts"]]
        await slack.runs("/roll")
        await slack.presses(message, "Stop")
        await slack.uses("look at this", message)
        await slack.wait_until(lambda: slack.answers(viewer=slack.ada).count(SORRY) == 3)
        assert SORRY not in slack.answers(viewer=slack.olga)
        form = await opened_form(slack, ears)
        looked = await slack.types(form, "city", "Ber")
        await slack.submits(form)
        await slack.wait_until(lambda: form.errors and looked.acked)
        assert looked.answer == {"options": []}
        assert form.open, "what was filled in can be sent again"
        assert form.errors == {"where": SORRY}
        notice = await opened_form(slack, ears, NOTICE)
        await slack.submits(notice)
        await slack.wait_until(lambda: SORRY in str(notice.blocks))


@WAYS
async def test_nothing_of_what_is_said_and_no_secret_is_logged(way: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ears = Ears()
    ears.answers["/roll"] = broken
    async with FakeSlack() as slack, way(slack, ears):
        await slack.mentions("my password is swordfish")
        await slack.runs("/roll", "swordfish")
        slack.outbox.send("interactive", {"type": "new", "text": "swordfish"})
        await slack.wait_until(lambda: len(slack.deliveries) == 4 and all(each.acked for each in slack.deliveries))
        assert "'/roll' from Slack could not be handled" in caplog.text
        for secret in ("swordfish", slack.token, slack.app_token, slack.signing_secret, "ticket"):
            assert secret not in caplog.text


@WAYS
async def test_whoever_runs_the_bot_reads_that_it_was_removed(way: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with FakeSlack() as slack, way(slack, Ears()):
        slack.outbox.send("events_api", {"type": "app_rate_limited", "team_id": "T1"})
        await slack.revokes()
        await slack.wait_until(lambda: len(slack.deliveries) == 3 and all(each.acked for each in slack.deliveries))
    for words in ("more than 30,000 an hour", "was removed from the workspace", "install the app again"):
        assert words in caplog.text


@WAYS
async def test_hearing_costs_no_call(way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with Slack's own names in the environment, which the SDK reads, and a proxy that leads nowhere."""
    for name in ("BOT_TOKEN", "SIGNING_SECRET", "VERIFICATION_TOKEN", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"SLACK_{name}", "something else")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    ears = Ears()
    ears.answers["stop"] = broken
    async with FakeSlack() as slack, way(slack, ears):
        await slack.mentions("hello")
        await slack.runs("/roll")
        await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))
        assert {call.method for call in slack.calls} <= {"apps.connections.open"}
        posted = await slack.client().chat_postMessage(
            channel=slack.general.id, text="x", blocks=[{"type": "actions", "elements": [BUTTON]}]
        )
        await slack.presses(slack.general.messages[posted["ts"]], "Stop")
        await slack.wait_until(lambda: SORRY in slack.answers(viewer=slack.ada))


@WAYS
async def test_the_same_event_comes_three_times_with_a_restart_between(way: Any) -> None:
    """It is acknowledged each time, as the same event; that it is answered once is the core's affair."""
    first, second = Ears(), Ears()
    async with FakeSlack() as slack:
        async with way(slack, first):
            await slack.says("once")
            await slack.wait_until(lambda: slack.deliveries[0].acked)
            assert (await slack.sends_again(slack.deliveries[0])).acked_at is not None
        async with way(slack, second):
            assert (await slack.sends_again(slack.deliveries[0])).acked_at is not None
        assert len({body["event_id"] for body in [*first.heard, *second.heard]}) == 1
        assert (len(first.heard), len(second.heard)) == (2, 1)


@WAYS
async def test_an_acknowledgement_says_what_slack_shall_show(way: Any) -> None:
    ears = Ears()
    ears.say["/roll"] = "four"
    ears.say["topic"] = {"response_action": "clear"}
    async with FakeSlack() as slack, way(slack, ears):
        used = await slack.runs("/roll")
        form = await opened_form(slack, ears)
        await slack.submits(form)
        await slack.wait_until(lambda: slack.answers(viewer=slack.ada) and not form.open)
        assert slack.answers(viewer=slack.ada) == ["four"]
        assert used.acked


@WAYS
async def test_hundred_things_at_once_are_all_acknowledged(way: Any) -> None:
    ears = Ears()
    async with FakeSlack() as slack, way(slack, ears):
        for number in range(100):
            await slack.says(str(number))
        await slack.wait_until(lambda: len(slack.deliveries) == 100 and all(each.acked for each in slack.deliveries))
        assert sorted(ears.texts, key=int) == [str(number) for number in range(100)]


@WAYS
async def test_nobody_waits_for_another(way: Any) -> None:
    ears, gate = Ears(), Gate()
    ears.answers["/slow"] = gate
    async with FakeSlack() as slack, way(slack, ears, **({"connections": 1} if way is by_sockets else {})):
        slow = await slack.runs("/slow")
        await gate.waiting.wait()
        quick = await slack.runs("/quick")
        await slack.says("me too")
        await slack.wait_until(lambda: quick.acked and slack.told("message")[0].acked)
        assert not slow.acked
        gate.open.set()
        await slack.wait_until(lambda: slow.acked)
