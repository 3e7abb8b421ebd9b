"""Coming to a server and leaving it: a greeting once, and after a while nothing is left of what was said there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.clock import Clock
from bot.errors import DeliveryError, StoreError
from bot.events import Joined, Left, Place
from bot.jobs import Jobs
from bot.platform import Adapter
from bot.replies import Reply
from bot.runner import LocalRunner
from bot.store import Store
from bot.words import say

log = structlog.get_logger(__name__)

CORE = "core"
LEFT = "left workspaces"
GREETED = "greeted"
LOOK_EVERY = timedelta(days=1)
# What was still under way when the bot left does not mean that it is back.
SETTLING = timedelta(minutes=1)
# Between two steps of forgetting, so that everybody else's writes go on.
BREATH = 0.02


class Membership:
    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        runner: LocalRunner,
        jobs: Jobs,
        clock: Clock,
        *,
        greeting: str,
        keep_days: int,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._runner = runner
        self._jobs = jobs
        self._clock = clock
        self._greeting = greeting
        self._keep = timedelta(days=keep_days)

    async def joined(self, event: Joined) -> None:
        """Once for each server, however often the platform tells it. What was to be forgotten stays."""
        place = event.place
        await self._store.delete_state(CORE, LEFT, _key(place))
        known = f"workspace:{_key(place)}"
        if not self._greeting.strip() or await self._store.load_state(CORE, known, GREETED) is not None:
            return
        # Before it is said: rather no greeting than two.
        await self._store.save_state(CORE, known, GREETED, True)
        try:
            await self._adapters[place.platform].send(event.route, Reply(say(self._greeting)))
        except DeliveryError as error:
            log.info("nobody could be greeted", place=str(place), error=repr(error))

    async def left(self, event: Left) -> None:
        """End at once what runs there; forget everything once its time has come, unless the bot comes back."""
        place = event.place
        await self._store.save_state(CORE, LEFT, _key(place), self._clock.now().isoformat())
        await self._store.delete_state(CORE, f"workspace:{_key(place)}", GREETED)

        def belongs(other: Place) -> bool:
            return (other.platform, other.workspace) == (place.platform, place.workspace)

        # Those who wait first: a job that ends would let the next one in.
        await self._runner.drop(belongs)
        await self._jobs.drop(belongs)
        await self._store.drop_running(place.platform, place.workspace)
        if not self._keep:
            await self._forget_those_left()

    async def watch(self) -> None:
        """Look at the start and every day for servers whose time has come."""
        while True:
            try:
                await self._forget_those_left()
            except StoreError as error:
                log.warning("servers that were left cannot be forgotten now", error=repr(error))
            await self._clock.sleep(LOOK_EVERY.total_seconds())

    async def _forget_those_left(self) -> None:
        for key, mark in (await self._store.marks(LEFT)).items():
            platform, _, workspace = key.partition(":")
            since = datetime.fromisoformat(str(mark))
            if self._clock.now() - since < self._keep:
                continue
            if await self._store.heard_since(platform, workspace, since + SETTLING):
                log.info("the bot is back where it had left", platform=platform, workspace=workspace)
            else:
                await self._forget(platform, workspace)
            await self._store.delete_state(CORE, LEFT, key)

    async def _forget(self, platform: str, workspace: str) -> None:
        steps = 1
        while await self._store.forget_some(platform, workspace):
            steps += 1
            await self._clock.sleep(BREATH)
        log.info("a server that was left is forgotten", platform=platform, workspace=workspace, steps=steps)


def _key(place: Place) -> str:
    return f"{place.platform}:{place.workspace}"
