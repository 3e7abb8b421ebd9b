"""Discord: mentions, replies, threads, direct messages and slash commands, answered live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bot.api import Adapter, AdapterSpec, Finding

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
    deny_guilds: tuple[Id, ...] = Field((), description="Never answer on these servers.")
    deny_channels: tuple[Id, ...] = Field((), description="Never answer in these channels and their threads.")
    deny_users: tuple[Id, ...] = Field((), description="Never answer these people.")
    direct_messages: bool = Field(True, description="Answer direct messages.")
    listen_to_bots: bool = Field(False, description="Hear other bots and webhooks too. Two bots can talk for ever.")
    text_prefix: str = Field(
        "", description="Also take commands written as text, such as `!help` for `!`.", max_length=5
    )
    member_events: bool = Field(
        False, description="Hear who joins and leaves. Needs the Server Members Intent, switched on beside the token."
    )
    api_url: str = Field("", description="Another address of the REST API, for tests.")
    gateway_url: str = Field("", description="Another address of the gateway, for tests.")


def _create(settings: DiscordSettings) -> Adapter:
    from adapters.discord.adapter import DiscordAdapter

    return DiscordAdapter(settings)


async def _check(settings: DiscordSettings) -> Sequence[Finding]:
    from adapters.discord.checking import check

    return await check(settings)


spec = AdapterSpec(
    "discord",
    settings=DiscordSettings,
    create=_create,
    configured=lambda settings: settings.token is not None,
    extra="discord",
    check=_check,
)
