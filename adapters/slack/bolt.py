"""The Bolt app: everything that Slack tells is heard by one pair of ears, and everything is acknowledged."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.slack.errors import CALL_ERRORS
from bot.api import BotError, phrase, say

log = logging.getLogger(__name__)

Body: TypeAlias = Mapping[str, Any]
Hear: TypeAlias = Callable[[Body, AsyncAck], Awaitable[None]]
Sorry: TypeAlias = Callable[[AsyncWebClient, Body, AsyncAck], Awaitable[None]]

SORRY = phrase("Something went wrong on my side. Please try again.")
ANYTHING = re.compile("")
# Slack shows a failure when nothing is acknowledged within three.
APOLOGY_SECONDS = 2
# What whoever runs the bot should know, whether or not somebody listens.
NEWS: Mapping[str, str] = {
    "app_rate_limited": "Slack leaves out events of this app, since there are more than 30,000 an hour",
    "app_uninstalled": "the app was removed from the workspace: its tokens are worth nothing any more",
    "tokens_revoked": "a token of the app was revoked: if it is the bot's, install the app again",
}


class NotHeard(BotError):
    """The bot is being stopped: Slack tells it again, and people can try again."""


class Ears(Protocol):
    """Whoever hears, unless they raise NotHeard. `event` returns once what happened is safe; everything else
    acknowledges by itself, with what Slack shall show, and is acknowledged without a word where it does not."""

    async def event(self, body: Body) -> None: ...

    async def command(self, body: Body, ack: AsyncAck) -> None: ...

    async def action(self, body: Body, ack: AsyncAck) -> None: ...

    async def shortcut(self, body: Body, ack: AsyncAck) -> None: ...

    async def submitted(self, body: Body, ack: AsyncAck) -> None: ...

    async def closed(self, body: Body, ack: AsyncAck) -> None: ...

    async def options(self, body: Body, ack: AsyncAck) -> None: ...


def bolt_app(client: AsyncWebClient, ears: Ears) -> AsyncApp:
    """Who asks was verified by whoever brings a request here. The app calls nothing by itself."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=None, bot_token=client.token)

    app = AsyncApp(
        # Bolt looks through the stack for a name otherwise, and its warnings show whole requests.
        name="slack_bolt.duologue",
        logger=_quiet_logger(),
        client=client,
        authorize=authorize,
        before_authorize=_AcknowledgeUnknown(),
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        url_verification_enabled=False,
        # What the bot said itself is known by who it is, which other parts know better.
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    _listen(app, ears, client)
    return app


def _listen(app: AsyncApp, ears: Ears, client: AsyncWebClient) -> None:
    def heard(hear: Hear, sorry: Sorry) -> Callable[..., Awaitable[None]]:
        async def listener(body: dict[str, Any], ack: AsyncAck) -> None:
            try:
                await hear(body, ack)
            except NotHeard:
                await sorry(client, body, ack)
            except Exception:
                log.exception("%s could not be handled", _named(body))
                await sorry(client, body, ack)
            if ack.response is None:
                await ack()

        return listener

    async def event(body: dict[str, Any]) -> BoltResponse | None:
        _tell_news(body["event"]["type"])
        try:
            await ears.event(body)
        except NotHeard:
            return BoltResponse(status=503)
        except Exception:
            # Not acknowledged, so Slack tells it again.
            log.exception("%s could not be handled", _named(body))
            return BoltResponse(status=500)
        return None

    app.event(ANYTHING)(event)
    app.command(ANYTHING)(heard(ears.command, _say_sorry))
    app.action(ANYTHING)(heard(ears.action, _send_sorry))
    app.shortcut(ANYTHING)(heard(ears.shortcut, _send_sorry))
    app.view_submission(ANYTHING)(heard(ears.submitted, _show_sorry))
    app.view_closed(ANYTHING)(heard(ears.closed, _say_nothing))
    app.options(ANYTHING)(heard(ears.options, _offer_nothing))


async def dispatched(app: AsyncApp, **told: Any) -> BoltResponse:
    """What `app` makes of it. Bolt cannot read everything, and told again it would be no clearer."""
    try:
        request = AsyncBoltRequest(**told)
    except Exception as error:
        log.warning("something that Slack sent cannot be read and was acknowledged (%s)", type(error).__name__)
        return BoltResponse(status=200)
    return await app.async_dispatch(request)


class _AcknowledgeUnknown(AsyncMiddleware):
    """Slack learns new words before the bot does."""

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        if _is_known(req.body):
            return await next()
        _tell_news(req.body.get("type"))
        log.info("%s is not known and was acknowledged", _named(req.body))
        return await req.context.ack()


def _is_known(body: Body) -> bool:
    """Whether it has what Bolt needs to find its listener."""
    match body:
        case {"type": "event_callback", "event": {"type": str()}}:
            return True
        case {"type": "block_actions", "actions": [{"action_id": str()}, *_]}:
            return True
        case {"type": "shortcut" | "message_action", "callback_id": str()}:
            return True
        case {"type": "view_submission" | "view_closed", "view": {"callback_id": str(), "type": str()}}:
            return True
        case {"type": "block_suggestion", "action_id": str()}:
            return True
        case {"type": _}:
            return False
        case {"command": str()}:
            return True
    return False


def _tell_news(kind: object) -> None:
    if isinstance(kind, str) and kind in NEWS:
        log.warning("%s", NEWS[kind])


def _named(body: Body) -> str:
    """For the log: what kind of thing it was, nothing of what somebody said."""
    event = body.get("event")
    kind = event.get("type") if isinstance(event, dict) else body.get("command") or body.get("type")
    return f"{str(kind)[:80]!r} from Slack"


# When something failed: for whoever did it alone


async def _say_sorry(client: AsyncWebClient, body: Body, ack: AsyncAck) -> None:
    if ack.response is None:
        await ack(text=say(SORRY))
    else:
        await _send_sorry(client, body, ack)


async def _send_sorry(client: AsyncWebClient, body: Body, ack: AsyncAck) -> None:
    """Where Slack gave a way to answer."""
    url = body.get("response_url")
    if not isinstance(url, str) or not url:
        return
    webhook = AsyncWebhookClient(url, session=client.session, timeout=APOLOGY_SECONDS)
    webhook.proxy = client.proxy
    try:
        await webhook.send(text=say(SORRY), response_type="ephemeral", replace_original=False)
    except CALL_ERRORS as error:
        log.warning("the apology did not arrive (%s)", type(error).__name__)


async def _show_sorry(client: AsyncWebClient, body: Body, ack: AsyncAck) -> None:
    """With what was filled in, so that it can be sent again, where there is something to fill in."""
    if ack.response is not None:
        return
    view = body["view"]
    blocks = [block for block in view.get("blocks", ()) if isinstance(block, dict)]
    inputs = [str(block["block_id"]) for block in blocks if block.get("type") == "input" and "block_id" in block]
    if inputs:
        await ack(response_action="errors", errors={inputs[-1]: say(SORRY)})
        return
    words = {"type": "section", "text": {"type": "plain_text", "text": say(SORRY)}}
    title = view.get("title") or {"type": "plain_text", "text": "😕"}
    await ack(response_action="update", view={"type": "modal", "title": title, "blocks": [words]})


async def _offer_nothing(client: AsyncWebClient, body: Body, ack: AsyncAck) -> None:
    if ack.response is None:
        await ack(options=[])


async def _say_nothing(client: AsyncWebClient, body: Body, ack: AsyncAck) -> None:
    """They are gone."""


def _quiet_logger() -> logging.Logger:
    logger = logging.getLogger("slack_bolt.duologue")
    logger.setLevel(logging.ERROR)
    return logger
