"""All language models by provider name: one call with retries, healing, deadlines and a line in the ledger."""

from __future__ import annotations

import asyncio
import copy
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal

from pydantic import JsonValue

from bot.clock import Clock, SystemClock
from bot.errors import BadRequest, BotError, ModelError, NoQuota, UnknownModel, WrongKey
from bot.events import Place
from bot.model import Provider, Retry, Timeouts, parameters
from bot.model.healing import Learned, ParameterRefused
from bot.model.here import ModelsHere
from bot.model.ledger import Meter
from bot.model.moderation import Moderates, Verdict
from bot.model.prices import Prices
from bot.model.retry import Pauses
from bot.model.settings import default_model
from bot.model.sight import Load, Looked, blames_pictures, has_pictures, key, looked
from bot.model.wrapped import Wrapped
from bot.pictures import shown_name
from bot.replies import Done, Notice, Piece
from bot.tokens import Tokens
from bot.turn import LanguageModel, ModelChoice, Turn, Usage
from bot.words import phrase, say

log = logging.getLogger(__name__)

Recall = Callable[[str, str], Awaitable[Mapping[str, JsonValue]]]
Remember = Callable[[str, str, Mapping[str, JsonValue]], Awaitable[None]]

EMPTY = phrase(
    "The answer stayed empty: everything that `max_tokens` allows was used for thinking. "
    "Raise it with `/params set max_tokens`, or lower `effort`."
)
NOBODY_CHECKS = phrase("None of my providers can check texts: moderation needs a key of OpenAI.")
OWN_KEY = phrase(
    "The language model does not accept this server's own API key. Whoever looks after this server can give "
    "whoever runs me a new one."
)
OWN_QUOTA = phrase(
    "The account behind this server's own API key has no credit left. Whoever looks after this server can add some."
)
CALIBRATED_CALLS = 5
RECALIBRATED_EVERY = 10


# Pictures that a model did not take, as far as they are remembered.
MOST_UNREADABLE = 1000


@dataclass(slots=True)
class _Model:
    """What is known of one model of one provider, in this process. `unreadable` are pictures that it did not take."""

    learned: Learned
    unreadable: set[str] = field(default_factory=set)
    calls: int = 0
    stored_factor: float = 1.0


class Registry:
    """`stream` is a LanguageModel: it asks the provider that the turn's choice names.

    `recall` and `remember` keep what was learned about models beyond this process; `pictures` reads a stored one.
    """

    def __init__(
        self,
        providers: Iterable[Provider] = (),
        *,
        tokens: Tokens | None = None,
        prices: Prices | None = None,
        recall: Recall | None = None,
        remember: Remember | None = None,
        pictures: Load | None = None,
        retry: Retry | None = None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._providers: dict[str, Provider] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._own: dict[tuple[str, str], str] = {}
        self._models: dict[tuple[str, str], _Model] = {}
        self._tokens = tokens or Tokens()
        self._prices = prices or Prices()
        self._recall = recall
        self._remember = remember
        self._pictures = pictures
        self._retry = retry or Retry()
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()
        for provider in providers:
            self.add(provider)

    def add(self, provider: Provider, *, server: str = "", instead_of: str = "") -> None:
        """With a `server` (`discord:123`) it belongs to that one alone, under the name of the one it replaces there."""
        if server:
            self._own[server, instead_of] = provider.name
        if provider.name in self._providers:
            raise ValueError(f"there are two language model providers named {provider.name!r}")
        self._providers[provider.name] = provider
        self._slots[provider.name] = asyncio.Semaphore(provider.concurrency)

    def add_model(
        self, name: str, model: LanguageModel, *, timeouts: Timeouts | None = None, sees: bool = False
    ) -> None:
        """A plain function as a provider of its own, as plugins bring them."""
        self.add(Wrapped(name, model, timeouts or Timeouts(), sees=sees))

    # Asking.

    async def stream(self, turn: Turn) -> AsyncGenerator[Piece, None]:
        """Raises ModelError. When it does so after a Text, the answer broke off in the middle."""
        choice = self.own(turn.model, turn.place)
        provider = self._provider(choice.provider)
        known = await self._model(choice)
        pauses = Pauses(self._retry, self._chance)
        while True:
            asked, seen = await self._prepared(turn, choice, known)
            meter = Meter(asked, provider, self._tokens, self._prices, self._clock)
            try:
                async with self._slots[provider.name], aclosing(self._call(asked, provider, known, meter)) as pieces:
                    async for piece in pieces:
                        yield piece
                break
            except ParameterRefused as refusal:
                if meter.visible or not await self._heal(choice, known, refusal):
                    raise
            except BadRequest as error:
                if meter.visible or not seen.shown or not blames_pictures(error):
                    raise
                log.info("%s/%s did not take a picture: %s", provider.name, turn.model.model, error)
                if len(known.unreadable) > MOST_UNREADABLE:
                    known.unreadable.clear()  # then some are tried once more
                known.unreadable.update(key(picture) for picture in seen.shown)
            except ModelError as error:
                pause = None if meter.visible else pauses.after(error)
                if pause is None:
                    if choice.provider != turn.model.provider:
                        _tell_server(error)
                    raise
                log.info("model call failed, trying again in %.1f s: %s", pause, error)
                await self._clock.sleep(pause)
            finally:
                meter.close()
        await self._calibrate(asked, choice, known, meter)
        if seen.unseen:
            yield Notice(self._unseen(choice, seen))
        if meter.done.reason == "length" and not meter.said_anything:
            yield Notice(say(EMPTY))
        yield meter.done

    async def _prepared(self, turn: Turn, choice: ModelChoice, known: _Model) -> tuple[Turn, Looked]:
        """The turn as this model takes it: without what it refuses, and with its pictures read."""
        asked = copy.copy(turn)
        asked.model = replace(turn.model, parameters=known.learned.applied(turn.model.parameters))
        if "tools" in known.learned.refused:
            asked.tools = ()
        sees = self.sees(choice)
        seen = await looked(turn.prompt, self._pictures, sees=sees, unreadable=known.unreadable)
        asked.prompt = seen.prompt
        return asked, seen

    def _unseen(self, choice: ModelChoice, seen: Looked) -> str:
        names = ", ".join(shown_name(picture.name) for picture in seen.unseen)
        if self.sees(choice):
            return say("My language model could not open this picture: {names}.", names=names)
        return say("I cannot see pictures with this model: {names}.", names=names)

    async def _call(self, asked: Turn, provider: Provider, known: _Model, meter: Meter) -> AsyncGenerator[Piece, None]:
        """One call without its Done, which the meter keeps."""
        meter.start()
        source = provider.stream(asked, known.learned)
        try:
            async for piece in source:
                meter.see(piece)
                if isinstance(piece, Done):
                    return
                yield piece
        except BotError:
            raise
        except Exception as error:
            raise ModelError(f"{provider.name} raised {type(error).__name__}: {error}") from error
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    async def _heal(self, choice: ModelChoice, known: _Model, refusal: ParameterRefused) -> bool:
        """Whether the call is worth repeating, now that this is known."""
        learned = known.learned.after(refusal)
        if learned is None:
            return False
        known.learned = learned
        log.info("%s/%s refused a parameter: %s", choice.provider, choice.model, refusal)
        await self._keep(choice, learned.to_facts())
        return True

    async def _calibrate(self, turn: Turn, choice: ModelChoice, known: _Model, meter: Meter) -> None:
        """Compare what was counted with what the provider says: at first each time, then now and then."""
        known.calls += 1
        usage = meter.done.usage
        often = known.calls <= CALIBRATED_CALLS or known.calls % RECALIBRATED_EVERY == 0
        if usage is None or usage.estimated or turn.tools or has_pictures(turn.prompt) or not often:
            return
        counted = self._tokens.count_messages(turn.prompt.messages)
        factor = self._tokens.calibrate(choice.provider, choice.model, counted=counted, real=usage.input)
        if abs(factor - known.stored_factor) > 0.02:
            known.stored_factor = factor
            await self._keep(choice, {"calibration": round(factor, 4)})

    async def _keep(self, choice: ModelChoice, facts: Mapping[str, JsonValue]) -> None:
        if self._remember is None:
            return
        try:
            await self._remember(choice.provider, choice.model, facts)
        except BotError as error:
            # An answer must not fail because something about its model could not be written down.
            log.warning("what was learned about %s/%s is not kept: %s", choice.provider, choice.model, error)

    def _provider(self, name: str) -> Provider:
        provider = self._providers.get(name)
        if provider is None:
            known = ", ".join(self.providers) or "–"
            problem = say(
                "There is no language model provider `{name}` (any more). There are: {known}. `/model default` goes "
                "back to the usual one.",
                name=name[:60],
                known=known,
            )
            raise ModelError(f"no provider {name[:60]!r}, only {known}", public=problem)
        return provider

    async def _model(self, choice: ModelChoice) -> _Model:
        key = (choice.provider, choice.model)
        if key not in self._models:
            facts: Mapping[str, JsonValue] = {}
            if self._recall is not None:
                try:
                    facts = await self._recall(*key)
                except BotError as error:
                    log.warning("what was learned about %s/%s cannot be read: %s", *key, error)
            known = self._models.setdefault(key, _Model(Learned.from_facts(facts)))
            factor = facts.get("calibration")
            if isinstance(factor, int | float):
                known.stored_factor = float(factor)
                self._tokens.set_factor(*key, float(factor))
        return self._models[key]

    # Answering questions about models.

    @property
    def providers(self) -> tuple[str, ...]:
        """Those that everybody may ask."""
        return tuple(name for name in self._providers if name not in self._own.values())

    def offered(self, place: Place) -> tuple[str, ...]:
        """The names of those that may be asked at a place."""
        own = [shared for server, shared in self._own if server == server_key(place)]
        return tuple(dict.fromkeys((*own, *self.providers)))

    def at(self, place: Place) -> ModelsHere:
        return ModelsHere(self, place)

    def own(self, choice: ModelChoice, place: Place) -> ModelChoice:
        """The choice with the name of the provider that is really asked: the server's own, where it has one."""
        shared = choice.provider.partition("@")[0]
        return replace(choice, provider=self._own.get((server_key(place), shared), shared))

    def provider(self, name: str) -> Provider:
        """Raises ModelError naming those there are."""
        return self._provider(name)

    def default(self, provider: str) -> str:
        return default_model(provider)

    async def known(self, provider: str) -> tuple[str, ...]:
        return await self._provider(provider).known_models()

    async def recall(self, choice: ModelChoice) -> None:
        """Read what earlier processes learned about this model, so that `refused` can tell it."""
        await self._model(choice)

    def sees(self, choice: ModelChoice) -> bool:
        """Whether pictures are sent to this model: where nothing is known, they are until it refuses one."""
        provider, known = self._providers.get(choice.provider), self._models.get((choice.provider, choice.model))
        told = provider.sees(choice.model) if provider is not None else None
        return told if told is not None else known is None or "images" not in known.learned.refused

    def reasons(self, choice: ModelChoice) -> bool:
        return parameters.reasons(choice.model, choice.parameters)

    def refused(self, choice: ModelChoice) -> Mapping[str, str]:
        known = self._models.get((choice.provider, choice.model))
        provider = self._providers.get(choice.provider)
        told = dict(provider.unsupported(choice)) if provider is not None else {}
        if known is None:
            return told
        fixed = {name: f"only `{value}` is taken" for name, value in known.learned.fixed.items()}
        return {**told, **fixed, **known.learned.refused}

    def mode(self, name: str, choice: ModelChoice) -> Mapping[str, JsonValue]:
        return parameters.mode_parameters(name, reasons=self.reasons(choice))

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return parameters.parameter_names()

    def check_parameter(self, name: str, value: JsonValue) -> JsonValue:
        return parameters.validated(name, value)

    def context_window(self, choice: ModelChoice) -> int | None:
        """Tokens of question and answer together that this model takes; None = unknown."""
        provider = self._providers.get(choice.provider)
        if provider is None:
            return None
        window = provider.context_window(choice.model)
        return window or self._prices.context_window(choice.model, provider.price_list)

    def count(self, text: str) -> int:
        return self._tokens.count(text)

    def cost(self, choice: ModelChoice, usage: Usage) -> Decimal | None:
        provider = self._providers.get(choice.provider)
        if provider is None:
            return None
        return self._prices.of(provider.name, choice.model, usage, price_list=provider.price_list)[0]

    async def moderate(self, text: str, place: Place | None = None) -> Verdict:
        """Asks the first provider that checks texts, a server's own before the others. Raises ModelError."""
        names = self.offered(place) if place is not None else self.providers
        chosen = [self.own(ModelChoice(name, ""), place).provider if place is not None else name for name in names]
        for provider in map(self._provider, chosen):
            if isinstance(provider, Moderates):
                try:
                    return await self._checked(provider, text)
                except UnknownModel as error:
                    log.info("%s checks no texts: %s", provider.name, error)
        raise ModelError("no provider checks texts", public=NOBODY_CHECKS)

    async def _checked(self, provider: Moderates, text: str) -> Verdict:
        # Somebody waits for the answer meanwhile.
        pauses = Pauses(replace(self._retry, attempts=min(self._retry.attempts, 2)), self._chance)
        while True:
            try:
                return await provider.moderate(text)
            except ModelError as error:
                pause = pauses.after(error)
                if pause is None:
                    raise
                await self._clock.sleep(pause)

    async def warm(self, provider: str) -> None:
        await self._provider(provider).warm()

    async def aclose(self) -> None:
        for provider in self._providers.values():
            try:
                await provider.aclose()
            except Exception as error:
                log.warning("%s did not close: %s", provider.name, type(error).__name__)

    async def __aenter__(self) -> Registry:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


def server_key(place: Place) -> str:
    """A place's server as the settings name it."""
    return f"{place.platform}:{place.workspace}".casefold()


def _tell_server(error: ModelError) -> None:
    """Whose key it is decides who can do something about it."""
    if isinstance(error, WrongKey):
        error.public = OWN_KEY
    elif isinstance(error, NoQuota):
        error.public = OWN_QUOTA
