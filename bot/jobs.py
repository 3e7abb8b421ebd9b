"""Jobs: persisted state machines of plugins, one step at a time under their conversation's turn lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import structlog
from pydantic import BaseModel, ValidationError

from bot.clock import Clock
from bot.context import EngineContext
from bot.errors import BotError
from bot.events import Place, Route
from bot.handler import Change
from bot.lasting import Job, Paused, Standing
from bot.left_jobs import Key, LeftJobs, MakeContext
from bot.replies import Reply
from bot.runner import LocalRunner
from bot.store import Store
from bot.words import phrase, say

log = structlog.get_logger(__name__)

# What was `left` is paused, only that nobody was told yet.
Status: TypeAlias = Literal["running", "paused", "left", "done"]

# Seconds that a step has to end after it was told that its job is over.
PATIENCE = 10.0


@dataclass(slots=True)
class _Run:
    """A job that runs. `changes` were made during a step and are made to what comes out of it. `ends` is what becomes
    of it after this step, None = it goes on. What is `detached` was ended from outside, between two steps; what was
    `resumed` during a step does not pause after it, and `hurried` does not rest. `without` is what the state would be
    if the step had not been: what people were told that they changed must outlive a process that dies in the step."""

    id: int
    job: Job
    context: EngineContext
    state: BaseModel
    task: asyncio.Task[None] | None = None
    saving: asyncio.Future[int] | None = None
    stepping: bool = False
    changes: list[Change[Any]] = field(default_factory=list)
    without: BaseModel | None = None
    ends: Status | None = None
    detached: bool = False
    resumed: bool = False
    hurried: bool = False
    awake: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """A job that was running when the process died comes back paused: whoever owns it decides how to go on."""

    def __init__(self, store: Store, runner: LocalRunner, clock: Clock) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock
        self._running: dict[Key, _Run] = {}
        self._starting: dict[Key, asyncio.Event] = {}
        self._left = LeftJobs(store, runner, clock, self._is_busy)
        self._closing = False

    # What an earlier process left.

    async def pause_left_behind(self, platforms: Collection[str]) -> None:
        """On these platforms, what no process that lives runs."""
        await self._left.note(platforms)

    async def tell_back(self, platform: str, make_context: MakeContext, *, place: Place | None = None) -> None:
        """Let those who left a job behind in this place, or in all of this platform, say so, now that it can be
        reached."""
        await self._left.tell(platform, make_context, place)

    def _is_busy(self, key: Key) -> bool:
        return key in self._running or key in self._starting

    # What plugins do with their jobs.

    async def start(self, context: EngineContext, job: Job, state: BaseModel) -> int:
        """Raises BotError when the job already runs here."""
        return await self._begin(context, job, state, None)

    async def find(self, place: Place, plugin: str, job: Job) -> Standing[Any] | None:
        """The job of that name that runs or is paused here, the newest one."""
        key = (place, plugin, job.name)
        while True:
            run = await self._run_of(key)
            if run is not None:
                return Standing(run.id, _as_changed(run), running=run.ends is None)
            paused = await self._paused(place, plugin, job)
            if not self._is_busy(key):  # else it was resumed meanwhile
                return paused

    async def change(self, place: Place, plugin: str, job: Job, change: Change[Any], *, wake: bool) -> BaseModel | None:
        """What the state is then, None where there is no such job or the change ends it."""
        key = (place, plugin, job.name)
        while True:
            run = await self._run_of(key)
            if run is not None:
                return await self._change_running(key, run, change, wake)
            async with self._left.settling:
                if not self._is_busy(key):
                    return await self._change_paused(place, plugin, job, change)

    async def _change_running(self, key: Key, run: _Run, change: Change[Any], wake: bool) -> BaseModel | None:
        if run.stepping:
            run.changes.append(change)
            run.hurried = run.hurried or wake
            run.without = change(run.without) if run.without is not None else None
            if run.without is not None:
                await self._save(run, "running", state=run.without)
            return run.without
        new: BaseModel | None = change(run.state)
        if new is None:
            run.ends = "done"
            await self._detach(key, run)
            return None
        run.state = new
        await self._save(run, run.ends or "running")
        if wake:
            run.awake.set()
        return new

    async def pause(self, place: Place, plugin: str, job: Job) -> bool:
        """After the step that runs, if one does. False when the job does not run."""
        key = (place, plugin, job.name)
        run = await self._run_of(key)
        if run is None:
            return False
        run.ends = run.ends or "paused"
        if not run.stepping:
            await self._detach(key, run)
        return True

    async def resume(self, context: EngineContext, job: Job) -> bool:
        """False when there is none that is paused here. A step that is about to pause it does not."""
        key = (context.place, context.plugin, job.name)
        run = await self._run_of(key)
        if run is not None and run.stepping and run.ends in (None, "paused"):
            run.ends, run.resumed = None, True
            return True
        if run is not None and run.ends == "paused":
            await self._detach(key, run)
        standing = await self._paused(context.place, context.plugin, job)
        if standing is not None:
            await self._left.told(standing.id)
        async with self._left.settling:
            if self._is_busy(key):
                return standing is not None  # somebody was quicker
            standing = await self._paused(context.place, context.plugin, job)
            if standing is None:
                return False
            await self._begin(context, job, standing.state, standing.id)
            self._left.drop(standing.id)
        return True

    async def end(self, place: Place, plugin: str, job: Job) -> bool:
        """The line that is being said is stopped. False when there is no such job."""
        key = (place, plugin, job.name)
        run = await self._run_of(key)
        if run is None:
            async with self._left.settling:
                if not self._is_busy(key):
                    ended = await self._change_paused(place, plugin, job, lambda state: None, ended=True)
                    return ended is not None
            return await self.end(place, plugin, job)
        run.ends = "done"
        if run.stepping:
            await self._runner.stop(place)
            self._runner.spawn(lambda: self._see_to_end(run))
        else:
            await self._detach(key, run)
        return True

    async def _run_of(self, key: Key) -> _Run | None:
        while (begun := self._starting.get(key)) is not None:
            await begun.wait()
        return self._running.get(key)

    async def _detach(self, key: Key, run: _Run) -> None:
        """End a run between two steps, so that another can begin at once."""
        run.detached = True
        if run.task is not None:
            run.task.cancel()
        if run.saving is not None:
            # Else this may be written before it.
            await asyncio.wait({run.saving})
        await self._save(run, run.ends or "paused")
        self._forget(key, run)

    # Until all end.

    async def close(self) -> None:
        """Interrupt everything: for the next start it is as if the process had died, only that all is saved."""
        self._closing = True
        await self.drop(lambda place: True)

    async def drop(self, belongs: Callable[[Place], bool]) -> None:
        """Pause what runs in some places."""
        tasks = [run.task for (place, _, _), run in self._running.items() if belongs(place) and run.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Running.

    async def _begin(self, context: EngineContext, job: Job, state: BaseModel, id: int | None) -> int:
        key = (context.place, context.plugin, job.name)
        if key in self._running or key in self._starting:
            raise BotError(
                f"job {job.name} runs already", public=phrase("That is already running here. Stop it first.")
            )
        self._starting[key] = begun = asyncio.Event()
        try:
            run = _Run(id or 0, job, context, state)
            run.id = await self._save(run, "running", id=id)
            run.task = asyncio.create_task(self._run(run))
            self._running[key] = run
            run.task.add_done_callback(lambda _: None if run.detached else self._forget(key, run))
        finally:
            del self._starting[key]
            begun.set()
        return run.id

    def _forget(self, key: Key, run: _Run) -> None:
        if self._running.get(key) is run:
            del self._running[key]

    async def _run(self, run: _Run) -> None:
        try:
            while run.ends is None:
                async with self._runner.turn(run.context.place, run.context.user.id):
                    if run.ends is None and not await self._step(run):
                        run.ends = "done"
                if run.ends is None:
                    # While it rests, so that nobody waits for that.
                    run.saving = asyncio.ensure_future(self._save(run, "running"))
                    try:
                        await self._rest(run)
                    finally:
                        await run.saving
            await self._save(run, run.ends)
        except asyncio.CancelledError:
            if not run.detached:
                await self._save(run, run.ends or ("running" if self._closing else "paused"))
            raise
        except Exception as error:
            log.warning("job failed", job=run.job.name, error=repr(error), exc_info=not isinstance(error, BotError))
            await self._save(run, run.ends or "paused")
            public = error.public if isinstance(error, BotError) else BotError.default_public
            await self._tell(run.context, public)

    async def _step(self, run: _Run) -> bool:
        """Whether the job goes on. What was changed meanwhile is changed in what came out."""
        run.stepping, run.resumed, run.without, run.context.stood = True, False, run.state, None
        state: BaseModel | None = None
        try:
            made = await run.job.step(run.context, run.state)
            if isinstance(made, Paused):
                run.ends = run.ends or (None if run.resumed else "paused")
                made = made.state
            state = made
            run.state = state or run.state
        finally:
            run.stepping = False
            changes, run.changes = run.changes, []
            for change in changes:
                changed = change(run.state)
                state = changed if state is not None else None
                run.state = changed or run.state
        return state is not None

    async def _rest(self, run: _Run) -> None:
        """As long as the job wants between two steps, from when people saw the last line of this one; others may speak
        meanwhile."""
        seconds = run.job.pause(run.state) if run.job.pause is not None else 0.0
        if run.context.stood is not None:
            seconds -= self._clock.monotonic() - run.context.stood
        hurried, run.hurried = run.hurried, False
        run.awake.clear()
        if seconds <= 0 or hurried or run.ends is not None:
            return
        waking = asyncio.ensure_future(run.awake.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((waking, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            sleeping.cancel()

    async def _see_to_end(self, run: _Run) -> None:
        """A step that does not heed is cancelled."""
        if run.task is not None:
            await asyncio.wait({run.task}, timeout=PATIENCE)
            run.task.cancel()

    # Paused ones.

    async def _paused(self, place: Place, plugin: str, job: Job) -> Standing[Any] | None:
        kept = await self._kept(place, plugin, job)
        if kept is None:
            return None
        id, _, state, _ = kept
        return Standing(id, state, running=False)

    async def _kept(self, place: Place, plugin: str, job: Job) -> tuple[int, Route, BaseModel, Status] | None:
        """The newest one that does not run and can be read."""
        # In one look, for what was left becomes paused at any moment.
        found = await self._store.jobs(place=place, status=None if self._left.any_at(place) else "paused")
        for id, of, name, route, state, status in reversed(found):
            if (of, name) == (plugin, job.name) and status in ("left", "paused"):
                try:
                    read = job.state.model_validate(state)
                except ValidationError:
                    log.warning("a job was written by another version and cannot be read", job=name, id=id)
                else:
                    return id, route, read, "left" if status == "left" else "paused"
        return None

    async def _change_paused(
        self, place: Place, plugin: str, job: Job, change: Change[Any], *, ended: bool = False
    ) -> BaseModel | None:
        """What the state is then; of one that was `ended`, what it was. Who left it is told all the same."""
        kept = await self._kept(place, plugin, job)
        if kept is None:
            return None
        id, route, state, status = kept
        new: BaseModel | None = change(state)
        self._left.changed(id, change)
        if new is None:
            status = "done"
        dumped = (new or state).model_dump(mode="json")
        await self._store.save_job(plugin, job.name, route, dumped, status=status, id=id)
        if new is None:
            self._left.drop(id)
        return state if ended else new

    # Inside.

    async def _save(self, run: _Run, status: Status, *, id: int | None = -1, state: BaseModel | None = None) -> int:
        return await self._store.save_job(
            run.context.plugin,
            run.job.name,
            run.context.event.route,
            (state or run.state).model_dump(mode="json"),
            status=status,
            id=run.id if id == -1 else id,
        )

    async def _tell(self, context: EngineContext, public: str) -> None:
        try:
            await context.send(Reply(f"⚠️ {say(public)}"))
        except BotError as error:
            log.error("error could not be shown", error=repr(error))


def _as_changed(run: _Run) -> BaseModel:
    """As it will be, from what is known so far."""
    state = run.state
    for change in run.changes:
        state = change(state) or state
    return state
