"""Prompts and tools as the two OpenAI APIs want them."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence

from pydantic import JsonValue, SecretStr

from bot.commands import Tool
from bot.turn import Prompt, PromptMessage, Turn

_REQUIRED = ("model", "messages", "input", "stream")
_UNSENDABLE = re.compile("[\ud800-\udfff\x00]")


def clean(text: str) -> str:
    """Lone surrogates cannot be encoded, and servers choke on NUL."""
    return _UNSENDABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def chat_messages(prompt: Prompt) -> list[JsonValue]:
    return [_chat_message(message) for message in prompt.messages if not _is_empty(message)]


def _chat_message(message: PromptMessage) -> JsonValue:
    sent: dict[str, JsonValue] = {"role": message.role, "content": clean(message.text)}
    if shown := _shown(message):
        parts: list[JsonValue] = [{"type": "text", "text": clean(message.text)}] if message.text else []
        parts += [{"type": "image_url", "image_url": {"url": url}} for url in shown]
        sent["content"] = parts
    if message.tool_calls:
        sent["content"] = clean(message.text) or None
        sent["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": clean(call.arguments)}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        sent["tool_call_id"] = message.tool_call_id or ""
    return sent


def response_input(prompt: Prompt) -> tuple[str | None, list[JsonValue]]:
    """The first system message as instructions, and everything else as input items."""
    messages = [message for message in prompt.messages if not _is_empty(message)]
    instructions = None
    if messages and messages[0].role == "system":
        instructions = clean(messages.pop(0).text)
    items: list[JsonValue] = []
    for message in messages:
        items.extend(_input_items(message))
    return instructions, items


def _input_items(message: PromptMessage) -> list[JsonValue]:
    if message.role == "tool":
        return [
            {
                "type": "function_call_output",
                "call_id": message.tool_call_id or "",
                "output": clean(message.text),
            }
        ]
    items: list[JsonValue] = []
    if shown := _shown(message):
        parts: list[JsonValue] = [{"type": "input_text", "text": clean(message.text)}] if message.text else []
        parts += [{"type": "input_image", "image_url": url, "detail": "auto"} for url in shown]
        items.append({"role": message.role, "content": parts})
    elif message.text:
        items.append({"role": message.role, "content": clean(message.text)})
    for call in message.tool_calls:
        items.append(
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": clean(call.arguments)}
        )
    return items


def _is_empty(message: PromptMessage) -> bool:
    return not (message.text or message.tool_calls or _shown(message)) and message.role != "tool"


def _shown(message: PromptMessage) -> list[str]:
    """The pictures of a person's message whose content is at hand, as data URLs."""
    if message.role != "user":
        return []
    return [data_url(picture.media_type, picture.content) for picture in message.images if picture.content]


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(content).decode('ascii')}"


def chat_tools(tools: Sequence[Tool]) -> list[JsonValue]:
    return [{"type": "function", "function": _function(tool)} for tool in _sorted(tools)]


def response_tools(tools: Sequence[Tool]) -> list[JsonValue]:
    return [{"type": "function", "strict": False, **_function(tool)} for tool in _sorted(tools)]


def _function(tool: Tool) -> dict[str, JsonValue]:
    command = tool.command
    return {"name": tool.name, "description": command.description, "parameters": command.json_schema()}


def _sorted(tools: Sequence[Tool]) -> list[Tool]:
    """Always in the same order, so that the provider's prompt cache is hit."""
    return sorted(tools, key=lambda tool: tool.name)


def sdk_arguments(request: Mapping[str, JsonValue]) -> dict[str, object]:
    """For the SDK's `create`. The request takes the place that is meant for what the SDK does not know, for it walks
    through typed arguments with their types in hand: 15 ms for a hundred messages that are data already."""
    typed = {name: () if name in ("messages", "input") else request[name] for name in _REQUIRED if name in request}
    return {**typed, "extra_body": request}


def identity(turn: Turn, key: SecretStr) -> Mapping[str, JsonValue]:
    """Who asks, unreadable for the provider: for reports of abuse and for its prompt cache."""
    secret = key.get_secret_value().encode()
    fields: dict[str, JsonValue] = {"prompt_cache_key": _hashed(secret, str(turn.place))}
    if turn.context is not None:
        fields["safety_identifier"] = _hashed(secret, f"{turn.place.platform}:{turn.context.user.id}")
    return fields


def _hashed(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]
