"""What Slack makes of the bot's own messages when it tells of them: Markdown as rich text, emoji by their names."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from zlib import crc32

from adapters.slack.testing.world import Json

_EMOJI = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?")
_SIGNS = re.compile(r"\*\*|`+|^#+ |^> ?", re.MULTILINE)


def translated(message: Json) -> Json:
    """Names are those of Unicode, not Slack's."""
    blocks = [_translated_block(block) for block in message.get("blocks", [])]
    return {**message, "text": named(message["text"]), **({"blocks": blocks} if blocks else {})}


def named(text: str) -> str:
    return _EMOJI.sub(lambda found: f":{_name(found[0])}:", text)


def _name(emoji: str) -> str:
    return unicodedata.name(emoji[0], "emoji").lower().replace(" ", "_")


def _translated_block(block: Json) -> Json:
    if block.get("type") != "markdown":
        return block
    plain = _SIGNS.sub("", block["text"]).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    section = {"type": "rich_text_section", "elements": [*_elements(plain)]}
    return {"type": "rich_text", "block_id": f"{crc32(plain.encode()):08x}"[:5], "elements": [section]}


def _elements(text: str) -> list[Any]:
    made: list[Any] = []
    position = 0
    for found in _EMOJI.finditer(text):
        made += [{"type": "text", "text": text[position : found.start()]}] if found.start() > position else []
        made.append(
            {"type": "emoji", "name": _name(found[0]), "unicode": "-".join(f"{ord(char):x}" for char in found[0])}
        )
        position = found.end()
    return [*made, {"type": "text", "text": text[position:]}] if position < len(text) else made
