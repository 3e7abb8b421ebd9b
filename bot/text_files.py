"""What kind of file a name and a claimed type promise, and text out of bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from bot.events import Attachment

Kind: TypeAlias = Literal["picture", "pdf", "text", "sound", "video", "file"]

TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-yaml", "application/toml", "image/svg")
TEXT_NAMES = re.compile(
    r"\.(c|cc|cfg|conf|cpp|cs|css|csv|dart|diff|dockerfile|env|ex|exs|go|gradle|h|hpp|hs|htm|html|ini|ipynb|java|jl|js"
    r"|json|jsonl|jsx|kt|log|lua|markdown|md|mjs|patch|php|pl|properties|ps1|py|r|rb|rs|rst|scala|sh|sql|srt|svg|swift"
    r"|tex|toml|ts|tsv|tsx|txt|vtt|vue|xml|ya?ml|zig)$",
    re.IGNORECASE,
)
NAMES: Mapping[Kind, re.Pattern[str]] = {
    "picture": re.compile(r"\.(png|jpe?g|gif|webp|bmp|tiff?|heic|heif|avif)$", re.IGNORECASE),
    "pdf": re.compile(r"\.pdf$", re.IGNORECASE),
    "sound": re.compile(r"\.(mp3|ogg|oga|opus|wav|m4a|flac|aac|wma|amr|aiff?)$", re.IGNORECASE),
    "video": re.compile(r"\.(mp4|mov|mkv|webm|avi|m4v|mpe?g|wmv|3gp)$", re.IGNORECASE),
}
BINARY = frozenset(range(32)) - {7, 8, 9, 10, 12, 13, 27}


def claimed_kind(attachment: Attachment) -> Kind:
    """The type is believed before the name; what the bytes say comes later."""
    media_type = attachment.media_type.lower()
    if media_type.startswith(TEXT_TYPES):
        return "text"
    for start, kind in TYPES.items():
        if media_type.startswith(start):
            return kind
    if TEXT_NAMES.search(attachment.name):
        return "text"
    return next((kind for kind, names in NAMES.items() if names.search(attachment.name)), "file")


TYPES: Mapping[str, Kind] = {
    "image/": "picture",
    "application/pdf": "pdf",
    "audio/": "sound",
    "video/": "video",
}


def decoded(content: bytes) -> str | None:
    """Text, or None for bytes that are none."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace").replace("\x00", "\ufffd")
    sample = content[:8_192]
    odd = sum(byte in BINARY for byte in sample)
    if odd * 10 > len(sample):
        return None
    return content.decode("utf-8", errors="replace").replace("\x00", "\ufffd")


MARKS: Mapping[bytes, str] = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
