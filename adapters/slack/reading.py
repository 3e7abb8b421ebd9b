"""What is read back from Slack: messages of a channel or thread, and files that people sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.downloads import download
from adapters.slack.errors import Throttled
from adapters.slack.escaping import from_markdown_text
from adapters.slack.hearing import Hearing
from adapters.slack.people import People
from adapters.slack.places import is_ts, place_of
from adapters.slack.reading_markup import Names, message_text, to_markdown
from adapters.slack.workspace import Workspace
from bot.api import Attachment, Clock, DeliveryError, DeliveryRefused, Message, Place, Posted, Route, User, phrase

log = logging.getLogger(__name__)

# What one call reads, how many calls one reading makes at most, and what Slack lets an app read that is sold outside of
# its marketplace: so many messages, once in so many seconds.
PAGE, PAGES = 200, 10
FEW, EVERY = 15, 60.0
# What the bot learns of a thread that it comes into: messages, and characters of them.
EARLIER, EARLIER_CHARS = 100, 24_000
# Messages that tell what happened, not what somebody said.
SAID = frozenset({"", "bot_message", "file_share", "me_message", "thread_broadcast"})
NOT_YET = phrase("Slack lets me read old messages only once a minute. Please try again in a moment.")


class Reading:
    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        people: People,
        hearing: Hearing,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._calls = calls
        self._people = people
        self._hearing = hearing
        self._clock = clock
        self._read_at = float("-inf")

    async def history(self, route: Route, after: str | None, limit: int) -> tuple[Posted, ...]:
        """Raises DeliveryError."""
        if after is not None:
            after = _moment(after, route)
        found: list[Posted] = []
        for message in await self._messages(route.place, after, limit):
            posted = await self._posted(message, route.place)
            if posted is not None:
                found.append(posted)
        return tuple(found[:limit] if after is not None else found[-limit:])

    async def earlier(self, place: Place, before: str) -> tuple[Message, ...]:
        """What was said in a thread before the bot came into it: nothing of it is addressed to the bot."""
        size = FEW if self._settings.distributed else EARLIER
        try:
            answer = await self._call(
                "conversations.replies", place, ts=place.thread, latest=before, limit=size, inclusive=False
            )
            told = [await self._hearing.heard(self._whole(each, place)) for each in _listed(answer, before=before)]
        except DeliveryError as error:
            log.warning("a thread could not be read: %s", error)
            return ()
        events = [replace(each, addressed=False) for each in told if isinstance(each, Message) and each.place == place]
        return tuple(_useful(events))

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        """Raises DeliveryError."""
        return await download(self._calls.client, self._workspace, attachment, max_bytes, self._settings.api_url)

    # Messages

    async def _messages(self, place: Place, after: str | None, limit: int) -> Sequence[Mapping[str, Any]]:
        """Those that stand in this channel or thread, oldest first."""
        method = "conversations.history" if place.thread is None else "conversations.replies"
        arguments: dict[str, Any] = {"ts": place.thread, "oldest": after, "include_all_metadata": True}
        pages = 1 if self._settings.distributed else PAGES
        found: dict[str, Mapping[str, Any]] = {}
        for _ in range(pages):
            arguments["limit"] = FEW if self._settings.distributed else PAGE
            answer = await self._call(method, place, **arguments)
            found.update({str(each["ts"]): each for each in _listed(answer, after=after)})
            cursor = _cursor(answer)
            enough = after is None and place.thread is None and len(found) >= limit
            if not cursor or enough:
                break
            arguments["cursor"] = cursor
        return [found[ts] for ts in sorted(found)]

    async def _call(self, method: str, place: Place, **arguments: Any) -> Mapping[str, Any]:
        if not self._settings.distributed:
            return await self._calls.in_turn(method, channel=place.channel, **arguments)
        now = self._clock.monotonic()
        if now < self._read_at + EVERY:
            raise DeliveryRefused("once a minute", public=NOT_YET)
        self._read_at = now
        try:
            return await self._calls.now(method, channel=place.channel, **arguments)
        except Throttled as error:
            raise DeliveryRefused(str(error), public=NOT_YET) from error

    async def _posted(self, message: Mapping[str, Any], place: Place) -> Posted | None:
        """None for what does not belong to the place, and for what nobody said."""
        if str(message.get("subtype", "")) not in SAID:
            return None
        if self._hearing.is_own(message):
            thread = message.get("thread_ts")
            root = str(message["ts"]) if thread in (None, message["ts"]) else None
            if place.thread is None and root is None:
                return None
            return self._own(message)
        whole = self._whole(message, place)
        event = await self._hearing.heard(whole)
        if event is None and message.get("bot_id"):
            return None
        if (event.place if event is not None else _place(whole, place)) != place:
            return None
        author = event.user if event is not None else await self._author(message, place)
        return Posted(
            id=str(message["ts"]),
            author=author,
            text=event.text if isinstance(event, Message) else await self._hearing.text(whole),
            at=_at(message),
            own=False,
            in_reply_to=event.in_reply_to if isinstance(event, Message) else None,
            event=event if isinstance(event, Message) else None,
        )

    def _own(self, message: Mapping[str, Any]) -> Posted:
        me = User(self._workspace.user, self._workspace.user_name, is_bot=True)
        return Posted(id=str(message["ts"]), author=me, text=own_text(message), at=_at(message), own=True)

    async def _author(self, message: Mapping[str, Any], place: Place) -> User:
        return await self._people.person(str(message.get("user", "")), place)

    def _whole(self, message: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        """As it would be told by an event."""
        return {**message, "channel": place.channel}


def own_text(message: Mapping[str, Any]) -> str:
    """The Markdown that the bot sent. Where Slack does not return it, what can be told from what it shows."""
    blocks = message.get("blocks")
    listed = [each for each in blocks if isinstance(each, dict)] if isinstance(blocks, list) else []
    parts = [str(each.get("text", "")) for each in listed if each.get("type") == "markdown"]
    if parts:
        return from_markdown_text("\n".join(parts))
    return to_markdown(message_text(message), Names())


def _moment(after: str, route: Route) -> str:
    """The id of a message, or of what happened to one, as a moment; of everything else, what its route says."""
    ts = after.partition(":")[0]
    if is_ts(ts):
        return ts
    at = route.data.get("at")
    if isinstance(at, str) and is_ts(at):
        return at
    raise DeliveryError(f"not a moment: {after}")


def _listed(answer: Mapping[str, Any], *, after: str | None = None, before: str | None = None) -> list[dict[str, Any]]:
    """Slack adds a thread's root to every page of it."""
    messages = answer.get("messages")
    found = [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
    return [
        each
        for each in found
        if is_ts(str(each.get("ts")))
        and (after is None or str(each["ts"]) > after)
        and (before is None or str(each["ts"]) < before)
    ]


def _cursor(answer: Mapping[str, Any]) -> str:
    data = answer.get("response_metadata")
    return str(data.get("next_cursor") or "") if isinstance(data, dict) else ""


def _place(message: Mapping[str, Any], place: Place) -> Place:
    thread = message.get("thread_ts")
    return place_of(place.workspace, place.channel, None if thread == message["ts"] else thread)


def _at(message: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(message["ts"]), UTC)


def _useful(events: Sequence[Message]) -> list[Message]:
    """The newest, as far as there is room, and what the thread began with."""
    kept: list[Message] = []
    room = EARLIER_CHARS - (len(events[0].text) if events else 0)
    for event in reversed(events[1:]):
        room -= len(event.text)
        if room < 0:
            break
        kept.append(event)
    return [*events[:1], *reversed(kept)]
