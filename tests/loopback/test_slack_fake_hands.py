"""Commands, buttons, forms and shortcuts on the fake Slack, through the real slack-bolt."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_bolt.async_app import AsyncAssistant

from adapters.slack.testing import SCOPES, FakeSlack, NotOffered, labels
from tests.loopback.test_slack_fake_ways import WAYS, connected

BUTTON = {"type": "button", "action_id": "stop", "text": {"type": "plain_text", "text": "Stop"}, "value": "7"}
FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "feedback",
    "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "up"},
    "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "down"},
}
FORM = {
    "type": "modal",
    "callback_id": "topic",
    "private_metadata": "x",
    "title": {"type": "plain_text", "text": "Topic"},
    "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [
        {
            "type": "input",
            "block_id": "about",
            "label": {"type": "plain_text", "text": "About"},
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 10},
        },
        {
            "type": "input",
            "block_id": "mood",
            "optional": True,
            "label": {"type": "plain_text", "text": "Mood"},
            "element": {
                "type": "static_select",
                "action_id": "mood",
                "options": [{"text": {"type": "plain_text", "text": "Merry"}, "value": "merry"}],
            },
        },
    ],
}


@WAYS
async def test_a_command_is_answered_at_once_and_later(way: Any) -> None:
    async with FakeSlack() as slack, way(slack) as ear:

        @ear.app.command("/roll")
        async def roll(ack: Any, command: dict[str, Any], respond: Any) -> None:
            await ack(f"rolling {command['text']}")
            await respond("four", response_type="in_channel")

        used = await slack.runs("/roll", "a die")
        await slack.wait_until(lambda: len(slack.screen(viewer=slack.ada)) == 2)
        assert slack.answers() == ["four"]
        assert sorted(slack.answers(viewer=slack.ada)) == ["four", "rolling a die"]
        assert used.acked
        assert used.back is not None
        assert used.back.uses == 1


async def test_an_answer_address_works_five_times_for_half_an_hour() -> None:
    async with FakeSlack() as slack, connected(slack) as ear:

        @ear.app.command("/talk")
        async def talk(ack: Any) -> None:
            await ack()

        used, late = await slack.runs("/talk"), await slack.runs("/talk")
        respond = slack.client()._request  # the SDK's own way to post to any address

        async def answers(url: str, text: str) -> int:
            reply = await respond(http_verb="POST", api_url=url, req_args={"json": {"text": text}})
            return int(reply["status_code"])

        assert [await answers(used.response_url, str(number)) for number in range(6)] == [200] * 5 + [404]
        slack.passes(30 * 60 + 1)
        assert await answers(late.response_url, "too late") == 404
        assert slack.answers(viewer=slack.ada) == ["0", "1", "2", "3", "4"]


async def test_commands_are_offered_as_declared() -> None:
    async with FakeSlack(commands=["/duologue"], shortcuts=[]) as slack:
        with pytest.raises(NotOffered):
            await slack.runs("/roll")
        with pytest.raises(NotOffered):
            await slack.uses("summary")
    async with FakeSlack(scopes=SCOPES - {"commands"}) as slack:
        with pytest.raises(NotOffered):
            await slack.runs("/duologue")


async def test_who_is_not_acknowledged_sees_an_error() -> None:
    async with FakeSlack() as slack, connected(slack):
        used = await slack.runs("/unheard-of")
        await slack.wait_until(lambda: used.delivery.attempts[0].by if used.delivery.attempts else "")
        slack.passes(3)
        await slack.wait_until(lambda: used.failed)
        assert len(used.delivery.attempts) == 1


@WAYS
async def test_a_button_under_a_message_is_pressed(way: Any) -> None:
    async with FakeSlack() as slack, way(slack) as ear:

        @ear.app.action("stop")
        async def stop(ack: Any, body: dict[str, Any], respond: Any) -> None:
            await ack()
            await respond(f"stopped {body['actions'][0]['value']}", replace_original=True)

        blocks = [{"type": "actions", "elements": [BUTTON]}]
        await slack.client().chat_postMessage(channel=slack.general.id, text="going", blocks=blocks)
        message = slack.screen()[0]
        assert (message.text, labels(message.blocks)) == ("", ["Stop"])
        with pytest.raises(NotOffered):
            await slack.presses(message, "Go on")
        await slack.presses(message, "Stop")
        await slack.wait_until(lambda: slack.answers() == ["stopped 7"])
        told = slack.told("block_actions")[0].payload
        assert (told["container"]["message_ts"], told["message"]["text"]) == (message.ts, "going")


async def test_feedback_buttons_tell_which_half_was_pressed() -> None:
    async with FakeSlack() as slack:
        blocks = [{"type": "context_actions", "elements": [FEEDBACK]}]
        await slack.client().chat_postMessage(channel=slack.general.id, text="done", blocks=blocks)
        used = await slack.presses(slack.screen()[0], "Bad")
        assert used.delivery.payload["actions"][0]["value"] == "down"


async def test_a_form_is_opened_filled_refused_and_sent() -> None:
    async with FakeSlack() as slack, connected(slack) as ear:

        @ear.app.shortcut("topic")
        async def ask(ack: Any, client: Any, shortcut: dict[str, Any]) -> None:
            await ack()
            await client.views_open(trigger_id=shortcut["trigger_id"], view=FORM)

        @ear.app.view("topic")
        async def take(ack: Any, view: dict[str, Any]) -> None:
            said = view["state"]["values"]["about"]["text"]["value"]
            await ack(response_action="errors", errors={"about": "Not cats"}) if said == "cats" else await ack()

        used = await slack.uses("topic", await slack.says("hello"))
        await slack.wait_until(lambda: used.view)
        form = slack.form()
        assert form is not None
        assert form.title == "Topic"
        for wrong in ({}, {"text": "far too long a topic"}, {"text": "x", "mood": "sad"}, {"text": "x", "no": "y"}):
            with pytest.raises(NotOffered):
                await slack.submits(form, **wrong)
        await slack.submits(form, text="cats")
        await slack.wait_until(lambda: form.errors)
        assert form.errors == {"about": "Not cats"}
        await slack.submits(form, text="dogs", mood="Merry")
        await slack.wait_until(lambda: not form.open)
        values = slack.told("view_submission")[-1].payload["view"]["state"]["values"]
        assert values["mood"]["mood"]["selected_option"]["value"] == "merry"
        assert slack.form() is None


@WAYS
async def test_who_waits_too_long_sees_an_error(way: Any) -> None:
    async with FakeSlack() as slack, way(slack) as ear:
        begun, enough = asyncio.Event(), asyncio.Event()

        @ear.app.command("/slow")
        async def slow(ack: Any) -> None:
            begun.set()
            await enough.wait()
            await ack("at last")

        used = await slack.runs("/slow")
        await begun.wait()
        slack.passes(3)
        await slack.wait_until(lambda: used.failed)
        enough.set()
        assert slack.answers(viewer=slack.ada) == []


@pytest.mark.parametrize(
    ("answer", "titles"),
    [
        ({"response_action": "update", "view": {**FORM, "title": {"type": "plain_text", "text": "Again"}}}, ["Again"]),
        ({"response_action": "push", "view": {**FORM, "callback_id": "next"}}, ["Topic", "Topic"]),
        ({"response_action": "clear"}, []),
        ({}, []),
    ],
)
async def test_a_form_leads_to_another_or_away(answer: dict[str, Any], titles: list[str]) -> None:
    async with FakeSlack() as slack, connected(slack) as ear:

        @ear.app.view("topic")
        async def take(ack: Any) -> None:
            await ack(**answer)

        used = await slack.uses("topic")
        await slack.client().views_open(trigger_id=used.trigger_id, view=FORM)
        assert used.view is not None
        sent = await slack.submits(used.view, text="cats")
        await slack.wait_until(lambda: sent.acked)
        await slack.wait_until(lambda: [each.title for each in slack.world.views.values() if each.open] == titles)


@WAYS
async def test_a_menu_looks_for_its_choices(way: Any) -> None:
    async with FakeSlack() as slack, way(slack) as ear:
        choice = {"text": {"type": "plain_text", "text": "Cats"}, "value": "cats"}

        @ear.app.options("topic")
        async def suggest(ack: Any, payload: dict[str, Any]) -> None:
            await ack(options=[choice] if payload["value"] == "ca" else [])

        menu = {"type": "external_select", "action_id": "topic", "min_query_length": 2}
        block = {"type": "input", "block_id": "t", "label": {"type": "plain_text", "text": "Topic"}, "element": menu}
        used = await slack.uses("form")
        await slack.client().views_open(trigger_id=used.trigger_id, view={**FORM, "blocks": [block]})
        assert used.view is not None
        with pytest.raises(NotOffered):
            await slack.types(used.view, "topic", "c")
        asked = await slack.types(used.view, "topic", "ca")
        await slack.wait_until(lambda: asked.acked)
        assert asked.answer["options"] == [choice]
        sent = await slack.submits(used.view, topic=asked.answer["options"][0])
        state = sent.delivery.payload["view"]["state"]["values"]["t"]["topic"]
        assert state["selected_option"]["value"] == "cats"


async def test_an_app_hears_of_closing_where_it_asked_to() -> None:
    async with FakeSlack() as slack:
        used = await slack.uses("topic")
        await slack.client().views_open(trigger_id=used.trigger_id, view={**FORM, "notify_on_close": True})
        assert used.view is not None
        closed = await slack.closes(used.view)
        assert closed is not None
        assert (closed.name, closed.payload["view"]["private_metadata"], slack.form()) == ("view_closed", "x", None)


async def test_a_trigger_works_once_and_for_three_seconds() -> None:
    async with FakeSlack() as slack:
        client, used, late = slack.client(), await slack.uses("topic"), await slack.uses("topic")
        await client.views_open(trigger_id=used.trigger_id, view=FORM)
        answers = []
        slack.passes(3.1)
        for trigger_id in (used.trigger_id, late.trigger_id, "1.2.3"):
            reply = await client._request(
                http_verb="POST",
                api_url=slack.api_url + "views.open",
                req_args={"json": {"trigger_id": trigger_id, "view": FORM, "token": slack.token}},
            )
            answers.append(reply["data"]["error"])
        assert answers == ["exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id"]


async def test_the_home_tab_is_published_for_whoever_opens_it() -> None:
    async with FakeSlack() as slack, connected(slack) as ear:

        @ear.app.action("stop")
        async def stop(ack: Any) -> None:
            await ack()

        await slack.opens_home()
        await slack.wait_until(lambda: ear.events)
        assert ear.events[0]["tab"] == "home"
        blocks = [{"type": "actions", "elements": [BUTTON]}]
        await slack.client().views_publish(user_id=slack.ada.id, view={"type": "home", "blocks": blocks})
        home = slack.home()
        assert home is not None
        pressed = await slack.presses(home, "Stop")
        await slack.wait_until(lambda: pressed.acked)
        assert pressed.delivery.payload["container"] == {"type": "view", "view_id": home.id}
        await slack.opens_home()
        assert slack.told("app_home_opened")[-1].payload["event"]["view"]["id"] == home.id


async def test_the_stop_button_of_slack_ends_a_stream() -> None:
    async with FakeSlack() as slack, connected(slack) as ear:
        client, thread = slack.client(), await slack.opens_assistant()
        await slack.says("tell me", thread=thread)
        where = {"channel": thread.channel.id, "thread_ts": thread.ts}
        ts = (await client.api_call("chat.startStream", json={**where, "markdown_text": "One"}))["ts"]
        await slack.stops(thread)
        await slack.wait_until(lambda: [each for each in ear.events if each["type"] == "agent_session_stopped"])
        told = slack.told("agent_session_stopped")[0].payload["event"]
        assert (told["streaming_message_ts"], told["thread_ts"]) == ([ts], thread.ts)
        reply = await client._request(
            http_verb="POST",
            api_url=slack.api_url + "chat.appendStream",
            req_args={"json": {"channel": thread.channel.id, "ts": ts, "markdown_text": "x", "token": slack.token}},
        )
        assert reply["data"]["error"] == "stopped_by_user"
        await client.chat_stopStream(channel=thread.channel.id, ts=ts)
        assert slack.answers(thread=thread) == ["One"]


async def test_a_thread_in_the_pane_begins_with_an_event() -> None:
    async with FakeSlack() as slack, connected(slack) as ear:
        thread = await slack.opens_assistant(beside=slack.general)
        await slack.says("hello", thread=thread)
        await slack.wait_until(lambda: any(each.get("text") == "hello" for each in ear.events))
        started = next(each for each in ear.events if each["type"] == "assistant_thread_started")
        assert started["assistant_thread"]["context"]["channel_id"] == slack.general.id
        said = next(each for each in ear.events if each.get("text") == "hello")
        assert (said["channel_type"], said["thread_ts"]) == ("im", thread.ts)
        assert said["parent_user_id"] == slack.bot.id


async def test_the_assistant_of_slack_bolt_finds_its_way() -> None:
    async with FakeSlack() as slack, connected(slack) as ear:
        assistant = AsyncAssistant()

        @assistant.thread_started
        async def greet(say: Any, set_suggested_prompts: Any) -> None:
            await say("How can I help?")
            await set_suggested_prompts(prompts=[{"title": "Cats", "message": "Tell me about cats"}])

        @assistant.user_message
        async def reply(client: Any, context: Any, get_thread_context: Any, set_status: Any) -> None:
            await set_status("is thinking")
            beside = (await get_thread_context())["channel_id"]
            answer = await client.chat_stream(channel=context.channel_id, thread_ts=context.thread_ts, buffer_size=1)
            for piece in ("You", " look at ", beside):
                await answer.append(markdown_text=piece)
            await answer.stop()

        ear.app.use(assistant)
        thread = await slack.opens_assistant(beside=slack.general)
        await slack.wait_until(lambda: thread.prompts)
        await slack.says("Tell me about cats", thread=thread)
        said = f"You look at {slack.general.id}"
        await slack.wait_until(lambda: slack.answers(thread=thread)[1:] == [said] and not slack.streaming)
        assert len(slack.screen(thread=thread)[-1].states) == 3


async def test_only_one_person_sees_what_is_said_in_private() -> None:
    async with FakeSlack() as slack:
        await slack.client().chat_postEphemeral(channel=slack.general.id, user=slack.ada.id, text="psst")
        assert slack.answers(viewer=slack.ada) == ["psst"]
        assert slack.answers(viewer=slack.olga) == slack.answers() == []
        assert (await slack.client().conversations_history(channel=slack.general.id))["messages"] == []
