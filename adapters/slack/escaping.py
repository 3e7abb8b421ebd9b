"""What Slack reads as its own signs, and how text that somebody said is kept from being taken for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# It is invisible, and signs beside it mean nothing to Slack.
ZERO_WIDTH_SPACE = "\u200b"
# What stands for a backtick inside inline code, where Slack knows no way to write one.
GRAVE = "\u02cb"
MAX_NAME = 80
# With every message that is posted or changed: no previews of links, and no names looked for in the text.
QUIET_POST: Mapping[str, object] = MappingProxyType(
    {"unfurl_links": False, "unfurl_media": False, "link_names": False, "parse": "none"}
)
QUIET_UPDATE: Mapping[str, object] = MappingProxyType({"link_names": False, "parse": "none"})

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED = str.maketrans(_ENTITIES)
_ENTITY = re.compile(r"&(amp|lt|gt);")
_CHARS = {"amp": "&", "lt": "<", "gt": ">"}
_EVERYBODY = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_QUIETED = re.compile(rf"@{ZERO_WIDTH_SPACE}(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
# At the end of a text: what may still become such a word, or be followed by more of one.
_MAYBE_EVERYBODY = re.compile(r"@\w{0,8}\Z")
_QUOTE_SIGNS = re.compile(r"^(?:[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t]|>)*", re.MULTILINE)
_BLANKS = re.compile(r"[\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_ID = re.compile(r"[A-Z][A-Z0-9]{1,30}")


@dataclass(frozen=True, slots=True)
class Mention:
    """The only way to call somebody: one person, by the id that Slack gave them."""

    user: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.user):
            raise ValueError(f"{self.user!r} is no Slack id")

    @property
    def markup(self) -> str:
        return f"<@{self.user}>"


def escape(text: str) -> str:
    """The three signs that Slack reads, as the entities that it shows as them."""
    return text.translate(_ESCAPED)


def unescape(text: str) -> str:
    """The inverse of `escape`; other entities are text to Slack."""
    return _ENTITY.sub(lambda found: _CHARS[found[1]], text)


def quieted(text: str) -> str:
    """Looks the same, and `@channel` and its like are no mention wherever names are looked for."""
    return _EVERYBODY.sub("@" + ZERO_WIDTH_SPACE, text) if "@" in text else text


def unquieted(text: str) -> str:
    return _QUIETED.sub("@", text)


def to_markdown_text(markdown: str, *, mention: Mention | None = None) -> str:
    """For `markdown_text` and Markdown blocks, which Slack formats itself: the same Markdown, and nothing in it calls
    anybody but `mention`, put before it.

    Entities stand everywhere, in code too: Slack takes them back before it reads a message. Only the signs that
    begin a quoted line stay. What a beginning of the text becomes is a beginning of what all of it becomes, as far as
    `settled` goes.
    """
    safe = quieted(as_text(markdown))
    parts, position = [], 0
    if ">" in safe:
        for found in _QUOTE_SIGNS.finditer(safe):
            if ">" in found[0]:
                parts += [escape(safe[position : found.start()]), found[0]]
                position = found.end()
    parts.append(escape(safe[position:]))
    text = "".join(parts)
    return f"{mention.markup} {text}" if mention else text


def from_markdown_text(text: str) -> str:
    """The inverse of `to_markdown_text`, for the bot's own messages."""
    return unquieted(unescape(text))


def settled(markdown: str) -> int:
    """How many characters at the beginning of a growing text will become the same whatever follows."""
    end = len(markdown)
    if end and (markdown[end - 1] == "\r" or "\ud800" <= markdown[end - 1] <= "\udbff"):
        end -= 1
    found = _MAYBE_EVERYBODY.search(markdown, max(0, end - 12), end)
    return found.start() if found else end


def as_text(text: str) -> str:
    """Without lone surrogates, which no encoding can carry, and with one kind of line end."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\r\n", "\n").replace("\0", "\ufffd") if "\r" in text or "\0" in text else text


def plain_name(name: str) -> str:
    """A name somebody gave themselves, on one line and of bearable length."""
    return _BLANKS.sub(" ", as_text(name)).strip()[:MAX_NAME] or "somebody"
