"""`duologue chat`: the bot with the terminal as its only platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.app import App
from bot.events import Place
from bot.loading import load_adapter
from bot.settings import Settings
from bot.turn import PromptMessage

RECALLED_TOKENS = 1000
LEAVING = "/help lists what else there is; Ctrl-D leaves."
SMALL_MODEL = (
    "A small language model on this machine answers: free and private, but not clever.\n"
    f"For a better one put OPENAI_API_KEY=… into .env. {LEAVING}"
)


@dataclass(slots=True)
class Outcome:
    """Whether the last question failed, of those that came from a pipe or the command line; None before the first."""

    failed: bool | None = None

    def tell(self, failed: bool) -> None:
        self.failed = failed


def chat_app(settings: Settings, outcome: Outcome) -> App:
    """The terminal learns for this run who answers, and what was said before; it tells how the questions ended."""
    spec = load_adapter("terminal", Path())
    section = settings.section(spec.name, spec.settings)

    async def earlier(place: Place) -> Sequence[PromptMessage]:
        path = await app.store.path(place, max_tokens=RECALLED_TOKENS)
        return [
            PromptMessage(each.role, each.text, name=each.author if each.role == "user" else each.speaker)
            for each in path.messages
        ]

    async def last() -> Place | None:
        return await app.store.last_place("terminal")

    async def left() -> bool:
        place = await last()
        return place is not None and await app.store.has_left_jobs(place)

    added = {
        "greeting": getattr(section, "greeting", "") or greeting(settings),
        "last": last,
        "earlier": earlier,
        "left": left,
        "ended": outcome.tell,
    }
    adapter = spec.create(
        section.model_copy(update={name: value for name, value in added.items() if name in spec.settings.model_fields})
    )
    # The port belongs to `duologue run`, which may run beside this.
    unwatched = settings.model_copy(update={"health": settings.health.model_copy(update={"port": None})})
    app = App(unwatched, adapters=[adapter])
    return app


def greeting(settings: Settings) -> str:
    choice = settings.model.choice
    if settings.model.is_small:
        return SMALL_MODEL
    return f"{choice.model or choice.provider} answers. {LEAVING}"
