"""Discord: mentions, replies, threads, direct messages and slash commands, answered live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bot.api import Adapter, AdapterSpec, Command, Finding

__all__ = ["DiscordSettings", "spec"]

Id = Annotated[int, Field(gt=0)]


class DiscordSettings(BaseModel):
    """Ids are what Discord copies with "Copy ID" when its developer mode is on. A list that is empty allows all;
    what is denied stays denied."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: SecretStr | None = Field(
        None,
        description="The bot's token, from discord.com/developers → your application → Bot.",
        json_schema_extra={"env": ["DISCORD_TOKEN", "DISCORD_BOT_TOKEN"]},
    )
    guilds: tuple[Id, ...] = Field((), description="Answer only on these servers.")
    channels: tuple[Id, ...] = Field((), description="Answer only in these channels and their threads.")
    users: tuple[Id, ...] = Field((), description="Answer only these people.")
    roles: tuple[Id, ...] = Field(
        (),
        description="Answer only people with one of these roles, in direct messages too: whoever holds it on a server.",
    )
    deny_guilds: tuple[Id, ...] = Field((), description="Never answer on these servers.")
    deny_channels: tuple[Id, ...] = Field((), description="Never answer in these channels and their threads.")
    deny_users: tuple[Id, ...] = Field((), description="Never answer these people.")
    deny_roles: tuple[Id, ...] = Field((), description="Never answer people with one of these roles.")
    direct_messages: bool = Field(True, description="Answer direct messages.")
    listen_to_bots: bool = Field(False, description="Hear other bots and webhooks too. Two bots can talk for ever.")
    text_prefix: str = Field(
        "", description="Also take commands written as text, such as `!help` for `!`.", max_length=5
    )
    member_events: bool = Field(
        False, description="Hear who joins and leaves. Needs the Server Members Intent, switched on beside the token."
    )
    shards: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Connections to spread the servers over. Empty: as many as Discord recommends."
    )
    application_id: Id | None = Field(
        None, description="The application's id, for `duologue manifest discord` where there is no token."
    )
    most_messages: int = Field(
        8, ge=0, description="An answer longer than so many messages goes on in a file. 0 means never."
    )
    picture_channel: Id | None = Field(
        None,
        description="A channel for the pictures of speakers, where the bot may write and attach files. Without one "
        "they become emojis of the application.",
    )
    api_url: str = Field("", description="Another address of the REST API, for tests.")
    gateway_url: str = Field("", description="Another address of the gateway, for tests.")


def _create(settings: DiscordSettings) -> Adapter:
    from adapters.discord.adapter import DiscordAdapter

    return DiscordAdapter(settings)


async def _check(settings: DiscordSettings, commands: Sequence[Command]) -> Sequence[Finding]:
    from adapters.discord.checking import check

    return await check(settings)


def _manifest(settings: DiscordSettings, commands: Sequence[Command]) -> str:
    from adapters.discord.manifest import manifest

    return manifest(settings)


spec = AdapterSpec(
    "discord",
    settings=DiscordSettings,
    create=_create,
    configured=lambda settings: settings.token is not None,
    extra="discord",
    check=_check,
    manifest=_manifest,
)
