"""Builds the object graph from the settings: the only place that knows everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

import structlog

from bot.behaviour import Manners
from bot.clock import Clock, SystemClock
from bot.commands import Commands
from bot.composing import Composer
from bot.engine import Engine
from bot.errors import PluginError, StoreError
from bot.events import AnyEvent, Place, Route
from bot.forgetting import Forgetting
from bot.health import Health, HealthServer
from bot.house import Loaded
from bot.jobs import Jobs
from bot.limits import Limits
from bot.loading import load_adapter, load_plugins, not_listed
from bot.membership import Membership
from bot.model import Provider, open_provider
from bot.model.prices import Prices
from bot.model.registry import Registry
from bot.platform import Adapter, HasStatus, StopsHearing, UsesShelf, is_connected
from bot.plugin import Plugin
from bot.recovery import Recovery
from bot.runner import LocalRunner
from bot.settings import Settings
from bot.settings.servers import own_providers
from bot.shelves import AdapterShelf
from bot.store import Claim, Keep, Store
from bot.suggestions import for_adapters
from bot.summarising import Summaries
from bot.tokens import Tokens, default_cache_dir
from bot.turns import Turns
from bot.words import BadCatalog, Languages, read_languages, speaking

log = structlog.get_logger(__name__)

# Seconds that adapters have for themselves at the start.
HEAD_START = 0.2
OWN_DISTRIBUTION = "duologue"


class App:
    """`async with App(settings) as app: await app.run(names)`.

    Everything that is not given is made from the settings: tests give adapters, plugins and providers of their own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        adapters: Sequence[Adapter] = (),
        plugins: Sequence[Plugin] | None = None,
        providers: Sequence[Provider] | None = None,
        tokens: Tokens | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._adapters: dict[str, Adapter] = {adapter.name: adapter for adapter in adapters}
        self._running: dict[str, bool] = {}
        self._plugins = plugins
        self._providers = providers
        self.tokens = tokens or Tokens(default_cache_dir())
        self.store = Store(settings.memory.url, clock=self._clock, keep=_kept(settings))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> App:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.store)
            plugins = self._plugins if self._plugins is not None else self._listed()
            self.registry = await stack.enter_async_context(self._registry(plugins))
            self.languages = await asyncio.to_thread(self._spoken, plugins)
            loaded = [await self._started(plugin, stack) for plugin in plugins]
            self._build(loaded)
            stack.push_async_callback(self._wind_up)
            if self.settings.health.port is not None:
                health = HealthServer(self.settings.health.host, self.settings.health.port, self.health)
                await stack.enter_async_context(health)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _beside(self, slow: Callable[[], Awaitable[object]]) -> None:
        """What is slow and only makes things better; nothing waits for it, and it ends with the app.

        Threads share one interpreter, so the adapters are ready to hear people first.
        """

        async def later() -> None:
            await asyncio.sleep(HEAD_START)
            await slow()

        task = asyncio.create_task(later())

        async def stop() -> None:
            task.cancel()
            await asyncio.wait({task})

        self._stack.push_async_callback(stop)

    async def _warm(self) -> None:
        """Imports and the embedded model take seconds: they begin before the first question does."""
        try:
            await self.registry.warm(self.settings.model.choice.provider)
        except Exception as error:  # the first question will tell whoever asks it
            log.info("language model is not ready yet", error=repr(error))

    def _registry(self, plugins: Sequence[Plugin]) -> Registry:
        model = self.settings.model
        providers = self._providers
        if providers is None:
            providers = [open_provider(each) for each in model.providers()]
        registry = Registry(
            providers,
            tokens=self.tokens,
            prices=Prices(model.own_prices()),
            recall=self.store.learned,
            remember=self.store.learn,
            pictures=self.store.get_blob,
            retry=model.retry,
            clock=self._clock,
        )
        for own in own_providers(self.settings.servers, model):
            registry.add(open_provider(own.settings), server=own.server, instead_of=own.instead_of)
        for plugin in plugins:
            for name, language_model in plugin.models.items():
                if name in registry.providers:
                    raise PluginError(f"Plugin {plugin.name!r} brings a model provider {name!r}, which exists already.")
                registry.add_model(name, language_model, sees=name in plugin.seeing)
        return registry

    async def _started(self, plugin: Plugin, stack: AsyncExitStack) -> Loaded:
        settings = None
        if plugin.settings is not None:
            settings = self.settings.section(f"plugins.{plugin.name}", plugin.settings)
        state = None
        if plugin.lifespan is not None:
            state = await stack.enter_async_context(plugin.lifespan(settings))
        return Loaded(plugin, settings, state)

    def _build(self, loaded: Sequence[Loaded]) -> None:
        """Each needs those before it."""
        settings, clock = self.settings, self._clock
        loaded = sorted(loaded, key=lambda each: each.plugin.order)
        self.commands = Commands(command for each in loaded for command in each.plugin.commands)
        self.runner = LocalRunner(self._perform)
        self.jobs = Jobs(self.store, self.runner, clock)
        composer = Composer(self.store, self.registry, self.tokens, settings, clock)
        manners = Manners(self.store, settings.answers, clock)
        limits = self._limits()
        self.membership = self._membership()
        self.summaries = Summaries(self.store, self.registry, composer, limits, clock, settings.memory)
        self.forgetting = Forgetting(
            self.store, clock, limits.budgets.hold, self._tell, lambda: self.runner.running > 0
        )
        self.turns = self._turns(loaded, composer, limits, manners)
        self.recovery = self._recovery()
        self.engine = Engine(
            self.store,
            self._adapters,
            loaded,
            self.commands,
            self.turns,
            self.runner,
            self.recovery,
            self.turns.exchanges,
            self.languages,
            manners,
            self.membership,
            settings.answers,
            clock,
        )

    def _limits(self) -> Limits:
        return Limits(
            self.store,
            self.settings.limits,
            self._clock,
            self.settings.memory.time_zone,
            self.runner.charge,
            lambda choice, usage, place: self.registry.at(place).cost(choice, usage),
        )

    def _membership(self) -> Membership:
        return Membership(
            self.store,
            self._adapters,
            self.runner,
            self.jobs,
            self._clock,
            greeting=self.settings.answers.greeting,
            keep_days=self.settings.memory.keep_after_leaving,
        )

    def _turns(self, loaded: Sequence[Loaded], composer: Composer, limits: Limits, manners: Manners) -> Turns:
        return Turns(
            self.store,
            self._adapters,
            loaded,
            self.commands,
            self.registry,
            composer,
            self.runner,
            self.jobs,
            self._clock,
            limits,
            manners,
            self.summaries,
            self.forgetting,
            tool_rounds=self.settings.model.tool_rounds,
            who=self.settings.commands.who,
            buttons=self.settings.answers.buttons,
            footer=self.settings.answers.footer,
        )

    def _recovery(self) -> Recovery:
        return Recovery(
            self.store,
            self._adapters,
            self.turns,
            self.runner,
            self._clock,
            resume_age=self.settings.answers.resume_age,
            missed_age=self.settings.answers.missed_age,
        )

    async def _perform(self, event: AnyEvent, claim: Claim) -> None:
        await self.engine.perform(event, claim)

    async def _tell(self, event: AnyEvent) -> None:
        await self.engine.tell(event)

    async def run(self, names: Sequence[str] = ()) -> None:
        """Connect these adapters (and those given) until one of them ends; cancelling it winds everything up."""
        with speaking(self.languages):
            await self._run(names)

    async def _run(self, names: Sequence[str]) -> None:
        for name in names:
            self._adapters[name] = self._create(name)
        await self.jobs.pause_left_behind(self._adapters.keys())
        lasting = []
        for name, adapter in self._adapters.items():
            if isinstance(adapter, UsesShelf):
                adapter.use(AdapterShelf(self.store, name))
            if adapter.capabilities(Route(Place(name, "", ""))).appends:
                await self.recovery.remember_only(name)
            else:
                lasting.append(name)
                await self.recovery.look_back(name)
        choice = self.settings.model.choice
        log.info("starting", platforms=", ".join(self._adapters), model=f"{choice.provider}:{choice.model}".rstrip(":"))
        may = self.settings.commands.who
        offered = for_adapters(self.commands, self.turns.context_of, self.languages, may)
        running = {
            asyncio.create_task(adapter.run(self.engine.handle, offered), name=f"adapter {name}"): name
            for name, adapter in self._adapters.items()
        }
        self._running = dict.fromkeys(self._adapters, True)
        self._beside(self._warm)
        self._beside(self.membership.watch)
        self._beside(self.forgetting.resume)
        self._beside(lambda: self.engine.keep_watch(lasting))
        self._beside(self.tokens.load)
        try:
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                self._running[running[task]] = False
                task.result()
        finally:
            # Answers that are being written still need their platform.
            await self._wind_up()
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    def _listed(self) -> Sequence[Plugin]:
        """Only what the settings list runs: this bot holds secrets."""
        references = self.settings.plugins.enabled
        for found in not_listed(references):
            if found.distribution == OWN_DISTRIBUTION:
                continue  # what comes with the bot is in its documentation
            log.info(
                "plugin is installed but does not run", plugin=found.name, distribution=found.distribution,
                to_run_it=f"add {found.name!r} to plugins.enabled",
            )  # fmt: skip
        return load_plugins(references, Path())

    def _spoken(self, plugins: Sequence[Plugin]) -> Languages:
        """Catalogs are files, so this does not belong on the loop."""
        folders = [plugin.locales for plugin in plugins if plugin.locales is not None]
        given = [translation for plugin in plugins for translation in plugin.translations]
        try:
            return read_languages(folders, given, default=self.settings.answers.language)
        except BadCatalog as error:
            raise PluginError(f"A catalog of sentences is broken: {error}.") from error

    def _create(self, name: str) -> Adapter:
        spec = load_adapter(name, Path())
        try:
            return spec.create(self.settings.section(spec.name, spec.settings))
        except ImportError as error:
            extra = spec.extra or spec.name
            raise PluginError(
                f"{name} needs a package that is not installed ({error.name}). "
                f'Install it with: pip install "duologue[{extra}]"'
            ) from error

    async def _wind_up(self) -> None:
        """Nothing new is begun; running answers get some time, then they are put down to be taken up again."""
        for adapter in self._adapters.values():
            if isinstance(adapter, StopsHearing):
                adapter.stop_hearing()
        self.engine.close()
        await self.jobs.close()
        await self.summaries.close()
        await self.forgetting.close()
        await self.runner.drain(self.settings.answers.shutdown_grace)

    def hurry(self) -> None:
        """Whoever stops the bot does not want to wait: what still runs is put down now, to be taken up again."""
        for task in self.runner.tasks:
            task.cancel()

    async def health(self) -> Health:
        adapters = {name: runs and is_connected(self._adapters[name]) for name, runs in self._running.items()}
        details = {name: one.status for name, one in self._adapters.items() if isinstance(one, HasStatus)}
        try:
            await self.store.ping()
        except StoreError:
            return Health(False, adapters, self.runner.running, details)
        return Health(True, adapters, self.runner.running, details)


def _kept(settings: Settings) -> Keep:
    return Keep(settings.memory.keep_days, settings.memory.keep_summaries)
