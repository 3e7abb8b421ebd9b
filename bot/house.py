"""What the engine shares with the contexts of handlers: the plugins that run, and the parts of itself they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, JsonValue

from bot.commands import Command
from bot.events import AnyEvent, Attachment, Place, User
from bot.handler import Change, Line, Models, Saying
from bot.lasting import Job, Standing
from bot.manners import Manner
from bot.meters import Meters
from bot.own import Own
from bot.plugin import Plugin
from bot.store import Remembered, Store
from bot.talk import Room
from bot.turn import ModelChoice, Prompt
from bot.window import WindowReport

if TYPE_CHECKING:
    from bot.context import EngineContext


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that runs: its settings and what its lifespan yielded. `shared` is what else may be asked for by type:
    filters of all plugins work on one turn."""

    plugin: Plugin
    settings: BaseModel | None = None
    state: Any = None
    shared: tuple[object, ...] = ()


class JobsHere(Protocol):
    """The jobs of all plugins, see `bot.jobs`."""

    async def start(self, context: EngineContext, job: Job, state: BaseModel) -> int: ...

    async def find(self, place: Place, plugin: str, job: Job) -> Standing[Any] | None: ...

    async def change(
        self, place: Place, plugin: str, job: Job, change: Change[Any], *, wake: bool
    ) -> BaseModel | None: ...

    async def pause(self, place: Place, plugin: str, job: Job) -> bool: ...

    async def resume(self, context: EngineContext, job: Job) -> bool: ...

    async def end(self, place: Place, plugin: str, job: Job) -> bool: ...


class Speaking(Protocol):
    """What a context needs of the engine."""

    async def say(self, event: AnyEvent, line: Saying) -> Line: ...

    async def answer_here(self, event: AnyEvent, question: str, attachments: Sequence[Attachment]) -> Line: ...

    async def ask(self, event: AnyEvent, prompt: Prompt, model: ModelChoice | None, *, shown: bool) -> str: ...

    async def interrupt(self, place: Place) -> bool: ...

    async def manner(self, place: Place) -> Manner: ...

    def changed(self, place: Place) -> None: ...

    async def report(self, place: Place) -> WindowReport: ...

    def room(self, choice: ModelChoice, place: Place) -> Room: ...

    def meters(self, place: Place, user: User) -> Meters: ...

    def own(self, place: Place, user: User) -> Own: ...

    def choice(self, settings: Mapping[str, JsonValue], place: Place) -> ModelChoice: ...

    def system_prompt(self, settings: Mapping[str, JsonValue], place: Place) -> str: ...

    def may(self, user: User, command: Command) -> bool: ...

    @property
    def jobs(self) -> JobsHere: ...


class Replaying(Protocol):
    """What is done to answers afterwards, see `bot.exchanges`."""

    async def again(self, event: AnyEvent, answer: Remembered) -> Line: ...

    async def instead(self, event: AnyEvent, question: Remembered, text: str) -> Line: ...

    async def show_variant(self, event: AnyEvent, answer: Remembered, number: int) -> None: ...

    def moving(self, place: Place) -> AbstractAsyncContextManager[None]: ...


class ModelsEverywhere(Protocol):
    """All models, of which every server sees its own part."""

    def at(self, place: Place) -> Models: ...


@dataclass(frozen=True, slots=True)
class House:
    """What the engine shares with the contexts it makes."""

    store: Store
    models: ModelsEverywhere
    speaking: Speaking
    replaying: Replaying
    commands: Sequence[Command]
    provided: Sequence[object] = ()
    zone: tzinfo = UTC
