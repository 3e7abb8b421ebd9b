"""What people write on Slack, as Markdown that everybody can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.slack.escaping import GRAVE, ZERO_WIDTH_SPACE, as_text, plain_name, unescape, unquieted

_CODE = re.compile(r"```(?P<block>.*?)```|`(?P<inline>[^`\n]+)`", re.DOTALL)
_SIGN = re.compile(
    r"<(?:"
    r"@(?P<user>[A-Z0-9]+)(?:\|(?P<user_label>[^<>]*))?"
    r"|\#(?P<channel>[A-Z0-9]+)(?:\|(?P<channel_label>[^<>]*))?"
    r"|!subteam\^(?P<group>[A-Z0-9]+)(?:\|(?P<group_label>[^<>]*))?"
    r"|!date\^(?P<seconds>-?\d{1,12})\^(?P<format>[^<>|^]*)(?:\^[^<>|]*)?(?:\|(?P<date_label>[^<>]*))?"
    r"|!(?P<special>[a-z_]+)(?:\|(?P<special_label>[^<>]*))?"
    r"|(?P<address>[^<>|@#!][^<>|]*)(?:\|(?P<label>[^<>]*))?"
    r")>"
)
_BOLD = re.compile(r"(?<![\w*])\*(?=[^\s*])(?P<text>[^*\n]*?[^\s*])\*(?![\w*])")
_STRUCK = re.compile(r"(?<![\w~])~(?=[^\s~])(?P<text>[^~\n]*?[^\s~])~(?![\w~])")
_QUOTED = re.compile(r"^&gt;&gt;&gt;[ ]?(?P<all>.*)|^&gt;[ ]?(?P<line>[^\n]*)", re.MULTILINE | re.DOTALL)
_BULLET = re.compile(r"^([ \t]*)[•◦▪▫‣][ \t]+", re.MULTILINE)
# Keeps code apart, by number, while the rest is changed; no text that was made `as_text` holds such signs.
_KEPT = re.compile("\0(\\d+)\0")


@dataclass(frozen=True, slots=True)
class Names:
    """How ids are called here. `me` are the bot's own ids: mentions of it are left out."""

    user: Callable[[str], str | None] = lambda id: None
    channel: Callable[[str], str | None] = lambda id: None
    group: Callable[[str], str | None] = lambda id: None
    me: frozenset[str] = field(default_factory=frozenset)


def to_markdown(text: str, names: Names) -> str:
    """What somebody wrote: entities taken back, ids by their names, code as it is."""
    text = as_text(text)
    for id in names.me:
        # The blank before a mention that is left out goes with it.
        text = re.sub(rf"(?:(?<=\S) )?<@{re.escape(id)}(?:\|[^<>]*)?>", "", text)
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(_code(found, names))
        return f"\0{len(kept) - 1}\0"

    text = _CODE.sub(keep, text)
    text = _QUOTED.sub(_quoted, text)
    text = _BULLET.sub(r"\1- ", text)
    text = _STRUCK.sub(r"~~\g<text>~~", _BOLD.sub(r"**\g<text>**", text))
    text = unquieted(unescape(_SIGN.sub(lambda found: _said(found, names), text)))
    text = text.replace(ZERO_WIDTH_SPACE, "")
    return _KEPT.sub(lambda found: kept[int(found[1])], text).strip()


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a message as Slack tells of it. Blocks say the same again; they count where there is no text."""
    text = message.get("text")
    if isinstance(text, str) and text.strip():
        return text
    blocks = message.get("blocks")
    return "\n".join(filter(None, (_block_text(block) for block in blocks))) if isinstance(blocks, list) else ""


def mentions(text: str) -> frozenset[str]:
    """The people who are called in a raw text, code left out."""
    return frozenset(found["user"] for found in _SIGN.finditer(_CODE.sub("", text)) if found["user"])


def channels_named(text: str) -> frozenset[str]:
    """The channels that are named in a raw text by their ids alone."""
    return frozenset(
        found["channel"] for found in _SIGN.finditer(text) if found["channel"] and not found["channel_label"]
    )


def _code(found: re.Match[str], names: Names) -> str:
    if found["block"] is None:
        return f"`{_literal(found['inline'], names)}`"
    body = _literal(found["block"], names).strip("\n")
    # On lines of their own, as Markdown wants it.
    before = "" if found.start() == 0 or found.string[found.start() - 1] == "\n" else "\n"
    after = "" if found.end() == len(found.string) or found.string[found.end()] == "\n" else "\n"
    return f"{before}```\n{body}\n```{after}"


def _literal(code: str, names: Names) -> str:
    """Code as it was typed: Slack makes links and mentions in it, too."""

    def typed(found: re.Match[str]) -> str:
        if found["address"]:
            return found["label"] or found["address"]
        return _said(found, names)

    return unescape(_SIGN.sub(typed, code)).replace(ZERO_WIDTH_SPACE, "").replace(GRAVE, "`")


def _quoted(found: re.Match[str]) -> str:
    if found["all"] is not None:
        return "\n".join(f"> {line}" for line in found["all"].split("\n"))
    return f"> {found['line']}"


def _said(found: re.Match[str], names: Names) -> str:
    if user := found["user"]:
        return "@" + plain_name(names.user(user) or found["user_label"] or "somebody")
    if channel := found["channel"]:
        return "#" + plain_name(names.channel(channel) or found["channel_label"] or "channel")
    if group := found["group"]:
        return "@" + plain_name(names.group(group) or (found["group_label"] or "group").removeprefix("@"))
    if found["seconds"]:
        return found["date_label"] or _moment(int(found["seconds"])) or found["format"]
    if found["special"]:
        return "@" + (found["special_label"] or found["special"]).removeprefix("@")
    return _link(found["address"], found["label"])


def _link(address: str, label: str | None) -> str:
    """A link that Slack made itself, of a bare address, stays bare."""
    bare = re.sub(r"^(?:mailto:|tel:|https?://)", "", address)
    if not label or label in (address, bare):
        return label or (bare if address.startswith(("mailto:", "tel:")) else address)
    target = address.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    label = label.replace("[", r"\[").replace("]", r"\]")
    return f"[{label}]({target})"


def _moment(seconds: int) -> str | None:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _block_text(block: object) -> str:
    """What can be read of a block, in Slack's own markup."""
    if not isinstance(block, Mapping):
        return ""
    text = block.get("text")
    if isinstance(text, Mapping):
        text = text.get("text")
    if isinstance(text, str):
        return text
    elements = block.get("elements")
    if block.get("type") != "rich_text" or not isinstance(elements, list):
        return ""
    return "\n".join(filter(None, (_section(element) for element in elements)))


def _section(section: object) -> str:
    if not isinstance(section, Mapping) or not isinstance(section.get("elements"), list):
        return ""
    kind, elements = section.get("type"), section["elements"]
    if kind == "rich_text_list":
        return "\n".join(f"• {_section(item)}" for item in elements)
    text = _run_text(elements)
    if kind == "rich_text_preformatted":
        return f"```\n{text}\n```"
    return "\n".join(f"&gt; {line}" for line in text.split("\n")) if kind == "rich_text_quote" else text


_ELEMENTS: Mapping[str, tuple[str, str]] = {
    "user": ("user_id", "<@{}>"),
    "channel": ("channel_id", "<#{}>"),
    "usergroup": ("usergroup_id", "<!subteam^{}>"),
    "broadcast": ("range", "<!{}>"),
    "emoji": ("name", ":{}:"),
}


def _run_text(elements: Sequence[object]) -> str:
    parts = []
    for element in elements:
        if not isinstance(element, Mapping):
            continue
        kind = str(element.get("type"))
        if kind == "text":
            text = str(element.get("text", "")).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            style = element.get("style")
            parts.append(f"`{text}`" if isinstance(style, Mapping) and style.get("code") else text)
        elif kind == "link":
            label = element.get("text")
            parts.append(f"<{element.get('url', '')}|{label}>" if label else f"<{element.get('url', '')}>")
        elif kind in _ELEMENTS:
            key, form = _ELEMENTS[kind]
            parts.append(form.format(element.get(key, "")))
    return "".join(parts)
