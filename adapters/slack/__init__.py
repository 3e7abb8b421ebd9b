"""Slack: mentions, threads, direct messages, the assistant pane and slash commands, answered live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bot.api import Adapter, AdapterSpec, Command, Finding

__all__ = ["SlackSettings", "spec"]

Id = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{2,}$")]


class SlackSettings(BaseModel):
    """Ids are what Slack shows at the end of "View channel details" and under "Copy member ID" of a profile. A list
    that is empty allows all; what is denied stays denied."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bot_token: SecretStr | None = Field(
        None,
        description="The bot's token (`xoxb-…`), from api.slack.com/apps → your app → OAuth & Permissions.",
        json_schema_extra={"env": ["SLACK_BOT_TOKEN"]},
    )
    app_token: SecretStr | None = Field(
        None,
        description="The token for Socket Mode (`xapp-…`), from Basic Information → App-Level Tokens, with the scope "
        "`connections:write`.",
        json_schema_extra={"env": ["SLACK_APP_TOKEN"]},
    )
    signing_secret: SecretStr | None = Field(
        None,
        description='For `receive = "http"`: the secret by which Slack\'s requests are known, from Basic Information.',
        json_schema_extra={"env": ["SLACK_SIGNING_SECRET"]},
    )
    receive: Literal["socket", "http"] = Field(
        "socket", description="How Slack reaches the bot: connections that the bot opens, or requests from outside."
    )
    connections: int = Field(
        2, ge=1, le=10, description="Connections of Socket Mode. With two, nothing is missed while one is renewed."
    )
    host: str = Field("127.0.0.1", description='Where requests are listened to, with `receive = "http"`.')
    port: int = Field(3000, ge=0, le=65535, description="The port for it.")
    public_url: str = Field(
        "",
        description="The address under which Slack reaches the bot, such as `https://bot.example.org`, with "
        '`receive = "http"`. The pictures of speakers are shown from there too.',
        pattern=r"^$|^https?://[^\s/]+(/[^\s]*)?$",
    )
    commands: Literal["one", "each"] = Field(
        "one",
        description="How the manifest declares commands: all behind one `/duologue`, or each of its own name too.",
    )
    command: str = Field("duologue", description="The name of the one command.", pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")
    text_prefix: str = Field(
        "!",
        description="Also take commands written as text, such as `!help`: Slack allows no slash command in a thread. "
        "Empty: none.",
        max_length=5,
    )
    reply_in_threads: bool = Field(
        True,
        description="Answer a mention, and each direct message to an app that is an agent, in a thread below it; "
        "otherwise in the channel itself, and all direct messages in one talk.",
    )
    channels: tuple[Id, ...] = Field((), description="Answer only in these channels and their threads.")
    users: tuple[Id, ...] = Field((), description="Answer only these people.")
    deny_channels: tuple[Id, ...] = Field((), description="Never answer in these channels and their threads.")
    deny_users: tuple[Id, ...] = Field((), description="Never answer these people.")
    direct_messages: bool = Field(True, description="Answer direct messages and in the assistant pane.")
    listen_to_bots: bool = Field(False, description="Hear other apps too. Two bots can talk for ever.")
    suggested_prompts: tuple[str, ...] = Field(
        (),
        description="What the assistant pane suggests to begin with, at most four. Empty: a few of its own.",
        max_length=4,
    )
    distributed: bool = Field(
        False,
        description="The app is distributed commercially outside of Slack's marketplace: Slack lets it read a page of "
        "15 old messages once a minute.",
    )
    app_name: str = Field("Duologue", description="The name of the app, for the manifest.", max_length=35)
    configuration_token: SecretStr | None = Field(
        None,
        description="An app configuration token (`xoxe.xoxp-…`, lives 12 hours), with which `duologue check` can also "
        "see which events and commands the app is registered for.",
        json_schema_extra={"env": ["SLACK_CONFIG_TOKEN"]},
    )
    api_url: str = Field("", description="Another address of the Web API, for tests.")


def _create(settings: SlackSettings) -> Adapter:
    from adapters.slack.adapter import SlackAdapter

    return SlackAdapter(settings)


async def _check(settings: SlackSettings, commands: Sequence[Command]) -> Sequence[Finding]:
    from adapters.slack.checking import check

    return await check(settings, commands)


def _manifest(settings: SlackSettings, commands: Sequence[Command]) -> str:
    from adapters.slack.manifest import manifest

    return manifest(settings, commands)


spec = AdapterSpec(
    "slack",
    settings=SlackSettings,
    create=_create,
    # Either: whoever has set up half of it is told what is missing.
    configured=lambda settings: settings.bot_token is not None or settings.app_token is not None,
    extra="slack",
    check=_check,
    manifest=_manifest,
)
