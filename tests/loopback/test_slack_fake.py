"""The fake Slack is as strict as the real one, seen through the real SDK: limits, lengths, scopes, streams, files."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from adapters.slack.testing import SCOPES, FakeSlack, Message, tasks_of
from adapters.slack.testing.limits import Drip, Window

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*bold*"}}


async def refusal(call: Any) -> str:
    """The error that a call is answered with."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def stream(slack: FakeSlack, question: Message, **more: Any) -> Any:
    return await slack.client().chat_startStream(
        channel=question.channel.id,
        thread_ts=question.ts,
        recipient_team_id=slack.world.team,
        recipient_user_id=slack.ada.id,
        **more,
    )


def test_a_minute_gives_so_many_calls_wherever_it_begins() -> None:
    window = Window(2, 60.0)
    for now in (100.0, 130.0):
        assert window.wait(now) == 0.0
        window.take(now)
    assert window.wait(150.0) == 10.0
    assert window.wait(160.0) == 0.0


def test_a_channel_takes_a_burst_and_then_one_a_second() -> None:
    drip = Drip(2)
    for _ in range(2):
        assert drip.wait(100.0) == 0.0
        drip.take(100.0)
    assert drip.wait(100.25) == pytest.approx(0.75)
    assert drip.wait(101.0) == 0.0


async def test_a_message_keeps_every_text_it_showed() -> None:
    async with FakeSlack() as slack:
        client = slack.client()
        posted = await client.chat_postMessage(channel=slack.general.id, text="2 &lt; 3")
        where = {"channel": slack.general.id, "ts": posted["ts"]}
        await client.chat_update(**where, text="better", blocks=[SECTION])
        await client.chat_update(**where, text="hidden behind blocks")
        message = slack.screen()[0]
        assert [state.seen for state in message.states] == ["2 < 3", "*bold*", "*bold*"]
        assert (message.fallback, message.blocks[0]["type"]) == ("hidden behind blocks", "section")
        await client.chat_update(**where, text="bare", blocks=[])
        assert (message.text, message.blocks) == ("bare", [])
        await client.chat_delete(channel=slack.general.id, ts=posted["ts"])
        assert slack.screen() == []
        assert await refusal(client.chat_update(channel=slack.general.id, ts=posted["ts"], text="x")) == (
            "message_not_found"
        )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"text": ""}, "no_text"),
        ({"text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"text": "x", "blocks": [SECTION] * 51}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]},
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "markdown", "text": "x" * 12_001}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "markdown", "text": "x" * 7_000}] * 2}, "msg_blocks_too_long"),
        ({"text": "x", "blocks": [{"type": "unheard of"}]}, "invalid_blocks"),
    ],
)
async def test_what_slack_refuses_is_refused(body: dict[str, Any], error: str) -> None:
    async with FakeSlack() as slack:
        call = slack.client().api_call("chat.postMessage", json={"channel": slack.general.id, **body})
        assert await refusal(call) == error
        assert slack.screen() == []


async def test_long_texts_are_cut_when_posted_and_refused_when_edited() -> None:
    async with FakeSlack() as slack:
        client = slack.client()
        posted = await client.chat_postMessage(channel=slack.general.id, text="x" * 45_000)
        assert (len(slack.answers()[0]), posted["warning"]) == (40_000, "message_truncated")
        edit = client.chat_update(channel=slack.general.id, ts=posted["ts"], text="x" * 4_001)
        assert await refusal(edit) == "msg_too_long"


async def test_what_a_text_pings_is_written_down() -> None:
    async with FakeSlack() as slack:
        client, group = slack.client(), slack.user_group("crew")
        for text in ("<!channel> <@" + slack.ada.id + ">", f"<!subteam^{group}|@crew>", "&lt;!here&gt; @here"):
            await client.chat_postMessage(channel=slack.general.id, text=text)
        slack.passes(60)
        await client.chat_postMessage(channel=slack.general.id, text="@here @crew", link_names=True)
        blocks = [{"type": "markdown", "text": "<!everyone>"}]
        await client.chat_postMessage(channel=slack.general.id, text="x", blocks=blocks)
        assert [message.pinged for message in slack.screen()] == [
            ["!channel", slack.ada.id],
            [group],
            [],
            ["!here", group],
            ["!everyone"],
        ]


async def test_a_name_of_its_own_needs_a_scope() -> None:
    async with FakeSlack() as slack:
        client = slack.client()
        await client.chat_postMessage(channel=slack.general.id, text="hi", username="Ann", icon_emoji=":cat:")
        assert [(each.name, each.icon) for each in slack.screen()] == [("Ann", ":cat:")]
        slack.scopes.discard("chat:write.customize")
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=slack.general.id, text="hi", username="Ann")
        assert (caught.value.response["error"], caught.value.response["needed"]) == (
            "missing_scope",
            "chat:write.customize",
        )


async def test_tokens_and_places_are_checked() -> None:
    async with FakeSlack(scopes=SCOPES - {"groups:history"}) as slack:
        client = slack.client()
        assert "chat:write" in (await client.auth_test()).headers["X-OAuth-Scopes"]
        assert await refusal(slack.client(token="xoxb-wrong").auth_test()) == "invalid_auth"
        assert await refusal(slack.client(token=slack.app_token).users_info(user=slack.ada.id)) == (
            "not_allowed_token_type"
        )
        assert await refusal(client.api_call("chat.sing")) == "unknown_method"
        elsewhere, private = slack.channel("elsewhere", with_bot=False), slack.channel("den", kind="group")
        assert await refusal(client.chat_postMessage(channel=elsewhere.id, text="x")) == "not_in_channel"
        assert await refusal(client.chat_postMessage(channel="C0", text="x")) == "channel_not_found"
        assert await refusal(client.conversations_history(channel=private.id)) == "missing_scope"
        theirs = await slack.says("mine")
        assert await refusal(client.chat_update(channel=slack.general.id, ts=theirs.ts, text="x")) == (
            "cant_update_message"
        )
        slack.app_scopes.clear()
        assert await refusal(client.apps_connections_open(app_token=slack.app_token)) == "missing_scope"
        await slack.revokes()
        assert await refusal(client.chat_postMessage(channel=slack.general.id, text="x")) == "token_revoked"


@pytest.mark.parametrize(("style", "status"), [("status", 429), ("body", 200)])
async def test_too_many_edits_are_refused_for_the_whole_workspace(style: Any, status: int) -> None:
    async with FakeSlack(style=style, per_minute={"chat.update": 2}) as slack:
        client, other = slack.client(), slack.channel("other")
        posts = [await client.chat_postMessage(channel=each.id, text="x") for each in (slack.general, other)]
        for post in posts:
            await client.chat_update(channel=post["channel"], ts=post["ts"], text="y")
        with pytest.raises(SlackApiError) as caught:
            await client.chat_update(channel=other.id, ts=posts[1]["ts"], text="z")
        response = caught.value.response
        assert (response["error"], response.status_code) == ("ratelimited", status)
        assert 0 < int(response.headers["Retry-After"]) <= 60
        assert [(each.method, each.channel) for each in slack.refused] == [("chat.update", "")]
        slack.passes(60)
        await client.chat_update(channel=other.id, ts=posts[1]["ts"], text="z")


async def test_one_channel_takes_one_message_a_second() -> None:
    async with FakeSlack(burst=1) as slack:
        client, other = slack.client(), slack.channel("other")
        await client.chat_postMessage(channel=slack.general.id, text="one")
        assert await refusal(client.chat_postMessage(channel=slack.general.id, text="two")) == "ratelimited"
        await client.chat_postMessage(channel=other.id, text="elsewhere")
        slack.passes(1)
        await client.chat_postMessage(channel=slack.general.id, text="two")
        assert slack.answers() == ["one", "two"]


async def test_calls_fail_by_script() -> None:
    async with FakeSlack() as slack:
        client = slack.client()
        slack.fails("chat.postMessage", error="internal_error")
        assert await refusal(client.chat_postMessage(channel=slack.general.id, text="one")) == "internal_error"
        slack.fails("chat.*", status=500, acted=True)
        with pytest.raises(SlackApiError):
            await client.chat_postMessage(channel=slack.general.id, text="two")
        slack.fails("chat.postMessage", drop=True)
        client.retry_handlers.clear()
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=slack.general.id, text="three")
        assert slack.answers() == ["two"]
        assert [call.status for call in slack.called("chat.postMessage")] == [200, 500, 0]


async def test_calls_fail_by_the_lots_of_a_seed() -> None:
    async def statuses(seed: int) -> list[int]:
        async with FakeSlack() as slack:
            for status in (429, 500):
                slack.fails_by_chance(status, 0.2, random.Random(seed + status), "auth.*")
            for _ in range(40):
                with suppress(SlackApiError):
                    await slack.client().auth_test()
            return [call.status for call in slack.calls]

    first = await statuses(1)
    assert {*first} == {200, 429, 500}
    assert await statuses(1) == first
    assert await statuses(2) != first


async def test_a_stream_grows_until_it_is_stopped() -> None:
    async with FakeSlack() as slack:
        client, question = slack.client(), await slack.says("tell me")
        ts = (await stream(slack, question, markdown_text="One", username="Ann"))["ts"]
        card = {"type": "task_update", "id": "1", "title": "Looking", "status": "in_progress"}
        await client.chat_appendStream(
            channel=slack.general.id, ts=ts, chunks=[{"type": "markdown_text", "text": " two"}, card]
        )
        message = slack.screen(thread=question)[-1]
        assert (slack.streaming, message.name) == ([message], "Ann")
        assert await refusal(client.chat_update(channel=slack.general.id, ts=ts, text="x")) == (
            "streaming_state_conflict"
        )
        done = [{**card, "status": "complete"}]
        await client.chat_stopStream(channel=slack.general.id, ts=ts, chunks=done, blocks=[SECTION])
        assert [state.text for state in message.states] == ["One", "One two", "One two"]
        assert (message.blocks[0]["type"], tasks_of(message)["1"]["status"]) == ("section", "complete")
        assert slack.streaming == []
        again = client.chat_appendStream(channel=slack.general.id, ts=ts, markdown_text="more")
        assert await refusal(again) == "message_not_in_streaming_state"
        await client.chat_update(channel=slack.general.id, ts=ts, text="edited")
        assert slack.answers(thread=question) == ["edited"]


async def test_a_stream_dies_after_five_minutes() -> None:
    async with FakeSlack() as slack:
        client, question = slack.client(), await slack.says("tell me")
        ts = (await stream(slack, question, markdown_text="One"))["ts"]
        slack.passes(299)
        await client.chat_appendStream(channel=slack.general.id, ts=ts, markdown_text=" two")
        slack.passes(1)
        assert slack.streaming == []
        for call in (client.chat_appendStream, client.chat_stopStream):
            assert await refusal(call(channel=slack.general.id, ts=ts, markdown_text="!")) == (
                "message_not_in_streaming_state"
            )
        assert slack.answers(thread=question) == ["One two"]


async def test_a_stream_has_room_for_twelve_thousand_characters() -> None:
    async with FakeSlack() as slack:
        client, question = slack.client(), await slack.says("tell me")
        ts = (await stream(slack, question, markdown_text="x" * 7_000))["ts"]
        where = {"channel": slack.general.id, "ts": ts}
        assert await refusal(client.chat_appendStream(**where, markdown_text="x" * 5_001)) == "msg_too_long"
        both = client.api_call("chat.appendStream", json={**where, "markdown_text": "x", "chunks": [{}]})
        assert await refusal(both) == "invalid_arguments"
        await client.chat_stopStream(**where, markdown_text="x" * 5_000)
        assert [len(text) for text in slack.answers(thread=question)] == [12_000]


async def test_a_stream_wants_to_know_for_whom_it_is() -> None:
    async with FakeSlack() as slack:
        client, question = slack.client(), await slack.says("tell me")
        where = {"channel": slack.general.id, "thread_ts": question.ts}
        assert await refusal(client.chat_startStream(**where)) == "missing_recipient_team_id"
        where["recipient_team_id"] = slack.world.team
        assert await refusal(client.chat_startStream(**where)) == "missing_recipient_user_id"
        assert await refusal(client.chat_startStream(**where, recipient_user_id="U0")) == "user_not_found"
        assert await refusal(stream(slack, question, markdown_text="x" * 12_001)) == "msg_too_long"
        assert await refusal(stream(slack, question, chunks=[{"type": "song"}])) == "invalid_chunks"
        alone = await slack.says("hi", channel=slack.direct())
        await client.chat_startStream(channel=alone.channel.id, thread_ts=alone.ts)


async def test_not_every_method_reads_json() -> None:
    async with FakeSlack() as slack, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {slack.token}", "Content-Type": "application/json"}

        async def answer(method: str, body: str) -> str:
            async with session.post(slack.api_url + method, data=body, headers=headers) as response:
                return str((await response.json()).get("error", "ok"))

        assert await answer("conversations.history", f'{{"channel": "{slack.general.id}"}}') == "ok"
        assert await answer("conversations.info", f'{{"channel": "{slack.general.id}"}}') == "invalid_arguments"
        assert await answer("chat.postMessage", "{") == "invalid_json"
        assert await answer("chat.postMessage", "[]") == "json_not_object"


async def test_history_and_threads_are_read_by_get_and_by_post() -> None:
    async with FakeSlack() as slack:
        client = slack.client()
        root = await slack.says("root")
        for number in range(3):
            await slack.says(f"reply {number}", thread=root)
        page = await client.conversations_replies(channel=slack.general.id, ts=root.ts, limit=2)
        rest = await client.conversations_replies(
            channel=slack.general.id, ts=root.ts, limit=2, cursor=page["response_metadata"]["next_cursor"]
        )
        texts = [message["text"] for message in [*page["messages"], *rest["messages"][1:]]]
        assert (texts, page["has_more"], rest["has_more"]) == (
            ["root", "reply 0", "reply 1", "reply 2"],
            True,
            False,
        )
        assert page["messages"][0]["reply_count"] == 3
        form = await client.api_call("conversations.history", data={"channel": slack.general.id})
        assert [message["text"] for message in form["messages"]] == ["root"]
        assert (await client.users_info(user=slack.ada.id, include_locale=True))["user"]["locale"] == "en-US"
        assert (await client.bots_info(bot=slack.bot.bot_id))["bot"]["app_id"] == slack.world.app_id
        assert slack.ada.id in (await client.conversations_members(channel=slack.general.id))["members"]
        assert (await client.conversations_info(channel=slack.general.id))["channel"]["is_member"]
        assert (await client.conversations_open(users=slack.ada.id))["channel"]["id"] == slack.direct().id
        link = await client.chat_getPermalink(channel=slack.general.id, message_ts=root.ts)
        assert root.ts.replace(".", "") in link["permalink"]
        await client.reactions_add(channel=slack.general.id, timestamp=root.ts, name="eyes")
        assert root.reactions == {"eyes": [slack.bot.id]}


async def test_an_app_sold_elsewhere_reads_little_history() -> None:
    async with FakeSlack(distributed=True) as slack:
        for number in range(20):
            await slack.says(str(number))
        read = await slack.client().conversations_history(channel=slack.general.id, limit=100)
        assert (len(read["messages"]), read["messages"][0]["text"]) == (15, "19")
        assert await refusal(slack.client().conversations_history(channel=slack.general.id)) == "ratelimited"


async def test_files_go_up_in_three_steps_and_come_down_with_the_token() -> None:
    async with FakeSlack() as slack, aiohttp.ClientSession() as session:
        await slack.client().files_upload_v2(
            channel=slack.general.id, filename="a.md", content="# hi", initial_comment="here", title="A"
        )
        sent = slack.screen()[0]
        assert (sent.text, sent.files[0].title, sent.files[0].content) == ("here", "A", b"# hi")
        theirs = (await slack.uploads("cat.png", b"\x89PNG", "look")).files[0]
        headers = {"Authorization": f"Bearer {slack.token}"}
        async with session.get(theirs.url, headers=headers) as response:
            assert (await response.read(), response.content_type) == (b"\x89PNG", "image/png")
        async with session.get(theirs.url) as response:
            assert (response.status, response.content_type) == (200, "text/html")


async def test_the_assistant_pane_shows_status_title_and_prompts() -> None:
    async with FakeSlack() as slack:
        client, thread = slack.client(), await slack.opens_assistant(beside=slack.general)
        where = {"channel_id": thread.channel.id, "thread_ts": thread.ts}
        await client.assistant_threads_setStatus(**where, status="is thinking", loading_messages=["Hm"])
        await client.assistant_threads_setTitle(**where, title="Cats")
        await client.assistant_threads_setSuggestedPrompts(**where, prompts=[{"title": "More", "message": "More!"}])
        shown = slack.status(thread)
        assert shown is not None
        assert (shown.text, thread.title, thread.prompts[0]["title"]) == ("is thinking", "Cats", "More")
        await client.chat_postMessage(channel=thread.channel.id, thread_ts=thread.ts, text="Cats purr.")
        assert slack.status(thread) is None
        await client.assistant_threads_setStatus(**where, status="is thinking")
        slack.passes(121)
        assert slack.status(thread) is None
        await client.agents_sessions_setStatus(**where, status="processing", title="Cats")
        await client.agents_sessions_setStatus(**where, status="active")
        assert slack.world.sessions[thread.channel.id, thread.ts].statuses == ["processing", "active"]
        assert await refusal(client.agents_sessions_setStatus(**where, status="asleep")) == "invalid_status"
