"""Text files that people attach become part of what they said; of others the model learns the name."""

from __future__ import annotations

import re
from collections.abc import Mapping

import structlog
from pydantic import JsonValue

from bot.errors import DeliveryError
from bot.events import Attachment, Message
from bot.platform import Adapter

log = structlog.get_logger(__name__)

# Bounds of what one message may bring: bytes of all its files together, and number of files.
MAX_BYTES = 300_000
MAX_FILES = 10

TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-yaml", "application/toml")
TEXT_NAMES = re.compile(
    r"\.(c|cfg|conf|cpp|cs|css|csv|go|h|hpp|html|ini|java|js|json|jsonl|kt|log|lua|md|php|pl|py|rb|rs|rst|sh|sql|svg|swift"
    r"|tex|toml|ts|tsv|tsx|txt|vue|xml|ya?ml)$",
    re.IGNORECASE,
)
BACKTICKS = re.compile("`{3,}")


async def with_attachments(event: Message, adapter: Adapter) -> tuple[str, Mapping[str, JsonValue]]:
    """The message's text followed by the content of its text files, fenced under their names; and the `parts` that
    tell how much of it the person wrote."""
    parts = [event.text] if event.text.strip() else []
    written: Mapping[str, JsonValue] = {"said": len("".join(parts))} if event.attachments else {}
    # Files in other people's talk are not fetched: most are never asked about.
    room = MAX_BYTES if event.addressed else 0
    for attachment in event.attachments[:MAX_FILES]:
        told = await _told(attachment, adapter, room)
        room = max(room - len(told), 0)
        parts.append(told)
    if len(event.attachments) > MAX_FILES:
        parts.append(f"(and {len(event.attachments) - MAX_FILES} more files, not read)")
    return "\n\n".join(parts), written


async def _told(attachment: Attachment, adapter: Adapter, room: int) -> str:
    name = " ".join(attachment.name.split())[:100] or "file"
    if not _is_text(attachment):
        return f"(attached file: {name}, {attachment.media_type or 'unknown type'}; its content is not shown to you)"
    if not room:
        return f"(attached file: {name}; not read)"
    if attachment.size > room:
        return f"(attached file: {name}; not read, for it has {attachment.size // 1000:,} kB)"
    try:
        content = await adapter.fetch(attachment, room)
    except DeliveryError as error:
        log.warning("attachment could not be read", error=repr(error))
        return f"(attached file: {name}; it could not be read)"
    text = content.decode("utf-8", errors="replace").replace("\x00", "\ufffd")
    fence = "`" * max((len(run) + 1 for run in BACKTICKS.findall(text)), default=3)
    return f"{name}:\n{fence}\n{text}\n{fence}"


def _is_text(attachment: Attachment) -> bool:
    media_type = attachment.media_type.lower()
    return media_type.startswith(TEXT_TYPES) or bool(TEXT_NAMES.search(attachment.name))
