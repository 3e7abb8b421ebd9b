"""Jobs: persisted state machines of plugins, one step at a time under their conversation's turn lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from pydantic import BaseModel

from bot.context import EngineContext
from bot.errors import BotError
from bot.events import Place
from bot.plugin import Job
from bot.replies import Reply
from bot.runner import LocalRunner
from bot.store import Store
from bot.words import phrase, say

log = structlog.get_logger(__name__)


class Jobs:
    """A job that was running when the process died comes back paused: whoever owns it decides how to go on."""

    def __init__(self, store: Store, runner: LocalRunner) -> None:
        self._store = store
        self._runner = runner
        self._running: dict[tuple[Place, str, str], asyncio.Task[None]] = {}
        self._starting: set[tuple[Place, str, str]] = set()

    async def pause_left_behind(self) -> None:
        for id, plugin, name, route, state, _ in await self._store.jobs(status="running"):
            if (route.place, plugin, name) not in self._running:
                await self._store.save_job(plugin, name, route, state, status="paused", id=id)

    async def start(self, context: EngineContext, job: Job, state: BaseModel) -> int:
        """Raises BotError when the job already runs here."""
        key = (context.place, context.plugin, job.name)
        if key in self._running or key in self._starting:
            raise BotError(
                f"job {job.name} runs already", public=phrase("That is already running here. Stop it first.")
            )
        self._starting.add(key)
        try:
            id = await self._save(context, job, state, "running", None)
            task = asyncio.create_task(self._run(context, job, state, id))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        finally:
            self._starting.discard(key)
        return id

    async def end(self, place: Place, plugin: str, job: Job) -> bool:
        task = self._running.get((place, plugin, job.name))
        if task is None:
            return False
        task.cancel()
        return True

    async def close(self) -> None:
        """Pause everything; each step that runs is interrupted."""
        await self.drop(lambda place: True)

    async def drop(self, belongs: Callable[[Place], bool]) -> None:
        """Pause what runs in some places."""
        tasks = [task for (place, _, _), task in self._running.items() if belongs(place)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, context: EngineContext, job: Job, state: BaseModel, id: int) -> None:
        now: BaseModel | None = state
        last = state
        try:
            while now is not None:
                last = now
                async with self._runner.turn(context.place, context.user.id):
                    now = await job.step(context, now)
                await self._save(context, job, now or last, "running" if now else "done", id)
        except asyncio.CancelledError:
            await self._save(context, job, last, "paused", id)
            raise
        except Exception as error:
            log.warning("job failed", job=job.name, error=repr(error), exc_info=not isinstance(error, BotError))
            await self._save(context, job, last, "paused", id)
            public = error.public if isinstance(error, BotError) else BotError.default_public
            await self._tell(context, public)

    async def _save(self, context: EngineContext, job: Job, state: BaseModel, status: str, id: int | None) -> int:
        return await self._store.save_job(
            context.plugin, job.name, context.event.route, state.model_dump(mode="json"), status=status, id=id
        )

    async def _tell(self, context: EngineContext, public: str) -> None:
        try:
            await context.send(Reply(f"⚠️ {say(public)}"))
        except BotError as error:
            log.error("error could not be shown", error=repr(error))
