"""What is read back from Slack: messages of a channel or thread, and files that people sent."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from typing import Any

from adapters.slack import SlackSettings
from adapters.slack.blocks import said_in
from adapters.slack.calls import Calls
from adapters.slack.downloads import download
from adapters.slack.errors import Throttled
from adapters.slack.faces import as_sent
from adapters.slack.hearing import SAID, Hearing, Told, moment
from adapters.slack.people import People
from adapters.slack.places import is_ts
from adapters.slack.reading_markup import message_text
from adapters.slack.said import SMALL
from adapters.slack.workspace import Workspace
from bot.api import Attachment, Clock, DeliveryError, DeliveryRefused, Message, Place, Posted, Route, User, phrase

log = logging.getLogger(__name__)

# What one call reads, how many calls one reading makes at most, and what Slack lets an app read that is sold outside of
# its marketplace: so many messages, once in so many seconds.
PAGE, PAGES = 200, 10
FEW, EVERY = 15, 60.0
# Threads are told from their beginning, and nobody knows beforehand how long one is.
MOST_OF_THREAD = 1000
# What the bot learns of a thread that it comes into: messages, and characters of them.
EARLIER, EARLIER_CHARS = 100, 24_000
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
        """What stands in the channel or thread. A question at the top of a channel is told there, although its event
        belongs to the thread in which it is answered. Raises DeliveryError."""
        place, moment = route.place, None if after is None else _moment(after, route)
        told = [each for each in await self._messages(place, moment, limit) if _stands_in(each, place)]
        await self._learn(told, place)
        found = [each for message in told if (each := await self._posted(message, place, after)) is not None]
        return tuple(found[-limit:] if after is None else found[:limit])

    async def earlier(self, place: Place, before: str) -> tuple[Message, ...]:
        """What was said in a thread before the bot came into it, also to the bot."""
        size = FEW if self._settings.distributed else MOST_OF_THREAD
        try:
            answer = await self._call("conversations.replies", place, ts=place.thread, latest=before, limit=size)
        except DeliveryError as error:
            log.warning("a thread could not be read: %s", error)
            return ()
        listed = [each | {"channel": place.channel} for each in _listed(answer, before=before)]
        told = [*listed[:1], *listed[1:][-EARLIER:]]
        await self._learn(told, place)
        return tuple(_useful([each for message in told if (each := await self._said(message, place)) is not None]))

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        """Raises DeliveryError."""
        return await download(self._calls.client, self._workspace, attachment, max_bytes, self._settings.api_url)

    # Messages

    async def _messages(self, place: Place, after: str | None, limit: int) -> Sequence[Told]:
        """As Slack's events would tell of them, oldest first."""
        method = "conversations.history" if place.thread is None else "conversations.replies"
        arguments: dict[str, Any] = {"ts": place.thread, "oldest": after, "include_all_metadata": True}
        arguments["limit"] = FEW if self._settings.distributed else PAGE
        found: dict[str, Told] = {}
        for _ in range(1 if self._settings.distributed else PAGES):
            answer = await self._call(method, place, **arguments)
            found |= {str(each["ts"]): each | {"channel": place.channel} for each in _listed(answer, after=after)}
            cursor = _cursor(answer)
            # Channels are told from their end, threads from their beginning.
            if not cursor or (after is None and place.thread is None and len(found) >= limit):
                break
            arguments["cursor"] = cursor
        return [found[ts] for ts in sorted(found)]

    async def _call(self, method: str, place: Place, **arguments: Any) -> Told:
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

    async def _learn(self, told: Sequence[Told], place: Place) -> None:
        """Everybody at once, instead of one after the other."""
        users = {str(each["user"]) for each in told if each.get("user")}
        await self._people.learn(place.channel, users, [message_text(each) for each in told])

    async def _posted(self, message: Told, place: Place, after: str | None) -> Posted | None:
        """None for what nobody said, and for what other apps say."""
        if str(message.get("subtype") or "") not in SAID:
            return None
        if self._hearing.is_own(message):
            return self._own(message, after)
        if place.thread is not None and self._hearing.place(message) != place:
            return None
        event = await self._hearing.heard(message)
        if event is None and (message.get("bot_id") or not message.get("user")):
            return None
        author = event.user if event is not None else self._people.known_person(str(message["user"]), place)
        heard = event if isinstance(event, Message) else None
        return Posted(
            id=str(message["ts"]),
            author=author,
            text=heard.text if heard is not None else self._hearing.understood_text(message),
            at=moment(str(message["ts"])),
            own=False,
            event=heard,
        )

    def _own(self, message: Told, after: str | None) -> Posted:
        """One that says nothing shows how tools work for an answer to what came before."""
        said, kind = as_sent(message)
        text = _with_small_print(said)
        return Posted(
            id=str(message["ts"]),
            author=self._me,
            text=text,
            at=moment(str(message["ts"])),
            own=True,
            kind=kind,
            in_reply_to=None if text.strip() else after,
        )

    async def _said(self, message: Told, place: Place) -> Message | None:
        """Also of the bot itself, where the thread hangs on what it said."""
        event = await self._hearing.heard(message, place)
        if isinstance(event, Message):
            return event
        if message["ts"] != place.thread or not self._hearing.is_own(message) or not said_in(message).strip():
            return None
        ts = str(message["ts"])
        return Message(id=ts, user=self._me, route=Route(place), at=moment(ts), text=said_in(message), addressed=False)

    @property
    def _me(self) -> User:
        return User(self._workspace.user, self._workspace.user_name, is_bot=True)


def _moment(after: str, route: Route) -> str:
    """The id of a message, or of what happened to one, as a moment; of everything else, what its route says."""
    ts = after.partition(":")[0]
    if is_ts(ts):
        return ts
    at = route.data.get("at")
    if isinstance(at, str) and is_ts(at):
        return at
    raise DeliveryError(f"not a moment: {after}")


def _listed(answer: Told, *, after: str | None = None, before: str | None = None) -> list[dict[str, Any]]:
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


def _cursor(answer: Told) -> str:
    data = answer.get("response_metadata")
    return str(data.get("next_cursor") or "") if isinstance(data, dict) else ""


def _stands_in(message: Told, place: Place) -> bool:
    """A thread's place holds its replies, and its root where that was asked there."""
    thread = message.get("thread_ts")
    if place.thread is None:
        return thread in (None, message["ts"])
    return message["ts"] != place.thread or not message.get("bot_id")


def _with_small_print(text: str) -> str:
    """Slack knows none, so the lines below an answer are quoted there; nobody must take them for a part of it."""
    lines = text.split("\n")
    at = len(lines)
    while at and lines[at - 1].startswith(SMALL) and _is_mark(lines[at - 1].removeprefix(SMALL)):
        at -= 1
        lines[at] = "-# " + lines[at].removeprefix(SMALL)
    return "\n".join(lines)


def _is_mark(line: str) -> bool:
    """Notes begin with a sign, quotes do not."""
    return bool(line) and (line[0] == "…" or unicodedata.category(line[0]) == "So")


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
