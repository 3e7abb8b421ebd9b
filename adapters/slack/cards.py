"""The tools of an answer as cards: which of them people should be told of, and what they know already."""

from __future__ import annotations

from dataclasses import replace

from adapters.slack.streams import Card, CardState
from bot.api import Clock, ToolEnd, ToolStart, clip

# A tool that is quicker than this is not worth a line.
TOOL_PATIENCE = 0.7
_MAX_TITLE = 100


class Cards:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cards: dict[str, Card] = {}
        self._begun: dict[str, float] = {}
        self._known: dict[str, Card] = {}
        self._ended: dict[str, CardState] = {}

    def begin(self, tool: ToolStart) -> None:
        self._cards[tool.id] = Card(tool.id, clip(tool.name, _MAX_TITLE), "in_progress")
        self._begun[tool.id] = self._clock.monotonic()

    def end(self, tool: ToolEnd) -> None:
        self._ended[tool.id] = "error" if tool.failed else "complete"
        if tool.id in self._known:
            self._cards[tool.id] = replace(self._known[tool.id], state=self._ended[tool.id])
        else:
            self._cards.pop(tool.id, None)

    def due(self, now: float) -> tuple[Card, ...]:
        """Those that are worth telling and not known to look like this."""
        return tuple(
            card
            for id, card in self._cards.items()
            if self._known.get(id) != card and (id in self._known or now > self._begun[id] + 0.99 * TOOL_PATIENCE)
        )

    def told(self, cards: tuple[Card, ...]) -> None:
        for card in cards:
            self._known[card.id] = card
            if card.id not in self._cards:
                # It ended while people were being told that it works.
                self._cards[card.id] = replace(card, state=self._ended.get(card.id, card.state))

    def left(self, *, failed: bool = False) -> tuple[Card, ...]:
        """What a message that ends still has to say of them: none is left at work."""
        ended = [
            card if card.state != "in_progress" else replace(card, state="error" if failed else "complete")
            for id, card in self._cards.items()
            if id in self._known
        ]
        changed = tuple(card for card in ended if self._known[card.id] != card)
        self._cards.update((card.id, card) for card in changed)
        self.told(changed)
        return changed
