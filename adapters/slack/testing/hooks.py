"""HTTP to the app, as Slack does it: signed events, and interactions and commands as forms."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp

from adapters.slack.testing.clock import Clock
from adapters.slack.testing.deliveries import Attempt, Delivery, DeliveryKind
from adapters.slack.testing.world import Json

USER_AGENT = "Slackbot 1.0 (+https://api.slack.com/robots)"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def signature(secret: str, timestamp: str, body: str) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class HookAnswer:
    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> Any:
        """JSON where it is some, a text otherwise, None where there is nothing."""
        if not self.text:
            return None
        return json.loads(self.text) if self.headers.get("Content-Type", "").startswith(JSON) else self.text


class Hooks:
    """Posts to `url`; `urls` names other addresses for a kind, as the app's configuration may."""

    def __init__(self, clock: Clock, secret: str, changed: Callable[[], None]) -> None:
        self.url = ""
        self.urls: dict[DeliveryKind, str] = {}
        self.secret = secret
        self._clock = clock
        self._changed = changed
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def verify(self) -> HookAnswer:
        """What Slack does when an address is entered: the app has to send the challenge back."""
        challenge = hashlib.sha256(self.url.encode()).hexdigest()
        body = {"token": "deprecated-verification-token", "challenge": challenge, "type": "url_verification"}
        answer = await self.post(self.url, json.dumps(body), JSON)
        said = answer.body
        if answer.status != 200 or (said.get("challenge") if isinstance(said, dict) else said) != challenge:
            raise AssertionError(f"the address did not answer the challenge: {answer}")
        return answer

    async def carry(self, delivery: Delivery, attempt: Attempt) -> None:
        attempt.by = self.urls.get(delivery.kind, self.url)
        self._changed()
        headers: dict[str, str] = {}
        if attempt.number:
            headers = {"X-Slack-Retry-Num": str(attempt.number), "X-Slack-Retry-Reason": _reason(attempt.reason)}
        text, content_type = encode(delivery.kind, delivery.payload)
        try:
            answer = await self.post(attempt.by, text, content_type, headers=headers)
        except aiohttp.ClientError:
            attempt.fail(self._clock.now(), "connection_failed")
            return
        attempt.status = answer.status
        if 200 <= answer.status < 300:
            attempt.acknowledge(self._clock.now(), answer.body)
        elif answer.headers.get("X-Slack-No-Retry") == "1":
            attempt.fail(self._clock.now(), "no_retry")
        else:
            attempt.fail(self._clock.now(), "http_error")
        self._changed()

    async def post(
        self,
        url: str,
        text: str,
        content_type: str,
        *,
        headers: Mapping[str, str] | None = None,
        age: float = 0.0,
        secret: str | None = None,
    ) -> HookAnswer:
        """One signed request; with `age` one that is so old, with another `secret` a forged one."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        timestamp = str(int(self._clock.wall() - age))
        signed = {
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self.secret if secret is None else secret, timestamp, text),
        }
        async with self._session.post(url, data=text.encode(), headers=signed | dict(headers or {})) as response:
            return HookAnswer(response.status, await response.text(), response.headers)


def encode(kind: DeliveryKind, payload: Json) -> tuple[str, str]:
    """The body of a request and its type."""
    match kind:
        case "events_api":
            return json.dumps(payload), JSON
        case "slash_commands":
            return urlencode(payload), FORM
        case "interactive":
            return urlencode({"payload": json.dumps(payload)}), FORM


def _reason(reason: str) -> str:
    return "http_timeout" if reason == "timeout" else reason
