"""The meter of one model call: what was said, when, with how many tokens and for how much."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.clock import Clock
from bot.model.prices import Prices
from bot.replies import Done, Notice, Piece, Text, ToolStart
from bot.tokens import Tokens
from bot.turn import ModelCall, Turn, Usage

if TYPE_CHECKING:
    from bot.model import Provider


class Meter:
    """Closing it adds the call to the turn's ledger, also when the call was stopped or broke, if it made tokens."""

    def __init__(self, turn: Turn, provider: Provider, tokens: Tokens, prices: Prices, clock: Clock) -> None:
        self._turn = turn
        self._provider = provider
        self._tokens = tokens
        self._prices = prices
        self._clock = clock
        self._began: float | None = None
        self._first: float | None = None
        self._output: list[str] = []
        self._closed = False
        self._prompt = turn.prompt
        self.visible = False
        self.said_anything = False
        self.done = Done("truncated")

    def start(self) -> None:
        """The request goes out now; waiting for a free slot is not the model's time."""
        self._began = self._clock.monotonic()

    def see(self, piece: Piece) -> None:
        match piece:
            case Text(text=text) if text:
                self._note(text)
                self.said_anything = True
            case ToolStart(name=name, arguments=arguments):
                self._note(name + arguments)
                self.said_anything = True
            case Notice():
                self.visible = True
            case Done():
                self.done = piece

    def _note(self, text: str) -> None:
        if self._first is None:
            self._first = self._clock.monotonic()
        self.visible = True
        self._output.append(text)

    def close(self) -> None:
        if self._closed or self._began is None or (not self._output and self.done.usage is None):
            self._complete_done(None)
            return
        self._closed = True
        usage = self.done.usage or self._estimated()
        choice = self._turn.model
        cost, prices = self._prices.of(choice.provider, choice.model, usage, price_list=self._provider.price_list)
        call = ModelCall(
            provider=choice.provider,
            model=choice.model,
            usage=usage,
            cost=cost,
            prices=prices,
            seconds=self._clock.monotonic() - self._began,
            first_token=self._first - self._began if self._first is not None else None,
            feature=self._turn.feature,
        )
        self._turn.calls.append(call)
        self._complete_done(call)

    def _complete_done(self, call: ModelCall | None) -> None:
        model = self.done.model or self._turn.model.model
        if call is None:
            self.done = replace(self.done, model=model)
        else:
            self.done = replace(self.done, model=model, usage=call.usage, cost=call.cost)

    def _estimated(self) -> Usage:
        choice = self._turn.model
        counted = self._tokens.count_messages(self._prompt.messages)
        return Usage(
            input=self._tokens.calibrated(counted, choice.provider, choice.model),
            output=max(self._tokens.count("".join(self._output)), 1),
            estimated=True,
        )
