"""`duologue check` for Slack: do the tokens work and belong together, what is missing, and where it is mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack import SlackSettings
from adapters.slack.calls import client_of
from adapters.slack.comparing import differences
from adapters.slack.errors import CALL_ERRORS
from adapters.slack.manifest import APPS, PATH, described, page
from adapters.slack.scopes import missing, superfluous
from adapters.slack.workspace import scopes_of
from bot.api import Command, ConfigError, Finding

PATIENCE = 10.0
CHANNELS_AT_ONCE = 200
SECRET_LENGTH = 32
# Slack's limit for one app.
MOST_CONNECTIONS = 10
# What a token is, by how it begins; the longest beginning comes first.
KINDS: Mapping[str, str] = {
    "xoxe.xoxp-": "an app configuration token",
    "xoxe.xoxb-": "a bot's token that dies after twelve hours",
    "xoxb-": "a bot's token",
    "xapp-": "an app-level token",
    "xoxp-": "a person's token",
    "xoxe-": "a token that only makes others",
}
BOT, APP, CONFIGURATION = "xoxb-", "xapp-", "xoxe.xoxp-"
FROM: Mapping[str, str] = {
    BOT: f"copy the Bot User OAuth Token from {APPS} → your app → OAuth & Permissions",
    APP: f"make one with the scope connections:write at {APPS} → your app → Basic Information → App-Level Tokens",
    CONFIGURATION: f"press Generate Token below Your App Configuration Tokens at {APPS}; it lives for twelve hours",
}
REFUSED: Mapping[str, str] = {
    "account_inactive": "the app was uninstalled, or its bot switched off",
    "invalid_auth": "Slack does not know it",
    "not_allowed_token_type": "Slack takes another kind of token here",
    "not_authed": "it is empty",
    "token_expired": "it is too old",
    "token_revoked": "it was taken back, as by uninstalling the app",
}


class _Unreachable(Exception):
    """Slack gave no answer, or none of its own."""


async def check(settings: SlackSettings, commands: Sequence[Command] = ()) -> Sequence[Finding]:
    found: list[Finding] = []
    async with aiohttp.ClientSession() as session:
        try:
            async for finding in _findings(settings, commands, session):
                found.append(finding)
        except _Unreachable as error:
            found.append(Finding(False, "slack", f"cannot be reached: {error}"))
    return found


async def _findings(
    settings: SlackSettings, commands: Sequence[Command], session: aiohttp.ClientSession
) -> AsyncIterator[Finding]:
    token = _text(settings.bot_token)
    if wrong := _wrong(token, BOT, "SLACK_BOT_TOKEN"):
        yield Finding(False, "slack token", wrong)
        return
    client = client_of(settings, token, session)
    try:
        who = await _asked(client.auth_test)
    except SlackApiError as error:
        yield Finding(False, "slack token", f"Slack does not accept SLACK_BOT_TOKEN: {_why(error)}. {_again(BOT)}")
        return
    yield Finding(True, "slack token", f"belongs to @{who.get('user')} in {who.get('team')}")
    held = scopes_of(who.headers)
    app = str(who.get("app_id") or await _app_of(client, str(who.get("bot_id"))))
    for finding in _about_scopes(held, settings, app):
        yield finding
    ways = _by_http(settings, session) if settings.receive == "http" else _by_socket(settings, client, session, app)
    async for finding in ways:
        yield finding
    async for finding in _channels(client, str(who.get("user"))):
        yield finding
    async for finding in _registered(settings, commands, client, app):
        yield finding


# What the app may do


def _about_scopes(held: frozenset[str], settings: SlackSettings, app: str) -> Sequence[Finding]:
    if not held:
        return [Finding(True, "slack scopes", "Slack does not tell them")]
    needed, wanted = missing(held, settings, essential=True), missing(held, settings, essential=False)
    more = superfluous(held, settings)
    found = []
    if needed:
        besides = f", and work without {wanted}" if wanted else ""
        found.append(Finding(False, "slack scopes", f"I miss {needed}{besides}. {_renew(app)}"))
    elif wanted:
        found.append(Finding(True, "slack scopes", f"I work, but without {wanted}. {_renew(app)}"))
    else:
        found.append(Finding(True, "slack scopes", "all that I need are granted"))
    if more:
        listed = ", ".join(f"`{scope}`" for scope in more)
        found.append(Finding(True, "slack scopes", f"I make no use of {listed}; you may take them away"))
    return found


def _renew(app: str) -> str:
    return (
        f"Put what `duologue manifest slack` prints into App Manifest at {page(app, 'app-manifest')}, save, and "
        "install the app again under Install App."
    )


async def _app_of(client: AsyncWebClient, bot: str) -> str:
    """The app's id, empty where Slack does not tell it."""
    try:
        answer = await _asked(lambda: client.bots_info(bot=bot))
    except SlackApiError:
        return ""
    told: Any = answer.get("bot", {})
    return str(told.get("app_id", ""))


async def _channels(client: AsyncWebClient, name: str) -> AsyncIterator[Finding]:
    """A bot hears nothing of a channel that it is not in."""
    types = "public_channel,private_channel"
    try:
        answer = await _asked(
            lambda: client.users_conversations(types=types, exclude_archived=True, limit=CHANNELS_AT_ONCE)
        )
    except SlackApiError:
        return
    channels: Any = answer.get("channels", [])
    if not channels:
        says = f"I am in none yet. Write `/invite @{name}` in one, or write to me in private"
        yield Finding(True, "slack channels", says)
        return
    more = " or more" if len(channels) >= CHANNELS_AT_ONCE else ""
    yield Finding(True, "slack channels", f"I am in {len(channels)}{more}")


# How Slack reaches the bot


async def _by_socket(
    settings: SlackSettings, client: AsyncWebClient, session: aiohttp.ClientSession, app: str
) -> AsyncIterator[Finding]:
    token = _text(settings.app_token)
    if wrong := _wrong(token, APP, "SLACK_APP_TOKEN"):
        yield Finding(False, "slack app token", wrong)
        return
    try:
        answer = await _asked(lambda: client.apps_connections_open(app_token=token))
    except SlackApiError as error:
        yield Finding(False, "slack app token", _not_opened(error, app))
        return
    yield Finding(True, "slack app token", "opens connections")
    hello = await _hello(session, str(answer.get("url")), client.proxy)
    if hello.get("type") != "hello":
        yield Finding(False, "slack connection", _no_hello(str(hello.get("reason", "")), app))
        return
    other = str(hello.get("connection_info", {}).get("app_id", ""))
    if app and other and app != other:
        says = f"is that of another app ({other}) than SLACK_BOT_TOKEN ({app}): take both from {page(app)}"
        yield Finding(False, "slack app token", says)
        return
    others = int(hello.get("num_connections", 1)) - 1
    says = "works" + (f"; {others} more of this app are open, as when the bot runs" if others > 0 else "")
    yield Finding(True, "slack connection", says)
    if others + settings.connections > MOST_CONNECTIONS:
        says = f"{others} are open and Slack allows {MOST_CONNECTIONS}: stop processes that are not needed"
        yield Finding(False, "slack connection", says)


def _not_opened(error: SlackApiError, app: str) -> str:
    match error.response.get("error"):
        case "missing_scope":
            return f"lacks the scope connections:write: {FROM[APP]}, and set SLACK_APP_TOKEN to it"
        case "forbidden_team" | "access_denied":
            return f"may open no connection. Switch Socket Mode on at {page(app, 'socket-mode')}"
        case _:
            return f"Slack does not accept SLACK_APP_TOKEN: {_why(error)}. {_again(APP)}"


def _no_hello(reason: str, app: str) -> str:
    match reason:
        case "link_disabled":
            return f"Socket Mode is switched off: switch it on at {page(app, 'socket-mode')}"
        case "too_many_websockets":
            return f"all {MOST_CONNECTIONS} that Slack allows are open: stop processes that are not needed"
        case _:
            return f"Slack did not say hello on it ({reason or 'nothing came'})"


async def _hello(session: aiohttp.ClientSession, url: str, proxy: str | None) -> Mapping[str, Any]:
    """The first words on a connection, which is closed at once: what Slack would tell by it belongs to the bot."""
    try:
        async with asyncio.timeout(PATIENCE):
            async with session.ws_connect(url, proxy=proxy) as socket:
                told: Any = await socket.receive_json()
    except (*CALL_ERRORS, TypeError, ValueError) as error:
        # Its words may hold the address, which is a secret.
        raise _Unreachable(f"the connection broke ({type(error).__name__})") from error
    return told if isinstance(told, dict) else {}


async def _by_http(settings: SlackSettings, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    secret = _text(settings.signing_secret)
    where = f"copy the Signing Secret from {APPS} → your app → Basic Information into SLACK_SIGNING_SECRET"
    if not secret:
        yield Finding(False, "slack signing secret", f"is not set: {where}")
    elif len(secret) != SECRET_LENGTH or not all(letter in "0123456789abcdef" for letter in secret):
        says = f"does not look like one, which has {SECRET_LENGTH} digits and letters from a to f: {where}"
        yield Finding(False, "slack signing secret", says)
    else:
        yield Finding(True, "slack signing secret", "is set")
    try:
        described(settings, ())
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(False, "slack manifest", problem)
    else:
        yield Finding(True, "slack public_url", f"Slack sends everything to {settings.public_url.rstrip('/')}{PATH}")
    yield await _listening(settings, session)


async def _listening(settings: SlackSettings, session: aiohttp.ClientSession) -> Finding:
    """Whether the port is free, or the bot itself has it, which sends away what is not from Slack."""
    at = f"{settings.host}:{settings.port}"
    try:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), settings.host, settings.port)
    except OSError as error:
        if await _refuses_strangers(session, f"http://{at}{PATH}"):
            return Finding(True, "slack port", f"the bot listens on {at}")
        return Finding(False, "slack port", f"cannot listen on {at}: {error.strerror or error}")
    server.close()
    await server.wait_closed()
    return Finding(True, "slack port", f"{at} is free")


async def _refuses_strangers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with asyncio.timeout(PATIENCE), session.post(url, data=b"{}") as response:
            return response.status == 401
    except CALL_ERRORS:
        return False


# How the app is set up


async def _registered(
    settings: SlackSettings, commands: Sequence[Command], client: AsyncWebClient, app: str
) -> AsyncIterator[Finding]:
    token = _text(settings.configuration_token)
    if not token or not app:
        says = (
            "which events, commands and menus it has cannot be seen with these tokens. Compare App Manifest at "
            f"{page(app, 'app-manifest')} with what `duologue manifest slack` prints, or set SLACK_CONFIG_TOKEN"
        )
        yield Finding(True, "slack app", says)
        return
    if wrong := _wrong(token, CONFIGURATION, "SLACK_CONFIG_TOKEN"):
        yield Finding(False, "slack app", wrong)
        return
    try:
        answer = await _asked(lambda: client.apps_manifest_export(app_id=app, token=token))
    except SlackApiError as error:
        says = f"its manifest cannot be read with SLACK_CONFIG_TOKEN: {_why(error)}. {_again(CONFIGURATION)}"
        yield Finding(False, "slack app", says)
        return
    try:
        wanted = described(settings, commands)
    except ConfigError:
        return  # told above
    refused = await _refused(client, token, app, wanted)
    if refused:
        yield Finding(False, "slack manifest", f"Slack would not take what `duologue manifest slack` prints: {refused}")
    exported: Any = answer.get("manifest", {})
    different = differences(exported, wanted)
    for difference in different:
        yield Finding(False, "slack app", difference)
    if different:
        says = f"all of this goes with what `duologue manifest slack` prints, at {page(app, 'app-manifest')}"
        yield Finding(False, "slack app", says)
    else:
        yield Finding(True, "slack app", "is set up as `duologue manifest slack` says")


async def _refused(client: AsyncWebClient, token: str, app: str, wanted: Mapping[str, Any]) -> str:
    """What Slack would say about our manifest; empty if nothing."""
    try:
        await _asked(lambda: client.apps_manifest_validate(manifest=dict(wanted), app_id=app, token=token))
    except SlackApiError as error:
        told: Any = error.response.get("errors") or ()
        listed = [f"{each.get('message')} ({each.get('pointer')})" for each in told if isinstance(each, dict)]
        return "; ".join(listed) or _why(error)
    return ""


# Asking


async def _asked(ask: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse:
    """Raises SlackApiError where Slack itself says no."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await ask()
    except SlackApiError as error:
        status = error.response.status_code
        if status >= 500 or status == 429 or not error.response.get("error"):
            raise _Unreachable(f"it answers with status {status}") from error
        raise
    except CALL_ERRORS as error:
        raise _Unreachable(_named(error)) from error


def _wrong(token: str, wanted: str, name: str) -> str:
    """What is wrong with a token at first sight; empty if nothing is."""
    if not token:
        return f"is not set: put {name} into .env. To have one, {FROM[wanted]}"
    if token.startswith(wanted) or (wanted == BOT and token.startswith("xoxe.xoxb-")):
        return ""
    kind = next((kind for begins, kind in KINDS.items() if token.startswith(begins)), "no token of Slack")
    return f"{name} holds {kind}, and must begin with {wanted}: {FROM[wanted]}"


def _why(error: SlackApiError) -> str:
    code = str(error.response.get("error"))
    return f"{REFUSED[code]} ({code})" if code in REFUSED else code


def _again(kind: str) -> str:
    return f"{FROM[kind][0].upper()}{FROM[kind][1:]}."


def _named(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()


def _text(secret: Any) -> str:
    return "" if secret is None else str(secret.get_secret_value()).strip()
