"""The life of a message, from top to bottom."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from bot.behaviour import Manners
from bot.botloops import BotTalks
from bot.calling import Calling, called_by
from bot.changes import Changes
from bot.clock import Clock
from bot.commands import Commands
from bot.errors import BotError, DeliveryError, LimitReached, NotAllowed, UsageError
from bot.events import (
    AnyEvent,
    ButtonPressed,
    CommandCall,
    FormSubmitted,
    Joined,
    Left,
    Message,
    MessageDeleted,
    MessageEdited,
    Online,
    Place,
)
from bot.exchanges import Exchanges
from bot.handler import Taken
from bot.house import Loaded
from bot.manners import Manner, thread_name
from bot.membership import Membership
from bot.merging import Merging
from bot.platform import Adapter, OpensThreads
from bot.recovery import Recovery
from bot.replies import Reply
from bot.runner import LocalRunner
from bot.settings import AnswerSettings
from bot.store import Claim, Store
from bot.turns import Turns
from bot.words import Languages, phrase, say, speaking

log = structlog.get_logger(__name__)

# Enough for a listener that lets the model speak; one that hangs must not hold its place for ever.
LISTENER_SECONDS = 300.0
# Turns that may wait at one place; whoever comes later is asked to come back. Somebody who has none waiting finds room
# for longer.
MOST_WAITING = 20
MOST_OF_ALL = 60
TOO_MANY = NotAllowed(
    "too many turns wait", public=phrase("So many questions wait here that I must ask you to try again later.")
)


class Engine:
    """Handles events of all adapters. `handle` returns when the event is safely claimed; the rest runs in turns."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        plugins: Sequence[Loaded],
        commands: Commands,
        turns: Turns,
        runner: LocalRunner,
        recovery: Recovery,
        exchanges: Exchanges,
        languages: Languages,
        manners: Manners,
        membership: Membership,
        answers: AnswerSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._plugins = plugins
        self._calling = Calling(store, adapters, plugins, commands, turns, exchanges)
        self._turns = turns
        self._runner = runner
        self._recovery = recovery
        self._languages = languages
        self._manners = manners
        self._membership = membership
        self._merging = Merging(runner, clock, answers.merge_wait, self.perform)
        self._changes = Changes(store, runner, exchanges, self._merging)
        self._bots = BotTalks(answers.bot_turns)
        self._turned_away: dict[Place, set[str]] = {}
        self._closed = False

    def close(self) -> None:
        """Hear nothing more: what comes now is found as missed at the next start."""
        self._closed = True

    async def keep_watch(self, platforms: Sequence[str]) -> None:
        """Take up what other processes leave behind when they die. Never returns."""
        await self._recovery.keep_watch(platforms, self._take)

    async def handle(self, event: AnyEvent) -> None:
        """Claim, then sort."""
        if self._closed:
            return
        if isinstance(event, Online):
            self._runner.spawn(lambda: self._recovery.catch_up(event, self.handle, self._take))
            return
        try:
            claim = await self._store.claim(event)
        except BotError as error:
            log.error("event could not be claimed", error=repr(error), event_id=event.id, place=str(event.place))
            if _wants_answer(event):
                with speaking(self._languages, event.locale):
                    await self._tell(event, error)
            return
        if claim.mine:
            await self._take(event, claim)

    async def _take(self, event: AnyEvent, claim: Claim) -> None:
        """What must not wait goes beside the queue."""
        if not isinstance(event, Message):
            if not event.user.is_bot and self._waits(event):
                self._bots.person_spoke(event.place)
            self._line_up(event, claim)
            return
        manner = await self._manner(event)
        if manner.speak == "never":
            self._runner.spawn(partial(self._ignore, event), place=event.place)
            return
        if event.past:
            # In the order in which it was said, and before anything that is asked about it.
            await self.perform(replace(event, addressed=False), claim)
            return
        event = replace(event, addressed=self._minds_bots(event, await self._manners.answers(event, manner)))
        if manner.busy == "merge" and self._merging.continues(event):
            event = replace(event, addressed=True)
        merges = event.addressed and manner.busy == "merge"
        if merges and ((joins := self._merging.joins(event)) or not self._is_full(event)):
            if not joins:
                self._turned_away.pop(event.place, None)
            self._merging.add(event, claim)
        elif event.addressed and manner.busy == "interrupt":
            stopped = await self._runner.interrupt(event.place, event.user.id)
            self._line_up(event, claim, first=stopped)
        else:
            self._line_up(event, claim)

    async def _manner(self, event: AnyEvent) -> Manner:
        return await self._manners.of(event.place, self._adapter(event).capabilities(event.route))

    def _minds_bots(self, event: Message, answered: bool) -> bool:
        """The same, unless a bot talks to this one in circles or for too long."""
        if not event.user.is_bot:
            self._bots.person_spoke(event.place)
            return answered
        verdict = self._bots.judge(event) if answered else "be quiet"
        if verdict == "say why not":
            self._runner.spawn(lambda: self._say_why_quiet(event), place=event.place)
        return verdict == "answer"

    def _line_up(self, event: AnyEvent, claim: Claim, *, first: bool = False) -> None:
        waits = self._waits(event)
        if waits and self._is_full(event):
            self._runner.spawn(lambda: self._turn_away(event), place=event.place)
        else:
            if waits:
                self._turned_away.pop(event.place, None)
            self._runner.submit(event, claim, beside=not waits, first=first)

    def _is_full(self, event: AnyEvent) -> bool:
        """One person's questions must not take the room that others need for theirs."""
        waiting = self._runner.standing(event.place) + self._merging.gathering(event.place)
        return waiting > (MOST_WAITING if self._runner.standing(event.place, event.user.id) else MOST_OF_ALL)

    async def _ignore(self, event: Message) -> None:
        """Nothing is kept of what is said where the bot is to be silent."""
        await self._close(event)
        if event.addressed:
            await self._say_nothing(event)

    async def _say_nothing(self, event: AnyEvent) -> None:
        """Some platforms wait for a word, however empty."""
        try:
            await self._adapter(event).send(event.route, Reply(""))
        except DeliveryError as error:
            log.info("nothing could not be said either", error=repr(error))

    async def _say_why_quiet(self, event: Message) -> None:
        with speaking(self._languages, event.locale):
            quiet = Reply(say("I have talked enough with bots here and will be quiet until a person speaks."))
            try:
                await self._adapter(event).send(event.route, quiet)
            except DeliveryError as error:
                log.info("nobody could be told why the bot is quiet", error=repr(error))

    async def _turn_away(self, event: AnyEvent) -> None:
        """A flood must not make the bot flood too: everybody is told once, until there is room again."""
        told = self._turned_away.setdefault(event.place, set())
        platform_waits = isinstance(event, CommandCall) and event.arguments is not None
        if event.user.id in told and not platform_waits:
            await self._close(event)
            return
        told.add(event.user.id)
        with speaking(self._languages, event.locale):
            await self._fail(event, TOO_MANY)

    def _waits(self, event: AnyEvent) -> bool:
        if isinstance(event, FormSubmitted):
            event = called_by(event)
        if isinstance(event, CommandCall | ButtonPressed):
            return self._calling.waits(event)
        return isinstance(event, Message) and event.addressed

    async def perform(self, event: AnyEvent, claim: Claim, earlier: Sequence[Message] = ()) -> None:
        """One event in its turn, spoken of in the language of whoever is there. `earlier` are messages of the same
        person that are answered together with it."""
        with speaking(self._languages, event.locale):
            await self._perform(event, claim, earlier)

    async def _perform(self, event: AnyEvent, claim: Claim, earlier: Sequence[Message]) -> None:
        """Errors end here: people get one sentence, the log gets the cause."""
        reference = secrets.token_hex(3)
        structlog.contextvars.bind_contextvars(turn_id=reference, place=str(event.place))
        try:
            finished = await self._dispatch(event, claim, earlier)
            if not finished:
                await self._store.done(event.place, event.id)
        except BotError as error:
            tell = log.info if isinstance(error, UsageError | NotAllowed) else log.warning  # people's own mistakes
            tell("turn failed", error=repr(error), cause=repr(error.__cause__))
            await self._fail(event, error, earlier)
        except Exception as error:
            log.exception("turn failed unexpectedly")
            public = say(
                "Something went wrong on my side (reference {reference}). Please try again.", reference=reference
            )
            await self._fail(event, BotError(repr(error), public=public), earlier)

    async def _dispatch(self, event: AnyEvent, claim: Claim, earlier: Sequence[Message]) -> bool:
        """True when the event was already marked done together with its answer."""
        match event:
            case CommandCall():
                await self._calling.command(event, claim)
            case FormSubmitted():
                await self._calling.command(called_by(event), claim)
            case ButtonPressed():
                await self._calling.button(event)
            case Message():
                return await self._message(event, earlier)
            case MessageEdited():
                if not await self._changes.edited(event) and event.question is not None:
                    await self._ask_late(event.question)
                await self._tell_listeners(event)
            case MessageDeleted():
                for unanswered in await self._changes.deleted(event):
                    await self._close(unanswered)
                await self._tell_listeners(event)
            case Joined(is_me=True):
                await self._membership.joined(event)
                await self._tell_listeners(event)
            case Left(is_me=True):
                await self._membership.left(event)
                await self._tell_listeners(event)
            case _:
                await self._tell_listeners(event)
        return False

    async def _message(self, event: Message, earlier: Sequence[Message] = ()) -> bool:
        if event.past:
            await self._turns.remember(event)
            return False
        if event.addressed and (await self._manner(event)).opens_threads and await self._move(event, earlier):
            return False
        asked, blank = [], False
        for one in (*earlier, event):
            if await self._tell_listeners(one) or not one.addressed:
                await self._overhear(one)
            elif _is_blank(one.text) and not (one.attachments or one.quoted):
                blank = True
            else:
                asked.append(one)
        if asked:
            *before, last = asked
            await self._turns.answer(last, before)
        elif blank:
            await self._turns.heed(event)
            listening = Reply(say("I am listening. What would you like to talk about?"))
            await self._adapter(event).send(event.route, listening)
        for one in earlier:
            if one not in asked:
                await self._store.done(one.place, one.id)
        return bool(asked) and asked[-1] is event

    async def _overhear(self, event: Message) -> None:
        await self._turns.remember(event)
        if event.addressed:
            await self._say_nothing(event)

    async def _move(self, event: Message, earlier: Sequence[Message]) -> bool:
        """Answer a channel's question in a thread of its own. Each step may be taken again after a crash: the thread
        is opened once, and claimed in it the question is answered once. False where there can be no thread."""
        adapter = self._adapter(event)
        if not isinstance(adapter, OpensThreads):
            return False
        try:
            route = await adapter.open_thread(event.route, thread_name(event.text))
        except DeliveryError as error:
            log.info("no thread could be opened", error=repr(error))
            return False
        moved = replace(event, route=route)
        if moved.place == event.place:
            return False
        for one in earlier:
            await self._turns.remember(replace(one, route=replace(one.route, place=route.place)))
            await self._store.done(one.place, one.id)
        claim = await self._store.claim(moved)
        if claim.mine:
            self._runner.submit(moved, claim, beside=False)
        return True

    async def tell(self, event: AnyEvent) -> None:
        """What the bot itself has to tell plugins, in the language of the place."""
        with speaking(self._languages, event.locale):
            await self._tell_listeners(event)

    async def _tell_listeners(self, event: AnyEvent) -> bool:
        """Whether a plugin took the message, so that it needs no answer."""
        taken = False
        for loaded in self._plugins:
            for kinds, listener in loaded.plugin.listeners:
                if not isinstance(event, kinds):
                    continue
                try:
                    context = await self._turns.context(event, loaded)
                    async with asyncio.timeout(LISTENER_SECONDS):
                        result = await listener(context)
                except Exception:  # a listener never takes down a turn it does not own
                    log.exception("listener failed", plugin=loaded.plugin.name, listener=listener.__name__)
                else:
                    taken = taken or isinstance(result, Taken)
        return taken

    async def _ask_late(self, event: Message) -> None:
        """What was only overheard until an edit addressed it to the bot; it is remembered where it was said."""
        if (await self._manner(event)).speak == "never" or not self._minds_bots(event, True):
            return
        async with self._runner.turn(event.place, event.user.id):
            await self._message(event)

    def _adapter(self, event: AnyEvent) -> Adapter:
        return self._adapters[event.place.platform]

    async def _fail(self, event: AnyEvent, error: BotError, earlier: Sequence[Message] = ()) -> None:
        if _knows(event, error) and not self._adapter(event).capabilities(event.route).direct:
            await self._say_nothing(event)
        elif _wants_answer(event):
            await self._tell(event, error)
        for one in (*earlier, event):
            await self._close(one)

    async def _close(self, event: AnyEvent) -> None:
        try:
            await self._store.done(event.place, event.id)
        except BotError as second:
            log.error("event could not be closed", error=repr(second), event_id=event.id)

    async def _tell(self, event: AnyEvent, error: BotError) -> None:
        """An error is shown once, privately where it is the asker's own business, and never remembered."""
        private = isinstance(error, UsageError | NotAllowed) or self._calling.is_private(event)
        reply = Reply(f"⚠️ {say(error.public)}", private=private, failed=True)
        try:
            await self._adapter(event).send(event.route, reply)
        except Exception as second:  # nothing more can be done for this person
            log.error("error could not be shown", error=repr(second), shown=error.public)


def _is_blank(text: str) -> bool:
    """Whether there is nothing to see, as with joiners and marks of direction alone."""
    return all(character.isspace() or unicodedata.category(character) in ("Cc", "Cf") for character in text)


def _knows(event: AnyEvent, error: BotError) -> bool:
    """Whether nothing need be said where others read along: of a limit people are told once, unless their platform
    waits for an answer."""
    typed = isinstance(event, Message) or (isinstance(event, CommandCall) and event.arguments is None)
    return typed and isinstance(error, LimitReached) and error.told_before


def _wants_answer(event: AnyEvent) -> bool:
    if isinstance(event, MessageEdited):
        return event.question is not None
    return isinstance(event, CommandCall | ButtonPressed | FormSubmitted) or (
        isinstance(event, Message) and event.addressed
    )
