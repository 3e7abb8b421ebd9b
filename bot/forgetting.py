"""Forgetting a person: in small steps beside everything else, taken up again after a stop or a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog

from bot.beside import Beside
from bot.clock import Clock
from bot.errors import StoreError
from bot.events import PersonForgotten, Place, Route, User
from bot.own import Forgotten, OwnMessage, OwnState
from bot.store import Store

log = structlog.get_logger(__name__)

# Between two steps, so that everybody else's writes go on.
BREATH = 0.02
# The file is written anew when nobody is being answered, or after so many seconds at the latest.
QUIET_SECONDS, LOOK_EVERY = 120.0, 1.0
# After the disk was full or the file locked.
AGAIN_SECONDS = 60.0

Key = tuple[str, str]


class Forgetting:
    """`hold` keeps a person's budgets as they are, which they could otherwise begin anew; `tell` is told of each place
    where something is gone; `busy` says whether anybody is being answered."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        hold: Callable[[Place, User], Awaitable[None]],
        tell: Callable[[PersonForgotten], Awaitable[object]],
        busy: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._hold = hold
        self._tell = tell
        self._busy = busy
        self._beside = Beside[Key]()
        self._gone: dict[Key, asyncio.Future[Forgotten]] = {}

    async def forget(self, place: Place, user: User) -> asyncio.Future[Forgotten]:
        """It will be done, whatever happens; the future says when the tables hold nothing any more."""
        await self._hold(place, user)
        await self._store.persons.begin(place.platform, user.id)
        return self._start((place.platform, user.id))

    async def resume(self) -> None:
        """What an earlier process left."""
        try:
            for key in await self._store.persons.begun():
                self._start(key)
        except StoreError as error:
            log.warning("whom to forget cannot be read", error=repr(error))

    async def idle(self) -> None:
        await self._beside.idle()

    async def close(self) -> None:
        """What is not done is done after the next start."""
        await self._beside.close()

    def _start(self, key: Key) -> asyncio.Future[Forgotten]:
        if key not in self._beside:
            self._gone[key] = asyncio.get_running_loop().create_future()
            self._beside.start(key, self._work(*key)).add_done_callback(lambda _: self._end(key))
        return self._gone[key]

    def _end(self, key: Key) -> None:
        gone = self._gone.pop(key)
        if not gone.done():
            gone.cancel()

    async def _work(self, platform: str, user: str) -> None:
        while True:
            try:
                await self._forget(platform, user)
            except StoreError as error:
                log.warning("somebody cannot be forgotten now, trying again", error=repr(error))
                await self._clock.sleep(AGAIN_SECONDS)
            else:
                return

    async def _forget(self, platform: str, user: str) -> None:
        persons = self._store.persons
        while (done := await persons.forget_some(platform, user)) is not None and not done.gone:
            await self._clock.sleep(BREATH)
        if done is None:
            return
        for place, staged in await persons.places(done.places, platform, user):
            await self._tell(
                PersonForgotten(
                    id=uuid4().hex, user=User(user, ""), route=Route(place), at=self._clock.now(), staged=staged
                )
            )
        gone = self._gone[platform, user]
        if not gone.done():
            gone.set_result(Forgotten(done.messages, len(done.places)))
        await self._wait_for_quiet()
        await persons.forget_late(platform, user)
        await persons.compact()
        if not await persons.ended(platform, user):
            # They asked again meanwhile, and may have written more.
            await self._forget(platform, user)
            return
        # The mark itself bore their id.
        await persons.empty_log()
        log.info("somebody was forgotten", platform=platform, messages=done.messages, places=len(done.places))

    async def _wait_for_quiet(self) -> None:
        waited = 0.0
        while self._busy() and waited < QUIET_SECONDS:
            await self._clock.sleep(LOOK_EVERY)
            waited += LOOK_EVERY


@dataclass(frozen=True, slots=True)
class OwnHere:
    """What is kept about somebody, as plugins see it."""

    store: Store
    forgetting: Forgetting
    place: Place
    user: User

    def messages(self) -> AsyncIterator[Sequence[OwnMessage]]:
        return self.store.persons.messages(self.place.platform, self.user.id)

    async def states(self) -> Sequence[OwnState]:
        return await self.store.persons.states(self.place.platform, self.user.id)

    async def is_going(self) -> bool:
        return (self.place.platform, self.user.id) in await self.store.persons.begun()

    async def forget(self, *, wait: float = 10.0) -> Forgotten | None:
        gone = await self.forgetting.forget(self.place, self.user)
        await asyncio.wait([gone], timeout=wait)
        return gone.result() if gone.done() and not gone.cancelled() else None
