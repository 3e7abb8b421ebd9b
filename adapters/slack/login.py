"""Before anything else: whether the tokens are there, of the right kind and of one app, and who the bot is."""

from __future__ import annotations

import logging

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.errors import Throttled
from adapters.slack.scopes import missing
from adapters.slack.sockets import NO_TOKEN
from adapters.slack.timing import Timing
from adapters.slack.web import NO_SECRET
from adapters.slack.workspace import Workspace, asked
from bot.api import Clock, ConfigError, DeliveryError, DeliveryRefused

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
NO_BOT_TOKEN = (
    "Slack needs the bot's token (xoxb-…): copy it from OAuth & Permissions of the app, and set SLACK_BOT_TOKEN in the "
    "environment or in .env."
)
NOT_A_BOT = (
    "SLACK_BOT_TOKEN is not the token of a bot. Copy the Bot User OAuth Token (xoxb-…) from OAuth & Permissions."
)
REFUSED = (
    "Slack does not accept the bot's token ({error}). Copy it again from OAuth & Permissions, after installing the app "
    "to the workspace: SLACK_BOT_TOKEN."
)
SWAPPED = "SLACK_BOT_TOKEN begins with xapp-, so it is the app-level token: that one is SLACK_APP_TOKEN."
NOT_AN_APP = "SLACK_APP_TOKEN has to begin with xapp-: it comes from Basic Information → App-Level Tokens."


def bot_token(settings: SlackSettings) -> str:
    """Raises ConfigError with everything that is missing to begin with."""
    wrong = []
    token = settings.bot_token.get_secret_value().strip() if settings.bot_token is not None else ""
    if not token:
        wrong.append(NO_BOT_TOKEN)
    elif token.startswith("xapp-"):
        wrong.append(SWAPPED)
    if settings.receive == "http":
        if settings.signing_secret is None or not settings.signing_secret.get_secret_value().strip():
            wrong.append(NO_SECRET)
    elif settings.app_token is None:
        wrong.append(NO_TOKEN)
    elif not settings.app_token.get_secret_value().strip().startswith("xapp-"):
        wrong.append(NOT_AN_APP)
    if wrong:
        raise ConfigError(wrong)
    return token


async def log_in(client: AsyncWebClient, clock: Clock, timing: Timing) -> Workspace:
    """Tried until Slack can be reached; raises ConfigError when it does not accept the token."""
    wait = timing.reconnect_after
    while True:
        pause = wait
        try:
            workspace = await asked(client)
        except DeliveryRefused as error:
            raise ConfigError([REFUSED.format(error=error)]) from error
        except Throttled as error:
            pause = max(wait, error.retry_after)
            log.warning("Slack wants to be asked later, next attempt in %.0f s", pause)
        except DeliveryError as error:
            log.warning("Slack cannot be reached (%s), next attempt in %.0f s", error, pause)
        else:
            if not workspace.bot:
                raise ConfigError([NOT_A_BOT])
            return workspace
        await clock.sleep(pause)
        wait = min(2 * wait, LONGEST_WAIT)


def warn_of_missing_scopes(workspace: Workspace, settings: SlackSettings) -> None:
    """Without some of them nothing fails, and nothing is heard."""
    if not workspace.scopes:
        return
    needed = missing(workspace.scopes, settings, essential=True)
    wanted = missing(workspace.scopes, settings, essential=False)
    if needed:
        log.warning("the app lacks %s; `duologue check` says how to mend it", needed)
    if wanted:
        log.info("the app works, but without %s", wanted)


async def warn_of_two_apps(calls: Calls, workspace: Workspace, app_id: str) -> None:
    """The tokens of two apps work together without an error, and without an event."""
    try:
        answer = await calls.in_turn("bots.info", bot=workspace.bot)
    except DeliveryError as error:
        log.info("which app the bot's token belongs to is unknown: %s", error)
        return
    bots_app = answer.get("bot", {}).get("app_id")
    if bots_app and app_id and bots_app != app_id:
        log.error(
            "SLACK_APP_TOKEN belongs to the app %s and SLACK_BOT_TOKEN to the app %s: what happens around the bot is "
            "told to nobody. Copy both from the same app.",
            app_id,
            bots_app,
        )
