"""What a crash or an outage left: half-written answers are finished or marked, missed questions are found."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import timedelta

import structlog

from bot.clock import Clock
from bot.errors import BotError, DeliveryError
from bot.events import (
    AnyEvent,
    CommandCall,
    FormSubmitted,
    Joined,
    Left,
    Message,
    MessageDeleted,
    MessageEdited,
    Online,
    Place,
    Route,
)
from bot.platform import Adapter, Posted, is_connected
from bot.replies import SentId
from bot.runner import LocalRunner
from bot.store import Claim, Draft, NewMessage, Store
from bot.store.records import MessageStatus
from bot.turns import Turns

log = structlog.get_logger(__name__)

# How much of each channel is read back: after an outage, and to find the messages of one answer.
MISSED_MESSAGES = 100
MISSED_PAGES = 5
ANSWER_MESSAGES = 50
# Channels that are read after one outage, the most recently active first; direct messages are not announced.
MISSED_CHANNELS = 200
DIRECT_CHANNELS = 10
# How often it is looked whether another process died.
WATCH_SECONDS = 30.0
# Who called a command has been told by the platform that it failed, and has called it again or thought better of it.
COMMAND_AGE = timedelta(seconds=15)
CALLS = (CommandCall, FormSubmitted)
# An answer is gone on with, and an event or answer touched at all, at no more starts than this: whatever made the bot
# die each time must not do so for ever.
MOST_COMPLETIONS = 3
MOST_ATTEMPTS = 6
# So much of a message must be found in an answer, where it does not follow what was found of it before.
SURE_CHARS = 12
# What a platform may add or leave out when it shows a text.
MARKUP = re.compile(r"[\s*_~`#>|<\\\[\]()•◦▪☐☑─│┼\u200b-]+")
# How a message begins that says by itself who speaks.
NAMED = re.compile(r"\A\*\*[^\n]{1,200}?:\*\*[ \n]")

Handle = Callable[[AnyEvent], Awaitable[None]]
Take = Callable[[AnyEvent, Claim], Awaitable[None]]


class Recovery:
    """Runs once for every time a platform comes online without having kept the events of the meantime."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        turns: Turns,
        runner: LocalRunner,
        clock: Clock,
        *,
        resume_age: float,
        missed_age: float,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._turns = turns
        self._runner = runner
        self._clock = clock
        self._resume_age = timedelta(seconds=resume_age)
        self._missed_age = timedelta(seconds=missed_age)
        self._heard_before: dict[str, Mapping[str, str]] = {}

    async def look_back(self, platform: str) -> None:
        """Note what an earlier process heard last, before anything new is heard: that says nothing about the gap."""
        try:
            self._heard_before[platform] = await self._store.last_heard(platform)
        except BotError as error:
            log.error("what was heard last could not be read", platform=platform, error=repr(error))

    async def catch_up(self, event: Online, handle: Handle, take: Take) -> None:
        platform = event.place.platform
        if event.place.channel:
            await self._turns.jobs.tell_back(platform, self._turns.context_of, place=event.place)
            return
        steps: Sequence[Callable[[], Awaitable[None]]] = (
            lambda: self._finish_answers(platform),
            lambda: self._take_left_behind(platform, take),
            lambda: self._find_missed(event, handle),
            lambda: self._turns.jobs.tell_back(platform, self._turns.context_of),
        )
        for step in steps:
            try:
                await step()
            except Exception as error:  # what one step cannot do must not keep the others from being done
                expected = isinstance(error, BotError)
                log.error("catching up failed", platform=platform, error=repr(error), exc_info=not expected)

    async def keep_watch(self, platforms: Sequence[str], take: Take) -> None:
        """Several processes may share a database: what one of them left when it died is taken up by those that live."""
        while True:
            await self._clock.sleep(WATCH_SECONDS)
            for platform in platforms:
                if not is_connected(self._adapters[platform]):
                    continue  # once it is, everything is caught up with anyway
                try:
                    await self._finish_answers(platform)
                    await self._take_left_behind(platform, take)
                    await self._turns.jobs.pause_left_behind([platform])
                    await self._turns.jobs.tell_back(platform, self._turns.context_of)
                except BotError as error:
                    log.warning("what others left could not be read", platform=platform, error=repr(error))

    async def remember_only(self, platform: str) -> None:
        """For a platform that only appends: an old answer cannot be gone on with there, and who asked has left. What
        was asked and said is remembered, and nothing more."""
        try:
            for draft in await self._store.orphans(platform):
                await self._give_up(draft)
            for event, _ in await self._store.left_behind(platform):
                if isinstance(event, Message):
                    await self._turns.remember(event)
                await self._store.done(event.place, event.id)
        except BotError as error:
            log.error("what an earlier process left could not be put away", platform=platform, error=repr(error))

    async def _finish_answers(self, platform: str) -> None:
        drafts = await self._store.orphans(platform)
        for draft in drafts:
            self._runner.spawn(self._finishing(draft, drafts))

    def _finishing(self, draft: Draft, drafts: Sequence[Draft]) -> Callable[[], Awaitable[None]]:
        async def finish() -> None:
            place = draft.route.place
            structlog.contextvars.bind_contextvars(place=str(place), draft=draft.id)
            async with self._runner.turn(place):
                try:
                    if draft.attempts > MOST_ATTEMPTS:
                        log.error("answer is given up", attempts=draft.attempts)
                        await self._give_up(draft)
                        return
                    others = {sent.id for other in drafts if other.id != draft.id for sent in other.sent}
                    shown = await self._shown(draft, others)
                    young = self._clock.now() - draft.started_at <= self._resume_age
                    log.info("taking up an answer", said=len(shown.text), young=young, messages=len(shown.sent))
                    await self._turns.take_up(shown, complete=young and draft.attempts <= MOST_COMPLETIONS)
                except BotError as error:
                    log.error("answer could not be taken up", error=repr(error))
                except Exception:
                    log.exception("answer could not be taken up")

        return finish

    async def _give_up(self, draft: Draft) -> None:
        """What was said is kept in memory; neither the model nor the platform is tried again."""
        log.info("answer is not gone on with", attempts=draft.attempts, said=len(draft.text))
        if not draft.text.strip():
            await self._store.abandon(draft)
            return
        speaker = draft.speaker.name if draft.speaker else None
        ended: MessageStatus = "complete" if draft.finished == "stop" else "partial"
        status = ended if draft.finished is not None else "interrupted"
        said = NewMessage("assistant", draft.text, speaker=speaker, status=status, sent=draft.sent, scene=draft.scene)
        await self._store.answered(draft, draft.route.place, [said], ())

    async def _shown(self, draft: Draft, others: Set[str]) -> Draft:
        """The draft as the platform knows it: messages that were sent but not yet journaled belong to it too. Those of
        `others` do not."""
        adapter, route = self._adapters[draft.route.place.platform], draft.route
        try:
            posted = await adapter.history(route, draft.event_id, ANSWER_MESSAGES)
            if len(posted) == ANSWER_MESSAGES:
                # Much was said since: a line of a long talk is among the newest.
                newest = await adapter.history(route, None, ANSWER_MESSAGES)
                posted += tuple(message for message in newest if _order(message.id) > _order(posted[-1].id))
        except DeliveryError as error:
            log.warning("channel could not be read back", error=repr(error))
            return draft
        own = [each for each in posted if each.own and each.id not in others and not await self._known(draft, each)]
        return with_shown(draft, own)

    async def _known(self, draft: Draft, message: Posted) -> bool:
        """Whether the message belongs to something that is remembered already."""
        if any(sent.id == message.id for sent in draft.sent):
            return False
        return await self._store.message_of(draft.route.place, message.id) is not None

    async def _take_left_behind(self, platform: str, take: Take) -> None:
        """Events that were claimed, but not finished, by a process that is gone."""
        for event, claim in await self._store.left_behind(platform):
            age = self._clock.now() - event.at
            if claim.epoch > MOST_ATTEMPTS:
                log.error("event is given up", event_id=event.id, place=str(event.place), attempts=claim.epoch)
                await self._store.done(event.place, event.id)
            elif isinstance(event, Message):
                await take(event if age <= self._missed_age else replace(event, addressed=False), claim)
            elif isinstance(event, MessageEdited):
                await take(event if age <= self._missed_age else replace(event, question=None), claim)
            elif isinstance(event, MessageDeleted | Joined | Left) or (
                isinstance(event, CALLS) and age <= self._call_age(event, claim)
            ):
                await take(event, claim)
            else:
                await self._store.done(event.place, event.id)

    def _call_age(self, event: AnyEvent, claim: Claim) -> timedelta:
        """Nobody waits long for a command that was not begun; what was begun or written is worth more."""
        return self._missed_age if claim.started or isinstance(event, FormSubmitted) else COMMAND_AGE

    async def _find_missed(self, event: Online, handle: Handle) -> None:
        """Messages written while nobody listened, only in channels whose newest message is not the last one heard.

        Where the moment is known since which nobody did, it counts; what was heard after it came when it was over.
        """
        heard = await self._store.last_heard(event.place.platform)
        before = {} if event.since else self._heard_before.setdefault(event.place.platform, heard)
        if not before and event.since is None:
            return
        floor = event.since or max(before.values(), key=_order)
        moved = [place for place, newest in event.latest.items() if _order(newest) > _order(before.get(place, floor))]
        silent = [place for place in heard if place not in event.latest and _is_silent(place, event)]
        moved.sort(key=lambda place: _order(event.latest[place]), reverse=True)
        silent.sort(key=lambda place: _order(heard[place]), reverse=True)
        for place in moved[:MISSED_CHANNELS] + silent[:DIRECT_CHANNELS]:
            await self._read_missed(Place.parse(place), before.get(place, floor), handle)

    async def _read_missed(self, place: Place, after: str, handle: Handle) -> None:
        adapter, route = self._adapters[place.platform], Route(place)
        try:
            for _ in range(MISSED_PAGES):
                posted = await adapter.history(route, after, MISSED_MESSAGES)
                await self._hand_over(posted, handle)
                if len(posted) < MISSED_MESSAGES:
                    return
                after = posted[-1].id
            # Of a gap longer than that only the end matters: there are the questions that somebody still waits for.
            newest = await adapter.history(route, None, MISSED_MESSAGES)
            await self._hand_over([message for message in newest if _order(message.id) > _order(after)], handle)
        except DeliveryError as error:
            log.info("channel could not be read back", place=str(place), error=repr(error))

    async def _hand_over(self, posted: Sequence[Posted], handle: Handle) -> None:
        for message in posted:
            if message.event is None:
                continue
            young = self._clock.now() - message.at <= self._missed_age
            await handle(message.event if young else replace(message.event, addressed=False))


def _is_silent(place: str, event: Online) -> bool:
    return event.silent is None or Place.parse(place).workspace in event.silent


def _order(id: str) -> tuple[int, str]:
    """Platforms count their ids upwards, as numbers or as seconds: longer is later."""
    whole = id.partition(".")[0]
    return len(whole), id


def with_shown(draft: Draft, own: Sequence[Posted]) -> Draft:
    """Adopt messages that show a part of the draft's text, and what the last of them shows beyond it.

    `own` are the bot's messages after the question, oldest first, without those that belong to something else.
    The journal is written before each message is posted, so one of this answer goes on with the text where an earlier
    one ends. Where that is, is the platform's affair.
    """
    if draft.replaces is not None and not draft.text:
        return draft  # what its messages show is still the answer that was there before
    known = {sent.id for sent in draft.sent}
    found = _Found(draft.text)
    adopted: list[SentId] = []
    seen: dict[str, str] = {}
    for message in own:
        shown = seen[message.id] = NAMED.sub("", message.text) if draft.speaker is not None else message.text
        is_first = not known and not adopted
        is_shown = found.shows(shown, somewhere=not is_first)
        if message.id in known:
            continue
        if is_shown or (is_first and message.in_reply_to == draft.event_id):
            adopted.append(SentId(message.id, message.kind))
    sent = (*draft.sent, *adopted)
    looks = tuple(seen.get(each.id, "") for each in sent) if seen else ()
    return replace(draft, sent=sent, text=draft.text + found.beyond, shown=looks)


class _Found:
    """How far a text was found in messages. Platforms write markup in their own ways, so it does not count."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._plain = _plain(text)
        # Of what was found last: a message may begin with what the one before it has not given up yet.
        self._begin = self._end = 0
        # What the last message shows after the text.
        self.beyond = ""

    def shows(self, shown: str, *, somewhere: bool) -> bool:
        """Whether a message goes on with the text; or, when what came before was not seen whole, with a later part."""
        shown = _unmarked(shown)
        for begin in dict.fromkeys((0, _after_opening(shown))):
            plain = _plain(shown[begin:])
            at = self._place_of(plain, somewhere)
            if at is not None:
                self._begin, self._end = at, min(at + len(plain), len(self._plain))
                self.beyond = self._after(shown, at) if self._end == len(self._plain) else ""
                return True
        return False

    def _place_of(self, plain: str, somewhere: bool) -> int | None:
        if plain and self._goes_on_at(plain, self._end):
            return self._end
        if not somewhere or len(plain) < SURE_CHARS:
            return None
        at = self._begin
        while (at := self._plain.find(plain[:SURE_CHARS], at + 1)) >= 0:
            if self._goes_on_at(plain, at):
                return at
        return None

    def _goes_on_at(self, plain: str, at: int) -> bool:
        common = min(len(plain), len(self._plain) - at)
        return common > 0 and plain[:common] == self._plain[at : at + common]

    def _after(self, shown: str, at: int) -> str:
        """What was still open is closed for show, so only plain words are taken; the model says the rest again."""
        start, begin = _position(self._text, at), _position(shown, 0)
        part, said = self._text[start:], shown[begin:]
        before = self._text[_position(self._text, at - 1) : start] + shown[:begin]
        if "`" in before + part or not said.startswith(part):
            return ""
        words = said[len(part) :]
        end = next((at for at, char in enumerate(words) if char in "`*_~|<[#>"), len(words))
        return words if end == len(words) else words[:end].rstrip("\n")


def _plain(text: str) -> str:
    return MARKUP.sub("", text)


def _position(text: str, count: int) -> int:
    """Where the sign stands that has so many before it, markup left out."""
    for at, char in enumerate(text):
        if not MARKUP.match(char):
            if not count:
                return at
            count -= 1
    return len(text)


def _after_opening(shown: str) -> int:
    """A block that was open before a message is opened again in it."""
    return shown.find("\n") + 1 if shown.lstrip().startswith(("```", "~~~")) else 0


def _unmarked(shown: str) -> str:
    """Without the small line that a stream may put under an unfinished answer, and without a fence closed for show."""
    lines = shown.rstrip().split("\n")
    while lines and (lines[-1].startswith("-# ") or not lines[-1].strip()):
        lines.pop()
    return "\n".join(lines)
