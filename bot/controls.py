"""The buttons under answers: which stand there when, and where they stand now."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from bot.events import Place
from bot.replies import Button, Look, Reason, SentId
from bot.words import say

# No plugin can have actions of such names.
STOP, AGAIN, VARIANT, CONTINUE, FORGET = "+stop", "+again", "+variant", "+continue", "+forget"
FEEDBACK = "+feedback"
# An answer that ended so can be gone on with.
CUT: frozenset[Reason] = frozenset({"length", "truncated", "stopped", "failed"})
# Places of which it is known where their last buttons stand.
_MOST_PLACES = 2000


@dataclass(frozen=True, slots=True)
class Below:
    """What the buttons under one answer depend on. `question` is the remembered one, `asker` the user id of whoever
    asked it; `shown` counts from one. `edited` says that the question is no longer the one that was answered,
    `feedback` that people may say what they think of the answer."""

    question: int
    asker: str
    reason: Reason = "stop"
    said: bool = True
    shown: int = 1
    variants: int = 1
    edited: bool = False
    feedback: bool = False

    @property
    def while_writing(self) -> tuple[Button, ...]:
        return (self._button(STOP, say("⏹ Stop")),)

    @property
    def afterwards(self) -> tuple[Button, ...]:
        question = str(self.question)
        buttons = []
        if self.said and self.reason in CUT:
            buttons.append(self._button(CONTINUE, say("⏩ Continue"), question, look="primary"))
        if self.edited:
            buttons.append(self._button(AGAIN, say("🔄 Answer the new question"), question, look="primary"))
        else:
            buttons.append(self._button(AGAIN, say("🔄 Again"), question))
        if self.variants > 1:
            buttons += self._turning()
        if self.said:
            buttons.append(self._button(FORGET, say("🗑 Forget"), question))
        if self.said and self.feedback:
            buttons.append(Button(FEEDBACK, say("👍 Good answer"), ("good",), who="anyone", look="good"))
            buttons.append(Button(FEEDBACK, say("👎 Bad answer"), ("bad",), who="anyone", look="bad"))
        return tuple(buttons)

    def _turning(self) -> list[Button]:
        label = f"{self.shown}/{self.variants}"
        return [
            self._button(VARIANT, "◀", str(self.shown - 1), enabled=self.shown > 1),
            Button("+shown", label, who="anyone", enabled=False),
            self._button(VARIANT, "▶", str(self.shown + 1), enabled=self.shown < self.variants),
        ]

    def _button(self, action: str, label: str, *args: str, look: Look = "plain", enabled: bool = True) -> Button:
        return Button(action, label, args, look=look, enabled=enabled, asker=self.asker)


@dataclass(frozen=True, slots=True)
class Standing:
    """Buttons that people see: below which message, and what they depend on."""

    sent: SentId
    below: Below


class LastButtons:
    """Where the buttons of each place's newest answer stand, as far as this process put them there."""

    def __init__(self) -> None:
        self._standing: OrderedDict[Place, Standing] = OrderedDict()

    def put(self, place: Place, standing: Standing) -> None:
        self._standing[place] = standing
        self._standing.move_to_end(place)
        if len(self._standing) > _MOST_PLACES:
            self._standing.popitem(last=False)

    def find(self, place: Place) -> Standing | None:
        return self._standing.get(place)

    def take(self, place: Place) -> Standing | None:
        return self._standing.pop(place, None)
