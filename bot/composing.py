"""What is asked: the conversation's settings, its memory and the model's limits become one prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import structlog
from pydantic import JsonValue

from bot.clock import Clock
from bot.errors import StoreError
from bot.events import Place
from bot.model.registry import Registry, server_key
from bot.model.settings import default_model
from bot.prompts import Assembled, Frame, Limits, assemble, names_of
from bot.settings import Settings
from bot.settings.servers import ServerSettings, own_choice
from bot.store import Path, Remembered, Store
from bot.talk import Room
from bot.tokens import Tokens
from bot.turn import ModelChoice, Prompt
from bot.window import WindowReport

log = structlog.get_logger(__name__)

# The share of a model's context that is left free, because counts are estimates.
SAFETY = 0.05
# The least that is kept for the answer where the model is small.
LEAST_RESERVE = 256


@dataclass(frozen=True, slots=True)
class Composed:
    """A prompt, who is asked, and what is to be kept of the window."""

    choice: ModelChoice
    assembled: Assembled
    path: Path

    @property
    def prompt(self) -> Prompt:
        return self.assembled.prompt

    @property
    def report(self) -> WindowReport:
        return self.assembled.report


class Composer:
    def __init__(self, store: Store, registry: Registry, tokens: Tokens, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._tokens = tokens
        self._settings = settings
        self.zone = ZoneInfo(settings.memory.time_zone)
        self._clock = clock

    async def count(self, text: str) -> int:
        return await self._tokens.measure(text)

    def choice(self, settings: Mapping[str, JsonValue], place: Place) -> ModelChoice:
        """The conversation's own choice over its server's over the default one; its own parameters over its mode's."""
        default, server = self._settings.model.choice, self._server(place)
        if server is not None:
            default = own_choice(server, default)
        provider = _text(settings.get("provider")) or default.provider
        usual = default.model if provider == default.provider else default_model(provider)
        model = _text(settings.get("model")) or usual
        base = ModelChoice(provider, model, default.parameters if provider == default.provider else {})
        mode, own = _text(settings.get("mode")), settings.get("parameters")
        parameters = dict(base.parameters)
        own = own if isinstance(own, Mapping) else {}
        if mode:
            told = replace(base, parameters={**parameters, **own})
            parameters.update(self._registry.mode(mode, told))
        return replace(base, parameters={**parameters, **own})

    def system_prompt(self, settings: Mapping[str, JsonValue], place: Place) -> str:
        server = self._server(place)
        of_server = server.system_prompt if server is not None else ""
        return _text(settings.get("system")) or of_server or self._settings.answers.system_prompt

    def _server(self, place: Place) -> ServerSettings | None:
        return self._settings.servers.get(server_key(place)) if self._settings.servers else None

    @property
    def most_tokens(self) -> int:
        """No prompt is made of more of a conversation than this."""
        return self._settings.memory.budget_tokens

    def room(self, choice: ModelChoice, place: Place) -> Room:
        limits = self._limits(choice, place, 1.0)
        return Room(limits.budget - limits.reserve, limits.reserve)

    async def compose(
        self, place: Place, settings: Mapping[str, JsonValue], *, shrink: float = 1.0, until: int | None = None
    ) -> Composed:
        """Of everything that was said, or of what was said `until` a message. Raises UsageError for a mode that no
        longer exists."""
        limits = self._limits(self.choice(settings, place), place, shrink)
        path = await self._store.path(place, max_tokens=limits.budget, until=until)
        return self.compose_from(path, settings, shrink=shrink)

    def compose_from(self, path: Path, settings: Mapping[str, JsonValue], *, shrink: float = 1.0) -> Composed:
        """The same from what was read of the conversation."""
        place = path.conversation.place
        choice = self.choice(settings, place)
        limits = self._limits(choice, place, shrink)
        now, zone = self._clock.now().astimezone(self.zone), self._settings.memory.time_zone
        frame = Frame(self.system_prompt(settings, place), now, zone, _pinned(path.pinned), path.conversation.summary)
        start = path.conversation.window_start
        return Composed(choice, assemble(path.messages, frame, limits, self._tokens.count, start), path)

    async def keep(self, composed: Composed) -> None:
        """Store where the window begins now, if it moved, and counts that were missing: results of tools, and what
        somebody edited. If that fails, it is worked out again for the next question."""
        window, path = composed.assembled.window, composed.path
        try:
            if window.moved:
                await self._store.set_window_start(path.conversation.branch, window.start)
            await self._store.set_tokens(
                {row.id: await self.count(row.text) for row in path.messages if row.tokens is None}
            )
        except StoreError as error:
            log.warning("window could not be kept", error=repr(error))

    def _limits(self, choice: ModelChoice, place: Place, shrink: float) -> Limits:
        choice = self._registry.own(choice, place)
        memory = self._settings.memory
        budget = memory.budget_tokens
        longest = choice.parameters.get("max_tokens")
        reserve = longest if isinstance(longest, int) else memory.reserve_tokens
        # Our counts in this model's own tokens.
        factor = max(self._tokens.factor(choice.provider, choice.model), 0.1)
        context = self._registry.context_window(choice)
        if context is not None:
            budget = min(budget, int(context * (1 - SAFETY) / factor))
        budget = max(int(budget * shrink), 512)
        reserve = max(min(reserve, budget // 3), min(LEAST_RESERVE, budget // 3))
        sees = self._registry.sees(choice)
        return Limits(budget, reserve, memory.high_water, memory.low_water, sees, memory.most_messages)


def _pinned(rows: Sequence[Remembered]) -> tuple[str, ...]:
    names = names_of(rows)
    return tuple(f"{names.get(row.author_id or '', row.speaker or 'You')}: {row.text}" for row in rows)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
