"""Speakers under their own name and picture, and the bot's way of naming them where Slack does not allow that."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from adapters.slack import SlackSettings
from adapters.slack.blocks import plain, said_in
from adapters.slack.errors import scope_missing
from adapters.slack.escaping import MAX_NAME, plain_name
from adapters.slack.lengths import MAX_TEXT, mrkdwn_length
from adapters.slack.workspace import CUSTOMIZE, Workspace
from bot.api import DeliveryError, SentId, Shelf, Speaker, clip

log = logging.getLogger(__name__)

# Where the pictures of speakers are shown from, below the bot's own address.
PICTURES = "/slack/pictures/"
# A message that says in its text who speaks; the name follows.
NAMED = "named:"
# A speaker's messages leave room for the name, should the bot have to say them itself.
NAMED_TEXT = MAX_TEXT - 500
_LONGEST_OPENING = 480
_MOST_PICTURES, MAX_ICON = 1000, 2048
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BEGINS_BLOCK = re.compile(r"```|~~~|#{1,6} |>|[-*+] |\d+[.)] |\|")
_MARKUP = re.compile(r"([\\`*_~\[\]|<>#&])")
_AFTER_NAME = re.compile(r":\*{0,2}\u200b?\s*")
_EMOJI = (
    "bear fox_face owl cat wolf lion_face tiger panda_face koala frog octopus penguin unicorn_face dragon_face "
    "hatching_chick turtle dolphin butterfly beetle snail crab elephant rabbit mouse hedgehog sloth otter parrot "
    "peacock swan robot_face alien ghost crystal_ball rocket satellite telescope microscope lightning cloud snowflake "
    "sunflower cactus mushroom maple_leaf four_leaf_clover tulip palm_tree evergreen_tree ocean volcano comet star2 "
    "dart game_die guitar violin trumpet drum_with_drumsticks art scroll compass hourglass key anchor crown gem"
)


class Faces:
    """`shelf` keeps the pictures."""

    def __init__(self, settings: SlackSettings, workspace: Workspace, shelf: Shelf | None) -> None:
        self._settings = settings
        self._workspace = workspace
        self._shelf = shelf
        self._refused = False
        # The pictures that were shown since the start, newest last: nobody gets any other.
        self._shown: OrderedDict[str, None] = OrderedDict()

    def can(self) -> bool:
        return not self._refused and self._workspace.may(CUSTOMIZE)

    def identity(self, speaker: Speaker | None) -> dict[str, str]:
        """Arguments for posts, streams and the status; none where Slack does not allow another name."""
        if speaker is None or not self.can():
            return {}
        return {"username": shown_name(speaker), **self._picture_of(speaker)}

    def refused(self, error: DeliveryError) -> bool:
        """Whether a call was refused for the name that it bore. From then on none is asked for."""
        if scope_missing(error) not in ("", CUSTOMIZE):
            return False
        if not self._refused:
            log.warning("Slack lets no message have another name: the app lacks the scope %s", CUSTOMIZE)
        self._refused = True
        return True

    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        """The content and media type of a picture that Slack was told to show."""
        if self._shelf is None or blob not in self._shown:
            return None
        found = await self._shelf.picture(blob)
        return found if found is not None and found[1] in _IMAGES else None

    def _picture_of(self, speaker: Speaker) -> dict[str, str]:
        avatar = speaker.avatar or ""
        if avatar.startswith("https://") and len(avatar) <= MAX_ICON and avatar.isprintable() and " " not in avatar:
            return {"icon_url": avatar}
        base = self._settings.public_url.rstrip("/") if self._settings.receive == "http" else ""
        if avatar and "://" not in avatar and avatar.isalnum() and base and self._shelf is not None:
            self._shown[avatar] = None
            self._shown.move_to_end(avatar)
            if len(self._shown) > _MOST_PICTURES:
                self._shown.popitem(last=False)
            return {"icon_url": f"{base}{PICTURES}{avatar}"}
        return {"icon_emoji": emoji_of(speaker.id or speaker.name)}


def shown_name(speaker: Speaker) -> str:
    return clip(plain(plain_name(speaker.name)), MAX_NAME)


def emoji_of(id: str) -> str:
    """The same one for the same speaker, always."""
    number = int.from_bytes(hashlib.sha256(id.encode(errors="replace")).digest()[:4], "big")
    known = _EMOJI.split()
    return f":{known[number % len(known)]}:"


def opening(name: str, text: str) -> str:
    """How the bot itself says who speaks: before the text, or above it where that begins with a block of markup."""
    if not name or not text.strip():
        return ""
    return _bold(name) + ("\n\n" if _BEGINS_BLOCK.match(text) else " ")


def as_sent(message: Mapping[str, Any]) -> tuple[str, str]:
    """What the bot said in one of its messages, without the name before it, and the kind of that message."""
    text = said_in(message)
    name = unquote(str(((message.get("metadata") or {}).get("event_payload") or {}).get("named") or ""))
    return (text[_end_of(name, text) :], NAMED + name) if name else (text, "")


def _end_of(name: str, text: str) -> int:
    """Where the name before a text ends, with whatever marks Slack tells it; 0 where it is not to be found."""
    letters = iter(filter(str.isalnum, name))
    wanted = next(letters, None)
    for at, char in enumerate(text[: 4 * MAX_NAME]):
        if wanted is None and (found := _AFTER_NAME.match(text, at)):
            return found.end()
        if char.isalnum():
            if char != wanted:
                return 0
            wanted = next(letters, None)
    return 0


def _bold(name: str) -> str:
    kept = plain_name(name)
    while mrkdwn_length(shown := f"**{_MARKUP.sub(_escaped, kept)}:**") > _LONGEST_OPENING:
        kept = kept[:-1]
    return shown


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0] in "<>&" else f"\\{found[0]}"


def kind_of(speaker: Speaker) -> str:
    """What marks a message that begins with the speaker's name."""
    return NAMED + plain_name(speaker.name)


def named_in(sent: SentId) -> str:
    """The name that a message begins with, or nothing."""
    return sent.kind.removeprefix(NAMED) if sent.kind.startswith(NAMED) else ""
