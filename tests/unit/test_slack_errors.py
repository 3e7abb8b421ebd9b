"""What Slack answers when it does not do what was asked."""

from __future__ import annotations

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError, SlackClientNotConnectedError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.errors import (
    NoStreams,
    NotStreaming,
    NotTaken,
    Throttled,
    by_code,
    retry_after,
    translate,
    translated,
)
from bot.api import DeliveryError, DeliveryRefused, TargetGone


def refusal(code: str, status: int = 200, headers: dict[str, str] | None = None) -> SlackApiError:
    response = AsyncSlackResponse(
        client=None,
        http_verb="POST",
        api_url="chat.update",
        req_args={},
        data={"ok": False, "error": code},
        headers=headers or {},
        status_code=status,
    )
    return SlackApiError("no", response)  # type: ignore[no-untyped-call]  # the SDK has no annotations there


@pytest.mark.parametrize(
    ("code", "status", "kind", "says"),
    [
        ("message_not_found", 200, TargetGone, "The message I was writing to is gone."),
        ("is_archived", 200, DeliveryRefused, "archived"),
        ("missing_scope", 200, DeliveryRefused, "duologue check"),
        ("message_not_in_streaming_state", 200, NotStreaming, ""),
        ("user_not_found", 200, NoStreams, ""),
        ("msg_too_long", 200, NotTaken, "too long"),
        ("invalid_blocks", 200, NotTaken, "try again"),
        ("internal_error", 200, DeliveryError, "try again"),
        ("", 503, DeliveryError, "try again"),
    ],
)
def test_errors_have_a_kind_and_a_sentence(code: str, status: int, kind: type[DeliveryError], says: str) -> None:
    error = translate(refusal(code, status))
    assert type(error) is kind
    assert says in error.public
    assert code in str(error)


def test_a_limit_says_when_to_come_back() -> None:
    for error in (refusal("", 429, {"Retry-After": "7"}), refusal("ratelimited", 200, {"retry-after": "7"})):
        found = translate(error)
        assert isinstance(found, Throttled)
        assert found.retry_after == 7
    assert retry_after({"Retry-After": ["3"]}) == 3
    assert retry_after({"Retry-After": "soon"}) == retry_after({}) == 1
    assert retry_after({"Retry-After": "99999"}) == 600
    assert isinstance(by_code("rate_limited"), Throttled)


def test_a_lost_connection_may_have_done_it() -> None:
    for error in (aiohttp.ClientError("lost"), TimeoutError(), OSError(), SlackClientNotConnectedError()):
        with pytest.raises(DeliveryError) as found, translated():
            raise error
        assert type(found.value) is DeliveryError
        assert found.value.__cause__ is error
