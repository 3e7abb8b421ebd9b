"""Slack's events as the core's, handed over in the order in which they came, channel by channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

from adapters.slack import SlackSettings
from adapters.slack.hearing import Hearing, Told, attachments, moment
from adapters.slack.people import People
from adapters.slack.places import is_direct, place_of
from adapters.slack.reactions import emoji
from adapters.slack.reading import Reading
from adapters.slack.reading_markup import message_text
from adapters.slack.threads import Threads
from adapters.slack.timing import Timing
from adapters.slack.workspace import Workspace
from bot.api import (
    AnyEvent,
    Clock,
    CommandCall,
    Handle,
    Joined,
    Left,
    Message,
    MessageDeleted,
    MessageEdited,
    Place,
    Reacted,
    Route,
    User,
)

log = logging.getLogger(__name__)

Body: TypeAlias = Mapping[str, Any]

# Even after all time was used up, what was said before in a thread is waited for so long.
LEAST_PATIENCE = 0.5
# What was asked so shortly before is still to come: Slack keeps no order.
OUT_OF_ORDER = timedelta(seconds=10)
TOMBSTONE = "tombstone"
# Messages by which Slack tells a channel's members that it is no longer what it was.
RENAMED = frozenset(
    {"channel_archive", "channel_convert_to_private", "channel_name", "channel_unarchive", "group_name"}
)


class Listening:
    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        hearing: Hearing,
        people: People,
        threads: Threads,
        reading: Reading,
        handle: Handle,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._hearing = hearing
        self._people = people
        self._threads = threads
        self._reading = reading
        self._handle = handle
        self._clock = clock
        self._timing = timing
        self._lines: dict[str, asyncio.Event] = {}

    async def event(self, body: Body) -> None:
        """Returns once all that it means is claimed. Raises only what `handle` raised, so that Slack tells it again."""
        event = body.get("event")
        if not isinstance(event, Mapping):
            return
        self._hearing.app = str(body.get("api_app_id") or self._hearing.app)
        started = self._clock.monotonic()
        async with self._line(_channel(event)) as its_turn:
            try:
                await self._learn(event)
                await its_turn()
                found = await self._understood(event, body)
            except Exception:
                # Told again it would be no clearer.
                log.exception("%s could not be understood", event.get("type"))
                return
            for each in found:
                await self._hand_over(each, started)

    @asynccontextmanager
    async def _line(self, channel: str) -> AsyncIterator[Any]:
        """Events of a channel line up as they come; `its_turn` waits for those before."""
        before, done = self._lines.get(channel), asyncio.Event()
        self._lines[channel] = done

        async def its_turn() -> None:
            if before is not None:
                await before.wait()

        try:
            yield its_turn
        finally:
            done.set()
            if self._lines[channel] is done:
                del self._lines[channel]

    # Understanding

    async def _learn(self, event: Told) -> None:
        """Whatever has to be asked of Slack, beside the events before this one."""
        if (message := _message(event)) is not None:
            if self._hearing.is_heard(message):
                await self._hearing.learn(message)
        elif event.get("type") in ("reaction_added", "reaction_removed"):
            if self._is_to_me(event):
                item, user = event["item"], str(event["user"])
                await self._people.learn(str(item["channel"]), [user])
                if not self._settings.distributed:
                    await self._people.thread_of(str(item["channel"]), str(item["ts"]))
        elif event.get("type") in ("member_joined_channel", "member_left_channel"):
            await self._people.learn(str(event["channel"]), [str(event["user"])])

    async def _understood(self, event: Told, body: Body) -> Sequence[AnyEvent]:
        id = str(body.get("event_id") or event.get("event_ts") or "")
        match event.get("type"), event.get("subtype"):
            case "message", "message_changed":
                return await self._changed(event)
            case "message", "message_deleted":
                return self._deleted(event)
            case (("message" | "app_mention"), _):
                return await self._said(event)
            case (("reaction_added" | "reaction_removed"), _):
                return self._reacted(event, id)
            case (("member_joined_channel" | "member_left_channel"), _):
                self._people.told(event)
                return self._came_or_went(event, id)
            case (("app_uninstalled" | "tokens_revoked"), _):
                return self._gone(event, id)
            case _:
                self._people.told(event)
                return ()

    async def _said(self, message: Told) -> Sequence[AnyEvent]:
        if str(message.get("subtype")) in RENAMED:
            self._people.told(message)
        if self._hearing.is_own(message):
            await self._note_own(message)
            return ()
        heard = await self._hearing.understood(message)
        if heard is None:
            return ()
        asked_late = message.get("type") == "app_mention" and message.get("edited")
        if asked_late and isinstance(heard, Message) and not _roots_thread(heard):
            # The same that `message_changed` says, where the app hears that.
            return (self._edited(message, heard, question=heard),)
        return (heard,)

    async def _note_own(self, message: Told) -> None:
        place = self._hearing.place(message)
        self._people.told_thread(place.channel, str(message["ts"]), place.thread)
        await self._threads.join(place)

    async def _changed(self, event: Told) -> Sequence[AnyEvent]:
        now, before = _whole(event, "message"), _whole(event, "previous_message")
        if now is None:
            return ()
        if now.get("subtype") == TOMBSTONE:
            return (self._is_gone(event, str(now["ts"]), before or now),)
        if before is not None and not _was_edited(now, before):
            return ()
        if not now.get("edited") or not self._hearing.is_heard(now):
            return ()
        home = self._hearing.place(before) if before is not None else None
        was_for_me = before is None or home is None or await self._hearing.is_addressed(before, home)
        heard = await self._hearing.understood(now, home if was_for_me else None)
        if heard is None:
            return ()
        if was_for_me or not isinstance(heard, Message) or not heard.addressed:
            return (self._edited(now, heard, place=home),)
        if not _roots_thread(heard):
            return (self._edited(now, heard, question=heard),)
        # It was overheard in the channel and is answered in a thread, as if it had been said there. That makes it a
        # message of its own, which is answered once whatever else Slack says about it.
        return (self._edited(now, heard, place=home), heard)

    def _edited(
        self,
        message: Told,
        heard: Message | CommandCall,
        *,
        place: Place | None = None,
        question: Message | None = None,
    ) -> MessageEdited:
        at = str(message["edited"]["ts"])
        return MessageEdited(
            id=f"{heard.id}:{at}",
            user=heard.user,
            route=Route(place or heard.place, heard.route.data),
            at=moment(at),
            locale=heard.locale,
            message=heard.id,
            text=heard.text if isinstance(heard, Message) else self._hearing.understood_text(message),
            question=question,
        )

    def _deleted(self, event: Told) -> Sequence[AnyEvent]:
        ts = str(event.get("deleted_ts") or "")
        before = _whole(event, "previous_message") or {"channel": event["channel"], "ts": ts}
        return (self._is_gone(event, ts, before),) if ts else ()

    def _is_gone(self, event: Told, ts: str, before: Told) -> MessageDeleted:
        place, author = self._hearing.place(before), str(before.get("user") or before.get("bot_id") or "")
        return MessageDeleted(
            id=f"{ts}:deleted",
            user=self._people.known_person(author, place) if author else User("", "somebody"),
            route=Route(place),
            at=moment(str(event.get("event_ts") or event["ts"])),
            messages=(ts,),
        )

    def _is_to_me(self, event: Told) -> bool:
        item = event.get("item")
        if not isinstance(item, Mapping) or item.get("type") != "message" or event.get("user") == self._workspace.user:
            return False
        if author := event.get("item_user"):
            return bool(author == self._workspace.user)
        # What is said under another name has no author, but was heard when the bot said it.
        return self._people.knows_message(str(item.get("channel")), str(item.get("ts")))

    def _reacted(self, event: Told, id: str) -> Sequence[AnyEvent]:
        """Only what is done to the bot's own messages is told."""
        if not self._is_to_me(event):
            return ()
        channel, ts, user = str(event["item"]["channel"]), str(event["item"]["ts"]), str(event["user"])
        place = place_of(self._workspace.team, channel, self._people.known_thread_of(channel, ts))
        person = self._people.known_person(user, place)
        if person.is_bot or not self._hearing.allows(place, user):
            return ()
        at = str(event["event_ts"])
        return (
            Reacted(
                id=id,
                user=person,
                route=Route(place, {"user": user, "at": at}),
                at=moment(at),
                locale=self._people.known_locale(user),
                message=ts,
                emoji=emoji(str(event["reaction"])),
                added=event["type"] == "reaction_added",
            ),
        )

    def _came_or_went(self, event: Told, id: str) -> Sequence[AnyEvent]:
        channel, user, at = str(event["channel"]), str(event["user"]), str(event["event_ts"])
        place = place_of(self._workspace.team, channel)
        is_me, came = user == self._workspace.user, event["type"] == "member_joined_channel"
        # That the bot left one channel does not mean that it left the workspace.
        if not self._hearing.allows_in(place) or (is_me and not came):
            return ()
        person, locale = self._people.known_person(user, place), self._people.known_locale(user)
        if is_me:
            return (Joined(id=id, user=person, route=Route(place), at=moment(at), is_me=True),)
        route = Route(place, {"user": user, "at": at})
        kind = Joined if came else Left
        return (kind(id=id, user=person, route=route, at=moment(at), locale=locale),)

    def _gone(self, event: Told, id: str) -> Sequence[AnyEvent]:
        """The bot was thrown out of the workspace, or its token was taken away."""
        tokens = event.get("tokens")
        if event["type"] == "tokens_revoked":
            revoked = tokens.get("bot") if isinstance(tokens, Mapping) else None
            if not isinstance(revoked, list) or self._workspace.user not in revoked:
                return ()
        me = User(self._workspace.user, self._workspace.user_name, is_bot=True)
        route = Route(place_of(self._workspace.team, ""))
        return (Left(id=id, user=me, route=route, at=self._clock.now(), is_me=True),)

    # Handing over

    async def _hand_over(self, event: AnyEvent, started: float) -> None:
        asked = event.question if isinstance(event, MessageEdited) else event
        if isinstance(asked, Message | CommandCall):
            before = await self._said_before(asked, started)
            for each in before:
                await self._handle(replace(each, addressed=False, past=True))
            event = _about(event, [each.id for each in before if each.attachments])
        await self._handle(event)
        # Only now: what was not claimed comes again, and is again the first that the bot hears here.
        if isinstance(asked, Message | CommandCall) and _calls_me(asked):
            await self._threads.join(asked.place)

    async def _said_before(self, event: Message | CommandCall, started: float) -> Sequence[Message]:
        """What was said in a thread before the bot came into it, once for each thread."""
        place = event.place
        if place.thread is None or place.thread == event.id or is_direct(place) or not _calls_me(event):
            return ()
        if await self._threads.takes_part(place):
            return ()
        left = self._timing.hear_within - (self._clock.monotonic() - started)
        try:
            async with asyncio.timeout(max(left, LEAST_PATIENCE)):
                told = await self._reading.earlier(place, before=event.id)
            return [each for each in told if not (each.addressed and event.at - each.at < OUT_OF_ORDER)]
        except TimeoutError:
            log.warning("a thread could not be read in time")
        except Exception:
            log.exception("a thread could not be read")
        return ()


def _calls_me(event: Message | CommandCall) -> bool:
    return isinstance(event, CommandCall) or event.addressed


def _about(event: AnyEvent, with_files: Sequence[str]) -> AnyEvent:
    """Whoever calls the bot into a thread asks about the files that came last."""
    if not with_files:
        return event
    if isinstance(event, Message):
        return replace(event, in_reply_to=with_files[-1])
    if isinstance(event, MessageEdited) and event.question is not None:
        return replace(event, question=replace(event.question, in_reply_to=with_files[-1]))
    return event


def _message(event: Told) -> Told | None:
    """The message that an event is about, as it is now."""
    if event.get("type") == "app_mention":
        return event
    if event.get("type") != "message" or event.get("subtype") == "message_deleted":
        return None
    return _whole(event, "message") if event.get("subtype") == "message_changed" else event


def _whole(event: Told, name: str) -> Told | None:
    """A message inside an event, which alone says where it stands."""
    message = event.get(name)
    if not isinstance(message, Mapping) or not message.get("ts"):
        return None
    return {**message, "channel": event["channel"]}


def _was_edited(now: Told, before: Told) -> bool:
    """Whether somebody changed what they said; previews of links are changes to Slack, too."""
    edits = [message.get("edited") for message in (now, before)]
    times = [edit.get("ts") if isinstance(edit, Mapping) else None for edit in edits]
    if times[0] is None or times[0] == times[1]:
        return False
    return message_text(now) != message_text(before) or attachments(now) != attachments(before)


def _roots_thread(event: Message) -> bool:
    return event.place.thread == event.id


def _channel(event: Told) -> str:
    """What the order is kept of."""
    item, channel = event.get("item"), event.get("channel")
    if isinstance(item, Mapping):
        channel = item.get("channel")
    return str(channel.get("id") if isinstance(channel, Mapping) else channel or "")
