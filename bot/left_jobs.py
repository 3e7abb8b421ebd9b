"""Jobs that an earlier process died or was stopped with: they are paused, and those who own them are told so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog
from pydantic import BaseModel, ValidationError

from bot.clock import Clock
from bot.context import EngineContext
from bot.errors import BotError
from bot.events import AnyEvent, Message, Place, Route, User
from bot.handler import Change
from bot.lasting import Job
from bot.runner import LocalRunner
from bot.store import Store

log = structlog.get_logger(__name__)

# Where, whose, and which one.
Key: TypeAlias = tuple[Place, str, str]
MakeContext: TypeAlias = Callable[[AnyEvent, str], Awaitable[EngineContext]]


@dataclass(frozen=True, slots=True)
class _Left:
    id: int
    plugin: str
    name: str
    route: Route

    @property
    def place(self) -> Place:
        return self.route.place


@dataclass(frozen=True, slots=True)
class _Telling:
    """Somebody is being told. `changes` were made meanwhile; `over` is set at the end."""

    task: asyncio.Task[Any] | None
    changes: list[Change[Any]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class LeftJobs:
    """`settling` is held while a job that does not run is read and written."""

    def __init__(self, store: Store, runner: LocalRunner, clock: Clock, is_busy: Callable[[Key], bool]) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock
        self._is_busy = is_busy
        self._left: list[_Left] = []
        self._telling: dict[int, _Telling] = {}
        self.settling = asyncio.Lock()

    async def note(self, platforms: Collection[str]) -> None:
        for id, plugin, name, route, *_ in await self._store.take_left_jobs(platforms):
            self._left.append(_Left(id, plugin, name, route))

    def any_at(self, place: Place) -> bool:
        return any(each.place == place for each in self._left)

    def drop(self, id: int) -> None:
        self._left = [each for each in self._left if each.id != id]

    def changed(self, id: int, change: Change[Any]) -> None:
        """Somebody changed it while its owner looks at what it was."""
        if (telling := self._telling.get(id)) is not None:
            telling.changes.append(change)

    async def told(self, id: int) -> bool:
        """Wait until its owner was told, if that is being done now by somebody else. False where it is not."""
        telling = self._telling.get(id)
        if telling is None or telling.task is asyncio.current_task():
            return False
        await telling.over.wait()
        return True

    async def tell(self, platform: str, make_context: MakeContext, place: Place | None) -> None:
        """No place waits for another one, where an answer may have to be finished first."""
        left = [each for each in self._left if each.place.platform == platform and place in (None, each.place)]
        await asyncio.gather(*(self._tell_in_turn(each, make_context) for each in left))

    async def _tell_in_turn(self, left: _Left, make_context: MakeContext) -> None:
        event = Message(
            id=f"job:{left.id}",
            user=User("", ""),
            route=left.route,
            at=self._clock.now(),
            text="",
            addressed=False,
        )
        try:
            context = await make_context(event, left.plugin)
            job = context.job_named(left.name)
            if job is not None:
                async with self._runner.turn(left.place):
                    await self._tell(context, job, left)
        except (KeyError, ValidationError):
            log.warning("nobody knows a job that was left behind", plugin=left.plugin, job=left.name)
        except BotError as error:
            log.warning("a job that was left behind could not be told", job=left.name, error=repr(error))
        except Exception:
            log.exception("a job that was left behind could not be told", job=left.name)
        finally:
            self.drop(left.id)

    async def _tell(self, context: EngineContext, job: Job, left: _Left) -> None:
        status, kept = await self._now(left)
        key = (left.place, left.plugin, left.name)
        if status != "left" or self._is_busy(key) or left.id in self._telling:
            return  # somebody was quicker
        self._telling[left.id] = telling = _Telling(asyncio.current_task())
        try:
            state = None
            try:
                if job.back is not None:
                    state = await job.back(context, job.state.model_validate(kept))
            except Exception:
                await self._paused(left, telling, None)
                raise
            await self._paused(left, telling, state)
        finally:
            self._telling.pop(left.id, None)
            telling.over.set()

    async def _paused(self, left: _Left, telling: _Telling, state: BaseModel | None) -> None:
        """From here on, unless it was ended or goes on already."""
        async with self.settling:
            status, kept = await self._now(left)
            new = state
            for change in telling.changes:
                new = change(new) if new is not None else None
            del self._telling[left.id]
            if status == "left":
                is_over = state is not None and new is None
                dumped = kept if new is None else new.model_dump(mode="json")
                await self._store.save_job(
                    left.plugin, left.name, left.route, dumped, status="done" if is_over else "paused", id=left.id
                )

    async def _now(self, left: _Left) -> tuple[str, Any]:
        kept = await self._store.jobs(place=left.place)
        return next(((status, state) for id, *_, state, status in kept if id == left.id), ("done", None))
