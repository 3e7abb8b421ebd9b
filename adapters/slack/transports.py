"""The ways in which one live answer can be told: Slack's own streams, edits, or whole at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.slack.appending import NativeStream
from adapters.slack.blocks import rows, said_in
from adapters.slack.budgets import APPEND, START, STOP
from adapters.slack.calls import Calls
from adapters.slack.closing import Closer
from adapters.slack.errors import NoStreams, NotTaken
from adapters.slack.faces import NAMED_TEXT, Faces
from adapters.slack.lengths import MAX_MARKDOWN, MAX_TEXT, markdown_length, mrkdwn_length, same
from adapters.slack.native import Ids, SlackStreams
from adapters.slack.parts import Part
from adapters.slack.places import is_direct, is_ts
from adapters.slack.resuming import parts_of
from adapters.slack.said import SMALL
from adapters.slack.sending import WHOLE_TEXT, Sending
from adapters.slack.streams import Card, Edited, StreamLanes
from adapters.slack.thinking import Lately
from adapters.slack.workspace import Workspace
from bot.api import Clock, DeliveryError, EditedStream, Resume, Route, SentId, Speaker, Surface

log = logging.getLogger(__name__)

# How many messages are read back to see which piece of an answer each of them holds.
_READ_BACK = 200

BeforePost = Callable[[], Awaitable[None]]
OnChange = Callable[[], None]


@dataclass(frozen=True, slots=True)
class House:
    """What all answers of a workspace share: which streams `ours` began, which messages are known to have `ended`, and
    channels and people for whom there were `no_streams` lately."""

    workspace: Workspace
    calls: Calls
    sending: Sending
    faces: Faces
    clock: Clock
    ours: Ids
    ended: Ids
    no_streams: Lately


class Transports:
    """Of one answer. `streams` are those that it was given last; `is_whole` says that it comes in one piece: what one
    person alone sees cannot grow."""

    def __init__(
        self, house: House, route: Route, speaker: Speaker | None, resume: Resume | None, before_post: BeforePost | None
    ) -> None:
        self._house = house
        self._route = route
        self._place = route.place
        self._speaker = speaker
        self._resume = resume if resume is not None and resume.sent else None
        # What was said before the first message was there.
        self._unsent = resume if self._resume is None else None
        self._before_post = before_post
        self._user = _text(route.data.get("user"))
        self._whom = (self._place.channel, self._user)
        self.is_whole = house.sending.is_whole(route, resume.sent if resume is not None else ())
        self.streams: SlackStreams | None = None

    @property
    def may_stream(self) -> bool:
        """Whether a stream can begin here now, without taking from those that need it more."""
        budgets = self._house.calls.budgets
        return (
            self._place.thread is not None
            and not self.is_whole
            and self._whom not in self._house.no_streams
            and (bool(self._user) or is_direct(self._place))
            and (self._speaker is None or self._house.faces.can())
            and all(map(budgets.is_idle, (START, APPEND, STOP)))
        )

    @property
    def may_have_streamed(self) -> bool:
        """Whether messages of an earlier life may still be streams."""
        return self._resume is not None and self._place.thread is not None and not self.is_whole

    def by_edits(self, on_change: OnChange, resume: Resume | None = None) -> Edited:
        resumed = resume.sent if resume is not None else ()
        limit, measure = (MAX_TEXT if self._speaker is None else NAMED_TEXT), mrkdwn_length
        if self.is_whole:
            limit = WHOLE_TEXT
        elif resume is not None and mrkdwn_length(resume.text) > MAX_TEXT * len(resumed):
            # What streams have said is more than is posted in a message.
            limit, measure = MAX_MARKDOWN - (MAX_TEXT - limit), markdown_length
        return EditedStream(
            self._surface(resumed),
            self._house.sending.lane(self._route, resumed=resumed),
            max_chars=limit,
            clock=self._house.clock,
            before_post=self._before_post,
            resume=resume,
            on_change=on_change,
            measure=measure,
            small=SMALL,
        )

    def by_streams(self, on_change: OnChange) -> NativeStream:
        budgets = self._house.calls.budgets
        self.streams = self._streams()
        lanes = StreamLanes(budgets.native(), budgets.stopping(), budgets.edited(self._place.channel))

        def by_edits(resume: Resume | None) -> Edited:
            return self.by_edits(stream.grown, resume)

        stream = NativeStream(
            _Noting(self.streams, lambda: self._house.no_streams.add(self._whom)),
            self._surface(self._resume.sent if self._resume is not None else ()),
            lanes,
            clock=self._house.clock,
            by_edits=by_edits,
            before_post=self._before_post,
            resume=self._resume or self._unsent,
            on_change=on_change,
            take_up=self._take_up,
        )
        return stream

    def _surface(self, resumed: Sequence[SentId]) -> Surface:
        return self._house.sending.surface(self._route, self._speaker, resumed=resumed)

    def _streams(self) -> SlackStreams:
        house, data, direct = self._house, self._route.data, is_direct(self._place)
        asked = _text(data.get("message")) or _text(data.get("at"))
        known = [sent.id for sent in self._resume.sent] if self._resume is not None else []
        return SlackStreams(
            house.calls,
            house.workspace,
            house.faces,
            self._place,
            recipient="" if direct else self._user,
            recipient_team="" if direct else _text(data.get("team")) or self._place.workspace,
            speaker=self._speaker,
            after=max(filter(is_ts, [asked, *known, self._place.thread or ""]), default=""),
            ours=house.ours,
            as_blocks=lambda buttons: rows(buttons, self._user),
            ended=lambda sent, text, buttons: house.sending.stands(self._route, sent, text, buttons),
        )

    def ended(self, sent: Sequence[SentId]) -> None:
        """None of these grows any more."""
        for each in sent:
            self._house.ended.add(each.id)

    async def _take_up(self, resume: Resume, closer: Closer) -> list[Part]:
        left = [sent for sent in resume.sent if sent.id not in self._house.ended]
        await asyncio.gather(*map(closer.end, left))
        return await self._pieces(resume) if len(resume.sent) > 1 else []

    async def _pieces(self, resume: Resume) -> list[Part]:
        try:
            answer = await self._house.calls.in_turn(
                "conversations.replies",
                channel=self._place.channel,
                ts=self._place.thread,
                oldest=min(sent.id for sent in resume.sent),
                inclusive="true",
                limit=_READ_BACK,
            )
        except DeliveryError as error:
            log.info("an answer is told anew, since it cannot be read: %s", error)
            return []
        found: dict[str, Mapping[str, Any]] = {str(each.get("ts")): each for each in answer.get("messages") or []}
        if any(sent.id not in found for sent in resume.sent):
            return []
        shown = [said_in(found[sent.id]) for sent in resume.sent]
        parts = parts_of(resume.text, resume.sent, shown)
        if parts is None:
            log.info("an answer is told anew, since its messages show something else")
            return []
        for part, seen in zip(parts, shown, strict=True):
            part.doubtful = not same(part.text, seen)
        return parts


class _Noting:
    """Streams that note where Slack allows none."""

    def __init__(self, streams: SlackStreams, note: Callable[[], None]) -> None:
        self._streams = streams
        self._note = note
        self.append = streams.append
        self.stop = streams.stop

    async def start(self, text: str, cards: Sequence[Card]) -> SentId:
        try:
            return await self._streams.start(text, cards)
        except (NoStreams, NotTaken):
            self._note()
            raise


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
