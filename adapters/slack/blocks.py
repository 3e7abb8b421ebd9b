"""Text and buttons as Block Kit, and the button that a press came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from adapters.slack.escaping import ZERO_WIDTH_SPACE, Mention, as_text, from_markdown_text, to_markdown_text
from adapters.slack.lengths import MAX_BYTES, MAX_TEXT, mrkdwn_length, size
from adapters.slack.markup import to_mrkdwn
from adapters.slack.reading_markup import Names, message_text, to_markdown
from bot.api import Button, ButtonId, button_id, clip, parse_button_id

Block: TypeAlias = dict[str, Any]  # JSON as Slack's API defines it

MAX_BUTTONS, MAX_LABEL, MAX_ACTION_ID = 25, 75, 255
# What tells apart two buttons of one message that would do the same; an id never contains it.
AGAIN = "#"
# The block of what would be a button if Slack knew grey ones.
LABELS = "labels"
THUMBS = "thumbs"
_CODES = re.compile(r"(?:1?[0-9a-f]{4}|[0-9a-f]{2,3})(?:-(?:1?[0-9a-f]{4}|[0-9a-f]{2,3})){0,15}")
_THUMB = re.compile(r"^[👍👎\U0001f3fb-\U0001f3ff\s]+")
_STYLES = {"primary": "primary", "danger": "danger"}
_CONTROLS = frozenset({"actions", "context_actions"})
# In plain text Slack reads no signs; these would be some anywhere else.
_SIGN = re.compile(r"<(?=[@!#])")
# Whatever follows: the end may be cut off.
_EVERYBODY = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)
_BEGINS_BLOCK = re.compile(r"\s*(?:```|~~~|#{1,6} |>|[-*+] |\d+[.)] |\|)")


def plain(text: str) -> str:
    """For places where Slack shows text as it is: nothing in it looks like a mention anywhere."""
    return _EVERYBODY.sub("@" + ZERO_WIDTH_SPACE, _SIGN.sub("‹", as_text(text)))


def body(text: str, mention: Mention | None = None) -> list[Block]:
    """The block that shows a Markdown text."""
    if not text.strip():
        return []
    return [{"type": "markdown", "text": to_markdown_text(_below(text, mention), mention=mention)}]


def fallback(text: str, controls: Sequence[Block] = (), mention: Mention | None = None) -> str:
    """The `text` beside blocks, which notifications show and Slack keeps within limits of its own."""
    if not text.strip():
        return to_mrkdwn(" · ".join(_labels(controls))) or "…"
    room = MAX_TEXT - (20 if mention else 0)
    while size(told := to_mrkdwn(clip(_below(text, mention), room, mrkdwn_length), mention=mention)) > MAX_BYTES:
        room -= room // 10
    return told


def _below(text: str, mention: Mention | None) -> str:
    """A block of Markdown begins at the beginning of a line."""
    return f"\n{text}" if mention is not None and _BEGINS_BLOCK.match(text) else text


def rows(buttons: Iterable[Button], asker: str) -> list[Block]:
    """What stands below the text; no buttons take away those that stand there. What Slack has no room for is left
    out, and what is not enabled too, unless it says something."""
    given = [*buttons]
    elements: list[Block] = []
    thumbs: list[Block] = []
    used: set[str] = set()
    labels: list[str] = []
    while given:
        button = given.pop(0)
        if not button.enabled:
            labels += [button.label] if any(map(str.isalnum, button.label)) else []
        elif button.look == "good" and given and given[0].look == "bad" and given[0].enabled and not thumbs:
            thumbs.append(_feedback(button, given.pop(0), asker))
        elif len(elements) < MAX_BUTTONS and (id := _unused(button_id(button, asker), used)):
            used.add(id)
            style = {"style": _STYLES[button.look]} if button.look in _STYLES else {}
            elements.append({"type": "button", "text": _label(button.label), "action_id": id, **style})
    shown = [_label(label) for label in labels[:10]]
    return [
        *([{"type": "context", "block_id": LABELS, "elements": shown}] if shown else []),
        *([{"type": "actions", "elements": elements}] if elements else []),
        *([{"type": "context_actions", "elements": thumbs}] if thumbs else []),
    ]


def is_control(block: Mapping[str, Any]) -> bool:
    return block.get("type") in _CONTROLS or block.get("block_id") == LABELS


def said_in(message: Mapping[str, Any]) -> str:
    """The Markdown of one of the bot's own messages, as Slack tells of it."""
    blocks = message.get("blocks") or []
    parts = [str(each.get("text", "")) for each in blocks if each.get("type") == "markdown"]
    if parts:
        return from_markdown_text("\n".join(parts))
    text = to_markdown(message_text(message), Names())
    for name, emoji in _emoji_in(blocks):
        text = text.replace(name, emoji)
    return text


def _emoji_in(node: object) -> Iterator[tuple[str, str]]:
    """The names by which Slack tells emoji, the longer ones first, and what they are."""
    if isinstance(node, list):
        for each in node:
            yield from _emoji_in(each)
    elif isinstance(node, Mapping):
        codes, name, tone = str(node.get("unicode") or ""), node.get("name"), node.get("skin_tone")
        if node.get("type") == "emoji" and name and _CODES.fullmatch(codes):
            emoji = as_text("".join(chr(int(code, 16)) for code in codes.split("-")))
            if tone:
                yield f":{name}::skin-tone-{tone}:", emoji
            yield f":{name}:", emoji
        yield from _emoji_in(node.get("elements"))


def pressed(action: Mapping[str, Any]) -> ButtonId | None:
    """None for what is not a button of this bot."""
    told = action.get("value") if action.get("type") == "feedback_buttons" else action.get("action_id")
    return parse_button_id(str(told or "").partition(AGAIN)[0])


def _feedback(good: Button, bad: Button, asker: str) -> Block:
    """Slack draws the thumbs itself."""

    def half(button: Button) -> Block:
        return {"text": _label(_THUMB.sub("", button.label)), "value": button_id(button, asker)}

    return {
        "type": "feedback_buttons",
        "action_id": THUMBS,
        "positive_button": half(good),
        "negative_button": half(bad),
    }


def _label(label: str) -> Block:
    return {"type": "plain_text", "text": clip(plain(label).strip() or "…", MAX_LABEL, _units), "emoji": True}


def _labels(controls: Sequence[Block]) -> list[str]:
    found = [each.get("text") for block in controls for each in block.get("elements", []) if "text" in each]
    return [str(each["text"] if isinstance(each, Mapping) else each) for each in found]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _unused(id: str, used: set[str]) -> str | None:
    """Slack takes an id once for each block."""
    tried = (f"{id}{AGAIN}{number}" if number else id for number in range(MAX_BUTTONS))
    return next((each for each in tried if len(each) <= MAX_ACTION_ID and each not in used), None)
