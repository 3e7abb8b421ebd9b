"""What people do with commands, shortcuts and buttons, as events: acknowledged in time, answered in place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue
from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.slack import SlackSettings, deeds, forms
from adapters.slack.blocks import pressed
from adapters.slack.calls import Calls
from adapters.slack.commands import Line, called, with_names
from adapters.slack.deeds import Body, Deed
from adapters.slack.drafts import REOPEN, Draft
from adapters.slack.filling import UNAVAILABLE, Filling
from adapters.slack.hearing import Hearing
from adapters.slack.knowing import FORM_WITHIN, LOOK_WITHIN, Knowing, log_failure
from adapters.slack.people import People
from adapters.slack.places import is_direct
from adapters.slack.sending import Sending
from adapters.slack.workspace import Workspace
from bot.api import (
    ButtonId,
    ButtonPressed,
    Clock,
    Command,
    CommandCall,
    Commands,
    Handle,
    Reply,
    Route,
    UsageError,
    phrase,
    tr,
)

log = logging.getLogger(__name__)

# Seconds in which a second press of the same button is the hand's, not the head's.
DOUBLE, MOST_PRESSES = timedelta(seconds=0.7), 500
# What shows something and does nothing.
LABEL = "+shown"
UNKNOWN_BUTTON = phrase("This button is of no use any more. Please ask me again.")
UNKNOWN_COMMAND = phrase("This command is no longer there.")
TWICE = phrase("Once is enough: I am at it already.")


class Interacting:
    """Everything is acknowledged in time, whatever fails; what takes longer goes on beside."""

    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        hearing: Hearing,
        people: People,
        sending: Sending,
        commands: Sequence[Command],
        handle: Handle,
        clock: Clock,
        *,
        ack_within: float,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._hearing = hearing
        self._people = people
        self._commands = Commands(commands)
        self._handle = handle
        self._clock = clock
        self._ack_within = ack_within
        self._knowing = Knowing(workspace, people, sending)
        self._filling = Filling(
            settings, workspace, calls, hearing, people, self._knowing, self._commands, handle, clock
        )
        self._last_press: dict[tuple[str, str, str], datetime] = {}

    async def close(self) -> None:
        await self._knowing.close()

    async def command(self, body: Body, ack: AsyncAck) -> None:
        await self._in_time(self._called(body, ack))

    async def action(self, body: Body, ack: AsyncAck) -> None:
        await self._in_time(self._pressed(body))

    async def shortcut(self, body: Body, ack: AsyncAck) -> None:
        await self._in_time(self._used(body))

    async def submitted(self, body: Body, ack: AsyncAck) -> None:
        await self._in_time(self._filling.submitted(body, ack))

    async def closed(self, body: Body, ack: AsyncAck) -> None:
        """What was written is thrown away, as they wanted."""

    async def options(self, body: Body, ack: AsyncAck) -> None:
        await ack(options=await self._filling.options(body))

    def given_back(self, route: Route, reply: Reply) -> Reply:
        """An error about a form, with what was written into it; any other reply as it is."""
        return self._filling.given_back(route, reply)

    async def _in_time(self, work: Coroutine[Any, Any, None]) -> None:
        """What was not acknowledged when this returns is acknowledged then, without a word."""
        task = self._knowing.begin(work)
        await asyncio.wait({task}, timeout=self._ack_within)
        if task.done():
            task.result()
        else:
            log.warning("something took too long to be taken, and goes on beside")
            task.add_done_callback(log_failure)

    # Commands

    async def _called(self, body: Body, ack: AsyncAck) -> None:
        deed = deeds.of_command(body, self._workspace, self._clock.now())
        if not self._hearing.allows(deed.place, deed.user):
            await ack(tr(await self._knowing.language(deed), UNAVAILABLE), response_type="ephemeral")
            return
        line = called(self._settings, self._commands, str(body["command"]), str(body.get("text") or ""))
        if line.people:
            # Without their names it is not known whether something is missing.
            await self._knowing.learn(deed, (), line.rest, within=FORM_WITHIN)
        command, given = line.command, _given(self._named(line, deed))
        if command is not None and given is not None and forms.asks(command, given) and await self._may(deed, command):
            if command.fills is not None:
                given = {**await command.fills(self._call(deed, line)), **given}
            await self._filling.open(deed, Draft(command.name, given), command)
            return
        deed = await self._knowing.around(deed, (), line.rest)
        await self._handle(self._call(deed, self._named(line, deed)))
        if command is not None and not command.private and not is_direct(deed.place):
            # So that others see what was asked.
            await ack({"response_type": "in_channel"})

    def _call(self, deed: Deed, line: Line) -> CommandCall:
        return CommandCall(
            id=deed.id,
            user=self._knowing.person(deed),
            route=deed.route,
            at=deed.at,
            locale=self._knowing.known_language(deed),
            command=line.name,
            text=line.rest,
            mentions=line.people,
        )

    def _named(self, line: Line, deed: Deed) -> Line:
        """Whoever is not known is called as Slack calls them."""
        known = (self._people.known_person(each.id, deed.place) for each in line.people)
        return with_names(line, [each for each in known if each.name != each.id], self._people.known_names())

    async def _may(self, deed: Deed, command: Command) -> bool:
        """Who may not run the command is told so before they have written anything."""
        if command.who == "anyone":
            return True
        await self._knowing.learn(deed, within=FORM_WITHIN)
        return self._knowing.person(deed).is_moderator

    # Shortcuts

    async def _used(self, body: Body) -> None:
        message = body.get("message")
        if body.get("type") != "message_action" or not isinstance(message, Mapping):
            return
        channel = str(body["channel"]["id"])
        place = self._hearing.target_place({**message, "channel": channel})
        deed = deeds.of_shortcut(body, self._workspace, self._clock.now(), place)
        command = self._commands.find(str(body["callback_id"]))
        if command is None or not self._hearing.allows(place, deed.user):
            await self._tell(deed, UNKNOWN_COMMAND if command is None else UNAVAILABLE)
            return
        if command.form is not None and await self._may(deed, command):
            target = await self._filling.target(message, channel, FORM_WITHIN)
            await self._filling.open(deed, Draft(command.name, {}, target), command)
            return
        target, deed = await asyncio.gather(
            self._filling.target(message, channel, LOOK_WITHIN), self._knowing.around(deed)
        )
        await self._handle(
            CommandCall(
                id=deed.id,
                user=self._knowing.person(deed),
                route=deed.route,
                at=deed.at,
                locale=self._knowing.known_language(deed),
                command=command.name,
                arguments={},
                target=target,
            )
        )

    # Buttons

    async def _pressed(self, body: Body) -> None:
        action = body["actions"][0]
        if (body.get("container") or {}).get("type") == "view":
            return  # nothing in a form is heeded before it is sent
        deed = deeds.of_press(body, self._workspace, self._clock.now())
        id = pressed(action)
        if id is not None and id.action == LABEL:
            return
        why_not = ""
        if not self._hearing.allows(deed.place, deed.user):
            why_not = UNAVAILABLE
        elif id is None:
            why_not = UNKNOWN_BUTTON
        elif self._is_double(deed, f"{action.get('action_id')}/{action.get('value') or ''}"):
            why_not = TWICE
        elif id.action == REOPEN:
            why_not = await self._filling.reopen(deed, id)
        else:
            await self._hand_over_press(await self._knowing.around(deed), id)
        if why_not:
            await self._tell(deed, why_not)

    async def _hand_over_press(self, deed: Deed, id: ButtonId) -> None:
        await self._handle(
            ButtonPressed(
                id=deed.id,
                user=self._knowing.person(deed),
                route=deed.route,
                at=deed.at,
                locale=self._knowing.known_language(deed),
                action=id.action,
                args=id.args,
                message=deed.message,
                who=id.who,
                asker=id.asker,
            )
        )

    def _is_double(self, deed: Deed, button: str) -> bool:
        key = (f"{deed.place.channel}/{deed.message}", deed.user, button)
        before = self._last_press.pop(key, None)
        self._last_press[key] = deed.at
        while len(self._last_press) > MOST_PRESSES:
            del self._last_press[next(iter(self._last_press))]
        return before is not None and deed.at - before < DOUBLE

    async def _tell(self, deed: Deed, sentence: str) -> None:
        told = tr(await self._knowing.language(deed), sentence)
        self._knowing.tell(deed, Reply(f"⚠️ {told}", failed=True))


def _given(line: Line) -> Mapping[str, JsonValue] | None:
    """What was typed, as arguments; None for what cannot be understood or typed, which the core explains."""
    if line.command is None or line.command.target is not None:
        return None
    try:
        return line.command.parse(line.rest, line.people)
    except UsageError:
        return None
