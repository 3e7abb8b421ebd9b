"""Discord's markup and Markdown: mentions become names on the way in, and cannot ping on the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

# Between the @ and the word it is invisible, and Discord no longer sees a mention.
ZERO_WIDTH_SPACE = "\u200b"
MAX_NAME = 80

_MENTION = re.compile(
    r"(?P<user><@!?(?P<user_id>\d{1,20})>)"
    r"|(?P<role><@&(?P<role_id>\d{1,20})>)"
    r"|(?P<channel><#(?P<channel_id>\d{1,20})>)"
    r"|(?P<emoji><a?(?P<emoji_name>:\w{1,64}:)\d{1,20}>)"
    r"|(?P<time><t:(?P<seconds>-?\d{1,12})(?::[tTdDfFRsS])?>)"
    r"|(?P<command><(?P<command_name>/[\w -]{1,100}):\d{1,20}>)"
)
_PINGS = re.compile(r"@(?=everyone|here)|(?<=<@)(?=&\d)", re.IGNORECASE)
_BLANKS = re.compile(r"[\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True)
class Names:
    """How ids are called here. `me` are the bot's own id and the roles that stand for it: they are left out."""

    users: Mapping[int, str] = field(default_factory=dict)
    role: Callable[[int], str | None] = lambda id: None
    channel: Callable[[int], str | None] = lambda id: None
    me: frozenset[int] = frozenset()


def to_markdown(text: str, names: Names) -> str:
    """What somebody wrote, readable for everybody who is not Discord. Bytes that are no text become `�`."""

    def named(found: re.Match[str]) -> str:
        kind = found.lastgroup
        if found["user"]:
            id = int(found["user_id"])
            return "" if id in names.me else f"@{names.users.get(id, 'somebody')}"
        if found["role"]:
            id = int(found["role_id"])
            return "" if id in names.me else f"@{names.role(id) or 'role'}"
        if found["channel"]:
            return f"#{names.channel(int(found['channel_id'])) or 'channel'}"
        if found["emoji"]:
            return found["emoji_name"]
        if found["command"]:
            return found["command_name"]
        assert kind is not None
        return _moment(int(found["seconds"])) or found[0]

    text = as_text(text)
    for id in names.me:
        # The blank before a mention that is left out goes with it.
        text = re.sub(rf"(?:(?<=\S) )?<@[!&]?{id}>", "", text)
    return _MENTION.sub(named, text).strip()


def to_discord(text: str) -> str:
    """Safe to send: looks the same, and `@everyone`, `@here` and roles ring nowhere."""
    text = as_text(text)
    if "@" not in text:
        return text
    return _PINGS.sub(lambda found: found[0] + ZERO_WIDTH_SPACE, text)


def from_discord(text: str) -> str:
    """The inverse of `to_discord`, for the bot's own messages."""
    return re.sub(rf"@{ZERO_WIDTH_SPACE}(?=everyone|here|&\d)", "@", text, flags=re.IGNORECASE)


def length(text: str) -> int:
    """The longest that Discord may count a text as: in UTF-16 units, made safe."""
    safe = to_discord(text)
    return len(safe) if safe.isascii() else len(safe.encode("utf-16-le")) // 2


def as_text(text: str) -> str:
    """Without lone surrogates, which no encoding can carry."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def plain_name(name: str) -> str:
    """A name somebody gave themselves, on one line and of bearable length."""
    return _BLANKS.sub(" ", as_text(name)).strip()[:MAX_NAME] or "somebody"


def quote(name: str, text: str, limit: int) -> str:
    """A message that is replied to, as a Markdown quote."""
    text = text.strip()
    if len(text) > limit:
        text = text[:limit].rstrip() + " …"
    return "\n".join(f"> {line}" for line in f"{name}: {text}".splitlines())


def _moment(seconds: int) -> str | None:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return moment.strftime("%Y-%m-%d %H:%M UTC")
