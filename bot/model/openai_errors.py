"""The openai SDK's exceptions and error objects as Duologue's errors: the only place that knows both."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx2
import openai
from pydantic import JsonValue

from bot.errors import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    NoQuota,
    RateLimited,
    UnknownModel,
    WrongKey,
)
from bot.model.healing import CANONICAL, ParameterRefused
from bot.model.server_events import mapping, text_of
from bot.words import phrase

_QUOTA = re.compile(r"insufficient_quota|insufficient[ _]balance|billing|exceeded your current quota|credit balance")
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context (length|size|window)|maximum context|too many tokens"
    r"|string_above_max_length|prompt is too long"
)
_FILTERED = re.compile(r"content_filter|content_policy|content management policy|invalid_prompt|moderation_blocked")
_UNKNOWN_MODEL = re.compile(r"model_not_found|deploymentnotfound|model .{0,80}(does not exist|not found|not exist)")
_REFUSAL = re.compile(
    r"unsupported|not supported|does not support|doesn't support|unrecognized|unknown (parameter|field|argument)"
    r"|extra (inputs|fields)|not permitted|not allowed|incompatible"
)
_BLIND = re.compile(
    r"image|vision|multi-?modal|(must|should) be a (valid )?string|expected (a )?string|unknown variant|content type"
)
_BAD_PICTURE = re.compile(
    r"invalid_image|image_parse"
    r"|(unsupported|invalid|corrupt\w*|too large|too small|failed to|could not|cannot|unable to)[^.]{0,40}\bimage"
    r"|\bimage\b[^.]{0,40}(invalid|corrupt|too large|too small|could not be|format)"
)
_ONLY_NONE = re.compile(r"set (?:reasoning_effort|reasoning\.effort) to ['\"]?none")


def translated(error: Exception, sent: Mapping[str, JsonValue]) -> ModelError:
    """`sent` is the request's body: only a parameter that was in it can have been refused."""
    if isinstance(error, ModelError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, sent)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        connecting = isinstance(error, httpx2.ConnectTimeout) or isinstance(error.__cause__, httpx2.ConnectTimeout)
        return ModelUnavailable("no connection in time") if connecting else ModelTimeout("no answer in time")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        cause = error.__cause__ or error
        return ModelUnavailable(f"the connection failed: {type(cause).__name__}: {str(cause)[:200]}")
    if isinstance(error, openai.OpenAIError):
        return ModelError(f"{type(error).__name__}: {str(error)[:300]}")
    return ModelError(f"the provider's answer could not be read: {type(error).__name__}")


def from_event(event: Mapping[str, JsonValue]) -> ModelError:
    """An error object that came inside a stream."""
    error = mapping(event.get("error")) or event
    code, message = text_of(error.get("code")) or text_of(error.get("type")), text_of(error.get("message"))
    said = f"{code} {message}".lower()
    detail = f"error in the stream: {code}: {message[:300]}"
    if _QUOTA.search(said):
        return NoQuota(detail)
    if "rate_limit" in said or "429" in code:
        return RateLimited(detail)
    if _TOO_LONG.search(said):
        return ContextTooLong(detail)
    if _FILTERED.search(said):
        return ContentFiltered(detail)
    if _UNKNOWN_MODEL.search(said):
        return UnknownModel(detail)
    if _BAD_PICTURE.search(f"{error.get('code') or ''} {message}".lower()):
        return BadRequest(detail)
    return ModelUnavailable(detail)


def _by_status(error: openai.APIStatusError, sent: Mapping[str, JsonValue]) -> ModelError:
    body = mapping(error.body if isinstance(error.body, dict) else {})
    code, message = str(body.get("code") or body.get("type") or ""), text_of(body.get("message")) or error.message
    status = error.status_code
    said = f"{code} {body.get('type') or ''} {message}".lower()
    detail = f"{status} {code}: {message[:300]}" + (f" (request {error.request_id})" if error.request_id else "")
    if status in (400, 404, 415, 422, 500) and _has_pictures(sent):
        # Without the type, which calls every request invalid.
        about = f"{body.get('code') or ''} {message}".lower()
        if _BAD_PICTURE.search(about):
            return BadRequest(detail)
        if _BLIND.search(about):
            return ParameterRefused("images", "images", message)
    if status == 402 or (status in (403, 429) and _QUOTA.search(said)):
        return NoQuota(detail)
    if status == 404 or (status in (400, 403) and _UNKNOWN_MODEL.search(said)):
        return _not_found(detail, said)
    if status in (401, 403):
        return WrongKey(detail)
    if status == 429:
        return RateLimited(detail, retry_after=retry_after(error.response.headers))
    if status in (408, 409) or status >= 500:
        if _TOO_LONG.search(said) and "exceed" in said:
            return ContextTooLong(detail)
        return ModelUnavailable(detail)
    return _bad_request(body, code, message, detail, sent)


def _has_pictures(sent: Mapping[str, JsonValue]) -> bool:
    messages = sent.get("messages") or sent.get("input")
    contents = [mapping(message).get("content") for message in messages] if isinstance(messages, list) else []
    parts = [mapping(part) for content in contents if isinstance(content, list) for part in content]
    return any(part.get("type") in ("image_url", "input_image") for part in parts)


def _not_found(detail: str, said: str) -> ModelError:
    if _UNKNOWN_MODEL.search(said) or "model" in said or "deployment" in said:
        return UnknownModel(detail)
    return UnknownModel(
        detail,
        public=phrase(
            "My language model's address knows no such model or function. Whoever runs me should check the "
            "model's name and the base URL with `duologue check`."
        ),
    )


def _bad_request(
    body: Mapping[str, JsonValue], code: str, message: str, detail: str, sent: Mapping[str, JsonValue]
) -> ModelError:
    said = f"{code} {body.get('type') or ''} {message}".lower()
    if _FILTERED.search(said):
        return ContentFiltered(detail)
    refused = _refused_parameter(text_of(body.get("param")), code, message, sent)
    if refused is not None:
        return refused
    if _TOO_LONG.search(said):
        return ContextTooLong(detail)
    return BadRequest(detail)


def _refused_parameter(param: str, code: str, message: str, sent: Mapping[str, JsonValue]) -> ParameterRefused | None:
    """Servers name it in `param`, or only somewhere in the sentence."""
    said = f"{code} {message}".lower()
    if not _REFUSAL.search(said):
        return None
    named = [param.removeprefix("body.")] if param else []
    in_quotes = re.findall(r"['\"`]([\w.]+)['\"`]", message) + re.findall(r"supplied: ([\w.]+)", message)
    words = re.findall(r"[a-z_]{4,}(?:\.[a-z_]+)?", message.lower())
    for wire in [*named, *in_quotes, *words]:
        canonical = CANONICAL.get(wire) or CANONICAL.get(wire.split(".")[0].split("[")[0])
        top = wire.split(".")[0].split("[")[0]
        if canonical is not None and top in sent:
            only_none = canonical == "effort" and _ONLY_NONE.search(message) is not None
            instead = "none" if only_none and sent.get("reasoning_effort") != "none" else None
            return ParameterRefused(canonical, wire, message, instead=instead)
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` (seconds or a date)."""
    milliseconds = _float(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _float(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _float(text: str | None) -> float | None:
    try:
        seconds = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
