"""What a plugin declares; every declaration is checked where it is written."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Literal, TypeAlias, TypedDict, TypeVar, Unpack, overload

from pydantic import BaseModel

from bot.commands import WORD, Command, Commands, Fills, Tool, command_from
from bot.errors import PluginError
from bot.events import Event
from bot.handler import (
    Context,
    Filter,
    Handler,
    Line,
    Listener,
    Models,
    Scope,
    State,
    Taken,
)
from bot.lasting import Job, Paused, Standing
from bot.replies import Reply
from bot.signatures import check_context, hints_of
from bot.talk import Talk
from bot.turn import LanguageModel
from bot.window import Part, WindowReport
from bot.words import BadCatalog, checked

__all__ = [
    "Context",
    "Filter",
    "Group",
    "Handler",
    "Job",
    "Line",
    "Listener",
    "Models",
    "Part",
    "Paused",
    "Plugin",
    "Scope",
    "Standing",
    "State",
    "Taken",
    "Talk",
    "WindowReport",
]

# What a decorator takes is what it gives back, so that a function keeps its own type.
CommandFunction = TypeVar(
    "CommandFunction",
    bound="Callable[Concatenate[Context, ...], Awaitable[str | Reply | None] | AsyncIterator[str]]",
)
ListenerFunction = TypeVar("ListenerFunction", bound="Callable[[Context], Awaitable[Taken | None]]")
Step: TypeAlias = Callable[[Context, State], Awaitable[State | Paused[State] | None]]
Back: TypeAlias = Callable[[Context, State], Awaitable[State | None]]
ButtonFunction = TypeVar("ButtonFunction", bound="Callable[Concatenate[Context, ...], Awaitable[str | Reply | None]]")


class CommandOptions(TypedDict, total=False):
    """`private` answers are seen by the asker alone; `immediate` ones do not wait for the running answer.
    Without arguments, everybody may call one that has `look`, and what one with `overview` says then is shown on a
    page about the bot, where the platform has one.
    `form` is shown where the platform has forms; `fills(ctx)` gives the values that stand in it then. `target` puts the
    command into a message's context menu. `refusal` is told to whoever may not call it, in the place of the usual
    sentence."""

    private: bool
    immediate: bool
    who: Literal["anyone", "moderators"]
    look: bool
    overview: bool
    form: type[BaseModel] | None
    fills: Fills | None
    target: Literal["message"] | None
    refusal: str


@dataclass(frozen=True, slots=True)
class Group:
    """Commands under one first word: `/system show`, `/system set`."""

    plugin: Plugin
    name: str
    description: str

    def command(
        self, name: str | None = None, **options: Unpack[CommandOptions]
    ) -> Callable[[CommandFunction], CommandFunction]:
        """As `Plugin.command`, with the group's name in front."""

        def declare(function: CommandFunction) -> CommandFunction:
            word = called(function).rstrip("_").lower() if name is None else name
            return self.plugin.command(f"{self.name} {word}", **options)(function)

        return declare


class Plugin:
    """A plain object that collects declarations. Declaring checks signatures and raises PluginError;
    nothing runs before it is loaded."""

    def __init__(
        self,
        name: str,
        description: str,
        *,
        settings: type[BaseModel] | None = None,
        order: int = 0,
        lifespan: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None,
        locales: Path | None = None,
    ) -> None:
        """`locales` is a folder of catalogs, one per language: `de.toml`."""
        if not WORD.fullmatch(name):
            raise PluginError(f"A plugin cannot be called `{name}`: use at most 32 lowercase letters, digits, - and _.")
        self.name = name
        self.description = description
        self.settings = settings
        self.order = order
        self.lifespan = lifespan
        self.locales = locales
        self.translations: list[tuple[str, Mapping[str, str]]] = []
        self.commands: list[Command] = []
        self.groups: list[Group] = []
        self.tools: list[Tool] = []
        self.filters: list[Filter] = []
        self.listeners: list[tuple[tuple[type[Event], ...], Listener]] = []
        self.buttons: dict[str, Handler] = {}
        self.waiting: set[str] = set()
        self.jobs: list[Job] = []
        self.models: dict[str, LanguageModel] = {}
        self.seeing: set[str] = set()
        self.provided: list[object] = []

    def command(
        self, name: str | None = None, **options: Unpack[CommandOptions]
    ) -> Callable[[CommandFunction], CommandFunction]:
        """An async function `(ctx, *typed)` returning `str | Reply | None`, or an async generator of text.

        The name is the function's, the description the first line of its docstring.
        """

        def declare(function: CommandFunction) -> CommandFunction:
            command = command_from(function, plugin=self.name, name=name, **options)
            # Built anew so that a clash is found where it is written.
            Commands([*self.commands, command])
            self.commands.append(command)
            return function

        return declare

    def tool(self, name: str | None = None) -> Callable[[CommandFunction], CommandFunction]:
        """The same kind of function, offered to the model; its docstring is the description."""

        def declare(function: CommandFunction) -> CommandFunction:
            where = self._where(function)
            tool = Tool(command_from(function, plugin=self.name, name=name, whole_docstring=True))
            for parameter in tool.command.parameters:
                if parameter.kind in ("user", "attachment"):
                    raise PluginError(f"{where}: a model cannot give a {parameter.kind}, as `{parameter.name}` asks.")
            if any(other.name == tool.name for other in self.tools):
                raise PluginError(f"{where}: the plugin already has a tool `{tool.name}`.")
            self.tools.append(tool)
            return function

        return declare

    def group(self, name: str, description: str = "") -> Group:
        if not WORD.fullmatch(name):
            raise PluginError(
                f"Plugin `{self.name}`: a group cannot be called `{name}`; it must be one lowercase word."
            )
        if any(group.name == name for group in self.groups):
            raise PluginError(f"Plugin `{self.name}`: it already has a group `{name}`.")
        group = Group(self, name, description)
        self.groups.append(group)
        return group

    def filter(self, function: Filter) -> Filter:
        """`async def f(turn, call_next)` yielding pieces: wrapped around every answer."""
        where = self._where(function)
        if not inspect.isasyncgenfunction(function):
            raise PluginError(f"{where}: a filter is an `async def f(turn, call_next)` that yields pieces.")
        self._check_count(function, 2, "(turn: Turn, call_next: LanguageModel)", where)
        self.filters.append(function)
        return function

    def on(self, *kinds: type[Event]) -> Callable[[ListenerFunction], ListenerFunction]:
        """A listener. Its errors are logged and never break a turn; one that takes five minutes is ended."""

        def declare(function: ListenerFunction) -> ListenerFunction:
            where = self._where(function)
            if not kinds or not all(isinstance(kind, type) and issubclass(kind, Event) for kind in kinds):
                raise PluginError(f"{where}: name the events it listens to, for example `@plugin.on(Message)`.")
            self._check_async(function, where)
            self._check_count(function, 1, "(ctx: Context)", where)
            check_context(parameters_in(function), hints_of(function, where), where)
            self.listeners.append((kinds, function))
            return function

        return declare

    def button(self, action: str, *, waits: bool = False) -> Callable[[ButtonFunction], ButtonFunction]:
        """`async (ctx, *args)` for buttons whose action is this; plugins see only their own. Arguments are texts. One
        that `waits` takes its turn after the answer that is being written, as a command does."""

        def declare(function: ButtonFunction) -> ButtonFunction:
            where = self._where(function)
            if not WORD.fullmatch(action):
                raise PluginError(f"{where}: `{action}` cannot be the action of a button; use one lowercase word.")
            if action in self.buttons:
                raise PluginError(f"{where}: the plugin already has a button `{action}`.")
            self._check_async(function, where)
            hints = hints_of(function, where)
            takes = parameters_in(function)
            check_context(takes, hints, where)
            for taken in takes[1:]:
                if hints.get(taken.name, str) is not str or taken.kind in (taken.KEYWORD_ONLY, taken.VAR_KEYWORD):
                    raise PluginError(f"{where}: a button carries texts only, so `{taken.name}` must be a `str`.")
            self.buttons[action] = function
            if waits:
                self.waiting.add(action)
            return function

        return declare

    @overload
    def job(self, function: Step[State]) -> Job: ...

    @overload
    def job(
        self, *, pause: Callable[[State], float] | None = None, back: Back[State] | None = None
    ) -> Callable[[Step[State]], Job]: ...

    def job(
        self,
        function: Step[State] | None = None,
        *,
        pause: Callable[[State], float] | None = None,
        back: Back[State] | None = None,
    ) -> Job | Callable[[Step[State]], Job]:
        """`async (ctx, state: Model) -> Model | Paused | None`; persisted between steps, paused after a crash.

        `pause(state)` is the time in seconds between two steps, in which others may speak. `back(ctx, state)` is called
        once the bot is online again after it died or was stopped in the middle of the job, which is paused now; it may
        return a new state.
        """
        if function is not None:
            return self._job(function, None, None)
        return lambda function: self._job(function, pause, back)

    def _job(self, function: Step[State], pause: Callable[[State], float] | None, back: Back[State] | None) -> Job:
        where = self._where(function)
        self._check_async(function, where)
        self._check_count(function, 2, "(ctx: Context, state: YourModel)", where)
        hints = hints_of(function, where)
        takes = parameters_in(function)
        check_context(takes, hints, where)
        state = hints.get(takes[1].name)
        if not (isinstance(state, type) and issubclass(state, BaseModel)):
            raise PluginError(f"{where}: the state of a job must be a pydantic model: `state: YourModel`.")
        name = called(function)
        if any(job.name == name for job in self.jobs):
            raise PluginError(f"{where}: the plugin already has a job `{name}`.")
        job = Job(name, state, function, pause, back)
        self.jobs.append(job)
        return job

    def model(self, name: str, *, sees: bool = False) -> Callable[[LanguageModel], LanguageModel]:
        """A language model under a provider name of its own. One that `sees` finds pictures in its prompt, with their
        content."""

        def declare(function: LanguageModel) -> LanguageModel:
            where = self._where(function)
            if not WORD.fullmatch(name):
                raise PluginError(f"{where}: a provider cannot be called `{name}`; use one lowercase word.")
            if name in self.models:
                raise PluginError(f"{where}: the plugin already has a model `{name}`.")
            if not callable(function):
                raise PluginError(f"{where}: a model is an `async def f(turn)` that yields pieces.")
            self._check_count(function, 1, "(turn: Turn)", where)
            self.models[name] = function
            if sees:
                self.seeing.add(name)
            return function

        return declare

    def translate(self, language: str, sentences: Mapping[str, str]) -> None:
        """What this plugin says in another language, where a folder of catalogs would be too much."""
        try:
            self.translations.append((language, checked(sentences, language)))
        except BadCatalog as error:
            raise PluginError(f"Plugin `{self.name}`: {error}.") from None

    def provide(self, value: object) -> None:
        """Something of a kind that another plugin asks for, such as a format of transcripts."""
        self.provided.append(value)

    def _where(self, function: object) -> str:
        return f"Plugin `{self.name}`, function `{called(function)}`"

    def _check_async(self, function: Callable[..., Any], where: str) -> None:
        if not inspect.iscoroutinefunction(function):
            raise PluginError(f"{where}: it is not async. Write `async def {called(function)}(…)`.")

    def _check_count(self, function: Callable[..., Any], count: int, takes: str, where: str) -> None:
        """Whether it can be called with that many arguments by position."""
        try:
            inspect.signature(function).bind(*range(count))
        except TypeError:
            raise PluginError(f"{where}: its parameters must be `{takes}`.") from None


def called(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def parameters_in(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())
