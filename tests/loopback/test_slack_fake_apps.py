"""What the fake Slack knows of apps: manifests, configuration tokens, and agents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from adapters.slack.testing import EVENTS, FakeSlack, NotOffered

AGENT: dict[str, Any] = {
    "display_information": {"name": "Echo"},
    "features": {
        "app_home": {"messages_tab_enabled": True},
        "bot_user": {"display_name": "echo"},
        "agent_view": {"agent_description": "Says it again."},
        "slash_commands": [{"command": "/echo", "description": "Say it again."}],
    },
    "oauth_config": {"scopes": {"bot": ["assistant:write", "chat:write", "commands", "im:history"]}},
    "settings": {
        "event_subscriptions": {"bot_events": ["app_home_opened", "message.im"]},
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
    },
}


def changed(**parts: Any) -> str:
    return json.dumps(AGENT | parts)


async def test_an_app_has_what_its_manifest_asks_for_and_nothing_else() -> None:
    async with FakeSlack.made_from(changed()) as slack:
        assert slack.scopes == {"assistant:write", "chat:write", "commands", "im:history"}
        with pytest.raises(NotOffered):
            await slack.runs("/other")
        assert await slack.mentions("nobody hears me") is not None
        assert slack.deliveries == []
        answered = await slack.client().apps_manifest_export(token=slack.configuration_token, app_id=slack.bot.app_id)
        assert answered["manifest"]["features"] == AGENT["features"]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"features": AGENT["features"] | {"shortcuts": []}}, "at least 1 item"),
        ({"features": AGENT["features"] | {"other": True}}, "Extra inputs"),
        ({"features": AGENT["features"] | {"slash_commands": [{"command": "/status", "description": "-"}]}}, "invalid"),
        ({"oauth_config": {"scopes": {"bot": ["assistant:write", "commands"]}}}, "message.im requires the scope"),
        ({"settings": AGENT["settings"] | {"socket_mode_enabled": False}}, "requires either Request URL or Socket"),
        ({"settings": {"socket_mode_enabled": True}}, "should use `app_home_opened`"),
        (
            {"features": AGENT["features"] | {"assistant_view": {"assistant_description": "Old."}}},
            "New apps can only use agent_view",
        ),
    ],
)
async def test_what_slack_would_not_take_is_not_taken(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(NotOffered, match=says):
        FakeSlack.made_from(changed(**parts))
    async with FakeSlack() as slack:
        with pytest.raises(SlackApiError) as caught:
            await slack.client().apps_manifest_validate(token=slack.configuration_token, manifest=changed(**parts))
        assert caught.value.response["error"] == "invalid_manifest"
        assert any(says in each["message"] for each in caught.value.response["errors"])


async def test_only_a_configuration_token_may_look_at_manifests() -> None:
    async with FakeSlack() as slack:
        for token in (slack.token, slack.app_token):
            with pytest.raises(SlackApiError, match="not_allowed_token_type"):
                await slack.client().apps_manifest_export(token=token, app_id=slack.bot.app_id)
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await slack.client(token=slack.configuration_token).auth_test()
        with pytest.raises(SlackApiError, match="app_not_found"):
            await slack.client().apps_manifest_export(token=slack.configuration_token, app_id="A0")


async def test_an_agent_suggests_at_the_top_of_its_messages_and_never_in_a_thread() -> None:
    async with FakeSlack(agent=True) as slack:
        client, channel = slack.client(), slack.direct()
        said = await slack.says("hello", channel=channel)
        prompts = [{"title": "More", "message": "More!"}]
        await client.api_call(
            "assistant.threads.setSuggestedPrompts",
            json={"channel_id": channel.id, "thread_ts": said.ts, "prompts": prompts},
        )
        assert slack.suggested() == []
        await client.api_call(
            "assistant.threads.setSuggestedPrompts", json={"channel_id": channel.id, "prompts": prompts}
        )
        assert slack.suggested() == prompts
        with pytest.raises(NotOffered):
            await slack.opens_assistant()


async def test_nobody_writes_to_an_app_that_only_talks() -> None:
    home = {"messages_tab_enabled": True, "messages_tab_read_only_enabled": True}
    async with FakeSlack.made_from(changed(features=AGENT["features"] | {"app_home": home})) as slack:
        with pytest.raises(NotOffered, match="Sending messages to this app has been turned off"):
            await slack.says("hello", channel=slack.direct())


def test_every_event_that_needs_a_scope_names_one() -> None:
    assert all(scope == "" or ":" in scope for scope in EVENTS.values())
