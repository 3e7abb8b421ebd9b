"""People who are not to be known: numbers in the place of their names, also where others speak of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from pydantic import JsonValue

# A shorter name is too often a word of its own: it is one as it is written, and a single letter behind an `@`.
SHORTEST = 3
# Scripts that put nothing between a word and the next, or what follows a name.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
# Not `\w`: what is emphasised stands between underscores.
_LETTER = r"[^\W_]"


class Pseudonyms:
    """`names` maps what people are called to what stands there instead. Who is only spoken of keeps their name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        bare = {unicodedata.normalize("NFC", name).strip(): other for name, other in names.items()}
        self._instead = {_folded(name): other for name, other in bare.items() if name}
        forms = {*bare, *(name.casefold() for name in bare if len(name) >= SHORTEST)} - {""}
        parts = "|".join(map(_pattern, sorted(forms, key=lambda name: (-len(name), name))))
        self._known = re.compile(parts, re.IGNORECASE) if parts else None

    def text(self, text: str) -> str:
        if self._known is None:
            return text
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return self._known.sub(lambda found: self._instead.get(_folded(found[0]), "…"), text)

    def value(self, value: JsonValue) -> JsonValue:
        """Every text inside."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return value


def _pattern(name: str) -> str:
    """Where it stands for itself, also as Markdown writes it."""
    inside = "".join(map(_sign, name))
    if _IS_UNSPACED.search(name):
        return inside if len(name) > 1 else f"(?<=@){inside}"
    begins = f"(?<!{_LETTER})" if len(name) > 1 else "(?<=@)"
    ends = f"(?!{_LETTER})"
    if len(name) >= SHORTEST or len(name) == 1:
        return f"{begins}{inside}{ends}"
    return f"(?:{begins}(?-i:{inside})|(?<=@){inside}){ends}"


def _sign(sign: str) -> str:
    if sign.isspace():
        return r"\s+"
    return re.escape(sign) if sign.isalnum() else rf"\\?{re.escape(sign)}"


def _folded(name: str) -> str:
    return " ".join(name.replace("\\", "").upper().casefold().split())
