"""What people think of answers: one opinion of each person, kept beside the place."""

from __future__ import annotations

from dataclasses import dataclass

from bot.events import Place
from bot.store import Store

_CORE, _KEY = "core", "feedback"


@dataclass(frozen=True, slots=True)
class Feedback:
    good: int = 0
    bad: int = 0


async def rate(store: Store, place: Place, answer: int, user: str, *, good: bool) -> None:
    """Whoever changes their mind is heard."""
    await store.save_state(_CORE, _scope(place), f"{_KEY} {answer} {user}", "good" if good else "bad")


async def feedback_in(store: Store, place: Place) -> Feedback:
    marks = await store.marks(_scope(place))
    given = [value for key, value in marks.items() if key.startswith(f"{_KEY} ")]
    return Feedback(given.count("good"), given.count("bad"))


def _scope(place: Place) -> str:
    """Where also a plugin's state of a place is kept, so that both are forgotten together."""
    return f"place:{place}"
