"""What Slack refuses or cuts in a message: lengths, blocks and chunks; and whom a text would ping."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.slack.testing.world import ApiError, Json, World

MAX_TEXT = 40_000  # what is longer is cut
MAX_EDIT = 4_000  # bytes in UTF-8, as was seen
MAX_MARKDOWN = 12_000  # bytes too, as the strictest reading
MAX_MARKDOWN_IN_ALL = 13_200
MAX_BLOCKS = 50
MAX_VIEW_BLOCKS = 100
MAX_SECTION = 3_000

ANYWHERE = frozenset(
    {"section", "divider", "header", "context", "context_actions", "actions", "image", "input", "rich_text", "video"}
)
MESSAGE_BLOCKS = ANYWHERE | {"markdown", "table", "file", "task_card", "plan"}
IN_CONTEXT = frozenset({"image", "mrkdwn", "plain_text"})
IN_CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})
CHUNKS: Mapping[str, tuple[str, ...]] = {
    "markdown_text": ("text",),
    "task_update": ("id", "title", "status"),
    "plan_update": ("title",),
    "blocks": ("blocks",),
}
TASK_STATUSES = frozenset({"pending", "in_progress", "complete", "error"})


def check_text(text: object) -> tuple[str, list[str]]:
    """The text as it is kept, and warnings."""
    if not isinstance(text, str):
        raise ApiError("invalid_arguments", response_metadata={"messages": ["[ERROR] text must be a string"]})
    if len(text) > MAX_TEXT:
        return text[:MAX_TEXT], ["message_truncated"]
    return text, []


def check_markdown(text: object) -> str:
    if not isinstance(text, str):
        raise ApiError("invalid_arguments")
    if size(text) > MAX_MARKDOWN:
        raise ApiError("msg_too_long")
    return text


def size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def check_blocks(blocks: object, *, allowed: frozenset[str] = MESSAGE_BLOCKS, most: int = MAX_BLOCKS) -> list[Json]:
    """The blocks as they are kept: Slack names those that have no name."""
    if not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    wrong = [*_wrong_blocks(blocks, allowed, most)]
    if wrong:
        raise ApiError("invalid_blocks", errors=wrong, response_metadata={"messages": [f"[ERROR] {w}" for w in wrong]})
    markdown = sum(len(str(block["text"])) for block in blocks if block["type"] == "markdown")
    if markdown > MAX_MARKDOWN_IN_ALL:
        raise ApiError("msg_blocks_too_long")
    return [block if block.get("block_id") else {**block, "block_id": secrets.token_hex(3)} for block in blocks]


def _wrong_blocks(blocks: Sequence[Any], allowed: frozenset[str], most: int) -> Iterator[str]:
    if len(blocks) > most:
        yield f"no more than {most} items allowed [json-pointer:/blocks]"
    if sum(isinstance(block, dict) and block.get("type") == "table" for block in blocks) > 1:
        yield "only_one_table_allowed [json-pointer:/blocks]"
    ids = [block.get("block_id") for block in blocks if isinstance(block, dict) and block.get("block_id")]
    if len({*ids}) < len(ids):
        yield "`block_id` already exists [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        pointer = f"/blocks/{number}"
        if not isinstance(block, dict) or block.get("type") not in allowed:
            yield f"unsupported type [json-pointer:{pointer}/type]"
        else:
            yield from _wrong_block(block, pointer)


def _wrong_block(block: Json, at: str) -> Iterator[str]:
    if len(str(block.get("block_id", ""))) > 255:
        yield f"must be less than 256 characters [json-pointer:{at}/block_id]"
    match block["type"]:
        case "section":
            if not block.get("text") and not block.get("fields"):
                yield f"missing required field: text [json-pointer:{at}]"
            if block.get("text") is not None:
                yield from _wrong_text(block["text"], MAX_SECTION, f"{at}/text")
            yield from _too_many(block.get("fields", []), 10, f"{at}/fields")
            for each in block.get("fields", []):
                yield from _wrong_text(each, 2_000, f"{at}/fields")
            if block.get("accessory"):
                yield from _wrong_element(block["accessory"], f"{at}/accessory")
        case "header":
            yield from _wrong_text(block.get("text"), 150, f"{at}/text")
        case "markdown":
            text = block.get("text")
            if not isinstance(text, str) or not 0 < size(text) <= MAX_MARKDOWN:
                yield f"must be between 1 and {MAX_MARKDOWN} characters [json-pointer:{at}/text]"
        case "actions" | "context_actions" | "context":
            elements = block.get("elements", [])
            most = {"actions": 25, "context_actions": 5, "context": 10}[block["type"]]
            if not elements:
                yield f"no fewer than 1 items allowed [json-pointer:{at}/elements]"
            yield from _too_many(elements, most, f"{at}/elements")
            yield from _wrong_kinds(block["type"], elements, f"{at}/elements")
            if block["type"] != "context":
                yield from _wrong_elements(elements, f"{at}/elements")
        case "input":
            yield from _wrong_text(block.get("label"), 2_000, f"{at}/label")
            if block.get("hint") is not None:
                yield from _wrong_text(block["hint"], 2_000, f"{at}/hint")
            yield from _wrong_element(block.get("element", {}), f"{at}/element")
            yield from _wrong_input(block.get("element", {}), f"{at}/element")
        case "table":
            yield from _too_many(block.get("rows", []), 100, f"{at}/rows")
            for row in block.get("rows", []):
                yield from _too_many(row, 20, f"{at}/rows")


def _wrong_kinds(block: str, elements: Sequence[Any], at: str) -> Iterator[str]:
    """Each of these blocks takes elements of its own."""
    for number, each in enumerate(elements):
        kind = each.get("type") if isinstance(each, dict) else None
        wanted = IN_CONTEXT_ACTIONS if block == "context_actions" else IN_CONTEXT if block == "context" else None
        known = kind in wanted if wanted is not None else kind not in IN_CONTEXT | IN_CONTEXT_ACTIONS
        if kind is None or not known:
            yield f"unsupported type: {kind} [json-pointer:{at}/{number}/type]"
        elif kind in ("mrkdwn", "plain_text"):
            yield from _wrong_text(each, MAX_SECTION, f"{at}/{number}")


def _wrong_elements(elements: Sequence[Json], at: str) -> Iterator[str]:
    ids = [each.get("action_id") for each in elements if each.get("action_id")]
    if len({*ids}) < len(ids):
        yield f"`action_id` already exists [json-pointer:{at}]"
    for number, each in enumerate(elements):
        yield from _wrong_element(each, f"{at}/{number}")


def _wrong_element(element: Json, at: str) -> Iterator[str]:
    if len(str(element.get("action_id", ""))) > 255:
        yield f"must be less than 256 characters [json-pointer:{at}/action_id]"
    if element.get("type") == "button":
        yield from _wrong_text(element.get("text"), 75, f"{at}/text")
        if len(str(element.get("value", ""))) > 2_000:
            yield f"must be less than 2001 characters [json-pointer:{at}/value]"
        if element.get("style", "primary") not in ("primary", "danger"):
            yield f"must be one of: primary, danger [json-pointer:{at}/style]"
    if element.get("type") == "feedback_buttons":
        for half in ("positive_button", "negative_button"):
            button = element.get(half) or {}
            yield from _wrong_text(button.get("text"), 75, f"{at}/{half}/text")
            if not 0 < len(str(button.get("value", ""))) <= 2_000:
                yield f"must be between 1 and 2000 characters [json-pointer:{at}/{half}/value]"
    if element.get("type") in ("static_select", "overflow", "radio_buttons", "checkboxes"):
        most = {"static_select": 100, "overflow": 5}.get(element["type"], 10)
        yield from _too_many(element.get("options", []), most, f"{at}/options")
        for option in element.get("options", []):
            yield from _wrong_text(option.get("text"), 75, f"{at}/options/text")
            if not 0 < len(str(option.get("value", ""))) <= 150:
                yield f"must be between 1 and 150 characters [json-pointer:{at}/options/value]"


def _wrong_input(element: Json, at: str) -> Iterator[str]:
    """What people fill in."""
    if element.get("placeholder"):
        yield from _wrong_text(element["placeholder"], 150, f"{at}/placeholder")
    if element.get("type") == "plain_text_input":
        longest = element.get("max_length", 3_000)
        if not 1 <= longest <= 3_000 or not 0 <= element.get("min_length", 0) <= longest:
            yield f"must be between 1 and 3000 [json-pointer:{at}/max_length]"
        if len(str(element.get("initial_value", ""))) > longest:
            yield f"must be less than {longest + 1} characters [json-pointer:{at}/initial_value]"
    if element.get("type") == "number_input":
        if not isinstance(element.get("is_decimal_allowed"), bool):
            yield f"missing required field: is_decimal_allowed [json-pointer:{at}]"
        for name in ("min_value", "max_value", "initial_value"):
            if not isinstance(element.get(name, ""), str):
                yield f"must be a string [json-pointer:{at}/{name}]"
    if element.get("type") == "file_input" and not 1 <= element.get("max_files", 10) <= 10:
        yield f"must be between 1 and 10 [json-pointer:{at}/max_files]"
    offered = element.get("options", [])
    for chosen in [element.get("initial_option"), *element.get("initial_options", [])]:
        if chosen is not None and offered and chosen not in offered:
            yield f"must be one of the options [json-pointer:{at}/initial_option]"


def _too_many(items: Sequence[Any], most: int, at: str) -> Iterator[str]:
    if len(items) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}]"


def _wrong_text(text: Any, most: int, at: str) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in ("mrkdwn", "plain_text"):
        yield f"must be a text object [json-pointer:{at}]"
    elif not 0 < len(str(text.get("text", ""))) <= most:
        yield f"must be between 1 and {most} characters [json-pointer:{at}/text]"


def check_chunks(chunks: object) -> list[Json]:
    if not isinstance(chunks, list):
        raise ApiError("invalid_chunks")
    for chunk in chunks:
        kind = str(chunk.get("type")) if isinstance(chunk, dict) else ""
        if kind not in CHUNKS or any(not chunk.get(name) for name in CHUNKS[kind]):
            raise ApiError("invalid_chunks")
        if kind == "markdown_text":
            check_markdown(chunk["text"])
        if kind == "task_update" and chunk["status"] not in TASK_STATUSES:
            raise ApiError("invalid_chunks")
        if kind == "blocks":
            if len(chunk["blocks"]) > MAX_BLOCKS:
                raise ApiError("msg_blocks_too_many")
            check_blocks(chunk["blocks"])
    return chunks


def shown_text(blocks: Sequence[Json]) -> str:
    """What people read in blocks, one a line."""
    return "\n".join(text for block in blocks if (text := "".join(_texts(block))))


def _texts(node: Any) -> Iterator[str]:
    """Texts in reading order; what stands on buttons is no text."""
    if isinstance(node, list):
        for each in node:
            yield from _texts(each)
    elif isinstance(node, dict):
        kind = node.get("type")
        if kind in ("actions", "context_actions"):
            return
        if isinstance(node.get("text"), str):
            yield node["text"]
        elif kind == "user":
            yield f"<@{node['user_id']}>"
        elif kind == "broadcast":
            yield f"<!{node['range']}>"
        else:
            yield from _texts([node.get(name) for name in ("text", "fields", "elements", "rows")])


def pinged(world: World, text: str, blocks: Sequence[Json], *, link_names: bool, parse: str) -> list[str]:
    """Whom this makes hear a sound: ids of people and user groups, and `!channel`, `!here`, `!everyone`."""
    heard = [text, *(string for block in blocks for string in _obeyed(block))]
    found = [ping for each in heard for ping in _tokens(each)]
    if link_names or parse == "full":
        names = {"channel": "!channel", "here": "!here", "everyone": "!everyone", **world.groups}
        found += [names[name] for each in heard for name in re.findall(r"@([\w-]+)", each) if name in names]
    return list(dict.fromkeys(found))


def _tokens(text: str) -> Iterator[str]:
    for who, group, everybody in re.findall(
        r"<(?:@(\w+)|!subteam\^(\w+)|(!(?:channel|here|everyone)))(?:\|[^>]*)?>", text
    ):
        yield who or group or everybody


def _obeyed(node: Any) -> Iterator[str]:
    """Strings in blocks in which mentions work, which is everywhere but in plain text."""
    if isinstance(node, list):
        for each in node:
            yield from _obeyed(each)
    elif isinstance(node, dict) and node.get("type") != "plain_text":
        if node.get("type") in ("mrkdwn", "markdown"):
            yield str(node.get("text", ""))
        elif node.get("type") == "user":
            yield f"<@{node['user_id']}>"
        elif node.get("type") == "usergroup":
            yield f"<!subteam^{node['usergroup_id']}>"
        elif node.get("type") == "broadcast":
            yield f"<!{node['range']}>"
        else:
            for each in node.values():
                yield from _obeyed(each)
