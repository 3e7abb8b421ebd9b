"""People who are not to be known: numbers in the place of their names, also where others speak of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

# Shorter names are too often words of their own.
SHORTEST = 3


class Pseudonyms:
    """`names` maps what people are called to what stands there instead. Who is only spoken of keeps their name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._instead = {name.casefold(): other for name, other in names.items() if len(name) >= SHORTEST}
        longest_first = sorted(self._instead, key=lambda name: (-len(name), name))
        parts = "|".join(re.escape(name) for name in longest_first)
        self._known = re.compile(rf"(?<!\w)(?:{parts})(?!\w)", re.IGNORECASE) if parts else None

    def text(self, text: str) -> str:
        if self._known is None:
            return text
        return self._known.sub(lambda found: self._instead.get(found[0].casefold(), found[0]), text)

    def value(self, value: JsonValue) -> JsonValue:
        """Every text inside."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return value
