"""Who the bot is in its workspace, and what it was granted there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import translated

CUSTOMIZE = "chat:write.customize"
ASSISTANT = "assistant:write"


@dataclass(frozen=True, slots=True)
class Workspace:
    """`user` is the bot's user id, by which it is mentioned; `bot` the id of the app's posts. `scopes` is empty where
    Slack did not tell them: then everything is tried. `enterprise` is the organization that it belongs to."""

    team: str
    name: str
    url: str
    user: str
    user_name: str
    bot: str
    scopes: frozenset[str] = frozenset()
    enterprise: str = ""

    def may(self, scope: str) -> bool:
        return not self.scopes or scope in self.scopes

    @property
    def is_assistant(self) -> bool:
        """Whether Slack surely lets it act as an agent, whose talks are threads: streams, a status and Slack's own stop
        button are shown in them alone."""
        return ASSISTANT in self.scopes


async def asked(client: AsyncWebClient) -> Workspace:
    """Raises DeliveryError; DeliveryRefused when the token is not accepted."""
    with translated():
        response = await client.auth_test()
    told: Any = response.data
    return Workspace(
        team=str(told["team_id"]),
        name=str(told.get("team", "")),
        url=str(told.get("url", "")),
        user=str(told["user_id"]),
        user_name=str(told.get("user", "")),
        bot=str(told.get("bot_id", "")),
        scopes=scopes_of(response.headers),
        enterprise=str(told.get("enterprise_id") or ""),
    )


def scopes_of(headers: Mapping[str, Any]) -> frozenset[str]:
    """What Slack writes above every answer about the token that asked."""
    value = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), "")
    text = ",".join(value) if isinstance(value, list) else str(value)
    return frozenset(scope.strip() for scope in text.split(",") if scope.strip())
