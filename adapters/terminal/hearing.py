"""What somebody typed as events of the conversation, with the files that they named."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from adapters.terminal.files import Dropped, Unusable, as_argument, given_to, named_in
from adapters.terminal.lines import Called, Said
from bot.api import (
    Attachment,
    Clock,
    Command,
    CommandCall,
    Message,
    Place,
    Posted,
    Route,
    UsageError,
    User,
    say,
)

# Messages whose files a command may still mean.
MOST_DROPS = 20


class Hearing:
    """Each event's route carries the id of its exchange."""

    def __init__(self, user: User, place: Place, clock: Clock) -> None:
        self.place = place
        self.commands: Sequence[Command] = ()
        self._user = user
        self._clock = clock
        self._files = Dropped()
        self._drops: deque[Message] = deque(maxlen=MOST_DROPS)

    async def with_files(self, meant: Said | Called) -> tuple[Message | CommandCall, Sequence[Attachment]]:
        """From a prompt. Raises Unusable where a file that is named cannot be sent."""
        if isinstance(meant, Called):
            return await self._called(meant)
        named = await asyncio.to_thread(named_in, meant.text)
        files = await self._attached(named.files)
        message = self.message(named.text, files)
        if files:
            self._drops.append(message)
        return message, files

    def without_files(self, meant: Said | Called) -> Message | CommandCall:
        """From a pipe: what comes there may be anybody's text, so its paths are just words."""
        return self.message(meant.text) if isinstance(meant, Said) else self.call(meant.command, meant.text)

    async def _called(self, meant: Called) -> tuple[CommandCall, Sequence[Attachment]]:
        command = next((each for each in self.commands if each.name == meant.command), None)
        given = await asyncio.to_thread(given_to, command, meant.text) if command is not None else None
        if command is None or given is None or not given.files:
            return self.call(meant.command, meant.text), ()
        call = self.call(meant.command, given.text)
        try:
            arguments = command.parse(given.text, call.mentions)
        except UsageError:
            return call, ()  # it is parsed again, and then somebody is told what is wrong
        files = await self._attached([*given.files.values()])
        attached = {name: as_argument(file) for name, file in zip(given.files, files, strict=True)}
        return replace(call, text=None, arguments={**arguments, **attached}), files

    async def _attached(self, paths: Sequence[Path]) -> tuple[Attachment, ...]:
        try:
            return tuple([await asyncio.to_thread(self._files.attach, path) for path in paths])
        except OSError as error:
            raise Unusable(say("The file could not be opened, so nothing was sent.")) from error

    def message(self, text: str, files: tuple[Attachment, ...] = ()) -> Message:
        id = uuid4().hex
        return Message(
            id=id,
            user=self._user,
            route=self._route(id),
            at=self._clock.now(),
            text=text,
            addressed=True,
            attachments=files,
        )

    def call(self, command: str, text: str) -> CommandCall:
        id = uuid4().hex
        return CommandCall(
            id=id,
            user=self._user,
            route=self._route(id),
            at=self._clock.now(),
            command=command,
            text=text,
            mentions=(self._user,),  # whoever is named in a terminal is the one who sits there
        )

    def _route(self, exchange: str) -> Route:
        return Route(self.place, {"exchange": exchange})

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        return await asyncio.to_thread(self._files.read, attachment, max_bytes)

    def history(self, place: Place, limit: int) -> tuple[Posted, ...]:
        """A terminal keeps no words; only the files that were dropped lately can be found again."""
        found = [each for each in self._drops if each.place == place]
        return tuple(Posted(each.id, each.user, "", each.at, own=False, event=each) for each in found[-limit:])
