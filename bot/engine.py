"""The life of a message, from top to bottom."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from bot.commands import Command, Commands
from bot.context import EngineContext, Loaded
from bot.errors import BotError, NotAllowed, UsageError
from bot.events import (
    AnyEvent,
    ButtonPressed,
    CommandCall,
    Event,
    FormSubmitted,
    Message,
    MessageDeleted,
    MessageEdited,
    Online,
    Place,
)
from bot.exchanges import Exchanges
from bot.handler import Taken
from bot.platform import Adapter
from bot.recovery import Recovery
from bot.replies import Reply, Text
from bot.runner import LocalRunner
from bot.store import Claim, Store
from bot.turns import Turns
from bot.words import Languages, phrase, say, speaking, spoken_now, switch

log = structlog.get_logger(__name__)


# Enough for a listener that lets the model speak; one that hangs must not hold its place for ever.
LISTENER_SECONDS = 300.0
# Turns that may wait at one place; whoever comes later is asked to come back.
MOST_WAITING = 20
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
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._plugins = {loaded.plugin.name: loaded for loaded in plugins}
        self._commands = commands
        self._turns = turns
        self._runner = runner
        self._recovery = recovery
        self._exchanges = exchanges
        self._languages = languages
        self._turned_away: dict[Place, set[str]] = {}
        self._closed = False

    def close(self) -> None:
        """Hear nothing more: what comes now is found as missed at the next start."""
        self._closed = True

    async def handle(self, event: AnyEvent) -> None:
        """Claim, then sort: what must not wait goes beside the queue."""
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
            self._take(event, claim)

    def _take(self, event: AnyEvent, claim: Claim) -> None:
        waits = self._waits(event)
        if waits and self._runner.standing(event.place) > MOST_WAITING:
            self._runner.spawn(lambda: self._turn_away(event))
        else:
            if waits:
                self._turned_away.pop(event.place, None)
            self._runner.submit(event, claim, beside=not waits)

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
        if isinstance(event, CommandCall):
            found = self._commands.match(f"{event.command} {event.text or ''}")
            return found is not None and not found[0].immediate
        return isinstance(event, Message) and event.addressed

    async def perform(self, event: AnyEvent, claim: Claim) -> None:
        """One event in its turn, spoken of in the language of whoever is there."""
        with speaking(self._languages, event.locale):
            await self._perform(event, claim)

    async def _perform(self, event: AnyEvent, claim: Claim) -> None:
        """Errors end here: people get one sentence, the log gets the cause."""
        reference = secrets.token_hex(3)
        structlog.contextvars.bind_contextvars(turn_id=reference, place=str(event.place))
        try:
            finished = await self._dispatch(event, claim)
            if not finished:
                await self._store.done(event.place, event.id)
        except BotError as error:
            log.warning("turn failed", error=repr(error), cause=repr(error.__cause__))
            await self._fail(event, error)
        except Exception as error:
            log.exception("turn failed unexpectedly")
            public = say(
                "Something went wrong on my side (reference {reference}). Please try again.", reference=reference
            )
            await self._fail(event, BotError(repr(error), public=public))

    async def _dispatch(self, event: AnyEvent, claim: Claim) -> bool:
        """True when the event was already marked done together with its answer."""
        match event:
            case CommandCall():
                await self._command(event, claim)
            case FormSubmitted():
                await self._command(called_by(event), claim)
            case ButtonPressed():
                await self._button(event)
            case Message():
                return await self._message(event)
            case MessageEdited():
                await self._rewrite(event)
                await self._tell_listeners(event)
            case MessageDeleted():
                await self._forget_deleted(event)
                await self._tell_listeners(event)
            case _:
                await self._tell_listeners(event)
        return False

    async def _message(self, event: Message) -> bool:
        taken = await self._tell_listeners(event)
        if taken or not event.addressed:
            await self._turns.remember(event)
            if taken and event.addressed:
                await self._adapter(event).send(event.route, Reply(""))
            return False
        if _is_blank(event.text) and not event.attachments and not event.quoted:
            await self._turns.heed(event)
            listening = Reply(say("I am listening. What would you like to talk about?"))
            await self._adapter(event).send(event.route, listening)
            return False
        await self._turns.answer(event)
        return True

    async def _tell_listeners(self, event: AnyEvent) -> bool:
        """Whether a plugin took the message, so that it needs no answer."""
        taken = False
        for loaded in self._plugins.values():
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

    async def _command(self, event: CommandCall, claim: Claim) -> None:
        await self._turns.heed(event)
        command, line = self._called(event)
        self._check_allowed(command, event)
        if claim.started:
            raise BotError(
                f"/{command.name} was interrupted by a restart",
                public=say(
                    "I was restarted while `/{command}` was running. It may have worked in part: "
                    "please check, and run it again if needed.",
                    command=command.name,
                ),
            )
        raw = command.parse(line, event.mentions) if event.arguments is None else event.arguments
        arguments = command.bind(raw)
        await self._store.begin(event.place, event.id)
        context = await self._turns.context(event, self._plugins[command.plugin])
        if command.private:
            # Only this person sees it, so theirs goes before the place's.
            switch(event.locale, spoken_now().code)
        await self._run(command, context, arguments)
        if not context.answered:
            await self._adapter(event).send(event.route, Reply("", private=command.private))

    def _called(self, event: CommandCall) -> tuple[Command, str]:
        """The command and its line of text; what was typed may name a group's command in its first two words."""
        command = self._commands.find(event.command)
        if command is not None:
            return command, event.text or ""
        line = f"{event.command} {event.text or ''}"
        found = self._commands.match(line)
        if found is None:
            raise UsageError(self._commands.unknown(line))
        return found

    async def _run(self, command: Command, context: EngineContext, arguments: Mapping[str, Any]) -> None:
        result: Any = command.callback(context, **arguments)
        if inspect.isasyncgen(result):
            async with context.stream() as stream:
                async for text in result:
                    await stream.write(Text(str(text)))
            return
        await self._give(await result, context, private=command.private)

    async def _give(self, returned: object, context: EngineContext, *, private: bool = False) -> None:
        """Show what a handler returned, if it returned anything."""
        reply = Reply(returned) if isinstance(returned, str) else returned
        if reply is not None and not isinstance(reply, Reply):
            kind = type(reply).__name__
            raise BotError(
                f"plugin {context.plugin} returned {kind}, where only str, Reply and None can be shown",
                public=say(
                    "The plugin `{plugin}` answered with something that I cannot show ({kind}).",
                    plugin=context.plugin,
                    kind=kind,
                ),
            )
        if isinstance(reply, Reply):
            await context.send(replace(reply, private=reply.private or private))

    def _check_allowed(self, command: Command, event: Event) -> None:
        if not self._turns.may(event.user, command):
            raise NotAllowed(
                f"/{command.name} refused to {event.user.id}",
                public=say(
                    "Only moderators may use `/{command}` here. In a direct message with me, you may.",
                    command=command.name,
                ),
            )

    async def _button(self, event: ButtonPressed) -> None:
        user = event.user
        allowed = {"anyone": True, "moderators": user.is_moderator, "asker": user.id == event.asker}
        if not (allowed[event.who] or user.is_moderator):
            await self._turns.heed(event)
            public = phrase("This button is for whoever asked, and for moderators.")
            if event.who == "moderators":
                public = phrase("This button is for moderators.")
            raise NotAllowed(f"{event.action} refused to {user.id}", public=public)
        if await self._exchanges.pressed(event):
            return
        for loaded in self._plugins.values():
            handler = loaded.plugin.buttons.get(event.action)
            if handler is not None:
                context = await self._turns.context(event, loaded)
                await self._give(await handler(context, *event.args), context)
                return
        raise UsageError("This button belongs to something I no longer know.")

    async def _rewrite(self, event: MessageEdited) -> None:
        known = await self._store.rewrite(event.place, event.message, event.text)
        if self._runner.standing(event.place):
            # It may be a question that waits for its turn and is remembered only then, or is being answered.
            async with self._runner.turn(event.place):
                known = known or await self._store.rewrite(event.place, event.message, event.text)
        if event.question is not None:
            await self._ask_late(event.question)
        elif known is not None:
            await self._exchanges.question_edited(event, known)

    async def _ask_late(self, event: Message) -> None:
        """What was only overheard until an edit addressed it to the bot is forgotten and asked."""
        async with self._runner.turn(event.place):
            overheard = await self._store.message_of(event.place, event.id)
            if overheard is not None:
                await self._store.forget(event.place, [overheard.id])
            await self._message(event)

    async def _forget_deleted(self, event: MessageDeleted) -> None:
        all_known = await self._forget_known(event)
        if not all_known and self._runner.standing(event.place):
            async with self._runner.turn(event.place):
                await self._forget_known(event)

    async def _forget_known(self, event: MessageDeleted) -> bool:
        """Whether all the messages that were deleted are known."""
        known = [await self._store.message_of(event.place, message) for message in event.messages]
        found = zip(known, event.messages, strict=True)
        for message in [one for one, id in found if one is not None and await self._exchanges.is_its_first(one, id)]:
            await self._exchanges.deleted(event, message)
        return None not in known

    def _adapter(self, event: AnyEvent) -> Adapter:
        return self._adapters[event.place.platform]

    async def _fail(self, event: AnyEvent, error: BotError) -> None:
        if _wants_answer(event):
            await self._tell(event, error)
        await self._close(event)

    async def _close(self, event: AnyEvent) -> None:
        try:
            await self._store.done(event.place, event.id)
        except BotError as second:
            log.error("event could not be closed", error=repr(second), event_id=event.id)

    async def _tell(self, event: AnyEvent, error: BotError) -> None:
        """An error is shown once, privately where it is the asker's own business, and never remembered."""
        private = isinstance(error, UsageError | NotAllowed) or self._is_private(event)
        reply = Reply(f"⚠️ {say(error.public)}", private=private, failed=True)
        try:
            await self._adapter(event).send(event.route, reply)
        except Exception as second:  # nothing more can be done for this person
            log.error("error could not be shown", error=repr(second), shown=error.public)

    def _is_private(self, event: AnyEvent) -> bool:
        """Whether what went wrong concerns only whoever pressed a button or called a command for themselves."""
        if isinstance(event, ButtonPressed):
            return True
        if not isinstance(event, CommandCall | FormSubmitted):
            return False
        command = self._commands.find(event.command)
        return command is not None and command.private


def called_by(event: FormSubmitted) -> CommandCall:
    """The call that a filled form stands for."""
    return CommandCall(
        id=event.id,
        user=event.user,
        route=event.route,
        at=event.at,
        locale=event.locale,
        command=event.command,
        arguments=event.values,
        target=event.target,
    )


def _is_blank(text: str) -> bool:
    """Whether there is nothing to see, as with joiners and marks of direction alone."""
    return all(character.isspace() or unicodedata.category(character) in ("Cc", "Cf") for character in text)


def _wants_answer(event: AnyEvent) -> bool:
    if isinstance(event, MessageEdited):
        return event.question is not None
    return isinstance(event, CommandCall | ButtonPressed | FormSubmitted) or (
        isinstance(event, Message) and event.addressed
    )
