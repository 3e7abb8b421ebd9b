"""Text from elsewhere made safe to print: no control sequence of a model reaches the terminal."""

from __future__ import annotations

import re

LONGEST_SEQUENCE = 4096

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
)
_UNFINISHED = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*\x1b?"
    r"|\x1b[ -/]*|\r)\Z"
)
# Every other control character, and the marks that turn the order of the letters around them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Cleaner:
    """Cleans text that comes in pieces: a sequence cut in two is still found."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        self._held = ""
        unfinished = _UNFINISHED.search(text)
        if unfinished and len(unfinished.group()) <= LONGEST_SEQUENCE:
            self._held = unfinished.group()
            text = text[: unfinished.start()]
        return _strip(text)

    def finish(self) -> str:
        held, self._held = self._held, ""
        return "" if held.startswith("\x1b") else _strip(held)


def clean(text: str) -> str:
    return _strip(text)


def readable(text: str) -> str:
    """Typed or piped text as a message: bytes that are no text become the replacement character."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _LONE_SURROGATE.sub("\ufffd", _UNPRINTABLE.sub("", text))


def _strip(text: str) -> str:
    text = _SEQUENCE.sub("", text).replace("\r\n", "\n")
    return _LONE_SURROGATE.sub("\ufffd", _UNPRINTABLE.sub("", text))
