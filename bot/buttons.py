"""What a button carries: its action, arguments and who may press it, as one text that survives a restart."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from bot.errors import PluginError
from bot.replies import Button, Who

# Discord's limit; Slack's is higher.
MAX_ID = 100
PREFIX = "d1"
_LETTERS: dict[Who, str] = {"asker": "a", "moderators": "m", "anyone": "e"}


@dataclass(frozen=True, slots=True)
class ButtonId:
    """A button as it comes back from the platform. `asker` is a user id, empty where nobody in particular is meant."""

    action: str
    args: tuple[str, ...]
    who: Who
    asker: str


def button_id(button: Button, asker: str = "") -> str:
    """Raises PluginError when action and arguments are too long."""
    owner = (button.asker or asker) if button.who == "asker" else ""
    parts = (PREFIX, _LETTERS[button.who], owner, button.action, *button.args)
    id = "/".join(quote(part, safe=" ,;=@+") for part in parts)
    if len(id) > MAX_ID:
        raise PluginError(f"The button `{button.action}` carries too much: its arguments must be shorter.")
    return id


def parse_button_id(id: str) -> ButtonId | None:
    """None for what is not a button of this bot."""
    prefix, *parts = id.split("/")
    if prefix != PREFIX or len(parts) < 3:
        return None
    letter, owner, action, *args = (unquote(part) for part in parts)
    who = next((who for who, own in _LETTERS.items() if own == letter), None)
    return ButtonId(action, tuple(args), who, owner) if who is not None and action else None
