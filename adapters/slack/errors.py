"""Slack's errors as Duologue's: the only place that knows its error codes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.api import DeliveryError, DeliveryRefused, TargetGone, phrase

RATE_LIMITED = frozenset({"ratelimited", "rate_limited"})
NOT_STREAMING = frozenset({"message_not_in_streaming_state", "message_not_streaming", "stream_expired"})
TOO_LONG = frozenset({"msg_too_long", "msg_blocks_too_long", "markdown_text_too_long"})
# A stream cannot be begun in this place or for this person; a message can.
NO_STREAMS = frozenset(
    {
        "channel_type_not_supported",
        "missing_recipient_team_id",
        "missing_recipient_user_id",
        "method_not_supported_for_channel_type",
        "streaming_not_allowed",
        "team_not_found",
        "unknown_method",
        "user_not_found",
    }
)
_NO_MESSAGE = phrase("The message I was writing to is gone.")
GONE: Mapping[str, str] = {
    "cant_delete_message": _NO_MESSAGE,
    "cant_update_message": _NO_MESSAGE,
    "channel_not_found": phrase("The channel I was writing in is gone."),
    "edit_window_closed": phrase("That message is too old to be changed."),
    "expired_url": phrase("I answered too late for Slack. Please ask again."),
    "message_not_found": _NO_MESSAGE,
    "thread_not_found": phrase("The thread I was writing in is gone."),
    "used_url": phrase("I have said all that Slack lets me say here. Please ask again."),
}
_MISSING = phrase("I am missing a permission on Slack. Whoever runs me can find out which with `duologue check`.")
_TOKEN = phrase("Slack does not accept my token any more. Whoever runs me should check it with `duologue check`.")
_READ_ONLY = phrase("Only some people may write in this channel, and I am not one of them.")
REFUSED: Mapping[str, str] = {
    "account_inactive": _TOKEN,
    "cannot_dm_bot": phrase("I cannot send direct messages to another app."),
    "ekm_access_denied": _READ_ONLY,
    "invalid_auth": _TOKEN,
    "is_archived": phrase("This channel is archived, so I cannot write here."),
    "messages_tab_disabled": phrase(
        "My messages tab is switched off. Whoever runs me can switch it on under App Home in the settings of the app."
    ),
    "missing_scope": _MISSING,
    "no_permission": _MISSING,
    "not_allowed_token_type": _MISSING,
    "not_authed": _TOKEN,
    "not_in_channel": phrase("I am not a member of this channel. Invite me with `/invite`, then ask again."),
    "restricted_action": _READ_ONLY,
    "restricted_action_non_threadable_channel": _READ_ONLY,
    "restricted_action_read_only_channel": _READ_ONLY,
    "restricted_action_thread_locked": phrase("This thread is locked, so I cannot write here."),
    "restricted_action_thread_only_channel": phrase("Only threads may be answered in this channel."),
    "token_expired": _TOKEN,
    "token_revoked": _TOKEN,
    "user_disabled": phrase("I cannot reach this person any more."),
}
_LATER = phrase("Slack did not take my answer. Please try again in a moment.")
_SLOW = phrase("Slack asks me to slow down. Please try again in a moment.")
_LONG = phrase("My answer is too long for Slack.")
_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 600.0
# What the SDK and the connection below it raise when a call fails: RuntimeError when the session was closed,
# AttributeError when something on the way answered that is not Slack.
CALL_ERRORS = (SlackClientError, aiohttp.ClientError, asyncio.TimeoutError, OSError, RuntimeError, AttributeError)


class Throttled(DeliveryError):
    """Slack counted too many calls of one method. Nothing of this one was done."""

    def __init__(self, detail: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(detail, public=_SLOW)


class NotStreaming(DeliveryError):
    """The message is no stream any more: it was stopped, or it lived too long. Nothing of this call was done."""


class StoppedByPerson(NotStreaming):
    """Somebody pressed Slack's own stop button. Nothing of this call was done."""


class NoStreams(DeliveryError):
    """There can be no stream in this place. Nothing of this call was done."""


class NotTaken(DeliveryError):
    """Slack understood the call and did nothing of it."""


@contextmanager
def translated() -> Iterator[None]:
    """Every failed call inside raises a DeliveryError."""
    try:
        yield
    except CALL_ERRORS as error:
        raise translate(error) from error


def translate(error: BaseException) -> DeliveryError:
    if isinstance(error, SlackApiError):
        response = error.response
        code = str(response.get("error", "")) if hasattr(response, "get") else ""
        headers = getattr(response, "headers", None)
        return by_code(code, getattr(response, "status_code", 200), headers if isinstance(headers, Mapping) else {})
    return DeliveryError(f"{type(error).__name__}: {error}", public=_LATER)


def code_of(error: DeliveryError) -> str:
    """Slack's own name for what went wrong, empty where it gave none."""
    return _told(error, "error")


def scope_missing(error: DeliveryError) -> str | None:
    """The scope that a call was refused for, empty where Slack does not name it, None for other errors."""
    return _told(error, "needed") if code_of(error) == "missing_scope" else None


def _told(error: DeliveryError, name: str) -> str:
    cause = error.__cause__
    response = cause.response if isinstance(cause, SlackApiError) else {}
    return str(response.get(name) or "") if hasattr(response, "get") else ""


def by_code(code: str, status: int = 200, headers: Mapping[str, object] | None = None) -> DeliveryError:
    """What Slack's `error` means. One that is not known, with a status below 500, was not done either."""
    detail = f"{code or 'no reason'} ({status})"
    if status == 429 or code in RATE_LIMITED:
        return Throttled(detail, retry_after(headers or {}))
    if code == "stopped_by_user":
        return StoppedByPerson(detail)
    if code in NOT_STREAMING:
        return NotStreaming(detail)
    if code in NO_STREAMS:
        return NoStreams(detail)
    if code in GONE:
        return TargetGone(detail, public=GONE[code])
    if code in REFUSED:
        return DeliveryRefused(detail, public=REFUSED[code])
    if code in TOO_LONG:
        return NotTaken(detail, public=_LONG)
    if status >= 500 or code in ("", "internal_error", "fatal_error", "request_timeout", "service_unavailable"):
        return DeliveryError(detail, public=_LATER)
    return NotTaken(detail, public=_LATER)


def retry_after(headers: Mapping[str, object]) -> float:
    """The seconds that Slack asks for, within reason."""
    for name, value in headers.items():
        if name.lower() == "retry-after":
            try:
                return min(max(float(str(value[0] if isinstance(value, list) else value)), 0.0), _LONGEST_WAIT)
            except ValueError:
                break
    return _SHORTEST_WAIT
