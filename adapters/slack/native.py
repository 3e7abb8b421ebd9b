"""Slack's own streams over its Web API: begun once even where an answer was lost, appended to, stopped."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.slack.blocks import plain
from adapters.slack.budgets import APPEND, START, STOP
from adapters.slack.calls import Calls
from adapters.slack.errors import NoStreams, NotStreaming, NotTaken, Throttled
from adapters.slack.escaping import from_markdown_text
from adapters.slack.faces import Faces
from adapters.slack.lengths import bare
from adapters.slack.streams import Card
from adapters.slack.workspace import Workspace
from bot.api import Button, DeliveryError, DeliveryRefused, Place, SentId, Speaker, TargetGone

# Makes blocks of the buttons below a message.
AsBlocks = Callable[[Sequence[Button]], list[dict[str, Any]]]
# Told what a message shows and which buttons it has when its stream has ended.
Ended = Callable[[SentId, str, Sequence[Button]], None]

log = logging.getLogger(__name__)

# After these errors nothing was done; what any other left behind has to be looked for.
UNDONE = (Throttled, NotStreaming, NoStreams, NotTaken, TargetGone, DeliveryRefused)
# The messages of a thread that are looked through for a stream whose beginning was not confirmed, and how many letters
# make sure that two texts are one.
_LOOKED_THROUGH, _SURE = 100, 12
_KEPT, _MAX_ID = 1024, 200
# Slack does not tell the language of a block of code.
_FENCE = re.compile(r"```\w*")


class Ids:
    """The newest of many."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, id: str) -> None:
        self._ids[id] = None
        if len(self._ids) > _KEPT:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, id: str) -> bool:
        return id in self._ids


class SlackStreams:
    """Streams in one thread, for a person in their team. `after` is the id of a message that is older than all that is
    begun here; `ours` are streams that are known to have begun, none of which is taken for another."""

    def __init__(
        self,
        calls: Calls,
        workspace: Workspace,
        faces: Faces,
        place: Place,
        *,
        recipient: str,
        recipient_team: str,
        speaker: Speaker | None,
        after: str,
        ours: Ids,
        as_blocks: AsBlocks,
        ended: Ended,
    ) -> None:
        self._calls = calls
        self._workspace = workspace
        self._faces = faces
        self._place = place
        self._recipient = {"recipient_user_id": recipient or None, "recipient_team_id": recipient_team or None}
        self._speaker = speaker
        self._after = after
        self._ours = ours
        self._as_blocks = as_blocks
        self._ended = ended
        # What each message was told, as it was sent.
        self._told: dict[str, str] = {}
        # The text of a start that may have been made although it failed.
        self._tried: str | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether a stream may have begun that nobody knows of."""
        return self._tried is not None

    async def start(self, text: str, cards: Sequence[Card]) -> SentId:
        found = await self.find() or await self._start(text, cards)
        self._tried, self._after = None, max(found, self._after)
        self._ours.add(found)
        self._told[found] = text
        return SentId(found)

    async def append(self, sent: SentId, text: str, cards: Sequence[Card]) -> None:
        await self._calls.now(APPEND, channel=self._place.channel, ts=sent.id, **_content(text, cards))
        self._told[sent.id] = self._told.get(sent.id, "") + text

    async def stop(self, sent: SentId, text: str, cards: Sequence[Card], buttons: Sequence[Button]) -> None:
        # White space at the end shows nothing, and alone it may be refused.
        content = _content(text if text.strip() else "", cards)
        blocks = self._as_blocks(buttons) if buttons else None
        await self._calls.now(STOP, channel=self._place.channel, ts=sent.id, blocks=blocks or None, **content)
        if sent.id in self._told:
            self._ended(sent, from_markdown_text(self._told.pop(sent.id) + text), buttons)

    async def find(self) -> str | None:
        """The stream that a failed start began all the same."""
        if self._tried is None:
            return None
        try:
            answer = await self._calls.in_turn(
                "conversations.replies",
                channel=self._place.channel,
                ts=self._place.thread,
                oldest=self._after or None,
                limit=_LOOKED_THROUGH,
            )
        except (NotTaken, TargetGone, DeliveryRefused) as error:
            log.warning("a stream may stand twice in %s: what is there cannot be read (%s)", self._place.channel, error)
            return None
        for message in answer.get("messages") or []:
            ts = str(message.get("ts", ""))
            if ts > self._after and ts not in self._ours and self._is_own(message) and self._is_tried(message):
                return ts
        return None

    async def _start(self, text: str, cards: Sequence[Card]) -> str:
        identity = self._faces.identity(self._speaker)
        if self._speaker is not None and not identity:
            raise NoStreams("a stream cannot say in its text who speaks")
        try:
            answer = await self._calls.now(
                START,
                channel=self._place.channel,
                thread_ts=self._place.thread,
                **self._recipient,
                **identity,
                **_content(text, cards),
            )
        except UNDONE as error:
            if identity and self._faces.refused(error):
                raise NoStreams(f"no other names: {error}") from error
            raise
        except (DeliveryError, asyncio.CancelledError):
            self._tried = text
            raise
        return str(answer["ts"])

    def _is_own(self, message: Mapping[str, Any]) -> bool:
        own = {self._workspace.user, self._workspace.bot} - {""}
        return bool(own & {message.get("user"), message.get("bot_id")})

    def _is_tried(self, message: Mapping[str, Any]) -> bool:
        """Slack may write down otherwise what was formatted, but with the same letters."""
        shown, tried = letters(str(message.get("text", ""))), letters(self._tried or "")
        common = min(len(shown), len(tried))
        return shown == tried or (common >= _SURE and shown[:common] == tried[:common])


def letters(text: str) -> str:
    """What is left of a text whatever is done to its signs, emoji and spaces."""
    return "".join(filter(str.isalnum, bare(_FENCE.sub("", text))))


def _content(text: str, cards: Sequence[Card]) -> dict[str, Any]:
    if not cards:
        return {"markdown_text": text or None}
    chunks: list[dict[str, str]] = [{"type": "markdown_text", "text": text}] if text else []
    return {"chunks": [*chunks, *map(_task, cards)]}


def _task(card: Card) -> dict[str, str]:
    """A model may ask for tools of any name."""
    title = plain(card.title).strip() or "…"
    return {"type": "task_update", "id": card.id[:_MAX_ID] or "tool", "title": title, "status": card.state}
