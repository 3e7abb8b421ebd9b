"""Values of cards as they should have been: people's tools write all kinds of things."""

from __future__ import annotations

import math

from pydantic import JsonValue

# Of one text of a card; whole cards are bounded before they are read.
LONGEST = 200_000
MOST = 1_000


def string(given: JsonValue | None) -> str:
    """A text without half characters; empty for what is none."""
    if isinstance(given, bool | None | dict | list):
        return ""
    text = str(given)[:LONGEST].replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def strings(given: JsonValue | None) -> list[str]:
    """A list of texts; one text is taken for several with commas between them."""
    if isinstance(given, str):
        return [part.strip() for part in string(given).split(",") if part.strip()][:MOST]
    return [string(each) for each in given[:MOST] if string(each)] if isinstance(given, list) else []


def passages(given: JsonValue | None) -> list[str]:
    """A list of texts that may hold commas."""
    return strings([given]) if isinstance(given, str) else strings(given)


def number(given: JsonValue | None, otherwise: float) -> float:
    try:
        found = float(given)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return found if math.isfinite(found) else otherwise


def whole(given: JsonValue | None, otherwise: int) -> int:
    return int(min(max(number(given, otherwise), -1e9), 1e9))


def flag(given: JsonValue | None, *, default: bool) -> bool:
    if isinstance(given, str):
        return given.strip().lower() in ("true", "yes", "1", "on")
    return bool(given) if isinstance(given, bool | int | float) else default
