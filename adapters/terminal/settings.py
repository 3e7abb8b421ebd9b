"""What can be set about the terminal; the second half is filled in by `duologue chat` for one run."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.api import Place, PromptMessage


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "duologue"


class TerminalSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("User", description="What the model knows you as.", min_length=1, max_length=80)
    footer: bool = Field(True, description="Tokens, seconds, speed and cost under each answer.")
    code_theme: str = Field("ansi_dark", description="Colours of code, a Pygments style; `ansi_light` for light ones.")
    session: str = Field("", description="A conversation to talk in; empty begins a new one each time.", max_length=200)
    folder: Path = Field(
        default_factory=_data_folder, description="Where typed lines and received files are kept, for you alone."
    )

    greeting: str = Field("", description="The line shown before the first prompt.")
    resume: bool = Field(False, description="Go on with the last conversation.")
    once: str = Field("", description="Answer this one question and leave; `-` takes all of the input as the question.")
    json_lines: bool = Field(False, description="Print the pieces of an answer as JSON, one a line.")
    last: Callable[[], Awaitable[Place | None]] | None = Field(
        None, description="Gives the last conversation in which something was said.", exclude=True
    )
    earlier: Callable[[Place], Awaitable[Sequence[PromptMessage]]] | None = Field(
        None, description="Gives the last messages of a conversation that is gone on with.", exclude=True
    )
    left: Callable[[], Awaitable[bool]] | None = Field(
        None, description="Tells whether something was left in the middle in the last conversation.", exclude=True
    )
    ended: Callable[[bool], None] | None = Field(
        None, description="Told after each question of a pipe or the command line whether it failed.", exclude=True
    )
