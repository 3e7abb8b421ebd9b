"""What the fake OpenAI answers with: scripts of answers and errors, and their JSON in both APIs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import JsonValue

Json: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class FakeAnswer:
    """One streamed answer. The `…_after` faults happen after that many tokens of `text` (a word each).

    `cut_after` ends the stream politely without a finish reason, `reset_after` resets the connection, `stall_after`
    says nothing more, `error_after` sends an error event, `corrupt_after` one broken chunk and then the rest.
    `rate` is tokens a second (None = all at once), `first_token` the delay before the first; `thinks` shows that the
    model reasons in the meantime.
    """

    text: str = "Hello! How can I help?"
    rate: float | None = None
    first_token: float = 0.0
    finish: Literal["stop", "length", "content_filter", "tool_calls"] = "stop"
    tool_calls: tuple[tuple[str, str], ...] = ()
    refusal: bool = False
    thinks: bool = False
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    usage: bool = True
    empty_first: bool = False
    pings: int = 0
    cut_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    error_after: int | None = None
    corrupt_after: int | None = None

    @property
    def tokens(self) -> list[str]:
        return re.findall(r"\s*\S+|\s+$", self.text)


@dataclass(frozen=True, slots=True)
class FakeError:
    """An answer that is an error, as OpenAI words it."""

    status: int
    code: str | None = None
    message: str = "something went wrong"
    param: str | None = None
    type: str = "invalid_request_error"
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> Json:
        error: Json = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


def rate_limited(retry_after: float | None = None) -> FakeError:
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return FakeError(429, "rate_limit_exceeded", "Rate limit reached", type="requests", headers=headers)


def no_quota() -> FakeError:
    message = "You exceeded your current quota, please check your plan and billing details."
    return FakeError(429, "insufficient_quota", message, type="insufficient_quota")


def server_error(status: int = 500) -> FakeError:
    return FakeError(status, None, "The server had an error while processing your request", type="server_error")


def wrong_key() -> FakeError:
    return FakeError(401, "invalid_api_key", "Incorrect API key provided")


def unknown_model(model: str = "gpt-0") -> FakeError:
    return FakeError(404, "model_not_found", f"The model `{model}` does not exist or you do not have access to it.")


def refused(param: str, *, value: bool = False) -> FakeError:
    """A parameter, or with `value` only its value, that this model does not take."""
    if value:
        message = f"Unsupported value: '{param}' does not support this with this model."
        return FakeError(400, "unsupported_value", message, param)
    message = f"Unsupported parameter: '{param}' is not supported with this model."
    return FakeError(400, "unsupported_parameter", message, param)


def context_overflow(limit: int = 8192) -> FakeError:
    message = f"This model's maximum context length is {limit} tokens. Please reduce the length of the messages."
    return FakeError(400, "context_length_exceeded", message, "messages")


def filtered() -> FakeError:
    return FakeError(400, "content_filter", "The response was filtered by the content management policy.", "prompt")


def blind() -> FakeError:
    return FakeError(400, None, "Invalid content type. image_url is only supported by certain models.", "messages")


def bad_picture() -> FakeError:
    message = "You uploaded an unsupported image. Please make sure your image is valid."
    return FakeError(400, "invalid_image_format", message)


def picture_urls(body: Mapping[str, JsonValue]) -> Iterator[str]:
    """The data URLs of a request's pictures."""
    messages = body.get("messages") or body.get("input")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            url = part.get("image_url") if isinstance(part, dict) else None
            url = url.get("url") if isinstance(url, dict) else url
            if isinstance(url, str):
                yield url


def moderation(model: str, categories: Sequence[str]) -> Json:
    known = ("harassment", "hate", "violence", "sexual", "self-harm", "illicit")
    flags: Json = {name: name in categories for name in dict.fromkeys((*known, *categories))}
    scores: Json = {name: 0.99 if flag else 0.01 for name, flag in flags.items()}
    result: Json = {
        "flagged": bool(categories),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in flags},
    }
    return {"id": "modr-1", "model": model, "results": [result]}


def input_tokens(body: Mapping[str, JsonValue]) -> int:
    """A plausible figure; not what a real model would count."""
    said = json.dumps([body.get("messages"), body.get("input"), body.get("instructions")], ensure_ascii=False)
    pictures = list(picture_urls(body))
    characters = len(said.encode("utf-8", "replace")) - sum(map(len, pictures))
    return max(characters // 4 + 255 * len(pictures), 1)


def output_tokens(answer: FakeAnswer, said: int) -> int:
    return said + answer.reasoning_tokens + sum(8 for _ in answer.tool_calls)


class ChatShapes:
    """Chunks of the Chat Completions API."""

    def __init__(self, body: Mapping[str, JsonValue]) -> None:
        self._body = body
        options = body.get("stream_options")
        self._wants_usage = isinstance(options, dict) and options.get("include_usage") is True

    def opening(self, answer: FakeAnswer) -> Iterator[Json]:
        if answer.empty_first:
            yield {**self._chunk(), "choices": [], "prompt_filter_results": []}
        yield self._choice({"role": "assistant", "content": ""})
        if answer.thinks:
            yield self._choice({"reasoning_content": "Hm."})

    def token(self, answer: FakeAnswer, text: str) -> Json:
        return self._choice({"refusal" if answer.refusal else "content": text})

    def closing(self, answer: FakeAnswer, said: int) -> Iterator[Json]:
        for index, (name, arguments) in enumerate(answer.tool_calls):
            yield self._call(index, {"name": name, "arguments": ""}, id=f"call_{index}_{name}")
            middle = len(arguments) // 2
            for part in (arguments[:middle], arguments[middle:]):
                yield self._call(index, {"arguments": part})
        yield self._choice({}, "tool_calls" if answer.tool_calls else answer.finish)
        if self._wants_usage and answer.usage:
            yield {**self._chunk(), "choices": [], "usage": self.usage(answer, said)}

    def _call(self, index: int, function: Json, **more: JsonValue) -> Json:
        return self._choice({"tool_calls": [{"index": index, "type": "function", "function": function, **more}]})

    def error(self) -> Json:
        return {"error": {"message": "The server had an error", "type": "server_error", "code": None}}

    def whole(self, answer: FakeAnswer) -> Json:
        message: Json = {"role": "assistant", "content": answer.text}
        choice: Json = {"index": 0, "message": message, "finish_reason": answer.finish}
        usage = self.usage(answer, len(answer.tokens))
        return {**self._chunk(), "object": "chat.completion", "choices": [choice], "usage": usage}

    def usage(self, answer: FakeAnswer, said: int) -> Json:
        read, written = input_tokens(self._body), output_tokens(answer, said)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        }

    def _choice(self, delta: Json, finish: str | None = None) -> Json:
        return {**self._chunk(), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def _chunk(self) -> Json:
        model = self._body.get("model")
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "usage": None}


class ResponseShapes:
    """Events of the Responses API."""

    def __init__(self, body: Mapping[str, JsonValue]) -> None:
        self._body = body
        self._number = 0

    def opening(self, answer: FakeAnswer) -> Iterator[Json]:
        yield self._event("response.created", response=self._response("in_progress"))
        yield self._event("response.in_progress", response=self._response("in_progress"))
        if answer.thinks:
            thought: Json = {"id": "rs_1", "type": "reasoning", "summary": []}
            yield self._event("response.output_item.added", output_index=0, item=thought)
        item: Json = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=0, item=item)

    def token(self, answer: FakeAnswer, text: str) -> Json:
        kind = "response.refusal.delta" if answer.refusal else "response.output_text.delta"
        return self._event(kind, item_id="msg_1", output_index=0, content_index=0, delta=text)

    def closing(self, answer: FakeAnswer, said: int) -> Iterator[Json]:
        for index, (name, arguments) in enumerate(answer.tool_calls, start=1):
            item: Json = {"id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}_{name}", "name": name}
            started: Json = {**item, "arguments": "", "status": "in_progress"}
            yield self._event("response.output_item.added", output_index=index, item=started)
            kind = "response.function_call_arguments.delta"
            yield self._event(kind, output_index=index, item_id=f"fc_{index}", delta=arguments)
            finished: Json = {**item, "arguments": arguments, "status": "completed"}
            yield self._event("response.output_item.done", output_index=index, item=finished)
        usage = self.usage(answer, said) if answer.usage else None
        if answer.finish in ("length", "content_filter"):
            why = "max_output_tokens" if answer.finish == "length" else "content_filter"
            response: Json = {**self._response("incomplete", usage), "incomplete_details": {"reason": why}}
            yield self._event("response.incomplete", response=response)
        else:
            yield self._event("response.completed", response=self._response("completed", usage))

    def error(self) -> Json:
        error: Json = {"code": "server_error", "message": "The model had an error"}
        return self._event("response.failed", response={**self._response("failed"), "error": error})

    def whole(self, answer: FakeAnswer) -> Json:
        content: list[JsonValue] = [{"type": "output_text", "text": answer.text, "annotations": []}]
        item: Json = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
        return {**self._response("completed", self.usage(answer, len(answer.tokens))), "output": [item]}

    def usage(self, answer: FakeAnswer, said: int) -> Json:
        read, written = input_tokens(self._body), output_tokens(answer, said)
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": answer.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            "total_tokens": read + written,
        }

    def _response(self, status: str, usage: Json | None = None) -> Json:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": status,
            "model": self._body.get("model"),
            "output": [],
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": usage,
        }

    def _event(self, kind: str, **fields: JsonValue) -> Json:
        self._number += 1
        return {"type": kind, "sequence_number": self._number, **fields}
