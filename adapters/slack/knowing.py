"""Who did something and where, as far as that is known in the little time that Slack gives; and what they are told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from adapters.slack.deeds import Deed
from adapters.slack.people import READING, People
from adapters.slack.places import is_direct
from adapters.slack.sending import Sending
from adapters.slack.workspace import Workspace
from bot.api import DeliveryError, Reply, User

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# What is not known by then is done without: where a form is to be opened, and where an acknowledgement is awaited.
FORM_WITHIN, LOOK_WITHIN = 0.5, 1.5


class Knowing:
    def __init__(self, workspace: Workspace, people: People, sending: Sending) -> None:
        self._workspace = workspace
        self._people = people
        self._sending = sending
        self._tasks: set[asyncio.Future[Any]] = set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def around(self, deed: Deed, others: Sequence[User] = (), text: str = "") -> Deed:
        """Once everything about it is known, or enough was waited."""
        guest, _ = await asyncio.gather(self.soon(self._is_guest(deed), LOOK_WITHIN), self.learn(deed, others, text))
        if team := self._people.known_team(deed.user):
            deed = deed.knowing(team=team)
        return deed.knowing(guest=True) if guest else deed

    async def learn(
        self, deed: Deed, others: Sequence[User] = (), text: str = "", *, within: float = LOOK_WITHIN
    ) -> None:
        """Who they are, and who and what a raw text names."""
        users = [deed.user, *(each.id for each in others)]
        await self.soon(self._people.learn(deed.place.channel, users, [text]), within)

    def person(self, deed: Deed) -> User:
        """Whoever did it, with what they may do there."""
        user = self._people.known_person(deed.user, deed.place, guest=deed.data.get("guest") is True)
        return replace(user, name=deed.name) if user.name == user.id and deed.name else user

    async def language(self, deed: Deed) -> str:
        if not self._people.known_locale(deed.user):
            await self.soon(self._people.locale(deed.user), FORM_WITHIN)
        return self.known_language(deed)

    def known_language(self, deed: Deed) -> str:
        return self._people.known_locale(deed.user)

    def tell(self, deed: Deed, reply: Reply) -> None:
        """To this person alone, beside the acknowledgement."""

        async def tell() -> None:
            try:
                await self._sending.send(deed.route, replace(reply, private=True))
            except DeliveryError as error:
                log.info("somebody could not be told: %s", error)

        self.begin(tell()).add_done_callback(log_failure)

    async def soon(self, work: Awaitable[Result], within: float) -> Result | None:
        """Its result, or None if that takes too long; it goes on beside, so that it is known next time."""
        task = self.begin(work)
        await asyncio.wait({task}, timeout=within)
        if task.done():
            return task.result()
        task.add_done_callback(log_failure)
        return None

    def begin(self, work: Awaitable[Result]) -> asyncio.Future[Result]:
        """It goes on until it is done, or the bot ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _is_guest(self, deed: Deed) -> bool:
        """Whether the bot has no way of its own there: it is no member, or two people talk alone."""
        channel = deed.place.channel
        if is_direct(deed.place):
            own = await self._people.direct(deed.user)
            return bool(own) and own != channel
        if not any(self._workspace.may(scope) for scope in READING):
            return False
        return not (await self._people.channel(channel)).is_member


def log_failure(task: asyncio.Future[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("something that went on beside failed", exc_info=error)
