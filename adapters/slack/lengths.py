"""How long a Markdown text is when Slack counts it, and whether Slack shows what was said."""

from __future__ import annotations

import re

from adapters.slack.escaping import GRAVE, ZERO_WIDTH_SPACE, as_text, unescape

# `chat.update` refuses a text above 4,000 bytes in UTF-8, whatever it says of characters.
MAX_TEXT, MAX_BYTES = 3_900, 4_000
# One `markdown_text`, and all the Markdown of one message; in bytes, to be sure.
MAX_MARKDOWN = 12_000

_ROWS = re.compile(r"^[^\n]*\|[^\n]*$", re.MULTILINE)
_RULES = [before + rule for before in ("\n", ">", "> ") for rule in ("---", "***", "___", "- - -", "* * *", "_ _ _")]
# The ends of a blank line, and the four spaces that begin code behind it.
_INDENTED = [f"{end}\n{spaces}" for end in ("\n", " ", "\t", ">") for spaces in ("    ", "\t")]
# `<address|label>`, `<address>`: Slack makes links of what looks like one.
_LINK = re.compile(r"<(?P<to>(?:https?://|mailto:|tel:)[^|<>\s]*)(?:\|(?P<label>[^<>]*))?>")
_SCHEME = re.compile(r"https?://|mailto:|tel:")
# Slack tells emoji by their names, of which it has its own.
_EMOJI = re.compile(
    r":[a-z0-9_+'-]{1,80}:(?::skin-tone-[2-6]:)?|[0-9#*]\ufe0f?\u20e3|[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa"
    r"\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f\ufe0e\ufe0f\u200d\u20e3]"
)


def mrkdwn_length(markdown: str) -> int:
    """At least as long as what `to_mrkdwn` makes of it, but for signs that are longer in bytes, and quick: it is asked
    for again and again."""
    if "\r" in markdown:
        markdown = as_text(markdown)
    count = markdown.count
    # At the beginning of a line, `>` is kept from quoting it.
    signs = 5 * count("&") + count("\\>") + 3 * count("<") + 4 * count(">") + 2 * count("`") + 3 * count("@")
    bullets = 2 * (count("- ") + count("* ") + count("+ "))
    length = size(markdown) + signs + bullets
    for sign in "*_~":
        # Signs that stand together are treated as one.
        length += 2 * (count(sign) - count(sign * 2))
    length += 2 * (count("http://") + count("https://")) + 3 * count("\t")
    if "|" in markdown:
        length += sum(len(row) + 12 + 2 * row.count("|") for row in _ROWS.findall(markdown))
    count = f"\n\n{markdown}".count
    length += 36 * sum(map(count, _RULES)) + 8 * sum(map(count, _INDENTED))
    # A fence that is open is closed.
    return length + (4 if "```" in markdown or "~~~" in markdown else 0)


def markdown_length(markdown: str) -> int:
    """At least as long as what `to_markdown_text` makes of it, exactly where nobody is called."""
    text = as_text(markdown)
    return size(text) + 4 * text.count("&") + 3 * sum(map(text.count, "<>@"))


def same(sent: str, returned: str) -> bool:
    """Whether Slack kept a text: it writes entities, links and emoji its own way, and drops white space at ends of
    lines."""
    return sent == returned or bare(sent) == bare(returned)


def bare(text: str) -> str:
    """What is left however Slack writes entities, links and emoji."""
    text = _LINK.sub(lambda found: _shown(found["to"], found["label"]), text)
    text = unescape(text).replace(ZERO_WIDTH_SPACE, "").replace(GRAVE, "`").replace("\u00a0", " ")
    return "\n".join(line.rstrip() for line in _EMOJI.sub("", _SCHEME.sub("", text)).strip().split("\n"))


def _shown(address: str, label: str | None) -> str:
    """Slack labels what it linked itself with the text that stood there."""
    bare = _SCHEME.sub("", address)
    return bare if label is None or _SCHEME.sub("", label) == bare else f"{label} {bare}"


def size(text: str) -> int:
    """In bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
