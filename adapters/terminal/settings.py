"""What can be set about the terminal; the second half is filled in by `duologue chat` for one run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.api import PromptMessage


class TerminalSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("User", description="What the model knows you as.", min_length=1, max_length=80)
    footer: bool = Field(True, description="Tokens, seconds, speed and cost under each answer.")
    code_theme: str = Field("ansi_dark", description="Colours of code, a Pygments style; `ansi_light` for light ones.")
    session: str = Field("default", description="Which conversation to talk in.", min_length=1, max_length=200)
    folder: Path | None = Field(
        None, description="Where typed lines and received files are kept; nothing is kept without it."
    )

    greeting: str = Field("", description="The line shown before the first prompt.")
    once: bool = Field(False, description="All of the input is one message; leave after its answer.")
    json_lines: bool = Field(False, description="Print the pieces of an answer as JSON, one a line.")
    earlier: Callable[[], Awaitable[Sequence[PromptMessage]]] | None = Field(
        None, description="Gives the last messages of a conversation that is taken up again.", exclude=True
    )
